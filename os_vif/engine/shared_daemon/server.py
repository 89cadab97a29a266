# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The server of the shared privileged daemon: connections, limits, and the end of the daemon.

The thread of :meth:`Server.serve` accepts and reads the connections. Worker threads run the calls,
each with a netlink socket. After the end of a caller, a started call runs to the end, and a waiting
call is dropped.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from os_vif.engine.shared_calls import shared_protocol as protocol
from os_vif.engine.shared_daemon import dispatch
from os_vif.engine.shared_daemon.call_queue import CallQueue
from os_vif.engine.shared_daemon.client_connection import ClientConnection
from os_vif.engine.shared_daemon.daemon_limits import Limits
from os_vif.engine.shared_daemon.peers import AccessList, Peer, peer_of
from os_vif.escape import printable
from os_vif.host.listeners import Listener

LOG = logging.getLogger(__name__)

_CHUNK = 1 << 16
#: Seconds between two checks of the timeouts.
_TICK = 0.5
#: Seconds without accept() after the process had no free descriptor.
_PAUSE = 0.1
_STOPPING = "the daemon is stopping"
_Job = tuple[ClientConnection, Callable[[], Any]]


class Server:
    """Serves the connections of listening sockets until :meth:`stop`.

    :param listeners: the listening sockets. The server closes the sockets.
    :param dispatcher: runs the calls.
    :param access: the users and groups that may call.
    :param status: the description of the daemon for callers.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        dispatcher: dispatch.Dispatcher,
        access: AccessList,
        status: protocol.Status,
        limits: Limits,
    ) -> None:
        self._listeners = list(listeners)
        self._dispatcher = dispatcher
        self._access = access
        self._status = status
        self._limits = limits
        self._queue: CallQueue[_Job] = CallQueue(limits.threads, limits.calls_per_user)
        self._selector = selectors.DefaultSelector()
        self._connections: set[ClientConnection] = set()
        self._per_user: collections.Counter[int] = collections.Counter()
        self._bytes_per_user: collections.Counter[int] = collections.Counter()
        #: The connections with a timeout.
        self._timed: set[ClientConnection] = set()
        #: Connections for the server thread to check after a worker.
        self._touched: collections.deque[ClientConnection] = collections.deque()
        self._woken, self._waking = socket.socketpair()
        for sock in (self._woken, self._waking):
            sock.setblocking(False)
        self._is_stopping = False

    @property
    def wakeup_descriptor(self) -> int:
        """Return the descriptor for ``signal.set_wakeup_fd``."""
        return self._waking.fileno()

    def stop(self) -> None:
        """End :meth:`serve` after the running calls. Safe to call from a signal handler."""
        self._is_stopping = True
        self._wake()

    def serve(self) -> None:
        """Serve the callers until :meth:`stop`; then finish the running calls."""
        workers = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(self._limits.threads)
        ]
        for worker in workers:
            worker.start()
        self._selector.register(self._woken, selectors.EVENT_READ)
        for listener in self._listeners:
            listener.sock.setblocking(False)
            self._selector.register(listener.sock, selectors.EVENT_READ, listener)
        while not self._is_stopping:
            self._serve_events(_TICK if self._timed else None)
        self._finish()
        for worker in workers:
            worker.join()

    def _finish(self) -> None:
        """Close the listening sockets, refuse the waiting calls, and wait for the running calls."""
        for listener in self._listeners:
            self._selector.unregister(listener.sock)
            listener.close()
        for connection, _ in self._queue.close():
            connection.send_answer([protocol.REFUSED, protocol.RETRY, _STOPPING])
        while self._queue.running:
            self._close_idle()
            self._serve_events(_TICK)
        end = time.monotonic() + self._limits.answer_timeout
        while time.monotonic() < end:
            self._close_idle()
            if not self._connections:
                break
            self._serve_events(_TICK)
        for connection in list(self._connections):
            self._drop(connection)

    def _close_idle(self) -> None:
        """Close the connections without a call and without unsent bytes: their calls retry."""
        for connection in list(self._connections):
            if not connection.is_busy and not connection.has_output:
                self._drop(connection)

    def _serve_events(self, timeout: float | None) -> None:
        """Wait for events, and handle them."""
        for key, events in self._selector.select(timeout):
            if isinstance(key.data, Listener):
                self._accept(key.data)
            elif key.data is None:
                with contextlib.suppress(BlockingIOError):
                    while self._woken.recv(_CHUNK):
                        pass
            else:
                connection: ClientConnection = key.data
                if events & selectors.EVENT_WRITE:
                    connection.flush()
                if events & selectors.EVENT_READ and not connection.ends_after_output:
                    self._read(connection)
                self._update(connection)
        while self._touched:
            connection = self._touched.popleft()
            if connection in self._connections:
                self._update(connection)
        self._check_timeouts()

    def _check_timeouts(self) -> None:
        """Close the connections that are late."""
        now = time.monotonic()
        for connection in list(self._timed):
            if connection.deadline is None:
                self._timed.discard(connection)
            elif now > connection.deadline:
                LOG.warning("%s: a message was not complete in time", connection.peer)
                self._drop(connection)

    def _accept(self, listener: Listener) -> None:
        """Accept a caller, or refuse the caller in words."""
        try:
            sock, _ = listener.sock.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            LOG.error("No connection can be accepted: %s", error)  # noqa: TRY400 - expected
            time.sleep(_PAUSE)
            return
        try:
            peer = peer_of(sock)
        except OSError:
            sock.close()
            return
        connection = ClientConnection(sock, peer)
        if refusal := self._refusal_of(peer):
            connection.send([protocol.REFUSED, *refusal])
            connection.close()
            return
        self._connections.add(connection)
        self._per_user[peer.uid] += 1
        self._selector.register(sock, selectors.EVENT_READ, connection)
        self._start_timeout(connection, self._limits.message_timeout)

    def _refusal_of(self, peer: Peer) -> tuple[str, str] | None:
        """Return kind and text for a caller that is not served, or None."""
        if not self._access.permits(peer):
            text = self._access.refusal(peer)
            LOG.warning("Refused: %s", text)
            return protocol.DENIED, text
        for found, most, whose in (
            (len(self._connections), self._limits.connections, "of all users"),
            (self._per_user[peer.uid], self._limits.connections_per_user, f"of user {peer.uid}"),
        ):
            if found >= most:
                return (
                    protocol.BUSY,
                    f"{found} connections {whose} are open; expected below {most}",
                )
        return None

    def _read(self, connection: ClientConnection) -> None:
        """Read bytes of a caller, and handle the complete messages."""
        try:
            data = connection.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            connection.is_ended = True
            return
        decoder, user = connection.decoder, connection.peer.uid
        before = len(decoder)
        decoder.feed(data)
        self._bytes_per_user[user] += len(data)
        try:
            for message in decoder.messages():
                self._handle(connection, message)
                if connection.ends_after_output:
                    break
        except protocol.MalformedMessageError as error:
            self._refuse(connection, protocol.MALFORMED, str(error))
        self._bytes_per_user[user] += len(decoder) - before - len(data)
        if self._bytes_per_user[user] > self._limits.bytes_per_user:
            most = self._limits.bytes_per_user
            self._refuse(
                connection,
                protocol.BUSY,
                f"unfinished messages of user {user} have more than {most} bytes",
            )
        if len(decoder) and not connection.ends_after_output:
            self._start_timeout(connection, self._limits.message_timeout)
        elif not connection.has_output:
            connection.deadline = None

    def _handle(self, connection: ClientConnection, message: list[Any]) -> None:
        """Handle a message of a caller."""
        if not connection.is_introduced:
            self._introduce(connection, message)
            return
        if connection.is_busy:
            self._refuse(connection, protocol.MALFORMED, "a call before the answer of another")
            return
        if self._is_stopping:
            connection.send([protocol.REFUSED, protocol.RETRY, _STOPPING])
            return
        try:
            function = self._dispatcher.prepare(connection.peer, message)
        except dispatch.RefusedError as error:
            LOG.warning("Refused a call of %s: %s", connection.peer, error)
            connection.send([protocol.REFUSED, error.kind, str(error)])
            return
        connection.is_busy = True
        if not self._queue.put(connection.peer.uid, (connection, function)):
            connection.is_busy = False
            most = self._limits.calls_per_user
            text = (
                f"{most} calls of user {connection.peer.uid} wait or run, which is the limit "
                "[os_vif_privileged]max_calls_per_user; call again later"
            )
            connection.send([protocol.REFUSED, protocol.BUSY, text])

    def _introduce(self, connection: ClientConnection, message: list[Any]) -> None:
        """Answer the ``hello`` of a caller."""
        match message:
            case [protocol.HELLO, int(number), str(release), *_]:
                pass
            case _:
                self._refuse(connection, protocol.MALFORMED, "the first message is no hello")
                return
        own = (protocol.PROTOCOL, protocol.version())
        if number != protocol.PROTOCOL:
            caller = (number, printable(release[:_CHUNK]))
            text = protocol.describe_versions(caller, own)
            LOG.warning("Refused %s: %s", connection.peer, text)
            self._refuse(connection, protocol.VERSION, text)
            return
        connection.is_introduced = True
        connection.send([protocol.HELLO, *own, self._status])

    def _refuse(self, connection: ClientConnection, kind: str, text: str) -> None:
        """Send the reason, and close the connection."""
        connection.send([protocol.REFUSED, kind, text])
        connection.ends_after_output = True

    def _update(self, connection: ClientConnection) -> None:
        """Close an ended connection, or select the events to wait for."""
        if connection.is_ended or (connection.ends_after_output and not connection.has_output):
            self._drop(connection)
            return
        events = 0 if connection.ends_after_output else selectors.EVENT_READ
        if connection.has_output:
            events |= selectors.EVENT_WRITE
            self._start_timeout(connection, self._limits.answer_timeout)
        elif not len(connection.decoder) and connection.is_introduced:
            connection.deadline = None
        if self._selector.get_key(connection.sock).events != events:
            self._selector.modify(connection.sock, events, connection)

    def _start_timeout(self, connection: ClientConnection, seconds: float) -> None:
        connection.set_timeout(seconds)
        self._timed.add(connection)

    def _drop(self, connection: ClientConnection) -> None:
        """Close a connection, and forget it. A call that runs goes on."""
        self._selector.unregister(connection.sock)
        self._connections.discard(connection)
        self._timed.discard(connection)
        for counter, number in (
            (self._per_user, 1),
            (self._bytes_per_user, len(connection.decoder)),
        ):
            counter[connection.peer.uid] -= number
            if counter[connection.peer.uid] <= 0:
                del counter[connection.peer.uid]
        connection.close()

    def _wake(self) -> None:
        """Make the server thread look at the connections. Safe in any thread."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._waking.send(b"\0")

    def _work(self) -> None:
        """Run calls until the queue is closed. Runs in each worker thread."""
        self._dispatcher.prepare_thread()
        while (taken := self._queue.take()) is not None:
            user, (connection, function) = taken
            try:
                self._run(connection, function)
            except Exception:
                LOG.exception("A call of %s failed", connection.peer)
                connection.is_ended = True
            finally:
                self._queue.end(user)
            if connection.has_output or connection.is_ended or self._is_stopping:
                self._touched.append(connection)
                self._wake()

    @staticmethod
    def _run(connection: ClientConnection, function: Callable[[], Any]) -> None:
        """Run a call, unless the caller has ended before."""
        if not connection.send([protocol.STARTED]):
            # The caller must know that the call starts, or may repeat the call at another daemon.
            connection.is_ended = True
            return
        error: str | None = None
        answer: Any = None
        try:
            answer = function()
        except Exception as failure:
            LOG.exception("A call of %s raised an exception", connection.peer)
            error = dispatch.describe_failure(failure)
        connection.send_answer([protocol.ANSWER, error, answer])
