# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A connection to ovsdb-server for one plug, unplug or check.

The connection runs in the calling process and needs no privileges. Locks belong to a connection,
so each plan has a connection of its own. After a plan, the connection goes to the pool
(:mod:`os_vif.host.ovsdb.pool`), unless the server is part of a cluster, whose leader may change.

Sources: RFC 7047; ovsdb(7), ovsdb-server(7) and ovsdb-server(1) of Open vSwitch.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar

from os_vif import exception
from os_vif.host.ovsdb import pool, remotes, replies
from os_vif.host.ovsdb.connection_state import ABOUT, DATABASE, Locks, State
from os_vif.host.ovsdb.database_schema import Schema, UnsupportedSchemaError
from os_vif.host.ovsdb.deadline import Deadline
from os_vif.host.ovsdb.stream import JsonRpcStream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from os_vif.host.ovsdb.notation import Operation, Row
    from os_vif.host.ovsdb.remotes import Opener, Target
    from os_vif.host.ovsdb.tls import Tls

T = TypeVar("T")

#: The error of a server without a database of the name: ovsdb/jsonrpc-server.c.
_UNKNOWN_DATABASE = "unknown database"
#: Seconds between two rounds of all servers.
_PAUSE = 0.1
#: Seconds for a server of a cluster, which may be dead.
_CLUSTER_MEMBER_SECONDS = 2.0
#: Seconds in which a started server may not have opened the database yet.
_STARTING = 1.0
#: Number of rows that a stream remembers from plan to plan.
_MEMORY = 64
_NO_LEADER = "the server knows no leader of the cluster"
#: Seconds, and part of the remaining time, reserved for the answer to a ``wait``.
_GRACE, _GRACE_PART = 1.0, 0.1
#: Seconds in which a server answers a ``wait`` after the timeout of the ``wait``.
_LATE = 0.05


#: Message ids, unique in the process: a stream has several users one after the other, and a user
#: recognizes the answers by id.
_ids = itertools.count()


