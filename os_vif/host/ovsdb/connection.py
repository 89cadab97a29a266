# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Talking to the database of Open vSwitch: one connection for each plug, unplug or check.

It runs in the caller, without a right. There is no copy of the tables: what a step needs is
selected by name, so that the cost does not grow with the switch.

Locks belong to a connection, so it is one plan's at a time. What is left of it afterwards, a
stream, is the next plan's (``ovs_pool``), but for those of a cluster, whose leader may change.

Sources: RFC 7047; ovsdb(7), ovsdb-server(7) and ovsdb-server(1) of Open vSwitch.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import time
from typing import TYPE_CHECKING, Any, Self

from os_vif import exception
from os_vif.host.ovsdb import answers, pool, remotes
from os_vif.host.ovsdb.deadline import Deadline
from os_vif.host.ovsdb.schema import Schema
from os_vif.host.ovsdb.stream import JsonRpcStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.host.ovsdb.tls import Tls
    from os_vif.host.ovsdb.transport import Opener

#: One operation of a transaction (RFC 7047, 5.2), or a row of a table.
Operation = dict[str, Any]
Row = dict[str, Any]

_DATABASE = "Open_vSwitch"
#: The error, by name, of a server that has no database of a name: ovsdb/jsonrpc-server.c.
_UNKNOWN_DATABASE = "unknown database"
#: What is asked of the database _Server: _server(5).
_ABOUT: Operation = {
    "op": "select",
    "table": "Database",
    "where": [["name", "==", _DATABASE]],
    "columns": ["model", "connected", "leader"],
}
#: Seconds between two rounds of all servers; and for one of several that may be dead.
_PAUSE, _ONE_OF_MANY = 0.1, 2.0
#: Seconds in which a server that has just been started may not know its database yet.
_STARTING = 1.0
#: Rows that a stream remembers from one plan to the next.
_MEMORY = 64
_NO_LEADER = "no leader of the cluster is known there"
#: Seconds, and the part of those that are left, in which the answer to a wait has to arrive.
_GRACE, _GRACE_PART = 1.0, 0.1
#: Seconds in which a server answers a ``wait`` that has timed out.
_LATE = 0.05


#: A stream has several owners one after the other, and each knows its own answers by these.
_ids = itertools.count()


