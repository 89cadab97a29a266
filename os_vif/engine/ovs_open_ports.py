# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ports of a plan that ovs-vswitchd has open when the plan begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from os_vif.host.ovsdb import query
from os_vif.steps.ovs.port import EnsureOvsPort
from os_vif.steps.ovs.stale_devices import bound_indexes, has_stale_device
from os_vif.steps.ovs.vswitchd import open_error

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.steps.ovs.step import OvsStep


class OpenPorts(NamedTuple):
    """Rows of the open ports of a plan."""

    #: The wanted bridge and the Interface of each port.
    rows: tuple[tuple[Row, Row], ...] = ()

    def with_stale_device(self) -> list[str]:
        """Return the names of the ports for which ovs-vswitchd holds a deleted device."""
        # The list of sockets is as long as the list of ports.
        bound = bound_indexes() if len(self.rows) > 1 else None
        return [
            interface["name"]
            for bridge, interface in self.rows
            if has_stale_device(bridge, interface, bound)
        ]

    def without(self, names: Collection[str]) -> OpenPorts:
        """Return the ports except the named ports."""
        return OpenPorts(tuple(pair for pair in self.rows if pair[1]["name"] not in names))


def find_open_ports(snapshot: Snapshot, steps: Iterable[OvsStep]) -> OpenPorts:
    """Return the open ports among the ports that a plan ensures, from rows read before."""
    rows = []
    for step in steps:
        if not isinstance(step, EnsureOvsPort):
            continue
        interface = snapshot.cached_row(query.by_name("Interface", step.name))
        bridge = snapshot.cached_row(query.by_name("Bridge", step.bridge))
        if interface is not None and bridge is not None and open_error(interface) is None:
            rows.append((bridge, interface))
    return OpenPorts(tuple(rows))
