# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A snapshot of complete tables of the Open_vSwitch database, for reads about many ports.

ovsdb-server evaluates each condition other than ``_uuid ==`` on every row of the table
(``ovsdb/query.c``), so N queries for N ports take N² comparisons. A :class:`TableSnapshot` selects
each table once and evaluates the conditions with an index.

:func:`shared_tables` shares a snapshot between all reads of a block: the functions of
:mod:`os_vif.host.ovsdb.lookups`, and the checks of steps.
"""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any, TypeVar

from os_vif import exception
from os_vif.host.ovsdb import query as queries
from os_vif.host.ovsdb.connection import Ovsdb, retry_read
from os_vif.host.ovsdb.connection_state import lock_name
from os_vif.host.ovsdb.query import ROOT
from os_vif.host.ovsdb.snapshot import Snapshot, note_query, noting_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from os_vif.host.ovsdb.notation import Operation, Row
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.remotes import Target
    from os_vif.host.ovsdb.snapshot import Prefetching

T = TypeVar("T")

#: The tables that almost every plan reads, in the first request.
_FIRST = ("Open_vSwitch", "Bridge", "Port", "Interface", "QoS", "Mirror")
#: The columns of long tables for the first request; all columns are selected at first use.
_NARROW = {
    "Interface": queries.COLUMNS["Interface"],
    "Port": (*queries.COLUMNS["Port"], "qos"),
}
#: The number of steps from which on complete tables are selected.
_MANY = 24
_UUID = frozenset({"_uuid"})
#: The digests of the last answers, by database and request. Each answer was decoded and checked.
_digests: dict[tuple[Any, ...], bytes] = {}
_MAX_DIGESTS = 64


class TableSnapshot(Snapshot):
    """Complete tables of the database. Each table is selected once, at first use.

    The rows may have more columns than a query selects.

    :param first: the tables of the first request.
    :param complete: the tables of the first request with all columns, as far as steps read them.
    :raises os_vif.exception.OvsdbError: if the database cannot be read, also in every method.
    """

    def __init__(
        self, ovsdb: Ovsdb, first: Sequence[str] = _FIRST, complete: Collection[str] = ()
    ) -> None:
        super().__init__(ovsdb)
        self._tables: dict[str, list[Row]] = {}
        self._columns: dict[str, frozenset[str]] = {}
        #: All columns by table, without those that no step reads.
        self._known: dict[str, frozenset[str]] = {}
        #: The rows by table, column and function of a condition, and then by value.
        self._indexes: dict[tuple[str, str, str], dict[Any, list[Row]]] = {}
        #: Decodes the answer to the first request; None after the decoding.
        self._undecoded: Callable[[], list[Row]] | None = None
        self._select_first(
            {
                table: (table not in complete and _NARROW.get(table))
                or tuple(sorted(self._all(table)))
                for table in first
            }
        )

    def _select_first(self, wanted: dict[str, tuple[str, ...]]) -> None:
        """Read tables; an answer equal to the last answer to an equal request is decoded at first use."""
        key = self._ovsdb.connection, *wanted.items()
        self._undecoded, self.digest = self._ovsdb.select_unless_known(
            _operations(wanted), _digests.get(key)
        )
        self._columns = {table: frozenset(columns) for table, columns in wanted.items()}
        self._first_columns = self._columns.copy()
        if self.digest is not None:
            if len(_digests) >= _MAX_DIGESTS:
                _digests.clear()
            _digests[key] = self.digest

    def _decode(self) -> None:
        """Store the rows of the answer to the first request, unless stored before."""
        if self._undecoded is not None:
            results, self._undecoded = self._undecoded(), None
            for table, result in zip(self._first_columns, results, strict=True):
                self._tables[table] = result["rows"]

    def is_in_digest(self, query: Query) -> bool:
        """Return whether the rows of a query are from the text of the digest."""
        table, column, function, value, columns = query
        return (
            self.digest is not None
            and self._needed(table, column, columns) <= self._first_columns.get(table, frozenset())
            and (function != "includes" or len(value[1]) == 1)
        )

    def prefetch(self, readers: Sequence[Prefetching], more: Sequence[Query] = ()) -> None:
        """Do nothing: a table is selected once, at first use."""

    def read(self, wanted: Iterable[Query], *before: Operation) -> None:
        """Read the tables of queries, unless read before.

        :param before: operations ahead of the queries; then the queries are sent as they are.
        """
        if before:
            super().read(wanted, *before)
            return
        missing: dict[str, tuple[str, ...]] = {}
        others = []
        for query in wanted:
            table, column, _, _, columns = query
            needed = self._needed(table, column, columns)
            if not needed <= self._all(table):
                others.append(query)
            elif not needed <= self._columns.get(table, frozenset()):
                missing[table] = tuple(self._all(table))
        self._select(missing)
        if others:
            super().read(others)

    def cached_row(self, query: Query) -> Row | None:
        """Return the first row of a query, or None."""
        return self.row(query)

    def rows(self, query: Query) -> list[Row]:
        """Return the rows of a query, found in the tables."""
        note_query(query)
        if query in self._rows:
            return self._rows[query]
        table, column, function, value, columns = query
        self._decode()
        needed = self._needed(table, column, columns)
        if not needed <= self._columns.get(table, frozenset()):
            if not needed <= self._all(table):
                return super().rows(query)
            self._select({table: tuple(self._all(table))})
        if function == "!=":
            found = [row for row in self._tables[table] if _hashable(row[column]) != value]
        elif function == "includes":
            members = value[1]
            index = self._index(table, column, function)
            found = index.get(members[0], []) if len(members) == 1 else super().rows(query)
        else:
            found = self._index(table, column, function).get(value, [])
        self._rows[query] = found
        return found

    def _all(self, table: str) -> frozenset[str]:
        """Return the columns of a table, without those that no step reads."""
        if table not in self._known:
            self._known[table] = _UUID | self._ovsdb.schema.columns(table) - queries.UNREAD_COLUMNS
        return self._known[table]

    def _needed(self, table: str, column: str, columns: tuple[str, ...]) -> frozenset[str]:
        """Return the columns that a query needs.

        :param columns: the selected columns; none means all.
        """
        return frozenset((column, *columns)) if columns else self._all(table)

    def _select(self, wanted: dict[str, tuple[str, ...]]) -> None:
        """Read columns of all rows of tables in a single request."""
        if not wanted:
            return
        self._decode()
        # The rows are from two answers.
        self.digest = None
        results = self._ovsdb.transact(*_operations(wanted))
        for (table, columns), result in zip(wanted.items(), results, strict=True):
            self._tables[table] = result["rows"]
            self._columns[table] = frozenset(columns)
            for key in [key for key in self._indexes if key[0] == table]:
                del self._indexes[key]
            for query in [query for query in self._rows if query[0] == table]:
                del self._rows[query]

    def _index(self, table: str, column: str, function: str) -> dict[Any, list[Row]]:
        """Return the rows of a table by the value of a column, or by each member of the value."""
        key = (table, column, function)
        if key not in self._indexes:
            index: dict[Any, list[Row]] = {}
            for row in self._tables[table]:
                keys = _members(row[column]) if function == "includes" else (row[column],)
                for member in keys:
                    index.setdefault(_hashable(member), []).append(row)
            self._indexes[key] = index
        return self._indexes[key]


def _operations(wanted: dict[str, tuple[str, ...]]) -> list[Operation]:
    """Return the operations that select columns of all rows of tables."""
    return [
        {"op": "select", "table": table, "where": [], "columns": list(columns)}
        for table, columns in wanted.items()
    ]


def _members(value: Any) -> Sequence[Any]:
    """Return the members of a set, the pairs of a map, or the single value."""
    if isinstance(value, list) and value[0] in ("set", "map"):
        return tuple(value[1])
    return (value,)


def _hashable(value: Any) -> Any:
    """Return a value of RFC 7047 with tuples in place of lists."""
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def is_many(readers: Sequence[object]) -> bool:
    """Return whether to select complete tables for a number of steps or queries."""
    return len(readers) >= _MANY


def snapshot_for(
    ovsdb: Ovsdb, readers: Sequence[Prefetching], more: Sequence[Query] = ()
) -> Snapshot:
    """Return a snapshot for steps: of the rows of a few steps, or of tables for many steps.

    :param more: queries for the first request.
    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    if not is_many(readers):
        return Snapshot(ovsdb, readers, more)
    complete = {table for reader in readers for table in reader.full_row_tables}
    return TableSnapshot(ovsdb, complete=complete)


