# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The routes that a device has, apart from those that the kernel makes by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import uapi
from os_vif.host.netlink.supplement import RT_TABLE_LOCAL, RT_TABLE_MAIN
from os_vif.steps.ip import routes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.ip.routes import EnsureRoute

#: The metric of a route of IPv6 that comes with an address.
METRIC_6_CONNECTED = 256
#: Prefixes that the kernel gives each device with IPv6, with their table.
_OF_LINK = {("fe80::/64", RT_TABLE_MAIN), ("ff00::/8", RT_TABLE_LOCAL)}

#: The network and the metric of a route that the kernel makes with an address.
Connected = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class DeviceRoutes:
    """The routes through a device, but for those that the kernel makes for each device."""

    given: list[EnsureRoute]
    #: Made by the kernel with an IPv6 address that expires: they do not go with the address.
    lingering: list[EnsureRoute]


def read_routes(
    net: Netlink, link: Link, made_with: Collection[Connected], *, expiring: bool = False
) -> DeviceRoutes:
    """Return the routes of all tables through a device.

    :param made_with: what the kernel has made routes for, with addresses of the device.
    :param expiring: whether one of the addresses of IPv6 expires.
    :raises OSError: with EOPNOTSUPP for a route that the steps cannot express.
    """
    given: list[EnsureRoute] = []
    lingering: list[EnsureRoute] = []
    data = routes.dump_routes(net, link, socket.AF_INET) + routes.dump_routes(
        net, link, socket.AF_INET6
    )
    for route, unknown in routes.parse_routes(link, data):
        if _is_of_each_device(route):
            continue
        if _is_made(route, made_with):
            # With the last address of a prefix the kernel deletes the route, if none of it expires.
            if expiring and ":" in route.destination:
                lingering.append(route)
            continue
        if unknown:
            reason = f"the route {route.destination} of {link.name} has {unknown}"
            raise OSError(errno.EOPNOTSUPP, f"{reason}, which os-vif cannot move")
        given.append(route)
    return DeviceRoutes(given, lingering)


def _is_made(route: EnsureRoute, made_with: Collection[Connected]) -> bool:
    made = (route.destination, route.metric or 0) in made_with
    return made and route.protocol == uapi.RTPROT_KERNEL and route.table == RT_TABLE_MAIN


def has_given_ipv6(net: Netlink, link: Link) -> bool:
    """Return whether a device has a route of IPv6 that the kernel does not make by itself."""
    dumped = routes.dump_routes(net, link, socket.AF_INET6)
    return any(not _is_of_each_device(route) for route, _ in routes.parse_routes(link, dumped))


@contextlib.contextmanager
def restoring_routes(net: Netlink, link: Link, made_with: Collection[Connected]) -> Iterator[None]:
    """Give a device the routes of IPv4 back that it loses meanwhile.

    :param made_with: what goes with the last address, and does not come back.
    """
    before = [
        route
        for route, unknown in routes.parse_routes(
            link, routes.dump_routes(net, link, socket.AF_INET)
        )
        if not (unknown or _is_of_each_device(route) or _is_made(route, made_with))
    ]
    yield
    net.drop_cached("routes")
    # Gateways are reached by the others.
    for route in sorted(before, key=lambda route: route.gateway is not None):
        dataclasses.replace(route, append=True).apply(net)


def keys_on_other_devices(
    net: Netlink, link: Link, wanted: list[EnsureRoute]
) -> set[tuple[Any, ...]]:
    """Return the keys of those routes that other devices have too.

    The kernel replaces the first route with a key, whatever its device is.
    """
    keys = {(route.key, ":" in route.destination) for route in wanted}
    tables = {(":" in route.destination, route.table) for route in wanted}
    found: set[tuple[Any, ...]] = set()
    for six, table in sorted(tables):
        family = socket.AF_INET6 if six else socket.AF_INET
        for data in routes.dump_routes(net, None, family, table):
            if routes.output_interface(data) != link.index:
                route, _ = routes.parse_route(link, data)
                if (route.key, six) in keys:
                    found.add(route.key)
    return found


def _is_of_each_device(route: EnsureRoute) -> bool:
    """Return whether the kernel makes a route by itself for each device, or for its addresses."""
    host = route.destination.endswith("/128" if ":" in route.destination else "/32")
    if route.table == RT_TABLE_LOCAL and host:
        # Local, broadcast and anycast routes of addresses. AnyIP has another protocol.
        return route.protocol in (uapi.RTPROT_KERNEL, uapi.RTPROT_UNSPEC)
    of_link = (route.destination, route.table) in _OF_LINK and route.expires is None
    return of_link and route.gateway is None and route.metric == METRIC_6_CONNECTED
