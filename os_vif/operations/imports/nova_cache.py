# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs from ``network_info`` of nova, the column of the table ``instance_info_caches``."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from os_vif import exception, negotiation, objects
from os_vif.negotiation.neutron_objects import ApiObject, invalid
from os_vif.negotiation.vif_translation import INTEGRATION_BRIDGE
from os_vif.serialization import json_text

#: Paths of a port of neutron, and the paths of the same values of nova.
_PATHS = (
    ("port.binding:vif_details", "details"),
    ("port.binding:vif_type", "type"),
    ("port.binding:vnic_type", "vnic_type"),
    ("port.binding:profile", "profile"),
    ("port.mac_address", "address"),
    ("port.fixed_ips", "network.subnets"),
    ("network.name", "network.label"),
    ("network.mtu", "network.meta.mtu"),
    ("subnets", "network.subnets"),
    ("port.", ""),
)


def vifs_of_nova(
    data: Any,
) -> Iterator[tuple[str, objects.VIFBase | exception.SerializationError]]:
    """Yield path and VIF of each entry of nova; an unusable entry yields the error instead.

    :param data: a row of ``instance_info_caches`` with ``network_info`` as text or as a list, a
        list of entries, or one entry.
    """
    path = ""
    if isinstance(data, dict) and "network_info" in data:
        data, path = data["network_info"], "network_info"
        if isinstance(data, str):
            data = json_text.parse(data)
    if not isinstance(data, list):
        data, names = [data], [path]
    else:
        names = [f"{path}[{number}]" for number in range(len(data))]
    for name, entry in zip(names, data, strict=True):
        try:
            yield name, vif_of_nova(entry)
        except exception.SerializationError as error:
            yield name, error


def vif_of_nova(entry: Any) -> objects.VIFBase:
    """Return the VIF of an entry of ``network_info``, as nova 34.0.0 makes the VIF.

    :raises os_vif.exception.SerializationError: with the path in the entry.
    """
    vif = ApiObject.of(entry, "")
    network = vif.object("network")
    if not network.members:
        raise vif.error("network", "an object")
    floating: dict[str, list[str]] = {}
    fixed_ips: list[dict[str, str]] = []
    subnets = [_subnet(subnet, fixed_ips, floating) for subnet in network.objects("subnets")]
    port = {
        "id": vif.members.get("id"),
        "mac_address": vif.members.get("address"),
        # The flag "active" of nova is True for a port that is ACTIVE or administratively down.
        "status": "ACTIVE" if vif.flag("active") else "DOWN",
        "fixed_ips": fixed_ips,
        "binding:vif_type": vif.members.get("type"),
        "binding:vnic_type": vif.members.get("vnic_type") or "normal",
        "binding:vif_details": vif.members.get("details") or {},
        "binding:profile": vif.members.get("profile") or {},
    }
    api_network = {
        "id": network.members.get("id"),
        "name": network.members.get("label"),
        "mtu": network.object("meta").members.get("mtu"),
    }
    bridge = network.optional_text("bridge") or INTEGRATION_BRIDGE
    try:
        made = negotiation.vif_of(
            port,
            api_network,
            subnets,
            integration_bridge=bridge,
            preserve_on_delete=vif.flag("preserve_on_delete"),
        )
    except exception.InvalidBinding as error:
        raise invalid(_nova_path(error.path), error.found, error.expected) from error
    _add_floating_ips(made, floating)
    return made


def _subnet(
    subnet: ApiObject, fixed_ips: list[dict[str, str]], floating: dict[str, list[str]]
) -> dict[str, Any]:
    """Return a subnet of neutron's API; add the addresses of the port to the other arguments."""
    # nova stores no id of a subnet; the path is unique in the entry.
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, subnet.path))
    for address in subnet.objects("ips"):
        text = address.text("address")
        fixed_ips.append({"subnet_id": identity, "ip_address": text})
        floating[text] = [each.text("address") for each in address.objects("floating_ips")]
    gateway = subnet.object("gateway")
    return {
        "id": identity,
        "cidr": subnet.members.get("cidr"),
        "gateway_ip": gateway.members.get("address"),
        "dns_nameservers": [server.text("address") for server in subnet.objects("dns")],
        "host_routes": [
            {
                "destination": route.members.get("cidr"),
                "nexthop": route.object("gateway").members.get("address"),
            }
            for route in subnet.objects("routes")
        ],
    }


def _add_floating_ips(vif: objects.VIFBase, floating: dict[str, list[str]]) -> None:
    """Set the floating addresses, which a port of neutron does not show."""
    network = vif.network
    for subnet in network.subnets.objects if network else ():
        for fixed_ip in subnet.ips.objects:
            fixed_ip.floating_ips = floating.get(str(fixed_ip.address), [])


def _nova_path(path: str) -> str:
    """Return the path in an entry of nova for a path in an argument of ``vif_of()``."""
    for start, replacement in _PATHS:
        if path.startswith(start):
            return replacement + path[len(start) :]
    return path
