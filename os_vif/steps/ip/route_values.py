# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Types and flags of routes (linux/rtnetlink.h)."""

from __future__ import annotations

import functools

from os_vif.host.netlink import uapi


@functools.cache
def types() -> dict[int, str]:
    """Return the types of routes through a device by number, with the names of ip-route(8)."""
    return uapi.numbered(
        RTN_UNICAST="unicast",
        RTN_LOCAL="local",
        RTN_BROADCAST="broadcast",
        RTN_ANYCAST="anycast",
        RTN_MULTICAST="multicast",
    )


@functools.cache
def state_flags() -> int:
    """Return the flags by which the kernel reports the state of a route."""
    of_next_hop = (
        uapi.RTNH_F_DEAD
        | uapi.RTNH_F_OFFLOAD
        | uapi.RTNH_F_LINKDOWN
        | uapi.RTNH_F_UNRESOLVED
        | uapi.RTNH_F_TRAP
    )
    of_route = uapi.RTM_F_PREFIX | uapi.RTM_F_OFFLOAD | uapi.RTM_F_TRAP | uapi.RTM_F_OFFLOAD_FAILED
    return of_next_hop | of_route
