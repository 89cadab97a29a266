# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The libvirt VIF driver of nova 34.0.0 plugs ports with the os-vif of the checkout.

nova translates the ports; :func:`os_vif.negotiation.vif_of` gives the same VIFs.
"""

from __future__ import annotations

import pytest
from oslo_config import cfg

import os_vif
from os_vif import negotiation, objects
from os_vif.serialization import to_document
from os_vif.testing import private_namespaces
from os_vif.testing.host_snapshots import ip
from os_vif.testing.quick_daemons import stop_daemons
from testbed import environments, ovs
from tests.support.negotiation.neutron_cases import PORT_ID, case
from tests.support.nova import nova_host
from tests.support.ovs.vifs import guest_on

pytestmark = pytest.mark.interop

OVS = {"port_filter": True, "bridge_name": "br-int", "datapath_type": "netdev"}
#: Details of Neutron, and the element of libvirt's XML with the device.
WAYS = {
    "port": (OVS, "tap11111111-22"),
    "tap": (OVS | {"ovs_create_tap": True}, "tap11111111-22"),
    "hybrid": (OVS | {"ovs_hybrid_plug": True}, "qbr11111111-22"),
    "trunk": (OVS | {"bridge_name": "tbr-11111111-2"}, "tap11111111-22"),
}


@pytest.fixture(scope="module")
def nova_python(subject):
    """Return the Python with nova."""
    if missing := private_namespaces.missing_right() or ovs.missing_requirement():
        pytest.skip(missing)
    try:
        return nova_host.environment(subject)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def host(nova_python, subject, tmp_path_factory):
    """Provide nova, and a switch in a private namespace for the two os-vif."""
    private_namespaces.hide_state_directory()
    folder = tmp_path_factory.mktemp("host")
    with (
        private_namespaces.private_namespace(),
        ovs.Switch(folder) as switch,
        nova_host.running(nova_python, subject, folder / "nova", switch.connection) as nova,
    ):
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize(reset=True)
        cfg.CONF.set_override("ovsdb_connection", switch.connection, group="os_vif_ovs")
        try:
            yield nova, switch
        finally:
            cfg.CONF.clear_override("ovsdb_connection", group="os_vif_ovs")
            stop_daemons()


def links():
    return {link["ifname"] for link in ip("link")}


@pytest.mark.parametrize("way", WAYS)
def test_nova_plugs_the_vif_of_the_negotiation(host, way):
    """A guest on nova's port pings a guest on our port; nova unplugs the two ports."""
    nova, switch = host
    details, device = WAYS[way]
    before = links(), switch.vsctl("list-ports", "br-int")
    cases = []
    for number in (1, 2):
        made = case(vif_type="ovs", **details)
        made.port |= {
            "id": PORT_ID.replace("1", str(number)),
            "mac_address": f"fa:16:3e:00:00:0{number}",
        }
        made.port["fixed_ips"][0]["ip_address"] = f"10.9.0.{number + 4}"
        cases.append(made)
    vifs = [negotiation.vif_of(*made.arguments()) for made in cases]
    instance = objects.InstanceInfo(uuid=cases[0].port["device_id"], name="guest")
    arguments = [
        dict(zip(("port", "network", "subnets"), m.arguments(), strict=True)) for m in cases
    ]

    plugged = nova.plug(**arguments[0])
    assert to_document(plugged.vif) == to_document(vifs[0])
    assert device in plugged.xml
    os_vif.plug(vifs[1], instance)
    with guest_on(vifs[0], "10.9.0.5/24") as guest, guest_on(vifs[1], "10.9.0.6/24"):
        assert [os_vif.check(vif, instance) for vif in vifs] == [(), ()]
        if way != "trunk":
            guest.ping("10.9.0.6")
    for given in arguments:
        nova.unplug(**given)
    assert (links(), switch.vsctl("list-ports", "br-int")) == before
