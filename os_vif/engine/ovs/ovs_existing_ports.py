# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The existing ports of a plan, as read when the plan begins."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from os_vif.host import packet_sockets
from os_vif.host.ovsdb import query
from os_vif.steps.ovs.port import EnsureOvsPort
from os_vif.steps.ovs.stale_devices import has_stale_device
from os_vif.steps.ovs.vswitchd import open_error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.steps.ovs.step import OvsStep


class ExistingPorts(NamedTuple):
    """The existing ports of a plan."""

    #: The wanted bridge and the Interface of each port that ovs-vswitchd has open.
    rows: tuple[tuple[Row, Row], ...] = ()
    #: The steps of the ports without an open device: a port whose device was deleted, for example.
    #: ovs-vswitchd opens a new device of the name at once.
    closed: tuple[EnsureOvsPort, ...] = ()

    def with_stale_device(self) -> list[str]:
        """Return the names of the ports for which ovs-vswitchd holds a deleted device."""
        bound = functools.cache(packet_sockets.bound_indexes_beside_unbound)
        return [
            interface["name"]
            for bridge, interface in self.rows
            if has_stale_device(bridge, interface, bound)
        ]

    def without(self, names: Collection[str]) -> ExistingPorts:
        """Return the ports except the named open ports."""
        rows = tuple(pair for pair in self.rows if pair[1]["name"] not in names)
        return self._replace(rows=rows)


def find_existing_ports(snapshot: Snapshot, steps: Iterable[OvsStep]) -> ExistingPorts:
    """Return the existing ports among the ports that a plan ensures, from rows read before."""
    rows, closed = [], []
    for step in steps:
        if not isinstance(step, EnsureOvsPort):
            continue
        interface = snapshot.cached_row(query.by_name("Interface", step.name))
        bridge = snapshot.cached_row(query.by_name("Bridge", step.bridge))
        if interface is None or bridge is None:
            continue
        if open_error(interface) is None:
            rows.append((bridge, interface))
        else:
            closed.append(step)
    return ExistingPorts(tuple(rows), tuple(closed))
