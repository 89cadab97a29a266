# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A connection to ovsdb-server for one plug, unplug or check.

The connection runs in the calling process and needs no privileges. Locks belong to a connection,
so each plan has a connection of its own. After a plan, the connection goes to the pool
(:mod:`os_vif.host.ovsdb.pool`), unless the server is part of a cluster, whose leader may change.

Sources: RFC 7047; ovsdb(7), ovsdb-server(7) and ovsdb-server(1) of Open vSwitch.
"""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from os_vif import exception
from os_vif.host.ovsdb import pool, remotes, replies
from os_vif.host.ovsdb.connection_state import ABOUT, DATABASE, State
from os_vif.host.ovsdb.database_schema import Schema, UnsupportedSchemaError
from os_vif.host.ovsdb.request_channel import (
    UNKNOWN_DATABASE,
    RequestChannel,
    late_answer,
    next_id,
)
from os_vif.host.ovsdb.stream import JsonRpcStream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from os_vif.host.ovsdb.deadline import Deadline
    from os_vif.host.ovsdb.notation import Operation, Row
    from os_vif.host.ovsdb.remotes import Opener, Target
    from os_vif.host.ovsdb.tls import Tls

T = TypeVar("T")

#: Seconds for a server of a cluster, which may be dead.
_CLUSTER_MEMBER_SECONDS = 2.0
#: Seconds in which a started server may not have opened the database yet.
_STARTING = 1.0
#: Number of rows that a stream remembers from plan to plan: of the ports of a large host.
_MEMORY = 4096
_NO_LEADER = "the server knows no leader of the cluster"
#: Seconds, and part of the remaining time, reserved for the answer to a ``wait``.
_GRACE, _GRACE_PART = 1.0, 0.1


class _UnusableServerError(OSError):
    """A server answers, and cannot be used now."""


class Ovsdb(RequestChannel):
    """A connection to ovsdb-server, opened at the first use and opened again when lost.

    Of several servers, which form a cluster, the connection is to the leader: each server has
    locks of its own. Not for several threads at once.

    :param connection: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``; several with commas.
    :param timeout: seconds for all calls; 0 waits for ever.
    :param tls: for ``ssl:``.
    :param opener: connects to the path of a socket that this process may not open.
    """

    def __init__(
        self,
        connection: str,
        timeout: float,
        tls: Tls | None = None,
        opener: Opener | None = None,
    ) -> None:
        super().__init__(connection, timeout)
        self._tls = tls
        self._opener = opener
        self._remotes = remotes.remotes(connection)

    @classmethod
    def to(cls, target: Target) -> Self:
        """Return a connection to the database of a plan."""
        return cls(target.connection, target.timeout, target.tls, target.opener)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._return_to_pool()
        self.close()

    def _return_to_pool(self) -> None:
        """Release the locks and return the stream to the pool.

        A stream without an answer, or with a lock that was not granted, is not returned.
        """
        stream = self._stream
        if stream is None or not stream.is_poolable or self._is_awaiting:
            return
        if not self._locks.are_held:
            return
        try:
            for name in self._locks.held:
                stream.queue({"method": "unlock", "params": [name], "id": next_id()})
            stream.flush(self._deadline)
        except OSError:
            return
        self._stream = None
        if len(stream.remembered_rows) > _MEMORY:
            stream.remembered_rows.clear()
        pool.release((self.connection, self._tls), stream)

    def transact(self, *operations: Operation) -> list[Row]:
        """Run a transaction; return the result of each operation.

        :raises os_vif.exception.OvsdbRefused: if an operation failed. Nothing was changed.
        :raises os_vif.exception.OvsdbUnreachable: if no server can be reached. Nothing was sent.
        :raises os_vif.exception.OvsdbNoAnswer: if the connection was lost. The transaction may or
            may not have been committed.
        """
        schema = self.schema
        sent = schema.reduced(operations)
        waits = max((o.get("timeout", 0) for o in sent if o["op"] == "wait"), default=0)
        found = self._call("transact", [DATABASE, *sent], self._deadline, waits / 1000)
        return self._rows_of(found, operations, sent, schema)

    def _rows_of(
        self,
        found: Any,
        operations: Sequence[Operation],
        sent: Sequence[Operation],
        schema: Schema,
    ) -> list[Row]:
        """Return the checked results of a transaction.

        :param sent: the operations without the columns that the database lacks.
        """
        results = self._results(sent, found)
        self._state = State.CONNECTED
        for index, result in enumerate(results):
            if result and "error" in result:
                raise exception.OvsdbRefused(
                    connection=self.connection,
                    reason=replies.text_of(result.get("details") or result["error"]),
                    error=result["error"],
                    # An error of the whole transaction follows the results of the operations.
                    operation=index if index < len(operations) else None,
                )
        rows = [result or {} for result in results]
        schema.complete(operations, rows)
        return rows

    def select(
        self, table: str, where: Sequence[Any], columns: Sequence[str] | None = None
    ) -> list[Row]:
        """Return the rows that meet all conditions.

        :param columns: the columns to read; None reads all columns.
        :raises os_vif.exception.OvsdbError: as :meth:`transact`.
        """
        operation = {"op": "select", "table": table, "where": list(where)}
        if columns is not None:
            operation["columns"] = list(columns)
        rows: list[Row] = self.transact(operation)[0]["rows"]
        return rows

    def select_unless_known(
        self, operations: Sequence[Operation], known: bytes | None
    ) -> tuple[Callable[[], list[Row]], bytes | None]:
        """Send ``select`` operations; an answer with a known digest is not decoded before use.

        :param known: the digest of an earlier answer to equal operations.
        :returns: a function that returns the result of each operation, as :meth:`transact`; and the
            digest of the answer, or None if the digest is unknown.
        :raises os_vif.exception.OvsdbError: as :meth:`transact`.
        """
        schema, number = self.schema, "select"
        sent = schema.reduced(operations)
        message = {"method": "transact", "params": [DATABASE, *sent], "id": number}
        self._send_encoded(json.dumps(message).encode(), self._deadline)
        found, digest = self._receive_unless_known(number, known, self._deadline)
        self._state = State.CONNECTED
        if isinstance(found, bytes):
            text = found
            return lambda: self._decoded(text, operations, sent, schema), digest
        rows = self._rows_of(found, operations, sent, schema)
        return lambda: rows, digest

    def _decoded(
        self,
        text: bytes,
        operations: Sequence[Operation],
        sent: Sequence[Operation],
        schema: Schema,
    ) -> list[Row]:
        """Return the checked results in the text of an answer."""
        return self._rows_of(json.loads(text)["result"], operations, sent, schema)

    def send_select(self, request: bytes) -> None:
        """Send an encoded transaction of ``select`` operations.

        :meth:`receive_select` returns the result. A later request is possible without that call.

        :raises os_vif.exception.OvsdbError: as :meth:`transact`.
        """
        self.connect()
        self._send_encoded(request, self._deadline)

    def receive_select(self, number: str, known: bytes | None) -> tuple[Any, bytes | None]:
        """Return the result of a request of :meth:`send_select`, unchecked.

        For a comparison with a checked result of the same operations.

        :param number: the id of the request.
        :param known: the digest of an earlier answer to the same request.
        :returns: the result, or None for a known answer; and the digest of the answer, or None if
            the digest is unknown.
        :raises os_vif.exception.OvsdbError: as :meth:`transact`.
        """
        found, digest = self._receive_unless_known(number, known, self._deadline)
        self._state = State.CONNECTED
        return None if isinstance(found, bytes) else found, digest

    @property
    def schema(self) -> Schema:
        """The schema of the database, read when the stream was opened."""
        self.connect()
        schema = self._open_stream.schema
        if schema is None:  # pragma: no cover - connect() has read the schema
            raise AssertionError
        return schema

    @property
    def remembered_rows(self) -> dict[Any, Any]:
        """Rows by query, read by earlier plans through the same stream; possibly stale."""
        return {} if self._stream is None else self._stream.remembered_rows

    def queue_lock_requests(self, *names: str) -> None:
        """Queue lock requests; the requests are sent with the next request.

        The server answers the lock requests first. The locks are held until the connection is
        closed; a connection that is opened again acquires the locks again.
        """
        self.connect()
        for name in names:
            if self._locks.add(name):
                self._queue_lock_request(name)

    def has_locks(self, *names: str) -> bool:
        """Return whether locks, or all requested locks, are granted by the answers so far."""
        return self._locks.held.issuperset(names) if names else self._locks.are_held

    def lock(self, *names: str) -> None:
        """Acquire locks, and hold the locks until the connection is closed.

        :raises os_vif.exception.OvsdbNoAnswer: if another client holds a lock until the deadline.
        """
        self.queue_lock_requests(*names)
        self._wait_for_locks()

    def lock_in_order(self, *names: str) -> None:
        """Release all locks, and acquire locks one after another, in the order of *names*.

        Clients with several locks cannot block each other if all clients acquire locks in the same
        order. Requests sent together do not keep the order: the server handles a message of each
        client in turn (``ovsdb/jsonrpc-server.c``). A single lock keeps its place in the queue of
        the server.

        :raises os_vif.exception.OvsdbNoAnswer: if another client holds a lock until the deadline;
            ``lock`` in ``kwargs`` is the name of the lock.
        """
        if len(names) > 1:
            self.release_locks()
        for name in names:
            try:
                self.lock(name)
            except exception.OvsdbNoAnswer as error:
                error.kwargs["lock"] = name
                raise

    def release_locks(self) -> None:
        """Release all locks, and cancel the requests for locks."""
        self.connect()
        for name in list(self._locks):
            self._open_stream.queue({"method": "unlock", "params": [name], "id": next_id()})
        # A lock may be granted until the server has answered.
        self._call("echo", [], self._deadline)
        self._locks.clear()

    def wait_milliseconds(self) -> int | None:
        """Return the timeout of a ``wait`` for ovs-vswitchd, in milliseconds; None means for ever.

        :raises os_vif.exception.OvsdbNoAnswer: if the deadline has passed.
        """
        try:
            left = self._deadline.seconds_left()
        except TimeoutError as error:
            raise self._no_answer(error, self._deadline) from error
        if left is None:
            return None
        return math.ceil((left - min(_GRACE, _GRACE_PART * left)) * 1000)

    def connect(self) -> None:
        """Open the stream, unless open, and acquire the wanted locks again.

        :raises os_vif.exception.OvsdbUnreachable: if no server can be reached.
        """
        if self._stream is not None:
            return
        if self._state is State.DISCONNECTED:
            self._stream = pool.acquire((self.connection, self._tls))
            if self._stream is not None:
                self._state = State.POOLED
                return
        starting = time.monotonic() + _STARTING
        #: The last fault of each server.
        faults: dict[str, OSError] = {}
        while True:
            retries = self._state is State.LOST
            for remote in self._remotes:
                try:
                    self._open(remote)
                except OSError as error:
                    # An attempt that was ended by the deadline tells less than an earlier attempt.
                    if remote not in faults or not self._deadline.has_passed:
                        faults[remote] = error
                    # The servers of a cluster without a leader are about to elect a leader.
                    retries |= isinstance(error, _UnusableServerError) and (
                        str(error) == _NO_LEADER or time.monotonic() < starting
                    )
                else:
                    self._state = State.CONNECTED
                    self._lock_again()
                    return
            if not retries or not self.pause_before_retry():
                raise self._unreachable(faults) from faults[self._remotes[0]]

    def _lock_again(self) -> None:
        """Acquire the wanted locks through a new stream."""
        for name in self._locks:
            self._queue_lock_request(name)
        self._wait_for_locks()

    def _open(self, remote: str) -> None:
        """Open a stream to a server.

        :raises OSError: if the server cannot be reached, or cannot be used.
        """
        only, before = len(self._remotes) == 1, self._state
        deadline = self._deadline if only else self._deadline.min_with(_CLUSTER_MEMBER_SECONDS)
        try:
            self._stream = JsonRpcStream(remote, self._tls, deadline, self._opener)
        except TimeoutError as error:
            raise OSError(late_answer(deadline)) from error
        try:
            # A TLS server refuses a client after the handshake, so the first answer decides.
            row = self._read_about(deadline)
            unusable = None
            if row is None:
                unusable = f"the server has no database {DATABASE}"
            elif row["model"] == "clustered" and not (
                row["connected"] and (only or row["leader"])
            ):
                unusable = _NO_LEADER
            schema = None if unusable is not None else self._read_schema(deadline)
        except exception.OvsdbError as error:
            self.close()
            if not only:
                # Another server of the cluster may yet become the leader.
                self._state = State.LOST if before is State.NOT_OVSDB else before
            # The TLS alert may be lost with the connection.
            hint = (
                " (does the server accept the client's certificate?)" if "ssl:" in remote else ""
            )
            raise OSError(f"{error.kwargs['reason']}{hint}") from error
        if row is None or schema is None:
            self.close()
            raise _UnusableServerError(unusable)
        if (fault := schema.fault()) is not None:
            self.close()
            raise UnsupportedSchemaError(fault)
        self._open_stream.schema = schema
        self._open_stream.is_poolable = row["model"] == "standalone"

    def _read_about(self, deadline: Deadline) -> Row | None:
        """Return the row of the database in ``_Server``, or None if there is none."""
        try:
            found = self._call("transact", ["_Server", ABOUT], deadline)
        except exception.OvsdbRefused as error:
            if error.kwargs["error"] != UNKNOWN_DATABASE:
                raise
            # Release 2.9.1 added the database _Server, and clusters.
            known = self._call("list_dbs", [], deadline)
            has = isinstance(known, list) and DATABASE in known
            return {"model": "standalone"} if has else None
        (result, *_) = self._results([ABOUT], found)
        rows = (result or {}).get("rows", [])
        return rows[0] if rows else None

    def _read_schema(self, deadline: Deadline) -> Schema:
        """Return the schema of the database."""
        found = self._call("get_schema", [DATABASE], deadline)
        try:
            return Schema(found)
        except OSError as error:
            raise self._no_answer(error, deadline) from error

    def _queue_lock_request(self, name: str) -> None:
        number = next_id()
        self._locks.note_request(number, name)
        self._open_stream.queue({"method": "lock", "params": [name], "id": number})

    def _wait_for_locks(self) -> None:
        self._unsolicited = 0
        try:
            self._open_stream.flush(self._deadline)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error
        while not self._locks.are_held:
            self._receive(self._deadline, "another os-vif is at work on the same port")

    def _unreachable(self, faults: Mapping[str, OSError]) -> exception.OvsdbUnreachable:
        """Return the error for servers that cannot be used.

        :param faults: the error of each server.
        """
        reasons = {remote: fault.strerror or str(fault) for remote, fault in faults.items()}
        if len(reasons) == 1:
            (reason,) = reasons.values()
        else:
            reason = "; ".join(f"{remote}: {why}" for remote, why in reasons.items())
        return exception.OvsdbUnreachable(connection=self.connection, reason=reason)


def retry_read(ovsdb: Ovsdb, read: Callable[[], T]) -> T:
    """Call a read-only function; retry when the connection is lost, until the deadline.

    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    while True:
        try:
            return read()
        except exception.OvsdbNoAnswer:
            if not ovsdb.pause_before_retry():
                raise