class Ovsdb:
    """One connection to ovsdb-server, opened at the first use, and again when it was lost.

    Of several servers, which are one cluster's, it is the leader: locks are each server's own.
    Not for several threads at once.

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
        self._deadline = Deadline(timeout)
        self._granted = False
        #: Whether all that was answered is OVSDB: what is not will not become so.
        self._is_ovsdb = True
        #: Messages since the last question.
        self._unasked = 0
        self._channel: JsonRpcStream | None = None
        #: Whether there was a connection: a server that was there may be again, after a restart.
        self._met = False
        #: Whether the next plan may have the stream.
        self._keeps = False
        #: The locks that are wanted, those that the server has said to be ours, and those that it
        #: has been asked for, by the number of the question.
        self._wanted: list[str] = []
        self._locked: set[str] = set()
        self._asked: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._give()
        self.close()

    def close(self) -> None:
        """The server drops the locks of a connection that has gone."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        self._locked.clear()
        self._asked.clear()

    def _give(self) -> None:
        """Leave the stream to the next plan, without a lock."""
        channel = self._channel
        if channel is None or not self._keeps or not self.has_locks():
            return
        try:
            for name in self._locked:
                channel.queue({"method": "unlock", "params": [name], "id": next(_ids)})
            channel.flush(self._deadline)
        except OSError:
            return
        self._channel = None
        if len(channel.memory) > _MEMORY:
            channel.memory.clear()
        pool.give((self.connection, self._tls), channel)

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """The time that others need meanwhile, such as the kernel, is not counted."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._deadline.extend(time.monotonic() - begun)

    def grant(self, seconds: float) -> None:
        """Give a deadline anew, once: what takes back has a time of its own."""
        if not self._granted:
            self._granted = True
            # An answer that was no OVSDB may have been the only one.
            self._is_ovsdb = True
            self._deadline = Deadline(seconds)

    def try_again(self) -> bool:
        """Whether a call whose connection was lost may be made again. It waits a little."""
        if not self._is_ovsdb:
            return False
        try:
            self._deadline.pause(_PAUSE)
        except TimeoutError:
            return False
        return True

    def transact(self, *operations: Operation) -> list[Row]:
        """Do all of that, or nothing.

        :returns: what each operation gives.
        :raises os_vif.exception.OvsdbRefused: if an operation failed; then nothing was done.
        :raises os_vif.exception.OvsdbUnreachable: if nothing was sent.
        :raises os_vif.exception.OvsdbNoAnswer: if it is unknown what was done.
        """
        schema = self.schema
        sent = schema.reduced(operations)
        waits = max((o.get("timeout", 0) for o in sent if o["op"] == "wait"), default=0)
        found = self._call("transact", [_DATABASE, *sent], self._deadline, waits / 1000)
        results = self._results(sent, found)
        self._met = True
        for index, result in enumerate(results):
            if result and "error" in result:
                raise exception.OvsdbRefused(
                    connection=self.connection,
                    reason=answers.text_of(result.get("details") or result["error"]),
                    error=result["error"],
                    # What fails as a whole is told after the last one.
                    operation=index if index < len(operations) else None,
                )
        rows = [result or {} for result in results]
        schema.complete(operations, rows)
        return rows

    def select(
        self, table: str, where: Sequence[Any], columns: Sequence[str] | None = None
    ) -> list[Row]:
        """The rows that meet all conditions; of all columns, or of those named."""
        operation = {"op": "select", "table": table, "where": list(where)}
        if columns is not None:
            operation["columns"] = list(columns)
        rows: list[Row] = self.transact(operation)[0]["rows"]
        return rows

    @property
    def schema(self) -> Schema:
        """The schema of the database, which the connection has asked for when it was opened."""
        self.connect()
        schema = self._open_channel.schema
        if schema is None:  # pragma: no cover - what connects asks for it
            raise AssertionError
        return schema

    @property
    def memory(self) -> dict[Any, Any]:
        """What was seen through the stream, also by others; it may have changed meanwhile."""
        return {} if self._channel is None else self._channel.memory

    def ask_for(self, *names: str) -> None:
        """Ask for locks together with what is asked next, which the server does after that.

        It holds them until this is closed. A connection that is opened again takes them again.
        """
        self.connect()
        for name in names:
            if name not in self._wanted:
                self._wanted.append(name)
                self._ask_for(name)

    def has_locks(self) -> bool:
        """Whether all that were asked for are ours, as far as answers have come."""
        return self._locked.issuperset(self._wanted)

    def lock(self, *names: str) -> None:
        """Hold locks of these names until this is closed. Others wait for them.

        The server knows the locks of all who are connected to it, in whatever process.

        :raises os_vif.exception.OvsdbNoAnswer: if another held one all the time.
        """
        self.ask_for(*names)
        self._wait_for_locks()

    def wait_milliseconds(self) -> int | None:
        """How long the server is to wait for vswitchd; None is for ever.

        :raises os_vif.exception.OvsdbNoAnswer: if there is no time left.
        """
        try:
            left = self._deadline.seconds_left()
        except TimeoutError as error:
            raise self._no_answer(error, self._deadline) from error
        if left is None:
            return None
        return math.ceil((left - min(_GRACE, _GRACE_PART * left)) * 1000)

    def connect(self) -> None:
        """Open it if it is not; the locks that were held are taken again.

        :raises os_vif.exception.OvsdbUnreachable: if no server is there.
        """
        if self._channel is not None:
            return
        if not self._met:
            self._channel = pool.take((self.connection, self._tls))
            if self._channel is not None:
                self._keeps = True
                return
        starting = time.monotonic() + _STARTING
        while True:
            faults: list[OSError] = []
            waits = self._met
            for remote in self._remotes:
                try:
                    useless = self._open(remote)
                except OSError as error:
                    faults.append(error)
                    continue
                if useless is None:
                    self._met = True
                    for name in self._wanted:
                        self._ask_for(name)
                    self._wait_for_locks()
                    return
                # They are about to elect one.
                waits |= useless == _NO_LEADER or time.monotonic() < starting
                faults.append(OSError(useless))
            if not waits or not self.try_again():
                raise self._unreachable(faults) from faults[0]

    def _open(self, remote: str) -> str | None:
        """:returns: why this server is not to be used yet; then it is closed again."""
        only = len(self._remotes) == 1
        deadline = self._deadline if only else self._deadline.min_with(_ONE_OF_MANY)
        try:
            self._channel = JsonRpcStream(remote, self._tls, deadline, self._opener)
        except TimeoutError as error:
            raise OSError(_late(deadline)) from error
        try:
            # Also the first sign of life: a server of TLS refuses a client after the handshake.
            row = self._read_about(deadline)
            useless = None
            if row is None:
                useless = f"the server has no database {_DATABASE}"
            elif row["model"] == "clustered" and not (
                row["connected"] and (only or row["leader"])
            ):
                useless = _NO_LEADER
            schema = None if useless is not None else self._read_schema(deadline)
        except exception.OvsdbError as error:
            self.close()
            # Another server of the cluster may yet become the leader.
            self._is_ovsdb |= not only
            # Its alert may be lost with the connection.
            hint = " (does it accept the client's certificate?)" if "ssl:" in remote else ""
            raise OSError(f"{error.kwargs['reason']}{hint}") from error
        if row is None or schema is None:
            self.close()
            return useless
        if (fault := schema.fault()) is not None:
            self.close()
            raise OSError(fault)
        self._open_channel.schema = schema
        self._keeps = row["model"] == "standalone"
        return None

    def _read_about(self, deadline: Deadline) -> Row | None:
        """Return the row of the database in ``_Server``, or None if there is none."""
        try:
            found = self._call("transact", ["_Server", _ABOUT], deadline)
        except exception.OvsdbRefused as error:
            if error.kwargs["error"] != _UNKNOWN_DATABASE:
                raise
            # Release 2.9.1 added _Server, and clusters.
            known = self._call("list_dbs", [], deadline)
            has = isinstance(known, list) and _DATABASE in known
            return {"model": "standalone"} if has else None
        (result, *_) = self._results([_ABOUT], found)
        rows = (result or {}).get("rows", [])
        return rows[0] if rows else None

    def _read_schema(self, deadline: Deadline) -> Schema:
        found = self._call("get_schema", [_DATABASE], deadline)
        try:
            return Schema(found)
        except OSError as error:
            raise self._no_answer(error, deadline) from error

    def _ask_for(self, name: str) -> None:
        number = next(_ids)
        self._asked[number] = name
        self._open_channel.queue({"method": "lock", "params": [name], "id": number})

    def _wait_for_locks(self) -> None:
        self._unasked = 0
        try:
            self._open_channel.flush(self._deadline)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error
        while not self.has_locks():
            self._receive(self._deadline, "another os-vif is at work on the same port")

    @property
    def _open_channel(self) -> JsonRpcStream:
        if self._channel is None:  # pragma: no cover - whoever asks has connected
            raise AssertionError
        return self._channel

    def _call(self, method: str, params: list[Any], deadline: Deadline, waits: float = 0) -> Any:
        """Return the result of a question.

        :param waits: seconds after which the server gives up a ``wait`` of the transaction.
        """
        number = next(_ids)
        self._unasked = 0
        try:
            self._open_channel.send({"method": method, "params": params, "id": number}, deadline)
            if waits and not self._open_channel.wait_for_data(deadline.min_with(waits + _LATE)):
                # Before release 2.16, the server sends that answer with what it does next, which
                # may be its probe seconds later.
                echo = {"method": "echo", "params": [], "id": next(_ids)}
                self._open_channel.send(echo, deadline)
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
            return answers.results(operations, found)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error

    def _receive(self, deadline: Deadline, late: str | None = None) -> dict[str, Any]:
        """The next message; the server's probes are answered, and its locks noted."""
        channel = self._open_channel
        while True:
            try:
                message = channel.receive(deadline)
                answers.message(message)
                self._unasked += 1
                if self._unasked > answers.MAX_UNASKED:
                    answers.malformed("a message that nobody asked for", message)
                if message.get("method") != "echo":
                    break
                reply = {"id": message.get("id"), "result": message["params"], "error": None}
                channel.send(reply, deadline)
            except OSError as error:
                raise self._no_answer(error, deadline, late) from error
        try:
            self._note_locks(message)
        except OSError as error:
            raise self._no_answer(error, deadline) from error
        return message

    def _note_locks(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "locked":
                self._locked.update(message["params"])
            case "stolen":
                self._locked.difference_update(message["params"])
            case None if (name := self._asked.pop(message.get("id", -1), None)) is not None:
                if message.get("error") is not None:
                    raise self._refusal(message["error"], self._deadline)
                if answers.is_locked(message.get("result")):
                    self._locked.add(name)

    def _refusal(self, error: Any, deadline: Deadline) -> exception.OvsdbError:
        try:
            reason = answers.reason_of(error)
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
        reasons = [fault.strerror or str(fault) for fault in faults]
        several = (f"{remote}: {why}" for remote, why in zip(self._remotes, reasons, strict=True))
        reason = reasons[0] if len(reasons) == 1 else "; ".join(several)
        return exception.OvsdbUnreachable(connection=self.connection, reason=reason)

    def _no_answer(
        self, error: OSError, deadline: Deadline, late: str | None = None
    ) -> exception.OvsdbNoAnswer:
        # What comes later answers a question that nobody asks any more.
        self.close()
        self._is_ovsdb &= error.errno != errno.EPROTO
        reason = error.strerror or str(error)
        if isinstance(error, TimeoutError):
            reason = late or _late(deadline)
        return exception.OvsdbNoAnswer(connection=self.connection, reason=reason)


def _late(deadline: Deadline) -> str:
    return f"no answer within {round(deadline.seconds, 1):g} seconds"


def values(value: Any) -> list[Any]:
    """The members of a column that holds a set; one alone stands for itself."""
    match value:
        case ["set", list(members)]:
            return members
        case _:
            return [value]


def mapping(value: Any) -> dict[str, str]:
    """The pairs of a column that holds a map."""
    return dict(value[1])
