# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The socket of ``os-vif cni-daemon``.

A client sends 4 bytes with the length of the message, in network byte order, and the message (see
:mod:`os_vif.cni.invocation`). The answer is a byte with the exit code, and then the bytes for standard
output; the end of the connection ends the answer. Only root, and the user of the daemon, may connect:
the mode of the socket is 0600, and the kernel tells the user of each connection (SO_PEERCRED).
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from os_vif.cni.call_limits import THREADS, CallLimits
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.invocation import MAX_MESSAGE, command_text
from os_vif.cni.network_configuration import VERSIONS
from os_vif.escape import described_error
from os_vif.host.listeners import Listener

LOG = logging.getLogger(__name__)

#: Mode of the socket.
SOCKET_MODE = 0o600
#: Seconds for a client to send the message, and to receive the answer.
_TIMEOUT = 10.0
_LENGTH = struct.Struct("!I")
_CREDENTIALS = struct.Struct("3i")


class CniServer:
    """Serves the clients of listening sockets, each call in a thread of a pool.

    The calls at a time are limited for each command (see :mod:`os_vif.cni.call_limits`).

    :param answer: returns the exit code and the bytes for standard output for a message. The function
        must not raise.
    """

    def __init__(
        self, listeners: Sequence[Listener], answer: Callable[[bytes], tuple[int, bytes]]
    ) -> None:
        self._listeners = tuple(listeners)
        self._answer = answer
        self._users = {0, os.geteuid()}
        self._wakeup, self._waker = socket.socketpair()
        self._waker.setblocking(False)
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="cni")
        self._limits = CallLimits()

    @property
    def wakeup_descriptor(self) -> int:
        """A descriptor for signal.set_wakeup_fd(): a write wakes :meth:`serve`."""
        return self._waker.fileno()

    def stop(self) -> None:
        """Make :meth:`serve` return. Can be called from a signal handler and from any thread."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def serve(self) -> None:
        """Serve until :meth:`stop`; then finish the running calls, and close the sockets."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wakeup, selectors.EVENT_READ)
            for listener in self._listeners:
                listener.sock.setblocking(False)
                selector.register(listener.sock, selectors.EVENT_READ)
            while not self._stopped.is_set():
                for key, _ in selector.select():
                    if key.fileobj is self._wakeup:
                        self._wakeup.recv(4096)
                    elif isinstance(key.fileobj, socket.socket):
                        self._accept(key.fileobj)
        for listener in self._listeners:
            listener.close()
        self._pool.shutdown()
        self._wakeup.close()
        self._waker.close()

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return
        except OSError as error:
            LOG.warning("A connection cannot be accepted: %s", described_error(error))
            # Descriptors are used up: wait for a call to end, without a busy loop.
            self._stopped.wait(0.1)
            return
        self._pool.submit(self._serve_connection, connection)

    def _serve_connection(self, connection: socket.socket) -> None:
        """Receive the message of a client; answer the message now, or queue the call."""
        message = None
        try:
            with _logged_errors():
                connection.settimeout(_TIMEOUT)
                message = self._receive_message(connection)
        finally:
            if message is None:
                connection.close()
        if message is not None:
            call = functools.partial(self._answer_message, connection, message)
            self._limits.run(command_text(message), call)

    def _receive_message(self, connection: socket.socket) -> bytes | None:
        """Return the message of a client; None for a client that is refused.

        :raises OSError: if the client does not send a message.
        """
        refusal = self._refusal(connection)
        if refusal is None:
            (length,) = _LENGTH.unpack(_receive(connection, _LENGTH.size))
            if length <= MAX_MESSAGE:
                return _receive(connection, length)
            text = f"{length} bytes, at most {MAX_MESSAGE} are accepted"
            refusal = CniError(Code.IO_FAILURE, "the configuration is too long", text)
        _send(connection, write_error(refusal))
        _discard(connection)
        return None

    def _answer_message(self, connection: socket.socket, message: bytes) -> None:
        """Execute the call of a message, and send the answer. The function does not raise."""
        with connection, _logged_errors():
            _send(connection, self._answer(message))

    def _refusal(self, connection: socket.socket) -> CniError | None:
        """Return the error for a client of another user; None for a permitted client."""
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        if uid in self._users:
            return None
        LOG.warning("Refused process %d of user %d", pid, uid)
        return CniError(Code.NOT_PERMITTED, "only root may call os-vif cni-daemon")


@contextlib.contextmanager
def _logged_errors() -> Iterator[None]:
    """Log an error of the block: no caller is left that could handle the error."""
    try:
        yield
    except OSError as error:
        LOG.warning("The client of a call has gone: %s", described_error(error))
    except Exception:
        LOG.exception("A call failed")


def _send(connection: socket.socket, answer: tuple[int, bytes]) -> None:
    """Send the exit code and the bytes for standard output."""
    code, output = answer
    connection.sendall(bytes([code]) + output)


def _discard(connection: socket.socket) -> None:
    """Read the rest of a message: closing a socket with unread bytes would discard the answer."""
    connection.shutdown(socket.SHUT_WR)
    remaining = MAX_MESSAGE
    while remaining > 0 and (part := connection.recv(1 << 16)):
        remaining -= len(part)


def write_error(error: CniError, version: str = VERSIONS[-1]) -> tuple[int, bytes]:
    """Return the exit code and the bytes for standard output of an error."""
    return 1, write_json(error.to_plain(version))


def write_json(plain: object) -> bytes:
    """Return a JSON document as a line."""
    return json.dumps(plain, ensure_ascii=True).encode() + b"\n"


def _receive(connection: socket.socket, length: int) -> bytes:
    """Return so many bytes.

    :raises ConnectionError: if the client closes the connection earlier.
    """
    received = bytearray()
    while len(received) < length:
        part = connection.recv(min(length - len(received), 1 << 16))
        if not part:
            raise ConnectionError("the client closed the connection before the end of the message")
        received += part
    return bytes(received)
