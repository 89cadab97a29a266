# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A pool of idle connections to ovsdb-server, for all threads of the process.

An idle connection holds no lock and awaits no answer. A new connection, with the question whether
the server has the database, takes longer than a read of a port.

Source: ovsdb-server(1); ``inactivity_probe`` of ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from os_vif.host.ovsdb.stream import JsonRpcStream
    from os_vif.host.ovsdb.tls import Tls

#: Seconds. By default a server sends a probe after 5 seconds, and closes the connection if the
#: client does not answer; no thread reads an idle connection.
MAX_IDLE_SECONDS = 4.0
#: Number of idle connections: about the number of busy threads of a hypervisor's agent.
MAX_IDLE = 8

#: Connection string and TLS settings.
Key = tuple[str, "Tls | None"]


class _Idle(NamedTuple):
    since: float
    key: Key
    stream: JsonRpcStream


_guard = threading.Lock()
#: The idle connections; the last used connection is at the end.
_idle: list[_Idle] = []


def acquire(key: Key) -> JsonRpcStream | None:
    """Take an idle connection from the pool, or return None.

    The server has kept the connection open, as far as known without a request.
    """
    while True:
        with _guard:
            found = next((idle for idle in reversed(_idle) if idle.key == key), None)
            if found is None:
                return None
            _idle.remove(found)
        if time.monotonic() - found.since < MAX_IDLE_SECONDS and found.stream.is_open():
            return found.stream
        found.stream.close()


def release(key: Key, stream: JsonRpcStream) -> None:
    """Return a connection to the pool; close connections idle for too long or above the limit."""
    now = time.monotonic()
    with _guard:
        _idle.append(_Idle(now, key, stream))
        expired = sum(now - idle.since >= MAX_IDLE_SECONDS for idle in _idle)
        closed = _idle[: max(expired, len(_idle) - MAX_IDLE)]
        del _idle[: len(closed)]
    for idle in closed:
        idle.stream.close()


def clear() -> None:
    """Close all idle connections."""
    with _guard:
        closed = _idle.copy()
        _idle.clear()
    for idle in closed:
        idle.stream.close()


def _clear_in_child() -> None:
    """Empty the pool after a fork: the connections belong to the parent."""
    global _guard
    _guard = threading.Lock()
    clear()


os.register_at_fork(after_in_child=_clear_in_child)
