# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Streams to ovsdb-server that idle between two plans, for all threads of the process.

One that idles is nobody's: it has no lock and awaits no answer. To open one, and to hear that the
server has the database, takes longer than to look at a port.

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

#: Seconds; by default, a server asks for a sign of life after 5, and nobody here would give it.
IDLE = 4.0
#: As many threads as a hypervisor's agent has at work, about; what is above it is closed.
MOST = 8

#: What makes a stream the one that is wanted.
Key = tuple[str, "Tls | None"]


class _Idle(NamedTuple):
    since: float
    key: Key
    channel: JsonRpcStream


_guard = threading.Lock()
#: The one that was used last is at the end.
_idle: list[_Idle] = []


def take(key: Key) -> JsonRpcStream | None:
    """One that its server has not closed, as far as can be known without asking."""
    while True:
        with _guard:
            found = next((idle for idle in reversed(_idle) if idle.key == key), None)
            if found is None:
                return None
            _idle.remove(found)
        if time.monotonic() - found.since < IDLE and found.channel.is_open():
            return found.channel
        found.channel.close()


def give(key: Key, channel: JsonRpcStream) -> None:
    """Keep one for the next plan; others are closed that have idled too long, or are too many."""
    now = time.monotonic()
    with _guard:
        _idle.append(_Idle(now, key, channel))
        late = sum(now - idle.since >= IDLE for idle in _idle)
        gone = _idle[: max(late, len(_idle) - MOST)]
        del _idle[: len(gone)]
    for idle in gone:
        idle.channel.close()


def clear() -> None:
    """Close all that idle."""
    with _guard:
        gone = _idle.copy()
        _idle.clear()
    for idle in gone:
        idle.channel.close()


def _in_child() -> None:
    """Those of the parent are not the child's, which has only copies of their descriptors."""
    global _guard
    _guard = threading.Lock()
    clear()


os.register_at_fork(after_in_child=_in_child)
