# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A transaction of the Open_vSwitch database, with operations of several owners.

Source: RFC 7047, 5.2; ovs-vswitchd.conf.db(5), ``next_cfg`` and ``cur_cfg``.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import re
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from os_vif.host.ovsdb.notation import ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.host.ovsdb.connection import Ovsdb
    from os_vif.host.ovsdb.notation import Operation, Reference, Row
    from os_vif.host.ovsdb.snapshot import Snapshot

Owner = TypeVar("Owner")
#: A map column, as pairs of key and value.
Pairs = tuple[tuple[str, str], ...]

_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class CommitResult(NamedTuple):
    """The result of a committed transaction."""

    #: The number that ``cur_cfg`` reaches when ovs-vswitchd has applied the transaction.
    next_cfg: int
    #: UUIDs of the inserted rows, by the names in their ``named-uuid`` references.
    uuids: dict[str, str]


def read_next_cfg(rows: Sequence[Row]) -> int:
    """Return ``next_cfg`` of the row of Open_vSwitch; 0 without a row, as in an empty database."""
    return int(rows[0]["next_cfg"]) if rows else 0


@dataclasses.dataclass(slots=True)
class Effects:
    """Effects of a transaction, for later steps of the same transaction and for errors.

    A step records effects and reads the effects of preceding steps.
    """

    #: References to the bridges of preceding steps, existing or inserted, by name.
    bridges: dict[str, Reference] = dataclasses.field(default_factory=dict)
    #: References to the ports removed from a bridge.
    removed_ports: list[Reference] = dataclasses.field(default_factory=list)
    #: References to the rows inserted again by undo steps, by the former UUID.
    recreated: dict[str, Reference] = dataclasses.field(default_factory=dict)
    #: Lines for an error: the settings that undo steps cannot restore.
    not_restored: list[str] = dataclasses.field(default_factory=list)
    #: A sentence for each bridge that remains because of ports in the bridge.
    remaining_bridges: list[str] = dataclasses.field(default_factory=list)
    #: Commit even without operations, so that ovs-vswitchd retries to open closed ports.
    retries_open: bool = False


class OwnedTransaction(Generic[Owner]):
    """The view of a transaction through which one owner adds operations."""

    # Steps cannot leave further attributes for each other.
    __slots__ = ("_owner", "_transaction", "effects", "port_ids")

    def __init__(self, transaction: Transaction[Owner], owner: Owner) -> None:
        self._transaction = transaction
        self._owner = owner
        self.effects = transaction.effects
        self.port_ids = transaction.port_ids

    def bridge(self, snapshot: Snapshot, name: str) -> Reference:
        """Return the reference to a bridge, existing or inserted by the transaction.

        :raises OSError: ``ENODEV`` for a missing bridge.
        """
        if name in self.effects.bridges:
            return self.effects.bridges[name]
        row = snapshot.bridge(name)
        if row is None:
            raise OSError(errno.ENODEV, f"there is no bridge {name}")
        return ref(row)

    def require(self, table: str, where: list[Any], **columns: Any) -> None:
        """Add a condition: a single row meets *where* and has the *columns*.

        The server refuses the whole transaction if the condition does not hold at the commit.
        """
        wait = {
            "op": "wait",
            "timeout": 0,
            "table": table,
            "where": where,
            "columns": list(columns),
            "until": "==",
            "rows": [columns],
        }
        self._transaction.conditions.append((self._owner, wait))

    def insert(self, table: str, **row: Any) -> Reference:
        """Insert a row; return the reference to the row within the transaction."""
        name = f"row{len(self._transaction.operations)}"
        self._add({"op": "insert", "table": table, "row": row, "uuid-name": name})
        return ["named-uuid", name]

    def update(self, table: str, row: Row, **columns: Any) -> None:
        """Set columns of a row."""
        where = [["_uuid", "==", ref(row)]]
        self._add({"op": "update", "table": table, "where": where, "row": columns})

    def fill(self, table: str, reference: Reference, column: str, value: Any) -> None:
        """Set a column of at most one value, on condition of an empty column.

        The condition is a ``wait``. Servers of before 2018 evaluate every condition of ``update``
        on an empty column as false ("condition: Fix ==, !=, includes, excludes on optional
        scalars").
        """
        where = [["_uuid", "==", reference]]
        if reference[0] == "uuid":
            self.require(table, where, **{column: ["set", []]})
        self._add({"op": "update", "table": table, "where": where, "row": {column: value}})

    def mutate(self, table: str, reference: Reference | None, *mutations: list[Any]) -> None:
        """Change columns of a row by mutations (RFC 7047, 5.1).

        :param reference: None for the only row of a table.
        """
        where = [] if reference is None else [["_uuid", "==", reference]]
        self._add({"op": "mutate", "table": table, "where": where, "mutations": list(mutations)})

    def delete(self, table: str, row: Row) -> None:
        """Delete a row."""
        self._add({"op": "delete", "table": table, "where": [["_uuid", "==", ref(row)]]})

    def _add(self, operation: Operation) -> None:
        self._transaction.operations.append((self._owner, operation))


