# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A connection of a caller, on the side of the shared privileged daemon."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from os_vif.engine.shared_calls.shared_protocol import MAX_CALL, Decoder, encode
from os_vif.engine.shared_daemon.peers import Peer


class ClientConnection:
    """A non-blocking connection. The server thread reads; any thread may send.

    Only the server thread closes the socket, so that no other thread sends to a descriptor that
    the kernel has given to another connection.
    """

    def __init__(self, sock: socket.socket, peer: Peer) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.peer = peer
        self.decoder = Decoder(MAX_CALL)
        #: Whether the caller has said ``hello``.
        self.is_introduced = False
        #: Whether a call of the connection waits or runs.
        self.is_busy = False
        #: Whether the connection must be closed.
        self.is_ended = False
        #: Whether the connection must be closed after the unsent bytes.
        self.ends_after_output = False
        #: Time of time.monotonic() until which a message must be complete, or an answer received.
        self.deadline: float | None = None
        self._output = bytearray()
        self._lock = threading.Lock()

    @property
    def has_output(self) -> bool:
        """Return whether bytes wait for the caller to receive earlier ones."""
        return bool(self._output)

    def send(self, message: list[Any]) -> bool:
        """Send a message, or as much as the caller receives now.

        :returns: whether the message was passed to the kernel as a whole; False for a caller that
            has ended, too.
        """
        with self._lock:
            if self.is_ended:
                return False
            self._output += encode(message)
        return self.flush()

    def send_answer(self, message: list[Any]) -> None:
        """Send the answer of the call of the connection, as :meth:`send`."""
        with self._lock:
            self._output += encode(message)
            # The server thread closes a connection without a call and without unsent bytes.
            self.is_busy = False
        self.flush()

    def flush(self) -> bool:
        """Send unsent bytes; return whether none is left."""
        with self._lock:
            while self._output and not self.is_ended:
                try:
                    sent = self.sock.send(self._output)
                except BlockingIOError:
                    return False
                except OSError:
                    self.is_ended = True
                    return False
                del self._output[:sent]
            return not self.is_ended

    def set_timeout(self, seconds: float) -> None:
        """Start the timeout of a message or an answer, unless a timeout is running."""
        if self.deadline is None:
            self.deadline = time.monotonic() + seconds

    def close(self) -> None:
        """Close the socket. Called by the server thread."""
        with self._lock:
            self.is_ended = True
            with contextlib.suppress(OSError):
                self.sock.close()
