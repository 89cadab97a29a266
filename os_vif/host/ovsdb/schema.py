# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The schema of the database Open_vSwitch, which differs from release to release.

A connection asks for it once. A column that an older release lacks, and that os-vif can do
without, is neither read nor written; a database that lacks any other column is refused.

Sources: vswitchd/vswitch.ovsschema at the tags of Open vSwitch; RFC 7047, 3.2 and 4.1.2.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from os_vif.host.ovsdb import answers

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = logging.getLogger(__name__)

#: The oldest release of Open vSwitch that os-vif supports, and the version of its schema.
OLDEST, OLDEST_SCHEMA = "2.4.0", "7.12.1"

#: The columns without which os-vif cannot work. Release 2.4.0 added ``error`` and ``iface_types``.
REQUIRED = {
    "Open_vSwitch": ("bridges", "cur_cfg", "iface_types", "next_cfg"),
    "Bridge": ("datapath_id", "datapath_type", "name", "ports"),
    "Port": ("interfaces", "name", "qos", "tag", "trunks", "vlan_mode"),
    "Interface": ("error", "external_ids", "name", "ofport", "options", "type"),
    "QoS": ("external_ids", "type"),
}


class _Optional(NamedTuple):
    #: The release that added the column.
    since: str
    #: The value that a row without the column is read to have.
    value: Any


#: The columns that os-vif does without, by table and name.
OPTIONAL = {
    ("Interface", "mtu_request"): _Optional("2.6.0", ["set", []]),
    ("Open_vSwitch", "dpdk_initialized"): _Optional("2.10.0", False),
}


class Schema:
    """The tables and columns that a database has.

    :param found: the answer to ``get_schema``.
    :raises OSError: with ``EPROTO`` if it is no schema.
    """

    def __init__(self, found: Any) -> None:
        self.version, self._tables = answers.schema(found)
        self._absent = {column for column in OPTIONAL if not self.has(*column)}
        #: The columns that a log has been told of.
        self._told: set[tuple[str, str]] = set()

    def has(self, table: str, column: str) -> bool:
        """Return whether a table has a column."""
        return column in self._tables.get(table, ())

    def fault(self) -> str | None:
        """Return why os-vif cannot work with this database, or None if it can."""
        for table, columns in REQUIRED.items():
            for column in columns:
                if not self.has(table, column):
                    return (
                        f"its schema {self.version} lacks {table}.{column}; the oldest release "
                        f"that os-vif supports is Open vSwitch {OLDEST} (schema {OLDEST_SCHEMA})"
                    )
        return None

    def reduced(self, operations: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return operations without the columns that the database lacks."""
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
                self._tell(table, column, operation["row"].get(column))
        return result

    def _tell(self, table: str, column: str, value: Any) -> None:
        """Log once that a value is not set."""
        since, default = OPTIONAL[table, column]
        if value in (None, default) or (table, column) in self._told:
            return
        self._told.add((table, column))
        LOG.warning(
            "Open vSwitch has no column %s.%s, which %s added: %s is not set there",
            table, column, since, value,
        )  # fmt: skip

    def complete(
        self, operations: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]
    ) -> None:
        """Give rows that were selected the columns which the database lacks."""
        for table, column in self._absent:
            for operation, result in zip(operations, results, strict=False):
                if operation.get("table") == table and column in operation.get("columns", ()):
                    for row in result.get("rows", ()):
                        row[column] = OPTIONAL[table, column].value
