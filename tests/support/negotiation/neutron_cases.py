# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Bound ports of Neutron: each combination of types and details, and each shape of a network.

The order of the cases is part of the recorded answers of nova (``nova_34_0_0.json``).
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from os_vif import negotiation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from os_vif import objects

PORT_ID = "11111111-2222-4333-8444-555555555555"
NETWORK_ID = "aaaaaaaa-2222-4333-8444-555555555555"
SUBNET_ID = "bbbbbbbb-2222-4333-8444-555555555555"
SUBNET6_ID = "cccccccc-2222-4333-8444-555555555555"
PCI_ADDRESS = "0000:03:10.1"

#: ``binding:vnic_type`` of Neutron 29.
VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)
#: VIF types that nova passes to os-vif, with the values of each relevant detail; None for a detail
#: that is missing.
NOVA_DETAILS: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "ovs": {
        "port_filter": (None, True),
        "ovs_hybrid_plug": (None, False, True),
        "ovs_create_tap": (None, True),
        "bridge_name": (None, "br-x"),
        "datapath_type": (None, "", "system", "netdev"),
    },
    "vhostuser": {
        "vhostuser_socket": (None, "/run/vhu1"),
        "vhostuser_mode": (None, "client", "server"),
        "vhostuser_ovs_plug": (None, True),
        "vhostuser_fp_plug": (None, True),
        "vhostuser_vrouter_plug": (None, True),
        "ovs_hybrid_plug": (None, True),
        "bridge_name": (None, "br-x"),
        "datapath_type": (None, "netdev"),
    },
    "agilio_ovs": {
        "vhostuser_socket": (None, "/run/vhu1"),
        "vhostuser_mode": (None, "client"),
        "ovs_hybrid_plug": (None, True),
        "ovs_create_tap": (None, True),
        "bridge_name": (None, "br-x"),
        "datapath_type": (None, "netdev"),
    },
    "vrouter": {
        "vhostuser_socket": (None, "/run/vhu1"),
        "vhostuser_mode": (None, "client"),
        "bridge_name": (None, "br-x"),
        "port_filter": (None, True),
    },
    "ivs": {
        "ovs_hybrid_plug": (None, False, True),
        "bridge_name": (None, "br-x"),
        "port_filter": (None, True),
    },
}
#: VNIC types of Open vSwitch in user space; with other types nova 34.0.0 gives the same VIF.
_VHOST_USER_VNIC_TYPES = ("normal", "direct", "virtio-forwarder", "remote-managed")
#: VIF types that nova knows and does not pass to os-vif, and types that nova refuses.
OTHER_VIF_TYPES = (
    "hw_veb",
    "hostdev_physical",
    "macvtap",
    "unbound",
    "binding_failed",
    "distributed",
    "other",
    "bridge",
    "tap",
    "dvs",
    "802.1qbg",
    "802.1qbh",
    "ib_hostdev",
    "iovisor",
    "midonet",
    "unknown",
)


@dataclass
class Case:
    """The arguments of :func:`os_vif.negotiation.vif_of`, and the ports that nova did not create."""

    name: str
    port: dict[str, Any]
    network: dict[str, Any]
    subnets: list[dict[str, Any]]
    preexisting: list[str] = field(default_factory=list)
    #: A binding of the port for the destination of a live migration.
    destination: dict[str, Any] | None = None

    def vif(self) -> objects.VIFBase:
        """Return the VIF of the port, on the destination if there is a migration."""
        return negotiation.vif_of(
            *self.arguments(), self.destination, preserve_on_delete=bool(self.preexisting)
        )

    def arguments(self) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
        return self.port, self.network, self.subnets

    def bind(self, vif_type: str, vnic_type: str = "normal", **details: Any) -> None:
        """Bind the port; a VF is part of the profile except with the VNIC type *normal*."""
        profile = {"pci_slot": PCI_ADDRESS, "physical_network": "physnet1"}
        self.port |= {
            "binding:host_id": "host-a",
            "binding:vif_type": vif_type,
            "binding:vnic_type": vnic_type,
            "binding:vif_details": details,
            "binding:profile": {} if vnic_type == "normal" else profile,
        }


