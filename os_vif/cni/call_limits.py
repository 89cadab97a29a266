# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Limits of the calls at a time, for each kind of command.

ADD may wait minutes for an IPAM plugin or for a KuryrPort. The other commands have threads of their
own, so that waiting ADDs delay neither DEL nor STATUS nor VERSION.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable

#: The limit of each command. A command without a limit takes little time.
_LIMITS = {
    "ADD": 64,
    "DEL": 32,
    "CHECK": 16,
    "GC": 8,
    # The IPAM plugin may answer STATUS late.
    "STATUS": 16,
}
#: Calls at a time that are received, or have another command.
_OTHERS = 16
#: The number of threads that serves all limits.
THREADS = sum(_LIMITS.values()) + _OTHERS


class CallLimit:
    """Runs calls in the threads of the callers, up to a limit; a call above the limit is queued.

    A thread that ends a call runs the next call of the queue.
    """

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._free = limit
        self._queue: collections.deque[Callable[[], None]] = collections.deque()

    def run(self, call: Callable[[], None]) -> None:
        """Run a call, or queue the call for a thread that runs another.

        :param call: must not raise.
        """
        with self._lock:
            if not self._free:
                self._queue.append(call)
                return
            self._free -= 1
        while True:
            call()
            with self._lock:
                if not self._queue:
                    self._free += 1
                    return
                call = self._queue.popleft()


class CallLimits:
    """The limits of all commands."""

    def __init__(self) -> None:
        self._limits = {command: CallLimit(limit) for command, limit in _LIMITS.items()}

    def run(self, command: str, call: Callable[[], None]) -> None:
        """Run a call of a command at once, or after another call of the command.

        :param call: must not raise.
        """
        limit = self._limits.get(command)
        if limit is None:
            call()
        else:
            limit.run(call)
