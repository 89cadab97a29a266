# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The bridges, ports and interfaces of a switch, for the inventory of the host."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from os_vif.host.ovsdb import query as queries
from os_vif.host.ovsdb.notation import ref, values
from os_vif.host.ovsdb.table_snapshot import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.remotes import Target
    from os_vif.host.ovsdb.snapshot import Snapshot


class PortTables:
    """All bridges, ports and interfaces of a switch, with their references."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._interfaces = snapshot.rows(queries.ALL_INTERFACES)
        #: Bridges by name.
        self.bridges: dict[str, Row] = {}
        self._ports = {ref(row)[1]: row for row in snapshot.rows(queries.ALL_PORTS)}
        self._bridge_of: dict[str, Row] = {}
        for bridge in snapshot.rows(queries.ALL_BRIDGES):
            self.bridges[bridge["name"]] = bridge
            for port in values(bridge["ports"]):
                self._bridge_of[port[1]] = bridge
        self._port_of = {
            interface[1]: port
            for port in self._ports.values()
            for interface in values(port["interfaces"])
        }

    def __iter__(self) -> Iterator[tuple[Row, Row]]:
        """Yield each Interface of a port in a bridge, with the Bridge."""
        for interface in self._interfaces:
            port = self._port_of.get(ref(interface)[1])
            bridge = None if port is None else self._bridge_of.get(ref(port)[1])
            if bridge is not None:
                yield interface, bridge

    def bridge_of_port(self, name: str) -> str | None:
        """Return the name of the bridge that a port is in, or None."""
        row = self._port_named.get(name)
        bridge = None if row is None else self._bridge_of.get(ref(row)[1])
        return None if bridge is None else str(bridge["name"])

    def is_guest_port(self, name: str) -> bool:
        """Return whether a port is of another type than ``patch``."""
        return self._types.get(name) != "patch"

    @functools.cached_property
    def _port_named(self) -> dict[str, Row]:
        return {row["name"]: row for row in self._ports.values()}

    @functools.cached_property
    def _types(self) -> dict[str, str]:
        return {row["name"]: row["type"] for row in self._interfaces}

    def port_names(self, bridge: str) -> tuple[str, ...]:
        """Return the names of the ports of a bridge, without the port of the bridge's name."""
        row = self.bridges.get(bridge)
        references = () if row is None else values(row["ports"])
        ports = (self._ports.get(reference[1]) for reference in references)
        names = (str(port["name"]) for port in ports if port is not None)
        return tuple(name for name in names if name != bridge)


def read_port_tables(target: Target) -> PortTables:
    """Return the bridges, ports and interfaces of a switch.

    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    return read_rows(target, PortTables)