class Ovsdb:
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
        self.connection = connection
        self.timeout = timeout
        self._tls = tls
        self._opener = opener
        self._remotes = remotes.remotes(connection)
        self._plan_deadline = Deadline(timeout)
        self._rollback_deadline: Deadline | None = None
        self._state = State.DISCONNECTED
        self._stream: JsonRpcStream | None = None
        self._locks = Locks()
        #: Number of messages since the last request.
        self._unsolicited = 0

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

    def close(self) -> None:
        """Close the stream. The server then releases the locks."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            match self._state:
                case State.POOLED:
                    self._state = State.DISCONNECTED
                case State.CONNECTED:
                    self._state = State.LOST
        self._locks.forget()

    def _return_to_pool(self) -> None:
        """Release the locks and return the stream to the pool, unless a lock was not granted."""
        stream = self._stream
        if stream is None or not stream.is_poolable or not self._locks.are_held:
            return
        try:
            for name in self._locks.held:
                stream.queue({"method": "unlock", "params": [name], "id": next(_ids)})
            stream.flush(self._deadline)
        except OSError:
            return
        self._stream = None
        if len(stream.remembered_rows) > _MEMORY:
            stream.remembered_rows.clear()
        pool.release((self.connection, self._tls), stream)

    @property
    def _deadline(self) -> Deadline:
        """The deadline of the plan, or of the rollback once the rollback has begun."""
        return self._rollback_deadline or self._plan_deadline

    @contextlib.contextmanager
    def time_excluded(self) -> Iterator[None]:
        """Exclude the duration of the block, such as the time of the kernel, from the deadline."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._deadline.extend(time.monotonic() - begun)

    def start_rollback_deadline(self, seconds: float) -> None:
        """Restart the deadline, once, so that rollback has time of its own."""
        if self._rollback_deadline is None:
            self._rollback_deadline = Deadline(seconds)
            if self._state is State.NOT_OVSDB:
                # The malformed answer may have been the only one.
                self._state = State.LOST

    def pause_before_retry(self) -> bool:
        """Wait a little after a lost connection; return whether a retry is of use."""
        if self._state is State.NOT_OVSDB:
            return False
        try:
            self._deadline.pause(_PAUSE)
        except TimeoutError:
            return False
        return True

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

    def release_locks(self) -> None:
        """Release all locks, and cancel the requests for locks."""
        self.connect()
        for name in list(self._locks):
            self._open_stream.queue({"method": "unlock", "params": [name], "id": next(_ids)})
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
        while True:
            faults: list[OSError] = []
            retries = self._state is State.LOST
            for remote in self._remotes:
                try:
                    unusable = self._open(remote)
                except OSError as error:
                    faults.append(error)
                    continue
                if unusable is None:
                    self._state = State.CONNECTED
                    for name in self._locks:
                        self._queue_lock_request(name)
                    self._wait_for_locks()
                    return
                # The servers of a cluster without a leader are about to elect a leader.
                retries |= unusable == _NO_LEADER or time.monotonic() < starting
                faults.append(OSError(unusable))
            if not retries or not self.pause_before_retry():
                raise self._unreachable(faults) from faults[0]

    def _open(self, remote: str) -> str | None:
        """Open a stream to a server; return None, or the reason to close the stream again."""
        only, before = len(self._remotes) == 1, self._state
        deadline = self._deadline if only else self._deadline.min_with(_CLUSTER_MEMBER_SECONDS)
        try:
            self._stream = JsonRpcStream(remote, self._tls, deadline, self._opener)
        except TimeoutError as error:
            raise OSError(_late(deadline)) from error
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
            return unusable
        if (fault := schema.fault()) is not None:
            self.close()
            raise UnsupportedSchemaError(fault)
        self._open_stream.schema = schema
        self._open_stream.is_poolable = row["model"] == "standalone"
        return None

    def _read_about(self, deadline: Deadline) -> Row | None:
        """Return the row of the database in ``_Server``, or None if there is none."""
        try:
            found = self._call("transact", ["_Server", ABOUT], deadline)
        except exception.OvsdbRefused as error:
            if error.kwargs["error"] != _UNKNOWN_DATABASE:
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
        number = next(_ids)
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

    @property
    def _open_stream(self) -> JsonRpcStream:
        if self._stream is None:  # pragma: no cover - the callers have connected
            raise AssertionError
        return self._stream

    def _call(self, method: str, params: list[Any], deadline: Deadline, waits: float = 0) -> Any:
        """Send a request; return the result.

        :param waits: the timeout, in seconds, of a ``wait`` of the transaction.
        """
        number = next(_ids)
        self._unsolicited = 0
        try:
            self._open_stream.send({"method": method, "params": params, "id": number}, deadline)
            if waits and not self._open_stream.wait_for_data(deadline.min_with(waits + _LATE)):
                # A server of before release 2.16 sends the answer to an expired wait together
                # with the next message, such as a probe seconds later. The echo is answered at
                # once.
                echo = {"method": "echo", "params": [], "id": next(_ids)}
                self._open_stream.send(echo, deadline)
        except OSError as error:
            raise self._no_answer(error, deadline) from error
        while True:
            answer = self._receive(deadline)
            if answer.get("id") != number or "method" in answer:
                continue
            if answer.get("error") is not None:
                raise self._refusal(answer["error"], deadline)
            return answer.get("result")

    def _results(self, operations: Sequence[Operation], found: Any) -> list[Row | None]:
        try:
            return replies.results(operations, found)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error

    def _receive(self, deadline: Deadline, late: str | None = None) -> dict[str, Any]:
        """Return the next message. The server's probes are answered, and locks recorded.

        :param late: the reason in the error if the deadline passes.
        """
        stream = self._open_stream
        while True:
            try:
                message = stream.receive(deadline)
                replies.message(message)
                self._unsolicited += 1
                if self._unsolicited > replies.MAX_UNSOLICITED:
                    replies.malformed("an unsolicited message", message)
                if message.get("method") != "echo":
                    break
                reply = {"id": message.get("id"), "result": message["params"], "error": None}
                stream.send(reply, deadline)
            except OSError as error:
                raise self._no_answer(error, deadline, late) from error
        try:
            self._note_locks(message)
        except OSError as error:
            raise self._no_answer(error, deadline) from error
        return message

    def _note_locks(self, message: dict[str, Any]) -> None:
        """Record the locks that a message grants or takes away."""
        name = self._locks.pop_request(message)
        if name is None:
            self._locks.note_notification(message)
        elif message.get("error") is not None:
            raise self._refusal(message["error"], self._deadline)
        else:
            self._locks.note_answer(name, message.get("result"))

    def _refusal(self, error: Any, deadline: Deadline) -> exception.OvsdbError:
        """Return the error for the ``error`` member of an answer."""
        try:
            reason = replies.reason_of(error)
        except OSError as malformed:
            return self._no_answer(malformed, deadline)
        name = error.get("error") if isinstance(error, dict) else None
        return exception.OvsdbRefused(
            connection=self.connection,
            reason=reason,
            error=name if name == _UNKNOWN_DATABASE else "",
            operation=None,
        )

    def _unreachable(self, faults: Sequence[OSError]) -> exception.OvsdbUnreachable:
        """Return the error for servers that cannot be used.

        :param faults: the error of each server.
        """
        reasons = [fault.strerror or str(fault) for fault in faults]
        several = (f"{remote}: {why}" for remote, why in zip(self._remotes, reasons, strict=True))
        reason = reasons[0] if len(reasons) == 1 else "; ".join(several)
        return exception.OvsdbUnreachable(connection=self.connection, reason=reason)

    def _no_answer(
        self, error: OSError, deadline: Deadline, late: str | None = None
    ) -> exception.OvsdbNoAnswer:
        """Close the stream; return the error for a request without an answer."""
        # A late answer would be taken for the answer to the next request.
        self.close()
        if error.errno == errno.EPROTO:
            self._state = State.NOT_OVSDB
        reason = error.strerror or str(error)
        if isinstance(error, TimeoutError):
            reason = late or _late(deadline)
        return exception.OvsdbNoAnswer(connection=self.connection, reason=reason)


def _late(deadline: Deadline) -> str:
    """Return the reason of an error after a deadline."""
    return f"no answer within {round(deadline.seconds, 1):g} seconds"


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
