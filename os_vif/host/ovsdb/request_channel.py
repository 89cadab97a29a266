# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Requests to ovsdb-server and the answers, over one open stream and within a deadline.

An answer is recognized by the id of the request. The server's probes are answered, and granted or
stolen locks recorded, while an answer is awaited. Every fault of a stream closes the stream and is an
:class:`~os_vif.exception.OvsdbError`.

Source: RFC 7047, 4.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import time
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host.ovsdb import replies
from os_vif.host.ovsdb.connection_state import Locks, State
from os_vif.host.ovsdb.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.host.ovsdb.notation import Operation, Row
    from os_vif.host.ovsdb.stream import JsonRpcStream

#: The error of a server without a database of the name: ovsdb/jsonrpc-server.c.
UNKNOWN_DATABASE = "unknown database"
#: Seconds between two attempts to connect.
_PAUSE = 0.1
#: Seconds in which a server answers a ``wait`` after the timeout of the ``wait``.
_LATE = 0.05
_ids = itertools.count()


def next_id() -> int:
    """Return a message id, unique in the process.

    A stream has several users one after the other, and a user recognizes the answers by id.
    """
    return next(_ids)


class RequestChannel:
    """The stream to a server, if open, with the state, the locks and the deadlines of a plan.

    Not for several threads at once.

    :param connection: the servers, for errors.
    :param timeout: seconds for all calls; 0 waits for ever.
    """

    def __init__(self, connection: str, timeout: float) -> None:
        self.connection = connection
        self.timeout = timeout
        self._plan_deadline = Deadline(timeout)
        self._rollback_deadline: Deadline | None = None
        self._state = State.DISCONNECTED
        self._stream: JsonRpcStream | None = None
        self._locks = Locks()
        #: Number of messages since the last request.
        self._unsolicited = 0
        #: Whether the answer to a request of :meth:`_send_encoded` has not been received yet.
        self._is_awaiting = False

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

    @property
    def _open_stream(self) -> JsonRpcStream:
        if self._stream is None:  # pragma: no cover - the callers have connected
            raise AssertionError
        return self._stream

    def _call(self, method: str, params: list[Any], deadline: Deadline, waits: float = 0) -> Any:
        """Send a request; return the result.

        :param waits: the timeout, in seconds, of a ``wait`` of the transaction.
        """
        number = next_id()
        self._unsolicited = 0
        try:
            self._open_stream.send({"method": method, "params": params, "id": number}, deadline)
            if waits and not self._open_stream.wait_for_data(deadline.min_with(waits + _LATE)):
                # A server of before release 2.16 sends the answer to an expired wait together
                # with the next message, such as a probe seconds later. The echo is answered at
                # once.
                echo = {"method": "echo", "params": [], "id": next_id()}
                self._open_stream.send(echo, deadline)
        except OSError as error:
            raise self._no_answer(error, deadline) from error
        return self._receive_result(number, deadline)

    def _send_encoded(self, message: bytes, deadline: Deadline) -> None:
        """Send an encoded request; :meth:`_receive_unless_known` returns the answer."""
        self._unsolicited = 0
        self._is_awaiting = True
        try:
            self._open_stream.send_encoded(message, deadline)
        except OSError as error:
            raise self._no_answer(error, deadline) from error

    def _receive_unless_known(
        self, number: str, known: bytes | None, deadline: Deadline
    ) -> tuple[Any, bytes | None]:
        """Return the result of the request with an id, or the text of a known answer.

        :param known: the digest of an earlier answer to an equal request.
        :returns: the result, or the text of the answer as bytes; and the digest of the answer.
        """
        try:
            first, digest = self._open_stream.receive_unless_known(known, deadline)
        except OSError as error:
            raise self._no_answer(error, deadline) from error
        if isinstance(first, bytes):
            self._is_awaiting = False
            return first, digest
        has_digest = first.get("id") == number and "method" not in first
        return self._receive_result(number, deadline, first), digest if has_digest else None

    def _receive_result(
        self, number: int | str, deadline: Deadline, first: dict[str, Any] | None = None
    ) -> Any:
        """Return the result of the request with an id.

        :param first: a message that was received already.
        """
        while True:
            answer, first = self._receive(deadline, first=first), None
            if answer.get("id") != number or "method" in answer:
                continue
            # The server answers in order: an earlier request of the stream has been answered, too.
            self._is_awaiting = False
            if answer.get("error") is not None:
                raise self._refusal(answer["error"], deadline)
            return answer.get("result")

    def _results(self, operations: Sequence[Operation], found: Any) -> list[Row | None]:
        try:
            return replies.results(operations, found)
        except OSError as error:
            raise self._no_answer(error, self._deadline) from error

    def _receive(
        self, deadline: Deadline, late: str | None = None, first: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the next message. The server's probes are answered, and locks recorded.

        :param late: the reason in the error if the deadline passes.
        :param first: a message that was received already.
        """
        stream = self._open_stream
        while True:
            try:
                message, first = first or stream.receive(deadline), None
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
            error=name if name == UNKNOWN_DATABASE else "",
            operation=None,
        )

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
            reason = late or late_answer(deadline)
        return exception.OvsdbNoAnswer(connection=self.connection, reason=reason)


def late_answer(deadline: Deadline) -> str:
    """Return the reason of an error after a deadline."""
    return f"no answer within {round(deadline.seconds, 1):g} seconds"