class _SharedSnapshots:
    """The snapshots of a block, by database; the reads of the block, by this thread, use them.

    The block closes the connections. A class, because a generator takes longer in each plug.

    :param noting: notes the queries of the block; None notes no queries.
    """

    def __init__(self, noting: noting_queries | None = None) -> None:
        self._noting = noting
        #: All connections of the block, also those that a plan has taken.
        self._opened: list[Ovsdb] = []
        self._connections: dict[Any, Ovsdb] = {}
        self._found: dict[Any, Snapshot | exception.OvsdbError] = {}
        self._token: contextvars.Token[_SharedSnapshots | None] | None = None

    def __enter__(self) -> None:
        self._token = _shared.set(self)
        if self._noting is not None:
            self._noting.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._noting is not None:
            self._noting.__exit__()
        if self._token is not None:
            _shared.reset(self._token)
        while self._opened:
            self._opened.pop().__exit__(kind, error, traceback)

    def connection(self, target: Target) -> Ovsdb:
        """Return the connection of the block to a database."""
        key = (target.connection, target.tls)
        if key not in self._connections:
            self._connections[key] = Ovsdb.to(target)
            self._opened.append(self._connections[key])
        return self._connections[key]

    def open(
        self, target: Target, readers: Sequence[Prefetching], queries: Sequence[Query]
    ) -> tuple[Ovsdb, Snapshot]:
        """Return the connection and the snapshot of a database.

        :param readers: steps, with queries to send in advance.
        :param queries: queries to send in advance.
        :raises os_vif.exception.OvsdbError: if the first attempt to read the database failed. A
            database that does not answer costs one timeout, not one for each VIF.
        """
        key, ovsdb = (target.connection, target.tls), self.connection(target)
        if key not in self._found:
            try:
                self._found[key] = retry_read(ovsdb, lambda: self._read(ovsdb, readers, queries))
            except exception.OvsdbError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, exception.OvsdbError):
            raise found.with_traceback(None)
        return ovsdb, found

    def _read(
        self, ovsdb: Ovsdb, readers: Sequence[Prefetching], more: Sequence[Query]
    ) -> Snapshot:
        """Read the first rows, with locks if no other client has one of the locks.

        Ports that an earlier plan has read are probably right, and need no locks.
        """
        ovsdb.connect()
        ports = {port for reader in readers if (port := reader.port) is not None}
        if any(queries.by_name("Port", port) not in ovsdb.remembered_rows for port in ports):
            ovsdb.queue_lock_requests(*sorted(map(lock_name, ports)))
        # Every plan with steps of a port reads the row that all other rows depend on.
        snapshot = Snapshot(ovsdb, readers, [*more, ROOT] if readers else more)
        if not ovsdb.has_locks():
            # Another plan is running. A plan of the block waits for the locks that it needs.
            ovsdb.release_locks()
        return snapshot

    def take(self, target: Target) -> tuple[Ovsdb, Snapshot | None] | None:
        """Remove and return the connection, and the snapshot of the database if read before.

        None if there is no connection. After a failed attempt to read the database, the deadline of
        the connection may have passed.
        """
        key = (target.connection, target.tls)
        if key not in self._connections:
            return None
        found = self._found.pop(key, None)
        return self._connections.pop(key), found if isinstance(found, Snapshot) else None