def case(
    name: str = "a port", vif_type: str = "ovs", vnic_type: str = "normal", **details: Any
) -> Case:
    """Return a bound port with an IPv4 address."""
    made = Case(
        name,
        port={
            "id": PORT_ID,
            "mac_address": "fa:16:3e:00:00:01",
            "network_id": NETWORK_ID,
            "admin_state_up": True,
            "status": "DOWN",
            "device_id": "99999999-2222-4333-8444-555555555555",
            "device_owner": "compute:nova",
            "tenant_id": "project1",
            "fixed_ips": [{"subnet_id": SUBNET_ID, "ip_address": "10.9.0.5"}],
        },
        network={
            "id": NETWORK_ID,
            "name": "private",
            "mtu": 1442,
            "tenant_id": "project1",
            "shared": False,
            "subnets": [SUBNET_ID],
            "provider:network_type": "geneve",
            "provider:physical_network": None,
            "provider:segmentation_id": 5,
        },
        subnets=[
            {
                "id": SUBNET_ID,
                "network_id": NETWORK_ID,
                "ip_version": 4,
                "cidr": "10.9.0.0/24",
                "gateway_ip": "10.9.0.1",
                "dns_nameservers": ["8.8.8.8"],
                "host_routes": [{"destination": "10.1.0.0/16", "nexthop": "10.9.0.254"}],
                "enable_dhcp": True,
                "ipv6_address_mode": None,
                "ipv6_ra_mode": None,
            }
        ],
    )
    made.bind(vif_type, vnic_type, **details)
    return made


def binding_cases() -> Iterator[Case]:
    """Yield each combination of a VIF type, a VNIC type and details."""
    for vif_type, values in NOVA_DETAILS.items():
        for vnic_type in _VHOST_USER_VNIC_TYPES if vif_type == "vhostuser" else VNIC_TYPES:
            for chosen in itertools.product(*values.values()):
                pairs = zip(values, chosen, strict=True)
                details = {name: value for name, value in pairs if value is not None}
                yield case(f"{vif_type} {vnic_type} {details}", vif_type, vnic_type, **details)
    for vif_type, vnic_type in itertools.product(OTHER_VIF_TYPES, VNIC_TYPES):
        yield case(f"{vif_type} {vnic_type}", vif_type, vnic_type, port_filter=True)


def network_cases() -> Iterator[Case]:
    """Yield ports with each shape of the network, the subnets and the addresses."""
    for name, change in _NETWORK_CHANGES.items():
        changed = case(name, port_filter=True)
        change(changed)
        yield changed


#: Types and details of bindings to Open vSwitch.
_MIGRATED: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("ovs", "normal", {"port_filter": True, "datapath_type": "system"}),
    ("ovs", "normal", {"port_filter": True, "ovs_hybrid_plug": True}),
    ("ovs", "normal", {"port_filter": True, "ovs_create_tap": True, "bridge_name": "br-int"}),
    ("ovs", "direct", {"port_filter": True}),
    ("vhostuser", "normal", {"vhostuser_mode": "client", "vhostuser_ovs_plug": True,
                             "vhostuser_socket": "/run/vhu1"}),
)  # fmt: skip


def migration_cases(bridge_name: str = "br-int") -> Iterator[Case]:
    """Yield live migrations between all pairs of bindings.

    :param bridge_name: the bridge on the destination; the bridge of the source is br-int.
    """
    for here, there in itertools.product(_MIGRATED, repeat=2):
        (vif_type, vnic_type, details), (new_type, new_vnic_type, new_details) = here, there
        made = case(f"{here} to {there}", vif_type, vnic_type, **details)
        made.destination = {
            "host": "host-b",
            "vif_type": new_type,
            "vnic_type": new_vnic_type,
            "vif_details": {**new_details, "bridge_name": bridge_name},
            "profile": {} if new_vnic_type == "normal" else {"pci_slot": "0000:04:00.2"},
            "status": "INACTIVE",
        }
        yield made


def all_cases() -> list[Case]:
    return [*binding_cases(), *network_cases()]


