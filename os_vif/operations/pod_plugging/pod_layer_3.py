# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses, routes and name servers of a pod, from the subnets of a VIF's network."""

from __future__ import annotations

import functools
import ipaddress
from typing import TYPE_CHECKING, Any

from os_vif import vif_fields
from os_vif.sandbox import PodAddress, PodRoute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    _Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    _Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}
#: ``IPV6_MIN_MTU`` of linux/ipv6.h in bytes.
_MIN_IPV6_MTU = 1280
#: The prefix length of an IPv4 network of two hosts.
_POINT_TO_POINT = 31


#: The network of a text, which may have bits set after the prefix; and the address of a text. The
#: pods of a host have the same networks and gateways.
_network_of = functools.lru_cache(functools.partial(ipaddress.ip_network, strict=False))
_address_of = functools.lru_cache(ipaddress.ip_address)


def read_layer_3(
    vif: Any, *, default_gateway: bool
) -> tuple[tuple[PodAddress, ...], tuple[PodRoute, ...], tuple[str, ...]]:
    """Return addresses, routes and name servers of ``vif.network.subnets``, each once.

    :param default_gateway: add the default routes.
    :raises os_vif.exception.InvalidField: for an address that no host in the subnet can have, and for
        a gateway of another IP version.
    """
    addresses: dict[str, PodAddress] = {}
    routes: dict[str, PodRoute] = {}
    dns: dict[str, None] = {}
    network = vif_fields.get(vif, "network")
    subnets = vif_fields.get(network, "subnets") if network is not None else None
    for number, subnet in enumerate(subnets or ()):
        gateway = vif_fields.get(subnet, "gateway")
        gateway = None if gateway is None else str(gateway)
        _require_family(subnet, number)
        for ip in _addresses_of(subnet, number):
            addresses.setdefault(ip, PodAddress(ip, gateway))
        for route in vif_fields.get(subnet, "routes") or ():
            destination = str(_network_of(str(route.cidr)))
            via = vif_fields.get(route, "gateway")
            routes.setdefault(
                destination, PodRoute(destination, None if via is None else str(via))
            )
        for server in vif_fields.get(subnet, "dns") or ():
            dns[str(server)] = None
        if default_gateway and gateway is not None:
            default = _DEFAULT_ROUTE[_address_of(gateway).version]
            routes.setdefault(default, PodRoute(default, gateway))
    return tuple(addresses.values()), tuple(routes.values()), tuple(dns)


def _require_family(subnet: Any, number: int) -> None:
    """Raise InvalidField for a gateway of another IP version than its network."""
    place = f"vif.network.subnets[{number}]"
    pairs = [(place, vif_fields.get(subnet, "cidr"), vif_fields.get(subnet, "gateway"))]
    for position, route in enumerate(vif_fields.get(subnet, "routes") or ()):
        gateway = vif_fields.get(route, "gateway")
        pairs.append((f"{place}.routes[{position}]", vif_fields.get(route, "cidr"), gateway))
    for path, cidr, gateway in pairs:
        if cidr is None or gateway is None:
            continue
        version = _network_of(str(cidr)).version
        if _address_of(str(gateway)).version != version:
            raise vif_fields.invalid(f"{path}.gateway", gateway, f"an IPv{version} address")


def require_mtu(vif: Any, mtu: int | None, addresses: Iterable[PodAddress]) -> None:
    """Raise InvalidField for IPv6 addresses with an MTU that IPv6 does not permit (RFC 8200)."""
    if mtu is None or mtu >= _MIN_IPV6_MTU or not any(":" in each.address for each in addresses):
        return
    network = vif_fields.get(vif, "network")
    is_own = network is not None and vif_fields.get(network, "mtu")
    field = "vif.network.mtu" if is_own else f"[os_vif_{vif.plugin}]network_device_mtu"
    expected = f"{_MIN_IPV6_MTU} or more, because the VIF has IPv6 addresses"
    raise vif_fields.invalid(field, mtu, expected)


def _addresses_of(subnet: Any, number: int) -> Iterator[str]:
    """Yield the addresses of a port in a subnet, each with the prefix length of the subnet."""
    place = f"vif.network.subnets[{number}]"
    cidr = vif_fields.get(subnet, "cidr")
    for position, ip in enumerate(vif_fields.get(subnet, "ips") or ()):
        if cidr is None:
            raise vif_fields.invalid(f"{place}.cidr", "unset", "the network of the addresses")
        network = _network_of(str(cidr))
        address = _address_of(str(ip.address))
        if not _is_of_host(address, network):
            expected = f"the address of a host in {network}"
            raise vif_fields.invalid(f"{place}.ips[{position}].address", address, expected)
        yield f"{address}/{network.prefixlen}"


def _is_of_host(address: _Address, network: _Network) -> bool:
    """Return whether a port can have an address of a network."""
    if address.version != network.version or address not in network:
        return False
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        return False
    # The first and the last address of an IPv4 network; /31 and /32 have neither (RFC 3021).
    is_end = address in (network.network_address, network.broadcast_address)
    return (
        not is_end
        or isinstance(address, ipaddress.IPv6Address)
        or network.prefixlen >= _POINT_TO_POINT
    )
