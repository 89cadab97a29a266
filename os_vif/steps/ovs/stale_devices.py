# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Deleted network devices that ovs-vswitchd still holds open, in the datapath in user space.

In user space, ovs-vswitchd has a packet socket for each device of a port. When the device is
deleted, the kernel unbinds the socket (``packet_notifier`` in net/packet/af_packet.c), and
ovs-vswitchd keeps the socket: a new device of the same name gets no packets, although the
Interface has a number, no error, and the new ``ifindex``. The datapath in the kernel drops such a
port, and ovs-vswitchd then adds the new device.
"""

from __future__ import annotations

import pathlib
import socket
from typing import TYPE_CHECKING

from os_vif.host.ovsdb.notation import values
from os_vif.steps.ovs.vswitchd import open_error

if TYPE_CHECKING:
    from os_vif.host.ovsdb.notation import Row

#: Packet sockets of the network namespace of the thread; readable for every user.
_SOCKETS = pathlib.Path("/proc/thread-self/net/packet")
#: The column with the index of the bound device.
_INDEX_COLUMN = 4
#: The index of a socket after the device was deleted.
_UNBOUND = -1
_NETDEV = "netdev"
#: Types of an Interface with a device that ovs-vswitchd opens through a packet socket.
_DEVICE_TYPES = ("", "system")


def has_stale_device(bridge: Row, interface: Row, bound: set[int] | None = None) -> bool:
    """Return whether ovs-vswitchd holds a deleted device instead of the device of the name.

    False if unknown: if ovs-vswitchd is in another network namespace or not running, or if the
    list of packet sockets cannot be read.

    :param bound: the result of :func:`bound_indexes`, if read before.
    """
    if bridge["datapath_type"] != _NETDEV or interface["type"] not in _DEVICE_TYPES:
        return False
    if open_error(interface) is not None:
        return False
    (reported,) = values(interface["ifindex"]) or (0,)
    index = device_index(interface["name"])
    if bound is None:
        bound = bound_indexes()
    # Without an unbound socket, ovs-vswitchd holds no deleted device, or is not running.
    return index not in bound and _UNBOUND in bound and bool(index or not reported)


def device_index(name: str) -> int:
    """Return the index of a network device; 0 for a missing device."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def bound_indexes() -> set[int]:
    """Return the indexes of the devices that packet sockets are bound to; none if unreadable."""
    try:
        _, *lines = _SOCKETS.read_text(encoding="ascii").splitlines()
    except OSError:
        return set()
    return {int(line.split()[_INDEX_COLUMN]) for line in lines}
