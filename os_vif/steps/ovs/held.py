# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Which network devices ovs-vswitchd holds open, in the datapath of user space.

There ovs-vswitchd has a packet socket for each device that is a port. When the device is deleted,
the kernel unbinds the socket (``packet_notifier`` in net/packet/af_packet.c), and ovs-vswitchd
keeps it: a new device of the same name gets no packets, though its Interface has a number and no
error, and the new ``ifindex``. The datapath in the kernel drops such a port, and ovs-vswitchd adds
the new device by itself.
"""

from __future__ import annotations

import pathlib
import socket
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

from os_vif.host.ovsdb.connection import values
from os_vif.steps.ovs.rows import closed_by, named

if TYPE_CHECKING:
    from os_vif.host.ovsdb.connection import Row
    from os_vif.steps.ovs.rows import Look, OvsStep

#: Packet sockets of the network namespace of this thread, which any user may read.
_SOCKETS = pathlib.Path("/proc/thread-self/net/packet")
#: The column with the index of the device that a socket is bound to.
_INDEX = 4
#: The index that a socket has whose device has gone.
_UNBOUND = -1
_NETDEV = "netdev"
#: Types of an Interface whose device ovs-vswitchd opens by a packet socket.
_DEVICE_TYPES = ("", "system")


class Held(NamedTuple):
    """The ports that a plan makes and ovs-vswitchd had open when the plan began."""

    #: Of each, the bridge in which the plan wants it, and its Interface.
    rows: tuple[tuple[Row, Row], ...] = ()

    def lost(self) -> list[str]:
        """Return the names of the ports for which ovs-vswitchd holds a device that has gone."""
        return [interface["name"] for bridge, interface in self.rows if is_lost(bridge, interface)]

    def without(self, names: Collection[str]) -> Held:
        """Return the others."""
        return Held(tuple(pair for pair in self.rows if pair[1]["name"] not in names))


def of_plan(look: Look, steps: Iterable[OvsStep]) -> Held:
    """Return what ovs-vswitchd holds of the ports that a plan makes, of rows that were read."""
    rows = []
    for step in steps:
        if step.port is None:
            continue
        interface = look.known(named("Interface", step.port))
        bridge = look.known(named("Bridge", step.devices[-1]))
        if interface is not None and bridge is not None and closed_by(interface) is None:
            rows.append((bridge, interface))
    return Held(tuple(rows))


def is_lost(bridge: Row, interface: Row) -> bool:
    """Return whether ovs-vswitchd holds a device that has gone, in place of one of its name.

    False where this cannot be told: ovs-vswitchd has a device of a name that is none here, as in
    another network namespace; it is not running; or nobody may read which sockets there are.
    """
    if bridge["datapath_type"] != _NETDEV or interface["type"] not in _DEVICE_TYPES:
        return False
    if closed_by(interface) is not None:
        return False
    (seen,) = values(interface["ifindex"]) or (0,)
    index = index_of(interface["name"])
    try:
        bound = _bound_indexes()
    except OSError:
        return False
    # An ovs-vswitchd that does not run has no socket, not even one of no device.
    return index not in bound and _UNBOUND in bound and bool(index or not seen)


def index_of(name: str) -> int:
    """Return the index of a network device; 0 if there is none."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def _bound_indexes() -> set[int]:
    """Return the indexes of the devices that packet sockets are bound to."""
    _, *lines = _SOCKETS.read_text(encoding="ascii").splitlines()
    return {int(line.split()[_INDEX]) for line in lines}
