# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reads of the Open_vSwitch database that plugins need before they make a plan.

Each function opens a connection, or takes an idle connection from the pool; in a block of
:func:`os_vif.host.ovsdb.table_snapshot.shared_tables`, all functions read the same rows. A lost
connection is opened again until the deadline. All functions raise :class:`os_vif.exception.OvsdbError` if the
database cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.ovsdb import query as queries
from os_vif.host.ovsdb.notation import mapping, ref, values
from os_vif.host.ovsdb.table_snapshot import read_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.remotes import Target
    from os_vif.host.ovsdb.snapshot import Prefetching, Snapshot


def bridge_of(target: Target, port: str) -> str | None:
    """Return the name of the bridge that a port is in; None for a missing port."""

    def read_bridge(snapshot: Snapshot) -> str | None:
        row = snapshot.port(port)
        bridge = None if row is None else snapshot.bridge_of(row)
        return None if bridge is None else str(bridge["name"])

    return read_rows(target, read_bridge)


def is_in(target: Target, port: str, bridge: str, readers: Sequence[Prefetching] = ()) -> bool:
    """Return whether a port is in a bridge. Reads all ports of the bridge, so for small bridges.

    :param readers: the steps that the caller probably plans, whose rows are read in advance.
    """
    members = queries.ports_of_bridge(bridge)

    def read_membership(snapshot: Snapshot) -> bool:
        rows, row = snapshot.rows(members), snapshot.port(port)
        return bool(rows) and row is not None and ref(row) in values(rows[0]["ports"])

    return read_rows(target, read_membership, readers, [queries.by_name("Port", port), members])


def ports_of(target: Target, interface_id: str, *names: str) -> dict[str, Row]:
    """Return the Interfaces with an ``external_ids:iface-id``, or with one of the names, by name."""
    wanted = [
        queries.interfaces_with_id(interface_id),
        *(queries.by_name("Interface", name) for name in names),
    ]

    def read_interfaces(snapshot: Snapshot) -> dict[str, Row]:
        snapshot.read(wanted)
        return {row["name"]: row for query in wanted for row in snapshot.rows(query)}

    return read_rows(target, read_interfaces)


def interface_ids(target: Target, devices: Collection[str]) -> dict[str, str]:
    """Return ``external_ids:iface-id`` by device name; devices without an id are left out."""
    rows = read_rows(target, lambda snapshot: snapshot.rows(queries.INTERFACE_IDS))
    ids = {row["name"]: mapping(row["external_ids"]).get("iface-id") for row in rows}
    return {name: found for name in devices if (found := ids.get(name))}


def datapath_type(target: Target, bridge: str) -> str | None:
    """Return the ``datapath_type`` of a bridge; None for a missing bridge."""
    row = read_rows(target, lambda snapshot: snapshot.bridge(bridge))
    return None if row is None else str(row["datapath_type"])


def is_userspace(datapath: str) -> bool:
    """Return whether a ``datapath_type`` is in user space. An empty type means the kernel's."""
    return datapath not in ("", "system")
