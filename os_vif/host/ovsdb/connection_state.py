# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The state of a connection to ovsdb-server, and the locks (RFC 7047, 4.1.8 to 4.1.11).

The server knows the locks of all clients, in every process. A lock belongs to a connection: the
server releases the lock when the connection is closed, or when the process is killed.
"""

from __future__ import annotations

import enum
import functools
import uuid
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb import replies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.ovsdb.notation import Operation

DATABASE = "Open_vSwitch"
#: The query about the database, in the database _Server: _server(5).
ABOUT: Operation = {
    "op": "select",
    "table": "Database",
    "where": [["name", "==", DATABASE]],
    "columns": ["model", "connected", "leader"],
}
_NAMESPACE = uuid.UUID("7c0d1c7e-0f2b-4a52-9d3e-0a6a1e6f5b1c")


@functools.lru_cache(4096)
def lock_name(port: str) -> str:
    """Return the name of the lock of a port, of letters, digits and _ (RFC 7047, 3.1).

    The ports of a VIF have names that differ only in the prefix. All of them share a lock, so a
    plan needs a single request.
    """
    return f"os_vif_{uuid.uuid5(_NAMESPACE, port[3:14] or port).hex}"


class State(enum.Enum):
    """The state of a connection."""

    #: No server has answered yet. A server that cannot be reached is an error at once.
    DISCONNECTED = enum.auto()
    #: The stream is from the pool, and the server may have closed the stream since.
    POOLED = enum.auto()
    #: The server has answered on the open stream.
    CONNECTED = enum.auto()
    #: The connection was lost after an answer. The server may have been restarted, so attempts
    #: to connect are repeated until the deadline.
    LOST = enum.auto()
    #: The answer was no OVSDB. A retry is useless.
    NOT_OVSDB = enum.auto()


class Locks:
    """The locks that a connection wants, has requested, waits for, and holds."""

    def __init__(self) -> None:
        self._wanted: list[str] = []
        self._requested: dict[int, str] = {}
        #: The locks that another client held when the server answered the request.
        self._queued: set[str] = set()
        self._held: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the names of the wanted locks."""
        return iter(self._wanted)

    @property
    def held(self) -> frozenset[str]:
        """The names of the locks that the server has granted."""
        return frozenset(self._held)

    @property
    def are_held(self) -> bool:
        """True if all wanted locks are granted, according to the answers received so far."""
        return self._held.issuperset(self._wanted)

    def add(self, name: str) -> bool:
        """Add a lock to the wanted locks; return False if the lock was wanted already."""
        if name in self._wanted:
            return False
        self._wanted.append(name)
        return True

    def note_request(self, number: int, name: str) -> None:
        """Record the id of a lock request."""
        self._requested[number] = name

    def pop_request(self, message: dict[str, Any]) -> str | None:
        """Return the lock of the request that a message answers, once; None for other messages."""
        if message.get("method") is not None:
            return None
        return self._requested.pop(message.get("id", -1), None)

    def note_answer(self, name: str, result: Any) -> None:
        """Record the result of a lock request.

        :raises OSError: ``EPROTO`` if the result is malformed.
        """
        if replies.is_locked(result):
            self._held.add(name)
        else:
            self._queued.add(name)

    def note_notification(self, message: dict[str, Any]) -> None:
        """Record the locks of a ``locked`` or ``stolen`` notification.

        A ``locked`` notification counts only for a lock that the server has queued this client for. The
        server sends the holder of a lock the notification once more for each other client that cancels
        its request (``ovsdb_jsonrpc_session_unlock__()`` in ``ovsdb/jsonrpc-server.c``). The next user of
        the stream may be the first to read the repeated notification, and does not hold the lock.
        """
        match message.get("method"):
            case "locked":
                granted = self._queued.intersection(message["params"])
                self._queued -= granted
                self._held |= granted
            case "stolen":
                # The server has queued this client again (RFC 7047, 4.1.10).
                stolen = self._held.intersection(message["params"])
                self._held -= stolen
                self._queued |= stolen

    def clear(self) -> None:
        """Forget all locks, after they have been released."""
        self._wanted.clear()
        self.forget()

    def forget(self) -> None:
        """Forget the granted and the requested locks, after the connection is closed."""
        self._held.clear()
        self._queued.clear()
        self._requested.clear()
