# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rows of Open vSwitch that were read before, for a comparison with the present rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb import query as queries
from os_vif.host.ovsdb.connection_state import DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.host.ovsdb.connection import Ovsdb
    from os_vif.host.ovsdb.notation import Operation, Row
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot

#: The id of the request. A connection has a single request at a time.
_REQUEST_ID = "known rows"


class KnownRows:
    """The rows of queries, as read before.

    :param noted: the queries.
    :param snapshot: the snapshot with the rows of the queries.
    """

    def __init__(self, noted: Iterable[Query], snapshot: Snapshot) -> None:
        self._rows = {query: _selected(query, snapshot.rows(query)) for query in noted}
        #: The request of :meth:`request` and the expected result, made at first use.
        self._exchange: tuple[bytes, list[dict[str, Any]]] | None = None
        #: The digest of the last answer to the request with equal rows.
        self._answer_digest: bytes | None = None
        #: The digest of the last snapshot with equal rows.
        self._digest: bytes | None = None
        self._note_digest(snapshot)

    def _note_digest(self, snapshot: Snapshot) -> None:
        """Note the digest of a snapshot with equal rows, if the digest stands for all queries."""
        if snapshot.digest is not None and all(map(snapshot.is_in_digest, self._rows)):
            self._digest = snapshot.digest

    def are_in(self, snapshot: Snapshot) -> bool:
        """Return whether a snapshot has the same rows for all queries.

        :raises os_vif.exception.OvsdbError: if the database cannot be read.
        """
        if snapshot.digest is not None and snapshot.digest == self._digest:
            return True
        for query, rows in self._rows.items():
            if _selected(query, snapshot.rows(query)) != rows:
                return False
        self._note_digest(snapshot)
        return True

    def request(self, ovsdb: Ovsdb) -> bool:
        """Send a request for the rows of all queries; :meth:`are_in_answer` compares the answer.

        :returns: False, without a request, for a database of an early release, which lacks columns
            of the queries.
        :raises os_vif.exception.OvsdbError: if the database cannot be reached.
        """
        if not ovsdb.schema.is_complete:
            return False
        if self._exchange is None:
            self._exchange = self._make_request(), [{"rows": rows} for rows in self._rows.values()]
        ovsdb.send_select(self._exchange[0])
        return True

    def are_in_answer(self, ovsdb: Ovsdb) -> bool:
        """Return whether the answer to :meth:`request` has the same rows for all queries.

        The text of an answer that is equal to the last one is not decoded.

        :raises os_vif.exception.OvsdbError: if the database cannot be read.
        """
        if self._exchange is None:  # pragma: no cover - the caller has sent the request
            raise AssertionError
        found, digest = ovsdb.receive_select(_REQUEST_ID, self._answer_digest)
        if found is None:
            return True
        if found != self._exchange[1]:
            return False
        self._answer_digest = digest
        return True

    def _make_request(self) -> bytes:
        """Return the request that reads all rows again."""
        operations = [_reread(query, rows) for query, rows in self._rows.items()]
        params = [DATABASE, *operations]
        return json.dumps({"method": "transact", "params": params, "id": _REQUEST_ID}).encode()


def _selected(query: Query, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the columns of rows that a query selects: a snapshot of tables has further columns."""
    columns = query[4]
    return [{column: row[column] for column in columns or row} for row in rows]


def _reread(query: Query, rows: list[Row]) -> Operation:
    """Return the ``select`` operation that returns *rows* again unless a row has changed.

    The server finds a row by UUID without reading the table. No second row has the name: the schema
    has an index of ``name`` for the tables Bridge, Port and Interface (ovs-vswitchd.conf.db(5)), and
    the name is among the selected columns.
    """
    operation = queries.select(query)
    if len(rows) == 1 and "_uuid" in rows[0]:
        table, column, function, _, _ = query
        by_uuid = ["_uuid", "==", rows[0]["_uuid"]]
        if (column, function) == ("name", "==") and "name" in rows[0]:
            return {**operation, "where": [by_uuid]}
        if (table, column, function) == ("Bridge", "ports", "includes"):
            return {**operation, "where": [by_uuid, *operation["where"]]}
    return operation
