# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The schema of the database Open_vSwitch, which differs from release to release.

A connection reads the schema once. Optional columns that an older release lacks are neither read
nor written. A database without a required column is refused.

Sources: vswitchd/vswitch.ovsschema at the tags of Open vSwitch; RFC 7047, 3.2 and 4.1.2.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from os_vif.host.ovsdb import replies

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = logging.getLogger(__name__)

#: The oldest supported release of Open vSwitch, and the version of the release's schema.
OLDEST, OLDEST_SCHEMA = "2.4.0", "7.12.1"

#: The required columns. Release 2.4.0 added ``error`` and ``iface_types``.
REQUIRED = {
    "Open_vSwitch": ("bridges", "cur_cfg", "iface_types", "next_cfg"),
    "Bridge": ("datapath_id", "datapath_type", "name", "ports"),
    "Port": ("interfaces", "name", "qos", "tag", "trunks", "vlan_mode"),
    "Interface": ("error", "external_ids", "name", "ofport", "options", "type"),
    "QoS": ("external_ids", "type"),
}


class UnsupportedSchemaError(OSError):
    """The database lacks a required column."""


class _Optional(NamedTuple):
    #: The release that added the column.
    since: str
    #: The value in a row of a database without the column.
    value: Any


#: The optional columns, by table and name.
OPTIONAL = {
    ("Interface", "mtu_request"): _Optional("2.6.0", ["set", []]),
    ("Open_vSwitch", "dpdk_initialized"): _Optional("2.10.0", False),
}


class Schema:
    """The tables and columns of a database.

    :param found: the answer to ``get_schema``.
    :raises OSError: ``EPROTO`` if the answer is no schema.
    """

    def __init__(self, found: Any) -> None:
        self.version, self._tables = replies.schema(found)
        self._absent = {column for column in OPTIONAL if not self.has(*column)}
        #: The columns with a logged warning.
        self._warned: set[tuple[str, str]] = set()

    def has(self, table: str, column: str) -> bool:
        """Return whether a table has a column."""
        return column in self._tables.get(table, ())

    @property
    def is_complete(self) -> bool:
        """Return whether the database has all optional columns."""
        return not self._absent

    def columns(self, table: str) -> frozenset[str]:
        """Return the columns of a table, with missing optional columns and without ``_uuid``."""
        optional = (column for of, column in OPTIONAL if of == table)
        return self._tables.get(table, frozenset()).union(optional)

    def fault(self) -> str | None:
        """Return why the database cannot be used, or None."""
        for table, columns in REQUIRED.items():
            for column in columns:
                if not self.has(table, column):
                    return (
                        f"its schema {self.version} lacks {table}.{column}; the oldest release "
                        f"that os-vif supports is Open vSwitch {OLDEST} (schema {OLDEST_SCHEMA})"
                    )
        return None

    def reduced(self, operations: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return operations without the columns missing in the database."""
        if not self._absent:
            return operations
        return [self._reduced(operation) for operation in operations]

    def _reduced(self, operation: dict[str, Any]) -> dict[str, Any]:
        table = operation.get("table", "")
        lacks = [column for of, column in self._absent if of == table]
        result = dict(operation)
        if "columns" in operation:
            result["columns"] = [c for c in operation["columns"] if c not in lacks]
        if "row" in operation:
            result["row"] = {c: v for c, v in operation["row"].items() if c not in lacks}
            for column in lacks:
                self._warn(table, column, operation["row"].get(column))
        return result

    def _warn(self, table: str, column: str, value: Any) -> None:
        """Warn, once for each column, about a value that cannot be set."""
        since, default = OPTIONAL[table, column]
        if value in (None, default) or (table, column) in self._warned:
            return
        self._warned.add((table, column))
        LOG.warning(
            "Open vSwitch has no column %s.%s, which %s added: %s is not set there",
            table, column, since, value,
        )  # fmt: skip

    def complete(
        self, operations: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]
    ) -> None:
        """Add the missing optional columns, with default values, to selected rows."""
        for table, column in self._absent:
            for operation, result in zip(operations, results, strict=False):
                if operation.get("table") == table and column in operation.get("columns", ()):
                    for row in result.get("rows", ()):
                        row[column] = OPTIONAL[table, column].value