class _SharedTables(_SharedSnapshots):
    """The snapshots of complete tables of a block, by database. The block has no locks."""

    def _read(
        self, ovsdb: Ovsdb, readers: Sequence[Prefetching], queries: Sequence[Query]
    ) -> Snapshot:
        del readers, queries
        return TableSnapshot(ovsdb)


_shared: contextvars.ContextVar[_SharedSnapshots | None] = contextvars.ContextVar(
    "os_vif_shared_tables", default=None
)


def shared_tables() -> AbstractContextManager[None]:
    """Share a :class:`TableSnapshot` of each database between all reads of the block.

    The rows are those of the first read of the block, in the calling thread only. A block inside
    another block uses the same rows.
    """
    return _SharedTables() if _shared.get() is None else contextlib.nullcontext()


def shared_rows() -> AbstractContextManager[None]:
    """Share a connection between the reads of a plan and the run of the plan, in the block.

    The first read of the block also reads the rows of the *readers* of :func:`read_rows`, so that a
    plan of the same ports that holds needs no other request. The ports are locked for the read,
    unless an earlier plan has read them. Reads in a block of :func:`shared_tables` use the rows of
    that block. The queries of the block are noted (:func:`os_vif.host.ovsdb.snapshot.noting_queries`).
    """
    is_outer = _shared.get() is None
    return _SharedSnapshots(noting_queries({})) if is_outer else contextlib.nullcontext()


def shared_snapshot(target: Target, readers: Sequence[Prefetching] = ()) -> Snapshot | None:
    """Return the snapshot of the block, which the block keeps; None outside of a block.

    :param readers: steps, with queries to send in advance.
    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    shared = _shared.get()
    return None if shared is None else shared.open(target, readers, ())[1]


def shared_connection(target: Target) -> Ovsdb | None:
    """Return the connection of the block, which may not be open; None outside of a block."""
    shared = _shared.get()
    return None if shared is None else shared.connection(target)


def take_shared(target: Target) -> tuple[Ovsdb, Snapshot | None] | None:
    """Remove and return the connection and the snapshot of the block, for a plan.

    The connection may have the locks of the plan. Later reads of the block select the tables again.
    """
    shared = _shared.get()
    return None if shared is None else shared.take(target)


def read_rows(
    target: Target,
    read: Callable[[Snapshot], T],
    readers: Sequence[Prefetching] = (),
    queries: Sequence[Query] = (),
) -> T:
    """Call a function with a snapshot: of the block, or of a connection of its own.

    The blocks are those of :func:`shared_tables` and :func:`shared_rows`.

    The function is called again if the connection is lost, until the deadline.

    :param readers: steps, with queries to send in advance.
    :param queries: queries to send in advance.
    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    shared = _shared.get()
    if shared is not None:
        ovsdb, snapshot = shared.open(target, readers, queries)
        return retry_read(ovsdb, lambda: read(snapshot))
    with Ovsdb.to(target) as ovsdb:
        return retry_read(ovsdb, lambda: read(Snapshot(ovsdb, readers, queries)))
