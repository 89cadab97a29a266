# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A cache of rows for one transaction."""

from __future__ import annotations

import contextvars
import functools
from typing import TYPE_CHECKING, Protocol

from os_vif.host import packet_sockets
from os_vif.host.ovsdb import query as queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from os_vif.host.ovsdb.connection import Ovsdb
    from os_vif.host.ovsdb.notation import Operation, Reference, Row
    from os_vif.host.ovsdb.query import Query

#: The queries that were answered in a block of :func:`noting_queries`, in the order of first use.
_noted: contextvars.ContextVar[dict[Query, None] | None] = contextvars.ContextVar(
    "os_vif_noted_queries", default=None
)

#: The tables with rows remembered for later plans; see :meth:`Snapshot.cached_row`.
_REMEMBERED = ("Port", "QoS")


class noting_queries:  # noqa: N801 - like contextlib.suppress
    """Note the queries that snapshots answer in the block, in the calling thread.

    The block has the dictionary of the queries. A class, because a generator takes longer in each
    plug.

    :param queries: receives the queries, as keys; None for the dictionary of the outer block, or for
        a new dictionary.
    """

    def __init__(self, queries: dict[Query, None] | None = None) -> None:
        outer = _noted.get() if queries is None else queries
        self._queries: dict[Query, None] = {} if outer is None else outer

    def __enter__(self) -> dict[Query, None]:
        self._token = _noted.set(self._queries)
        return self._queries

    def __exit__(self, *_: object) -> None:
        _noted.reset(self._token)


def note_query(query: Query) -> None:
    """Note a query that a snapshot answers."""
    if (noted := _noted.get()) is not None:
        noted[query] = None


class Prefetching(Protocol):
    """A reader with a list of queries to send in advance, such as a step."""

    @property
    def port(self) -> str | None:
        """The port to lock against other plans, or None."""

    @property
    def full_row_tables(self) -> Sequence[str]:
        """The tables whose rows the reader reads with all columns."""

    def prefetch(self, snapshot: Snapshot) -> Iterable[Query]:
        """Yield the queries of the reader, given the rows read so far."""


class Snapshot:
    """A read-through cache of rows of the Open_vSwitch database, for one transaction.

    Each query is sent once. The queries of all readers are sent together, in as few requests as
    possible: a query with a condition on rows of a previous answer is sent with the next request.

    :param readers: steps, with queries to send in advance.
    :param more: queries for the first request.
    :raises os_vif.exception.OvsdbError: if the database cannot be read, also in every method.
    """

    #: A digest of the text of all rows; None if unknown. Equal digests stand for equal rows.
    digest: bytes | None = None

    def __init__(
        self, ovsdb: Ovsdb, readers: Sequence[Prefetching] = (), more: Sequence[Query] = ()
    ) -> None:
        self._ovsdb = ovsdb
        self._rows: dict[Query, list[Row]] = {}
        self.prefetch(readers, more)

    def prefetch(self, readers: Sequence[Prefetching], more: Sequence[Query] = ()) -> None:
        """Send the queries of readers that have not been sent, in as few requests as possible.

        :param readers: steps, with queries to send in advance.
        :param more: queries for the first request.
        """
        while missing := [
            query
            for group in (more, *(reader.prefetch(self) for reader in readers))
            for query in group
            if query not in self._rows
        ]:
            self.read(missing)

    def read(self, wanted: Iterable[Query], *before: Operation) -> None:
        """Send queries in a single request and store the rows.

        :param before: operations ahead of the queries: a ``wait``, for example.
        """
        unique = list(dict.fromkeys(wanted))
        operations = map(queries.select, unique)
        results = self._ovsdb.transact(*before, *operations)[len(before) :]
        self._rows |= {q: result["rows"] for q, result in zip(unique, results, strict=True)}
        self._ovsdb.remembered_rows.update(
            (query, rows[0])
            for query in unique
            if query[0] in _REMEMBERED and (rows := self._rows[query])
        )

    def is_in_digest(self, query: Query) -> bool:
        """Return whether the rows of a query are from the text of the digest."""
        return False

    def cached_row(self, query: Query) -> Row | None:
        """Return a row from this snapshot, or a possibly stale row remembered from an earlier plan.

        Only for the choice of queries to prefetch.
        """
        if query not in self._rows:
            return self._ovsdb.remembered_rows.get(query)
        note_query(query)
        rows = self._rows[query]
        return rows[0] if rows else None

    def rows(self, query: Query) -> list[Row]:
        """Return the rows of a query, read at first use."""
        if query not in self._rows:
            self.read([query])
        note_query(query)
        return self._rows[query]

    def row(self, query: Query) -> Row | None:
        """Return the first row of a query, or None."""
        rows = self.rows(query)
        return rows[0] if rows else None

    def bridge(self, name: str) -> Row | None:
        """Return a row of Bridge by name, or None."""
        return self.row(queries.by_name("Bridge", name))

    def port(self, name: str) -> Row | None:
        """Return a row of Port by name, or None."""
        return self.row(queries.by_name("Port", name))

    def interface(self, name: str) -> Row | None:
        """Return a row of Interface by name, or None."""
        return self.row(queries.by_name("Interface", name))

    def bridge_of(self, port: Row) -> Row | None:
        """Return the bridge that a port is in, or None."""
        return self.row(queries.bridge_with_port(port))

    def full_row(self, table: str, name: str) -> Row | None:
        """Return a row by name with all columns, or None."""
        return self.row(queries.full_row(table, name))

    def row_at(self, table: str, reference: Sequence[str] | Reference) -> Row | None:
        """Return the row of a reference with all columns, or None."""
        return self.row(queries.by_reference(table, reference))

    @functools.cached_property
    def bound_indexes(self) -> frozenset[int]:
        """The result of :func:`os_vif.host.packet_sockets.bound_indexes_beside_unbound`, read once."""
        return packet_sockets.bound_indexes_beside_unbound()

    def has_column(self, table: str, column: str) -> bool:
        """Return whether the schema of the database has a column."""
        return self._ovsdb.schema.has(table, column)


def remember_port(ovsdb: Ovsdb, name: str, uuid: str) -> None:
    """Remember the UUID of an inserted port, so that the next plan reads all rows at once.

    The row is for :meth:`Snapshot.cached_row` only.
    """
    row = {"_uuid": ["uuid", uuid], "name": name}
    ovsdb.remembered_rows[queries.by_name("Port", name)] = row


def forget_ports(ovsdb: Ovsdb, names: Iterable[str]) -> None:
    """Forget deleted ports, so that the next plans of the ports read the rows with locks."""
    for name in names:
        ovsdb.remembered_rows.pop(queries.by_name("Port", name), None)