def _add_ipv6(made: Case, **changes: Any) -> None:
    """Add an IPv6 subnet with an address of the port."""
    made.subnets.append(
        copy.deepcopy(made.subnets[0])
        | {
            "id": SUBNET6_ID,
            "ip_version": 6,
            "cidr": "fd00::/64",
            "gateway_ip": None,
            "dns_nameservers": [],
            "host_routes": [],
            "enable_dhcp": False,
            "ipv6_address_mode": "slaac",
            "ipv6_ra_mode": "slaac",
            **changes,
        }
    )
    made.port["fixed_ips"].append(
        {"subnet_id": SUBNET6_ID, "ip_address": "fd00::f816:3eff:fe00:1"}
    )


def _routed_ipv6(made: Case) -> None:
    routes = [
        {"destination": "fd01::/64", "nexthop": "fd00::2"},
        {"destination": "::/0", "nexthop": "fe80::1"},
    ]
    _add_ipv6(
        made,
        gateway_ip="fd00::1",
        host_routes=routes,
        dns_nameservers=["2001:4860:4860::8888", "fd00::3"],
    )


def _reversed_addresses(made: Case) -> None:
    _add_ipv6(made)
    made.port["fixed_ips"].reverse()


def _reversed_subnets(made: Case) -> None:
    _add_ipv6(made)
    made.subnets.reverse()


def _unused_subnet(made: Case) -> None:
    _add_ipv6(made)
    made.port["fixed_ips"].pop()


def _second_address(made: Case) -> None:
    made.port["fixed_ips"].append({"subnet_id": SUBNET_ID, "ip_address": "10.9.0.6"})


_NETWORK_CHANGES: Mapping[str, Callable[[Case], Any]] = {
    "unchanged": lambda _made: None,
    "two subnets": _add_ipv6,
    "IPv6 routes": _routed_ipv6,
    "addresses in another order": _reversed_addresses,
    "subnets in another order": _reversed_subnets,
    "a subnet without an address": _unused_subnet,
    "two addresses of a subnet": _second_address,
    "no address": lambda made: made.port.update(fixed_ips=[]),
    "no subnet": lambda made: (made.port.update(fixed_ips=[]), made.subnets.clear()),
    "active": lambda made: made.port.update(status="ACTIVE"),
    "being built": lambda made: made.port.update(status="BUILD"),
    "administratively down": lambda made: made.port.update(admin_state_up=False),
    "not created by nova": lambda made: made.preexisting.append(PORT_ID),
    "MTU null": lambda made: made.network.update(mtu=None),
    "MTU 0": lambda made: made.network.update(mtu=0),
    "no MTU": lambda made: made.network.pop("mtu"),
    "jumbo frames": lambda made: made.network.update(mtu=9000),
    "a VLAN": lambda made: made.network.update(
        {
            "provider:network_type": "vlan",
            "provider:physical_network": "physnet1",
            "provider:segmentation_id": 101,
        }
    ),
    "no name": lambda made: made.network.update(name=""),
    "name null": lambda made: made.network.update(name=None),
    "MAC address in capitals": lambda made: made.port.update(mac_address="FA:16:3E:00:00:01"),
    "UUID in capitals": lambda made: made.port.update(id=PORT_ID.replace("1", "A")),
    "no details": lambda made: made.port.pop("binding:vif_details"),
    "no profile": lambda made: made.port.pop("binding:profile"),
    "no VNIC type": lambda made: made.port.pop("binding:vnic_type"),
    "no gateway": lambda made: made.subnets[0].update(gateway_ip=None),
    "no DNS server": lambda made: made.subnets[0].update(dns_nameservers=[]),
    "two DNS servers": lambda made: made.subnets[0].update(dns_nameservers=["8.8.8.8", "1.1.1.1"]),
    "no route": lambda made: made.subnets[0].update(host_routes=[]),
    "details of OVN": lambda made: made.bind(
        "ovs",
        port_filter=True,
        connectivity="l2",
        ovs_create_tap=True,
        bridge_name="br-int",
        datapath_type="netdev",
        bound_drivers={"0": "ovn"},
    ),
    "details of ML2/OVS": lambda made: made.bind(
        "ovs",
        connectivity="l2",
        port_filter=True,
        ovs_hybrid_plug=False,
        datapath_type="netdev",
        bridge_name="tbr-11111111-2",
        bound_drivers={"0": "openvswitch"},
    ),
}
