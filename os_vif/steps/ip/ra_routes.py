# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""IPv6 routes that the kernel itself has learned from router advertisements (RFC 4861, RFC 4191).

The kernel marks such a route with ``RTF_ADDRCONF`` (net/ipv6/route.c). The next advertisement of
the router renews a marked route, and one with a lifetime of 0 deletes it. Where the same route
stands without the mark, the kernel drops each advertisement of that router
(``ndisc_router_discovery``), and the addresses of the host expire. rtnetlink(7) neither shows the
mark nor sets it: it is read from ``/proc/net/ipv6_route`` and set by the ioctl ``SIOCADDRT``.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import pathlib
import socket
import struct
from typing import TYPE_CHECKING

from os_vif.host.netlink import uapi
from os_vif.host.netlink.supplement import RT_TABLE_MAIN

if TYPE_CHECKING:
    from os_vif.steps.ip.routes import EnsureRoute, _Route

#: Of this thread's network namespace.
_ROUTES = pathlib.Path("/proc/thread-self/net/ipv6_route")
#: linux/route.h, linux/ipv6_route.h
_UP, _GATEWAY = 0x1, 0x2
_DEFAULT, _ADDRCONF, _PREFIX, _EXPIRES, _INFO = 0x10000, 0x40000, 0x80000, 0x400000, 0x800000
_PREFERENCE_SHIFT = 27
#: ``struct in6_rtmsg``: destination, source, gateway, type, prefix lengths, metric, info, flags,
#: index of the device.
_MESSAGE = struct.Struct("@16s16s16sIHHILIi")
_SIOCADDRT = 0x890B
_ANYWHERE = ipaddress.IPv6Address("::")
#: Fields of a line of ``/proc/net/ipv6_route``.
_FIELDS = 10

#: Destination with prefix length, gateway and metric.
_Key = tuple[str, str | None, int | None]


def is_in_main_table(route: _Route) -> bool:
    """Return whether a route is where the kernel puts those that it learns."""
    return ":" in route.destination and route.table == RT_TABLE_MAIN


def may_be_learned(route: EnsureRoute) -> bool:
    """Return whether it is worth the time to look for the kernel's mark of a route."""
    return (
        is_in_main_table(route)
        # RTPROT_BOOT is the protocol of each route that the ioctl makes.
        and route.protocol in (uapi.RTPROT_RA, uapi.RTPROT_KERNEL, uapi.RTPROT_BOOT)
        and (route.expires is not None or route.protocol == uapi.RTPROT_RA)
    )


def learned_key(route: EnsureRoute) -> _Key:
    return route.destination, route.gateway, route.metric


def read_learned_keys(device: str) -> set[_Key]:
    """Return the routes through a device that have the kernel's mark."""
    found: set[_Key] = set()
    try:
        with _ROUTES.open() as lines:
            for line in lines:
                fields = line.split(maxsplit=_FIELDS - 1)
                if len(fields) < _FIELDS or fields[9].rstrip("\n") != device:
                    continue
                if int(fields[8], 16) & _ADDRCONF:
                    gateway = ipaddress.IPv6Address(int(fields[4], 16))
                    found.add(
                        (
                            f"{ipaddress.IPv6Address(int(fields[0], 16))}/{int(fields[1], 16)}",
                            None if gateway == _ANYWHERE else str(gateway),
                            int(fields[5], 16),
                        )
                    )
    except FileNotFoundError:
        # A kernel without IPv6.
        pass
    return found


def add_learned_route(route: EnsureRoute, index: int) -> None:
    """Add a route that has the kernel's mark to the main table.

    :param index: of the device.
    """
    destination, _, length = route.destination.partition("/")
    flags = _UP | _ADDRCONF | (route.preference or 0) << _PREFERENCE_SHIFT
    if route.gateway is None:
        flags |= _PREFIX
    else:
        flags |= _GATEWAY | (_INFO if int(length) else _DEFAULT)
    ticks = 0
    if route.expires is not None:
        flags |= _EXPIRES
        ticks = route.expires * os.sysconf("SC_CLK_TCK")
    message = _MESSAGE.pack(
        socket.inet_pton(socket.AF_INET6, destination),
        bytes(16),
        socket.inet_pton(socket.AF_INET6, route.gateway or "::"),
        0,
        int(length),
        0,
        route.metric or 0,
        ticks,
        flags,
        index,
    )
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_INET6, kind) as asked:
        fcntl.ioctl(asked, _SIOCADDRT, message)
