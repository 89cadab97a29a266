# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The caller's side of the shared privileged daemon: connections, calls and their repetition.

A call that has provably not started is repeated until the deadline: while the daemon restarts, the
caller waits for the socket. A call that has started and was lost is repeated only if the call
changes nothing; else the error says that the outcome is unknown. There is no fallback to a daemon
of the process.

All functions are safe to call from several threads. A forked child has connections of its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import socket
import sys
import threading
import time
import weakref
from typing import Any, NamedTuple

from os_vif.engine.failure import HINT, NotStartedError
from os_vif.engine.shared_calls import shared_protocol as protocol
from os_vif.escape import printable
from os_vif.host.sockets import above_standard_streams

LOG = logging.getLogger(__name__)

#: Seconds between two attempts to connect.
_RETRY_INTERVAL = 0.01
#: Maximal number of idle connections of a process.
_MAX_IDLE = 16
_CHUNK = 1 << 16
#: The functions that can be repeated after a lost connection, because they change nothing.
_REPEATABLE = frozenset({"check", "connect", "probe"})
#: Connecting fails with these errors while a daemon restarts, or has too many new connections.
_RESTARTING = (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, BlockingIOError)


class SharedDaemonError(NotStartedError):
    """A call of the shared privileged daemon has not started: nothing was changed."""

    what = "Calling the shared privileged daemon"

    def __init__(self, text: str) -> None:
        super().__init__(f"{text}{HINT}")


class _RetryError(Exception):
    """A call has not started, and may be repeated."""


class Probe(NamedTuple):
    """The answer of a running shared daemon to :func:`probe`."""

    #: The release of os-vif.
    version: str
    pid: int
    #: The names of the effective capabilities, such as ``CAP_NET_ADMIN``.
    capabilities: tuple[str, ...]
    #: The identifier of the network namespace.
    netns: str
    #: Import paths of the modules that callers may name.
    modules: tuple[str, ...]


