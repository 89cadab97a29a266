# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Run the suites of os_vif.testing on the objects that kuryr-kubernetes or zun creates.

python embedder_suites.py {kuryr,zun}

The program runs in an environment of the project, with the os_vif under test on the module path,
and imports no module of this checkout. The translation functions of the project create the
objects. The output is JSON: the path of os_vif, and the results of each suite.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from oslo_config import cfg

import os_vif
from os_vif import objects
from os_vif.objects.versioning import history
from os_vif.testing import back_level, round_trip

PORT = "0a0b0c0d-1111-4222-8333-444455556666"
NETWORK = "99999999-2222-4333-8444-555555555555"
SUBNET = "88888888-2222-4333-8444-555555555555"
MAC = "fa:16:3e:00:00:01"
FIXED_IPS = [{"subnet_id": SUBNET, "ip_address": "10.0.0.5"}]


def network() -> objects.Network:
    """Return the network of a port, as kuryr-kubernetes has the network of a subnet."""
    route = objects.route.Route(cidr="10.1.0.0/16", gateway="10.0.0.254")
    subnet = objects.subnet.Subnet(
        cidr="10.0.0.0/24",
        gateway="10.0.0.1",
        dns=["192.0.2.53"],
        routes=objects.route.RouteList(objects=[route]),
    )
    return objects.network.Network(
        id=NETWORK,
        bridge="br-int",
        label="net",
        mtu=1450,
        subnets=objects.subnet.SubnetList(objects=[subnet]),
    )


def kuryr_objects() -> list[Any]:
    """Return the VIFs of all drivers of kuryr-kubernetes, and the states of two pods."""
    from kuryr_kubernetes import config, os_vif_util
    from kuryr_kubernetes.objects import vif as kuryr_vif
    from openstack.network.v2 import port

    cfg.CONF([], project="kuryr-k8s", default_config_files=[])
    config.CONF.set_override("ovs_bridge", "br-int", group="neutron_defaults")
    subnets = {SUBNET: network()}

    def neutron_port(**details: Any) -> Any:
        return port.Port(
            id=PORT,
            mac_address=MAC,
            network_id=NETWORK,
            status="ACTIVE",
            fixed_ips=FIXED_IPS,
            binding_vif_details={"port_filter": True, **details},
        )

    translate = os_vif_util.neutron_to_osvif_vif
    plain = {"id": PORT, "network_id": NETWORK, "mac_address": MAC, "status": "ACTIVE"}
    vifs = [
        translate("ovs", neutron_port(), subnets),
        translate("ovs", neutron_port(ovs_hybrid_plug=True), subnets),
        os_vif_util.neutron_to_osvif_vif_nested_vlan(neutron_port(), subnets, 7),
        os_vif_util.neutron_to_osvif_vif_nested_macvlan(
            {**plain, "fixed_ips": FIXED_IPS}, subnets
        ),
    ]
    config.CONF.set_override("mount_point", "/var/run/vhost", group="vhostuser")
    vifs.append(translate("vhostuser", neutron_port(vhostuser_socket="/run/vhu0"), subnets))
    ovs, hybrid, vlan, macvlan, vhost = vifs
    return [
        *vifs,
        kuryr_vif.PodState(default_vif=ovs, additional_vifs={"eth1": hybrid, "eth2": vhost}),
        kuryr_vif.PodState(default_vif=vhost, additional_vifs={"eth1": vlan, "eth2": macvlan}),
    ]


def zun_objects() -> list[Any]:
    """Return the VIFs of zun, the state of a container, and an object of zun alone."""
    from zun.conf import CONF
    from zun.network import os_vif_util
    from zun.objects import container
    from zun.objects import vif as zun_vif

    CONF([], project="zun", default_config_files=[])
    subnets = {
        SUBNET: {
            "cidr": "10.0.0.0/24",
            "dns_nameservers": ["192.0.2.53"],
            "host_routes": [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.254"}],
            "gateway_ip": "10.0.0.1",
        }
    }
    neutron_network = {
        "id": NETWORK,
        "name": "net",
        "mtu": 1450,
        "provider:network_type": "vlan",
        "provider:segmentation_id": 7,
    }

    def translate(**details: Any) -> Any:
        neutron_port = {
            "id": PORT,
            "mac_address": MAC,
            "status": "ACTIVE",
            "fixed_ips": FIXED_IPS,
            "binding:vif_details": {"port_filter": True, **details},
        }
        return os_vif_util.neutron_to_osvif_vif("ovs", neutron_port, neutron_network, subnets)

    ovs, hybrid = translate(), translate(ovs_hybrid_plug=True)
    return [
        ovs,
        hybrid,
        zun_vif.VIFState(default_vif=ovs, additional_vifs={"eth1": hybrid}),
        container.Container(uuid=PORT, name="web", image="nginx"),
    ]


def main(project: str) -> None:
    objects.register_all()
    made = {"kuryr": kuryr_objects, "zun": zun_objects}[project]()
    releases = list(history.peers() if project == "kuryr" else history.releases())
    reports = {"round_trip": round_trip(made), "back_level": back_level(made, releases=releases)}
    rows = {
        name: [(r.case, r.check, str(r.verdict), r.reason) for r in report.results]
        for name, report in reports.items()
    }
    sys.stdout.write(json.dumps({"file": os_vif.__file__, **rows}))


if __name__ == "__main__":
    main(sys.argv[1])
