# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reads of the Open_vSwitch database that plugins need before they make a plan.

Each function opens a connection, or takes an idle connection from the pool. A lost connection is
opened again until the deadline. All functions raise :class:`os_vif.exception.OvsdbError` if the
database cannot be read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.ovsdb import query as queries
from os_vif.host.ovsdb.connection import Ovsdb, retry_read
from os_vif.host.ovsdb.notation import mapping, ref, values
from os_vif.host.ovsdb.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.remotes import Target


def bridge_of(target: Target, port: str) -> str | None:
    """Return the name of the bridge that a port is in; None for a missing port."""
    with Ovsdb.to(target) as ovsdb:

        def read_bridge() -> str | None:
            snapshot = Snapshot(ovsdb)
            row = snapshot.port(port)
            bridge = None if row is None else snapshot.bridge_of(row)
            return None if bridge is None else str(bridge["name"])

        return retry_read(ovsdb, read_bridge)


def is_in(target: Target, port: str, bridge: str) -> bool:
    """Return whether a port is in a bridge. Reads all ports of the bridge, so for small bridges."""
    members = queries.ports_of_bridge(bridge)
    with Ovsdb.to(target) as ovsdb:

        def read_membership() -> bool:
            snapshot = Snapshot(ovsdb)
            snapshot.read([queries.by_name("Port", port), members])
            rows, row = snapshot.rows(members), snapshot.port(port)
            return bool(rows) and row is not None and ref(row) in values(rows[0]["ports"])

        return retry_read(ovsdb, read_membership)


def ports_of(target: Target, interface_id: str, *names: str) -> dict[str, Row]:
    """Return the Interfaces with an ``external_ids:iface-id``, or with one of the names, by name."""
    wanted = [
        queries.interfaces_with_id(interface_id),
        *(queries.by_name("Interface", name) for name in names),
    ]
    with Ovsdb.to(target) as ovsdb:

        def read_interfaces() -> dict[str, Row]:
            snapshot = Snapshot(ovsdb)
            snapshot.read(wanted)
            return {row["name"]: row for query in wanted for row in snapshot.rows(query)}

        return retry_read(ovsdb, read_interfaces)


def interface_ids(target: Target, devices: Collection[str]) -> dict[str, str]:
    """Return ``external_ids:iface-id`` by device name; devices without an id are left out."""
    columns = ["name", "external_ids"]
    with Ovsdb.to(target) as ovsdb:
        rows = retry_read(ovsdb, lambda: ovsdb.select("Interface", [], columns))
        ids = {row["name"]: mapping(row["external_ids"]).get("iface-id") for row in rows}
        return {name: found for name in devices if (found := ids.get(name))}


def datapath_type(target: Target, bridge: str) -> str | None:
    """Return the ``datapath_type`` of a bridge; None for a missing bridge."""
    with Ovsdb.to(target) as ovsdb:
        row = retry_read(ovsdb, lambda: Snapshot(ovsdb).bridge(bridge))
        return None if row is None else str(row["datapath_type"])


def is_userspace(datapath: str) -> bool:
    """Return whether a ``datapath_type`` is in user space. An empty type means the kernel's."""
    return datapath not in ("", "system")
