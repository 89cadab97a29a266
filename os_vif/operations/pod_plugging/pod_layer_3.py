# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses, routes and name servers of a pod, from the subnets of a VIF's network."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from os_vif.plugins import vif_fields
from os_vif.sandbox import PodAddress, PodRoute

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


def read_layer_3(
    vif: Any, *, default_gateway: bool
) -> tuple[tuple[PodAddress, ...], tuple[PodRoute, ...], tuple[str, ...]]:
    """Return addresses, routes and name servers of ``vif.network.subnets``, each once.

    :param default_gateway: add the default routes.
    :raises os_vif.exception.InvalidField: for an address without a subnet.
    """
    addresses: dict[str, PodAddress] = {}
    routes: dict[str, PodRoute] = {}
    dns: dict[str, None] = {}
    network = vif_fields.get(vif, "network")
    subnets = vif_fields.get(network, "subnets") if network is not None else None
    for number, subnet in enumerate(subnets or ()):
        gateway = vif_fields.get(subnet, "gateway")
        gateway = None if gateway is None else str(gateway)
        for ip in _addresses_of(subnet, number):
            addresses.setdefault(ip, PodAddress(ip, gateway))
        for route in vif_fields.get(subnet, "routes") or ():
            destination = str(ipaddress.ip_network(str(route.cidr), strict=False))
            via = vif_fields.get(route, "gateway")
            routes.setdefault(
                destination, PodRoute(destination, None if via is None else str(via))
            )
        for server in vif_fields.get(subnet, "dns") or ():
            dns[str(server)] = None
        if default_gateway and gateway is not None:
            default = _DEFAULT_ROUTE[ipaddress.ip_address(gateway).version]
            routes.setdefault(default, PodRoute(default, gateway))
    return tuple(addresses.values()), tuple(routes.values()), tuple(dns)


def _addresses_of(subnet: Any, number: int) -> Iterator[str]:
    """Yield the addresses of a port in a subnet, each with the prefix length of the subnet."""
    ips = vif_fields.get(subnet, "ips") or ()
    cidr = vif_fields.get(subnet, "cidr")
    for ip in ips:
        if cidr is None:
            field = f"vif.network.subnets[{number}].cidr"
            raise vif_fields.invalid(field, "unset", "the network of the addresses")
        length = str(cidr).rpartition("/")[2]
        yield str(ipaddress.ip_interface(f"{ip.address}/{length}"))