class Transaction(Generic[Owner]):
    """The operations of a transaction, each with the owner of the operation."""

    __slots__ = ("conditions", "effects", "operations", "port_ids")

    def __init__(self, port_ids: Pairs = ()) -> None:
        """Create an empty transaction.

        :param port_ids: ``external_ids`` for the Interface of each port that a step creates for a
            VIF. The ids are no condition of a step: present ports are not changed.
        """
        self.effects = Effects()
        self.port_ids = port_ids
        #: The conditions, which the server evaluates first.
        self.conditions: list[tuple[Owner, Operation]] = []
        self.operations: list[tuple[Owner, Operation]] = []

    def __bool__(self) -> bool:
        return bool(self.operations) or self.effects.retries_open

    def owned_by(self, owner: Owner) -> OwnedTransaction[Owner]:
        """Return the view through which *owner* adds operations."""
        return OwnedTransaction(self, owner)

    def commit(self, ovsdb: Ovsdb) -> CommitResult:
        """Send the transaction.

        :raises os_vif.exception.OvsdbError: as
            :meth:`os_vif.host.ovsdb.connection.Ovsdb.transact`.
        """
        cfg: list[Operation] = [
            {"op": "mutate", "table": "Open_vSwitch", "where": [],
             "mutations": [["next_cfg", "+=", 1]]},
            {"op": "select", "table": "Open_vSwitch", "where": [], "columns": ["next_cfg"]},
        ]  # fmt: skip
        operations = [operation for _, operation in (*self.conditions, *self.operations)]
        results = ovsdb.transact(*operations, *cfg)
        uuids = {
            operation["uuid-name"]: result["uuid"][1]
            for operation, result in zip(operations, results, strict=False)
            if "uuid-name" in operation
        }
        return CommitResult(read_next_cfg(results[-1]["rows"]), uuids)

    def owner_of(self, index: int | None) -> Owner | None:
        """Return the owner of the operation at an index of the request, or None."""
        owners = [owner for owner, _ in (*self.conditions, *self.operations)]
        if index is None or index >= len(owners):
            return None
        return owners[index]

    @property
    def text(self) -> str:
        """The operations as text; equal for equal transactions."""
        return repr([operation for _, operation in (*self.conditions, *self.operations)])

    def owner_named_in(self, reason: str) -> Owner | None:
        """Return the owner of the rows named in a refusal of the whole transaction, or None.

        ovsdb-server names rows by UUID, or by the value of an indexed column. Several operations
        contain the UUID of a bridge; the operation with the greatest number of names decides.
        """
        uuids = set(_UUID.findall(reason))
        found, most = None, 0
        for owner, operation in self.operations:
            row = operation.get("row", {})
            count = len(uuids & set(_UUID.findall(repr(operation))))
            # Only the name of an inserted row can be in use already.
            if operation["op"] == "insert" and isinstance(name := row.get("name"), str):
                count += 3 * (f"({name})" in reason or f"({json.dumps(name)})" in reason)
            if count and count >= most:
                found, most = owner, count
        return found
