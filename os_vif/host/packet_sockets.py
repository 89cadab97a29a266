# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The packet sockets of a network namespace, and the devices that the sockets are bound to.

When a device is deleted, the kernel unbinds the packet sockets of the device (``packet_notifier``
in net/packet/af_packet.c), and reports the index -1 for the sockets.
"""

from __future__ import annotations

#: Packet sockets of the network namespace of the thread; readable for every user.
_SOCKETS = "/proc/thread-self/net/packet"
#: The column with the index of the bound device.
_INDEX_COLUMN = 4
#: The index of a socket after the device was deleted.
UNBOUND = -1


def bound_indexes_beside_unbound() -> frozenset[int]:
    """Return the indexes that packet sockets are bound to, if a device of a socket was deleted.

    :returns: the indexes, with ``UNBOUND``; empty if all sockets are bound to devices, or if the
        list of sockets, as long as the list of ports, cannot be read.
    """
    try:
        # Not decoded, and without a Path: the list is read on every plug.
        with open(_SOCKETS, "rb", buffering=0) as file:  # noqa: PTH123
            text = file.readall()
    except OSError:
        return frozenset()
    if b" %d " % UNBOUND not in text:
        return frozenset()
    _, *lines = text.splitlines()
    return frozenset(int(line.split()[_INDEX_COLUMN]) for line in lines)
