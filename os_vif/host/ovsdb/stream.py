# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A stream of JSON-RPC messages to and from one ovsdb-server, each within a deadline.

Source: RFC 7047, 4.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb import server_socket
from os_vif.host.ovsdb.framing import JsonFramer

if TYPE_CHECKING:
    from os_vif.host.ovsdb.database_schema import Schema
    from os_vif.host.ovsdb.deadline import Deadline
    from os_vif.host.ovsdb.remotes import Opener
    from os_vif.host.ovsdb.tls import Tls

#: Bytes of one call of ``recv()``.
_CHUNK = 65536


class JsonRpcStream:
    """A stream of JSON-RPC messages. Not for several threads at once.

    :param remote: ``unix:PATH``, ``tcp:HOST:PORT`` or ``ssl:HOST:PORT``.
    :param opener: connects to the path of a socket that this process may not open.
    :raises TimeoutError: if the deadline passes.
    :raises OSError: if the connection cannot be opened.
    """

    def __init__(
        self, remote: str, tls: Tls | None, deadline: Deadline, opener: Opener | None = None
    ) -> None:
        #: Rows read by earlier plans; see :meth:`os_vif.host.ovsdb.snapshot.Snapshot.cached_row`.
        self.remembered_rows: dict[Any, Any] = {}
        #: The pool may keep the stream for the next plan.
        self.is_poolable = False
        #: The schema of the server's database; None until the connection has asked for the schema.
        self.schema: Schema | None = None
        self._framer = JsonFramer()
        self._queued = b""
        self._socket = server_socket.connect(remote, tls, deadline, opener)
        self._no_data_errors = server_socket.no_data_errors(remote)

    def close(self) -> None:
        """Close the socket. The server then releases the locks of the connection."""
        self._socket.close()

    def is_open(self) -> bool:
        """Return whether the server has kept the connection open, without waiting.

        An idle stream that is flooded with data counts as closed: nothing was requested, and the
        server's probes and the answers to ``unlock`` are short.
        """
        try:
            self._socket.settimeout(0)
            while data := self._socket.recv(_CHUNK):
                self._framer.feed(data)
                if len(self._framer) > _CHUNK:
                    return False
        except self._no_data_errors:
            return True
        except OSError:
            pass
        return False

    def fileno(self) -> int:
        """Return the descriptor of the socket, for a selector."""
        return self._socket.fileno()

    def receive_available(self) -> list[dict[str, Any]]:
        """Return the complete messages that have arrived, without waiting.

        :raises OSError: if the server has closed the connection, or sends no JSON-RPC.
        """
        self._socket.settimeout(0)
        found: list[dict[str, Any]] = []
        while True:
            while (message := self._framer.next_message()) is not None:
                found.append(message)
            try:
                data = self._socket.recv(_CHUNK)
            except self._no_data_errors:
                return found
            if not data:
                if found:
                    # The next call reports the end.
                    return found
                raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
            self._framer.feed(data)

    def queue(self, message: dict[str, Any]) -> None:
        """Queue a message, which is sent together with the next one."""
        self._queued += json.dumps(message).encode()

    def send(self, message: dict[str, Any], deadline: Deadline) -> None:
        """Send the queued messages and a message.

        :raises TimeoutError: if the deadline passes.
        :raises OSError: if the connection is lost.
        """
        self.queue(message)
        self.flush(deadline)

    def send_encoded(self, message: bytes, deadline: Deadline) -> None:
        """Send the queued messages and an encoded message, as :meth:`send`."""
        self._queued += message
        self.flush(deadline)

    def flush(self, deadline: Deadline) -> None:
        """Send the queued messages.

        :raises TimeoutError: if the deadline passes.
        :raises OSError: if the connection is lost.
        """
        data, self._queued = self._queued, b""
        while data:
            self._socket.settimeout(deadline.seconds_left())
            data = data[self._socket.send(data) :]

    def wait_for_data(self, deadline: Deadline) -> bool:
        """Return whether a part of a message arrives before the deadline.

        :raises OSError: if the server has closed the connection.
        """
        try:
            if not len(self._framer):
                self._read(deadline)
        except TimeoutError:
            return False
        return True

    def receive(self, deadline: Deadline) -> dict[str, Any]:
        """Return the next message.

        :raises TimeoutError: if the deadline passes.
        :raises OSError: if the server has closed the connection, or sends no JSON-RPC.
        """
        while (message := self._framer.next_message()) is None:
            try:
                self._read(deadline)
            except TimeoutError:
                if (message := self._framer.next_message(scan=True)) is None:
                    raise
                break
        return message

    def receive_unless_known(
        self, known: bytes | None, deadline: Deadline
    ) -> tuple[dict[str, Any] | bytes, bytes | None]:
        """Return the next message, or the text of a message with a known digest, not decoded.

        :param known: the digest.
        :returns: the message or the text, and the digest of the text; None if the digest is unknown.
        :raises OSError: as :meth:`receive`.
        """
        while True:
            digest = self._framer.digest()
            if digest is not None and digest == known:
                return self._framer.take(), digest
            if (message := self._framer.next_message()) is not None:
                return message, None if len(self._framer) else digest
            try:
                self._read(deadline)
            except TimeoutError:
                if (message := self._framer.next_message(scan=True)) is None:
                    raise
                return message, None

    def _read(self, deadline: Deadline) -> None:
        self._socket.settimeout(deadline.seconds_left())
        data = self._socket.recv(_CHUNK)
        if not data:
            raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
        self._framer.feed(data)
