# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The routes of a device, without the routes that the kernel creates by itself."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import ROUTE
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.host.netlink.supplement import RT_TABLE_LOCAL, RT_TABLE_MAIN
from os_vif.steps.ip import routes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.ip.routes import EnsureRoute

#: Metric of the IPv6 route that the kernel creates with an address.
METRIC_6_CONNECTED = 256
#: Prefixes of the routes that the kernel creates for each device with IPv6, in the first and in
#: the second of :class:`_Tables`.
_LINK_LOCAL, _MULTICAST = "fe80::/64", "ff00::/8"

#: Network and metric of a route that the kernel creates with an address.
Connected = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class _Tables:
    """The tables in which the kernel creates the routes of a device.

    The table of a VRF takes the routes of the main and of the local table (``l3mdev_fib_table``).
    """

    connected: int = RT_TABLE_MAIN
    local: int = RT_TABLE_LOCAL

    @classmethod
    def of(cls, net: Netlink, link: Link) -> _Tables:
        """Return the tables of a device."""
        vrf = link if link.kind == "vrf" else net.link_at(link.master) if link.master else None
        if vrf is None or vrf.kind != "vrf":
            return cls()
        table = vrf.data["IFLA_VRF_TABLE"]
        return cls(table, table)


@dataclasses.dataclass(frozen=True)
class DeviceRoutes:
    """The routes of a device, without the routes that the kernel creates for each device."""

    #: Routes from users and programs, and learned routes.
    given: list[EnsureRoute]
    #: Routes created by the kernel with an expiring IPv6 address; deleting the address leaves them.
    lingering: list[EnsureRoute]


def read_routes(
    net: Netlink, link: Link, connected: Collection[Connected], *, expiring: bool = False
) -> DeviceRoutes:
    """Return the routes of all tables through a device.

    :param connected: the routes that the kernel has created with the addresses of the device.
    :param expiring: whether an IPv6 address of the device expires.
    :raises OSError: with EOPNOTSUPP for a route that the steps cannot express.
    """
    given: list[EnsureRoute] = []
    lingering: list[EnsureRoute] = []
    tables = _Tables.of(net, link)
    data = routes.dump_routes(net, link, socket.AF_INET) + routes.dump_routes(
        net, link, socket.AF_INET6
    )
    for route, unknown in routes.parse_routes(link, data):
        if _is_of_each_device(route, tables):
            continue
        if _is_connected(route, connected, tables):
            # The kernel deletes the route with the last address of a prefix, unless one expires.
            if expiring and ":" in route.destination:
                lingering.append(route)
            continue
        if unknown:
            reason = f"the route {route.destination} of {link.name} has {unknown}"
            raise OSError(errno.EOPNOTSUPP, f"{reason}, which os-vif cannot move")
        given.append(route)
    return DeviceRoutes(given, lingering)


def dump_given_routes(
    net: Netlink, link: Link, connected: Collection[Connected], *families: int
) -> list[tuple[EnsureRoute, str]]:
    """Return the routes of a device, without the routes that the kernel creates by itself.

    Each route has a description of the parts that a step cannot express.

    :param families: the families; by default IPv4 and IPv6.
    """
    tables = _Tables.of(net, link)
    return [
        (route, unknown)
        for family in families or (socket.AF_INET, socket.AF_INET6)
        for route, unknown in routes.parse_routes(link, routes.dump_routes(net, link, family))
        if not (_is_of_each_device(route, tables) or _is_connected(route, connected, tables))
    ]


def _is_connected(route: EnsureRoute, connected: Collection[Connected], tables: _Tables) -> bool:
    """Return whether the kernel has created a route with an address."""
    known = (route.destination, route.metric or 0) in connected
    return known and route.protocol == uapi.RTPROT_KERNEL and route.table == tables.connected


def has_given_ipv6(net: Netlink, link: Link) -> bool:
    """Return whether a device has an IPv6 route from a user, a program or a router."""
    return bool(dump_given_routes(net, link, (), socket.AF_INET6))


@contextlib.contextmanager
def restoring_routes(net: Netlink, link: Link, connected: Collection[Connected]) -> Iterator[None]:
    """Restore the IPv4 routes of a device at the end of the block.

    :param connected: routes of deleted addresses, which stay deleted.
    """
    given = dump_given_routes(net, link, connected, socket.AF_INET)
    before = [route for route, unknown in given if not unknown]
    yield
    net.drop_cached("routes")
    # Routes without a gateway lead to the gateways, so they are restored first.
    for route in sorted(before, key=lambda route: route.gateway is not None):
        dataclasses.replace(route, append=True).apply(net)


def keys_on_other_devices(
    net: Netlink, link: Link, wanted: list[EnsureRoute]
) -> set[tuple[Any, ...]]:
    """Return the keys of the wanted routes that routes through other devices have too.

    The kernel replaces the first route with a key, without regard to the device.
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


def _is_of_each_device(route: EnsureRoute, tables: _Tables) -> bool:
    """Return whether the kernel creates a route for each device, or for each address."""
    host = route.destination.endswith("/128" if ":" in route.destination else "/32")
    if route.table == tables.local and host and route.kind != uapi.RTN_UNICAST:
        # Local, broadcast and anycast routes of addresses. AnyIP has another protocol.
        return route.protocol in (uapi.RTPROT_KERNEL, uapi.RTPROT_UNSPEC)
    place = (route.destination, route.table)
    of_link = place in ((_LINK_LOCAL, tables.connected), (_MULTICAST, tables.local))
    return (
        of_link
        and route.expires is None
        and route.gateway is None
        and route.metric == METRIC_6_CONNECTED
    )


def output_to(net: Netlink, address: str) -> int | None:
    """Return the index of the device of the route to an address, or None for no route."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    length = 128 if ":" in address else 32
    body = ROUTE.pack({"RTA_DST": address}, family=family, dst_len=length)
    with ignoring(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL):
        (reply,) = net.request(uapi.RTM_GETROUTE, 0, body)
        return routes.output_interface(reply)
    return None
