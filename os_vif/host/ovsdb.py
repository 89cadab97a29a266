# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Talking to the database of Open vSwitch: one connection for each plug, unplug or check.

It runs in the caller, without a right. There is no copy of the tables: what a step needs is
selected by name, so that the cost does not grow with the switch. A connection that is kept would
have to answer the server's probes, and there is no thread here that could.

Sources: RFC 7047; ovsdb-server(7) and ovsdb-server(1) of Open vSwitch.
"""

from __future__ import annotations

import errno
import math
import os
import time
from typing import TYPE_CHECKING, Any, Self

from os_vif import exception

if TYPE_CHECKING:
    from collections.abc import Sequence

#: One operation of a transaction (RFC 7047, 5.2), or a row of a table.
Operation = dict[str, Any]
Row = dict[str, Any]

_DATABASE = "Open_vSwitch"
#: Milliseconds that a server may take to answer beyond what it was told to wait for.
_GRACE = 1000


class Ovsdb:
    """One connection to ovsdb-server, opened at the first use.

    Not for several threads at once.

    :param connection: ``unix:PATH`` or ``tcp:HOST:PORT``.
    :param timeout: seconds for each call; 0 waits for ever.
    """

    def __init__(self, connection: str, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout
        self._rpc: Any = None
        #: The locks that the server has said to be ours.
        self._locked: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The server drops the locks of a connection that has gone."""
        if self._rpc is not None:
            self._rpc.close()
            self._rpc = None
            self._locked.clear()

    def transact(self, *operations: Operation) -> list[Row]:
        """Do all of that, or nothing.

        :returns: what each operation gives.
        :raises os_vif.exception.OvsdbRefused: if an operation failed; then nothing was done.
        :raises os_vif.exception.OvsdbUnreachable: if nothing was sent.
        :raises os_vif.exception.OvsdbNoAnswer: if it is unknown what was done.
        """
        wait = max((operation.get("timeout", 0) for operation in operations), default=0)
        results: list[Row | None] = self._call("transact", [_DATABASE, *operations], wait)
        for index, result in enumerate(results):
            if result and "error" in result:
                raise exception.OvsdbRefused(
                    connection=self.connection,
                    reason=result.get("details") or result["error"],
                    error=result["error"],
                    # What fails as a whole is told after the last one.
                    operation=index if index < len(operations) else None,
                )
        return [result or {} for result in results]

    def select(
        self, table: str, where: Sequence[Any], columns: Sequence[str] | None = None
    ) -> list[Row]:
        """The rows that meet all conditions; of all columns, or of those named."""
        operation = {"op": "select", "table": table, "where": list(where)}
        if columns is not None:
            operation["columns"] = list(columns)
        rows: list[Row] = self.transact(operation)[0]["rows"]
        return rows

    def lock(self, name: str) -> None:
        """Hold a lock of that name until the connection is closed. Others wait for it.

        The server knows the locks of all who are connected to it, in whatever process.

        :raises os_vif.exception.OvsdbNoAnswer: if another held it all the time.
        """
        if self._call("lock", [name], 0)["locked"]:
            self._locked.add(name)
        deadline = self._deadline(0)
        while name not in self._locked:
            self._receive(deadline, "another os-vif is at work on the same port")

    def wait_milliseconds(self) -> int | None:
        """How long the server is to wait for vswitchd; None is for ever."""
        return math.ceil(self.timeout * 1000) if self.timeout else None

    def _deadline(self, wait: float) -> float | None:
        """The time by which there has to be an answer, in seconds of the monotonic clock."""
        if not self.timeout:
            return None
        return time.monotonic() + max(self.timeout, (wait + _GRACE) / 1000 if wait else 0)

    def _call(self, method: str, params: list[Any], wait: float) -> Any:
        from ovs.jsonrpc import Message

        self._connect()
        deadline = self._deadline(wait)
        request = Message.create_request(method, params)
        error = self._rpc.send(request)
        if error:
            raise self._lost(error)
        while True:
            reply = self._receive(deadline, f"no answer within {self.timeout:g} seconds")
            if reply.id == request.id and reply.type == Message.T_REPLY:
                return reply.result
            if reply.id == request.id and reply.type == Message.T_ERROR:
                raise exception.OvsdbRefused(
                    connection=self.connection, reason=str(reply.error), error="", operation=None
                )

    def _connect(self) -> None:
        if self._rpc is not None:
            return
        from ovs.jsonrpc import Connection
        from ovs.stream import Stream

        milliseconds = math.ceil(self.timeout * 1000) if self.timeout else None
        try:
            error, stream = Stream.open_block(Stream.open(self.connection), milliseconds)
        except (OSError, ValueError, IndexError) as failure:
            # What python-ovs says of an address that cannot be one.
            raise self._unreachable(str(failure) or type(failure).__name__) from failure
        if error:
            raise self._unreachable(os.strerror(error))
        self._rpc = Connection(stream)

    def _receive(self, deadline: float | None, late: str) -> Any:
        """The next message; the server's probes are answered, and its locks noted."""
        from ovs.jsonrpc import Message
        from ovs.poller import Poller

        while True:
            error, message = self._rpc.recv()
            if error == errno.EAGAIN:
                self._rpc.run()
                poller = Poller()
                self._rpc.wait(poller)
                self._rpc.recv_wait(poller)
                if deadline is not None:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise self._no_answer(late)
                    poller.timer_wait(math.ceil(left * 1000))
                poller.block()
            elif error:
                raise self._lost(error)
            elif message.type == Message.T_REQUEST:
                self._rpc.send(Message.create_reply(message.params, message.id))
            elif message.type == Message.T_NOTIFY and message.method == "locked":
                self._locked.update(message.params)
                return message
            else:
                return message

    def _unreachable(self, reason: str) -> exception.OvsdbUnreachable:
        return exception.OvsdbUnreachable(connection=self.connection, reason=reason)

    def _no_answer(self, reason: str) -> exception.OvsdbNoAnswer:
        # What comes later answers a question that nobody asks any more.
        self.close()
        return exception.OvsdbNoAnswer(connection=self.connection, reason=reason)

    def _lost(self, error: int) -> exception.OvsdbNoAnswer:
        # python-ovs says -1 at the end of the stream.
        why = os.strerror(error) if error > 0 else "the server closed the connection"
        return self._no_answer(why)


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