class _Connection:
    """A connection to the daemon, after the exchange of ``hello``. Used by a thread at a time."""

    def __init__(self, path: str, deadline: float) -> None:
        """Connect and exchange ``hello``.

        :raises OSError: if the daemon cannot be reached.
        :raises SharedDaemonError: if the daemon refuses the caller.
        :raises _RetryError: if the daemon ends.
        """
        self._decoder = protocol.Decoder(protocol.MAX_ANSWER)
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(max(deadline - time.monotonic(), _RETRY_INTERVAL))
            sock.connect(path)
        except BaseException:
            sock.close()
            raise
        self._socket = above_standard_streams(sock)
        _connections.add(self)
        try:
            name = pathlib.PurePath(sys.argv[0]).name if sys.argv else ""
            self.send([protocol.HELLO, protocol.PROTOCOL, protocol.version(), name])
            self.version, self.status = _read_hello(self.receive(), path)
            self._socket.settimeout(None)
        except BaseException:
            self.close()
            raise

    def send(self, message: list[Any]) -> None:
        """Send a message. A refusal of the daemon may be waiting although sending fails."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(protocol.encode(message))

    def receive(self) -> list[Any]:
        """Return the next message.

        :raises ConnectionError: if the daemon has closed the connection.
        """
        while (message := self._decoder.next_message()) is None:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the shared privileged daemon closed the connection")
            self._decoder.feed(data)
        return message

    def set_deadline(self, deadline: float | None) -> None:
        """Set the deadline of send() and receive(), a value of time.monotonic()."""
        seconds = None if deadline is None else max(deadline - time.monotonic(), _RETRY_INTERVAL)
        self._socket.settimeout(seconds)

    def withdraw(self) -> bool:
        """Return whether a call has certainly not started, and keep the call from starting.

        After SHUT_RD the daemon can send no ``started``, and starts no call without.
        """
        try:
            self._socket.shutdown(socket.SHUT_RD)
            return bool(self.receive()[0] != protocol.STARTED)
        except ConnectionResetError:
            return True

    def is_open(self) -> bool:
        """Return whether the daemon keeps an idle connection open."""
        # Sockets of eventlet wait for data in spite of MSG_DONTWAIT, unless set to non-blocking.
        self._socket.setblocking(False)
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self._socket.setblocking(True)

    def close(self) -> None:
        """Close the connection. In a forked child, the connection of the parent stays open."""
        self._socket.close()


#: All connections of the process, for a forked child to close.
_connections: weakref.WeakSet[_Connection] = weakref.WeakSet()


def _read_hello(reply: list[Any], path: str) -> tuple[str, dict[str, Any]]:
    """Return the release and the status of a daemon.

    :raises SharedDaemonError: if the daemon refuses the caller, or has another protocol.
    :raises _RetryError: if the daemon ends.
    """
    match reply:
        case [protocol.HELLO, int(number), str(release), dict(status), *_]:
            if number != protocol.PROTOCOL:
                own = (protocol.PROTOCOL, protocol.version())
                raise SharedDaemonError(
                    protocol.describe_versions(own, (number, printable(release)))
                )
            if release != protocol.version():
                LOG.info(
                    "The shared privileged daemon at %s is os-vif %s, this process os-vif %s",
                    path,
                    release,
                    protocol.version(),
                )
            return release, status
        case [protocol.REFUSED, str(kind), str(reason), *_]:
            raise _refusal(kind, reason, path)
    raise SharedDaemonError(f"{path} is not the socket of a shared privileged daemon of os-vif")


def _refusal(kind: str, reason: str, path: str) -> Exception:
    """Return the exception for a call that the daemon has refused."""
    if kind == protocol.RETRY:
        return _RetryError(printable(reason))
    return SharedDaemonError(f"the daemon at {path} refused the call: {printable(reason)}")


class SharedDaemon:
    """The shared privileged daemon at a path.

    :param path: the path of the socket.
    :param timeout: the deadline in seconds for a call to start.
    """

    def __init__(self, path: str, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()

    def call(
        self, module: str, function: str, netns: str | None, arguments: tuple[Any, ...]
    ) -> Any:
        """Call a function of the daemon; return the answer.

        :param module: import path of the privsep module of a plugin.
        :param function: ``run``, ``undo``, ``check``, ``connect`` or ``probe``.
        :param netns: the network namespace of the caller; None for a function without devices.
        :raises SharedDaemonError: if the call has not started.
        :raises OSError: if the call has started and was lost: the outcome is unknown.
        """
        deadline = time.monotonic() + self.timeout
        message = [protocol.CALL, module, function, netns, arguments]
        while True:
            connection = self._take(deadline)
            try:
                connection.set_deadline(deadline)
                answer = self._exchange(connection, message)
            except _RetryError as error:
                connection.close()
                self._wait(deadline, error)
            except SharedDaemonError:
                connection.close()
                raise
            except BaseException:
                # The connection may have an unread answer.
                connection.close()
                raise
            else:
                self._give_back(connection)
                return _name_versions(answer, connection.version)

    def is_confirmed(self, netns: str | None) -> bool:
        """Return whether a connection to a daemon in a network namespace is open."""
        with self._lock:
            connection = self._idle[-1] if self._idle else None
        if connection is None or netns is None:
            return False
        return connection.status.get("netns") == netns and connection.is_open()

    def drop(self) -> None:
        """Forget all connections, which belong to the parent of a forked child."""
        self._lock = threading.Lock()
        self._idle = []

    def _exchange(self, connection: _Connection, message: list[Any]) -> Any:
        """Send a call, and return the answer.

        :raises _RetryError: if the call has not started, or changes nothing.
        :raises SharedDaemonError: if the daemon refuses the call.
        :raises OSError: if the connection was lost after the start of the call.
        """
        function = message[2]
        try:
            connection.send(message)
            reply = connection.receive()
        except ConnectionError as error:
            raise _RetryError(str(error)) from error
        except TimeoutError as error:
            raise self._late(connection, function) from error
        match reply:
            case [protocol.REFUSED, str(kind), str(reason), *_]:
                raise _refusal(kind, reason, self.path)
            case [protocol.STARTED, *_]:
                pass
            case _:
                raise protocol.MalformedMessageError(f"found {reply[0]!r}; expected 'started'")
        try:
            connection.set_deadline(None)
            reply = connection.receive()
        except ConnectionError as error:
            if function in _REPEATABLE:
                raise _RetryError(str(error)) from error
            raise ConnectionResetError(
                f"the shared privileged daemon at {self.path} ended during the call of {function}"
            ) from error
        match reply:
            case [protocol.ANSWER, None, answer]:
                return answer
            case [protocol.ANSWER, str(failure), *_]:
                raise OSError(f"the shared privileged daemon: {printable(failure)}")
        raise protocol.MalformedMessageError(f"found {reply[0]!r}; expected 'answer'")

    def _late(self, connection: _Connection, function: str) -> Exception:
        """Return the exception for a call without an answer of the daemon at the deadline."""
        if connection.withdraw() or function in _REPEATABLE:
            return SharedDaemonError(
                f"the daemon at {printable(self.path)} did not start the call within "
                f"{self.timeout:g} seconds, the [os_vif]privileged_socket_timeout: the daemon is "
                "overloaded or stopped"
            )
        return TimeoutError(
            f"the shared privileged daemon at {self.path} was late to start a call"
        )

    def _take(self, deadline: float) -> _Connection:
        """Return an idle connection, or a new one, waiting for a daemon that restarts.

        :raises SharedDaemonError: at the deadline, or if the daemon refuses the caller.
        """
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_open():
                    return connection
                connection.close()
        while True:
            try:
                return _Connection(self.path, deadline)
            except (_RetryError, *_RESTARTING) as error:
                self._wait(deadline, error)
            except (OSError, protocol.MalformedMessageError) as error:
                raise SharedDaemonError(self._unreachable(error)) from error

    def _wait(self, deadline: float, error: Exception) -> None:
        """Wait for the next attempt.

        :raises SharedDaemonError: at the deadline.
        """
        if time.monotonic() + _RETRY_INTERVAL >= deadline:
            raise SharedDaemonError(self._unreachable(error)) from error
        time.sleep(_RETRY_INTERVAL)

    def _unreachable(self, error: Exception) -> str:
        """Return the text of an error about a daemon that cannot be reached."""
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        patience = isinstance(error, (_RetryError, TimeoutError, *_RESTARTING))
        waited = f" within {self.timeout:g} seconds" if patience else ""
        return (
            f"no shared privileged daemon answered at {printable(self.path)}{waited}: "
            f"{printable(reason or type(error).__name__)}. [os_vif]privileged_socket names the "
            "socket; start `os-vif privileged` (os-vif-privileged.service), or unset the option to "
            "start a daemon for each process"
        )

    def _give_back(self, connection: _Connection) -> None:
        with self._lock:
            if len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()


def _name_versions(answer: Any, release: str) -> Any:
    """Add both releases to the reason of an error about a message that is not understood."""
    match answer:
        case {"error": {"step": "message", "reason": str(reason)} as error} if (
            release != protocol.version()
        ):
            error["reason"] = (
                f"{reason}. The shared privileged daemon is os-vif {printable(release)}, its caller "
                f"os-vif {protocol.version()}: restart the older one"
            )
    return answer


#: The daemons of the process, by path.
_daemons: dict[str, SharedDaemon] = {}


def daemon_at(path: str, timeout: float) -> SharedDaemon:
    """Return the daemon at a path, with the connections of this process."""
    daemon = _daemons.get(path)
    if daemon is None:
        daemon = _daemons.setdefault(path, SharedDaemon(path, timeout))
    daemon.timeout = timeout
    return daemon


def probe(path: str, timeout: float = 1.0) -> Probe:
    """Return the description of the daemon that listens at a path.

    :param path: the path of the socket.
    :param timeout: the deadline in seconds.
    :raises SharedDaemonError: if no daemon answers in time, or the daemon refuses this process.
    """
    connection = SharedDaemon(path, timeout)._take(time.monotonic() + timeout)  # noqa: SLF001
    connection.close()
    status = connection.status
    return Probe(
        version=connection.version,
        pid=int(status["pid"]),
        capabilities=tuple(status["capabilities"]),
        netns=str(status["netns"]),
        modules=tuple(status["modules"]),
    )


def _in_child() -> None:
    """Close all connections in a forked child: they belong to the parent."""
    for connection in list(_connections):
        connection.close()
    _connections.clear()
    for daemon in _daemons.values():
        daemon.drop()


os.register_at_fork(after_in_child=_in_child)
