# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""IPv6 routes learned by the kernel from router advertisements (RFC 4861, RFC 4191).

The kernel marks a learned route with ``RTF_ADDRCONF`` (net/ipv6/route.c). The next advertisement
of the router renews a marked route; an advertisement with a lifetime of 0 deletes a marked route.
If the same route exists without the mark, the kernel drops each advertisement of the router
(``ndisc_router_discovery``), and the addresses of the host expire. rtnetlink(7) neither shows nor
sets the mark: ``/proc/net/ipv6_route`` shows the mark, and the ioctl ``SIOCADDRT`` sets the mark.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import pathlib
import socket
import struct

#: The IPv6 routes of the network namespace of the thread.
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

#: Identification of a learned route: destination with prefix length, gateway and metric.
LearnedKey = tuple[str, str | None, int | None]


def read_learned_keys(device: str) -> set[LearnedKey]:
    """Return the learned routes through a device."""
    found: set[LearnedKey] = set()
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
        # The kernel has no IPv6.
        pass
    return found


def add_learned_route(
    index: int, key: LearnedKey, *, preference: int | None, expires: int | None
) -> None:
    """Add a learned route to the main table.

    :param index: index of the device.
    :param preference: ``RTA_PREF`` (RFC 4191); None is medium.
    :param expires: lifetime in seconds; None is no end.
    :raises OSError: if the kernel refuses.
    """
    network, gateway, metric = key
    destination, _, length = network.partition("/")
    flags = _UP | _ADDRCONF | (preference or 0) << _PREFERENCE_SHIFT
    if gateway is None:
        flags |= _PREFIX
    else:
        flags |= _GATEWAY | (_INFO if int(length) else _DEFAULT)
    ticks = 0
    if expires is not None:
        flags |= _EXPIRES
        ticks = expires * os.sysconf("SC_CLK_TCK")
    message = _MESSAGE.pack(
        socket.inet_pton(socket.AF_INET6, destination),
        bytes(16),
        socket.inet_pton(socket.AF_INET6, gateway or "::"),
        0,
        int(length),
        0,
        metric or 0,
        ticks,
        flags,
        index,
    )
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_INET6, kind) as ipv6:
        fcntl.ioctl(ipv6, _SIOCADDRT, message)
