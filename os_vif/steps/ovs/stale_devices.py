# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Deleted network devices that ovs-vswitchd still holds open, in the datapath in user space.

In user space, ovs-vswitchd has a packet socket for each device of a port. When the device is
deleted, the kernel unbinds the socket (:mod:`os_vif.host.packet_sockets`), and ovs-vswitchd keeps the
socket: a new device of the same name gets no packets, although the Interface has a number, no error,
and the new ``ifindex``. The datapath in the kernel drops such a port, and ovs-vswitchd then adds the
new device.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from os_vif.host import packet_sockets
from os_vif.host.ovsdb.notation import values
from os_vif.steps.ovs.vswitchd import open_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.host.ovsdb.notation import Row

_NETDEV = "netdev"
#: Types of an Interface with a device that ovs-vswitchd opens through a packet socket.
_DEVICE_TYPES = ("", "system")


def has_stale_device(
    bridge: Row, interface: Row, bound_indexes: Callable[[], frozenset[int]]
) -> bool:
    """Return whether ovs-vswitchd holds a deleted device instead of the device of the name.

    False if unknown: if ovs-vswitchd is in another network namespace or not running, or if the
    list of packet sockets cannot be read.

    :param bound_indexes: :func:`os_vif.host.packet_sockets.bound_indexes_beside_unbound`, or a
        function with the result of an earlier call.
    """
    if bridge["datapath_type"] != _NETDEV or interface["type"] not in _DEVICE_TYPES:
        return False
    if open_error(interface) is not None:
        return False
    # Without an unbound socket, ovs-vswitchd holds no deleted device, or is not running.
    bound = bound_indexes()
    if packet_sockets.UNBOUND not in bound:
        return False
    (reported,) = values(interface["ifindex"]) or (0,)
    index = device_index(interface["name"])
    return index not in bound and bool(index or not reported)


def device_index(name: str) -> int:
    """Return the index of a network device; 0 for a missing device."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0
