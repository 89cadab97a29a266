# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A port of Neutron with its network, subnets and binding, checked and read.

The binding is in the attributes ``binding:*`` of the port, or is an entry of the port's bindings
(``GET /v2.0/ports/{id}/bindings``) for another host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from os_vif import exception, objects
from os_vif.codec.path import describe
from os_vif.negotiation.neutron_objects import ApiObject, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The largest MTU of a network device (``IP_MAX_MTU`` and the length field of IPv4).
_MAX_MTU = 65535


@dataclass(frozen=True)
class Binding:
    """The binding of a port to a host: the type of the VIF, and the details of the mechanism driver."""

    vif_type: str
    vnic_type: str
    details: ApiObject
    profile: ApiObject
    #: Paths of the types, for errors.
    vif_type_path: str
    vnic_type_path: str

    @classmethod
    def of(cls, port: ApiObject, binding: Mapping[str, Any] | None) -> Binding:
        """Read the binding of the port, or *binding* if given.

        :raises os_vif.exception.InvalidBinding: for an unusable value.
        """
        source, prefix = port, "binding:"
        if binding is not None:
            source, prefix = ApiObject.of(binding, "binding"), ""
        vif_type, vnic_type = f"{prefix}vif_type", f"{prefix}vnic_type"
        return cls(
            vif_type=source.text(
                vif_type, "a VIF type; Neutron shows the binding to administrators and services"
            ),
            vnic_type=source.text(vnic_type) if source.is_set(vnic_type) else "normal",
            details=source.object(f"{prefix}vif_details"),
            profile=source.object(f"{prefix}profile"),
            vif_type_path=source.path_of(vif_type),
            vnic_type_path=source.path_of(vnic_type),
        )


@dataclass(frozen=True)
class BoundPort:
    """A port with the binding, and the fields that VIFs of all classes have."""

    id: str
    address: str
    active: bool
    binding: Binding
    #: Keyword arguments of :class:`os_vif.objects.Network`, without the fields of the switch.
    network: dict[str, Any]

    @classmethod
    def of(
        cls,
        port: Mapping[str, Any],
        network: Mapping[str, Any],
        subnets: Sequence[Mapping[str, Any]],
        binding: Mapping[str, Any] | None,
    ) -> BoundPort:
        """Read the port, the network and the subnets.

        :raises os_vif.exception.InvalidBinding: for an unusable value, and if the network or the
            subnets belong to another port.
        """
        read = ApiObject.of(port, "port")
        return cls(
            id=read.uuid("id"),
            address=read.mac_address("mac_address"),
            # Neutron never reports a port as ACTIVE that is administratively down.
            active=not read.flag("admin_state_up", default=True)
            or read.optional_text("status") == "ACTIVE",
            binding=Binding.of(read, binding),
            network=_network(read, ApiObject.of(network, "network"), subnets),
        )


def _network(port: ApiObject, network: ApiObject, subnets: Any) -> dict[str, Any]:
    """Return the arguments of the Network: id, label, MTU and subnets."""
    network_id = network.uuid("id")
    if port.is_set("network_id") and port.uuid("network_id") != network_id:
        raise port.error("network_id", f"{network_id!r}, the id of the network")
    fields: dict[str, Any] = {
        "id": network_id,
        "bridge_interface": None,
        "mtu": network.integer("mtu", 0, _MAX_MTU, f"an MTU from 0 to {_MAX_MTU}"),
        "subnets": objects.SubnetList(objects=_subnets(port, subnets)),
    }
    label = network.optional_text("name")
    if label is not None:
        fields["label"] = label
    return fields


def _subnets(port: ApiObject, subnets: Any) -> list[objects.Subnet]:
    """Return the subnets in which the port has addresses, in the given order."""
    given = ApiObject({"subnets": subnets}, "").objects("subnets")
    by_id = {subnet.uuid("id"): subnet for subnet in given}
    addresses: dict[str, list[objects.FixedIP]] = {}
    for fixed_ip in port.objects("fixed_ips"):
        subnet = by_id.get(fixed_ip.uuid("subnet_id"))
        if subnet is None:
            raise fixed_ip.error("subnet_id", "the id of a member of subnets")
        address, cidr = fixed_ip.ip_address("ip_address"), subnet.ip_network("cidr")
        if address not in cidr:
            raise fixed_ip.error("ip_address", f"an address in {cidr}, the cidr of {subnet.path}")
        addresses.setdefault(subnet.uuid("id"), []).append(
            objects.FixedIP(address=address, floating_ips=[])
        )
    return [
        _subnet(subnet, addresses[subnet_id])
        for subnet_id, subnet in by_id.items()
        if subnet_id in addresses
    ]


def _subnet(subnet: ApiObject, addresses: list[objects.FixedIP]) -> objects.Subnet:
    fields = {
        "cidr": subnet.ip_network("cidr"),
        "dns": subnet.ip_addresses("dns_nameservers"),
        "ips": objects.FixedIPList(objects=addresses),
        "routes": objects.RouteList(objects=[_route(r) for r in subnet.objects("host_routes")]),
    }
    if subnet.is_set("gateway_ip"):
        fields["gateway"] = subnet.ip_address("gateway_ip")
    return objects.Subnet(**fields)


def _route(route: ApiObject) -> objects.Route:
    return objects.Route(cidr=route.ip_network("destination"), gateway=route.ip_address("nexthop"))


def unusable_vif_type(binding: Binding, usable: Sequence[str]) -> exception.InvalidBinding:
    """Return the error for a VIF type without a class of VIF."""
    expected = f"one of {', '.join(usable)}"
    if binding.vif_type == "unbound":
        expected = "a port that is bound to a host"
    elif binding.vif_type == "binding_failed":
        expected = "a binding; no mechanism driver of Neutron could bind the port on the host"
    return invalid(binding.vif_type_path, describe(binding.vif_type), expected)
