# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A lock that survives ``fork(2)``.

A fork copies all locks of a process, but only the forking thread. A plain lock that another
thread of the parent holds at the fork stays locked in the child forever, and the protected data
stays incomplete: a partly imported module, a partly loaded set of plugins.
"""

from __future__ import annotations

import os
import threading
from typing import Self

#: Seconds that a fork waits for the thread that holds the lock.
_FORK_TIMEOUT = 10.0


class ForkSafeLock:
    """A reentrant lock, held by the forking thread during a fork.

    A fork waits at most 10 seconds for the lock, so that protected data is complete in the child.
    In the child the lock is free, unless the forking thread held the lock before the fork.
    Create instances at module level only: the hooks of ``os.register_at_fork`` are permanent.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        #: ``acquired`` is true if the forking thread has acquired the lock for the fork.
        self._forking = threading.local()
        os.register_at_fork(
            before=self._before, after_in_parent=self._in_parent, after_in_child=self._in_child
        )

    def __enter__(self) -> Self:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _before(self) -> None:
        self._forking.acquired = self._lock.acquire(timeout=_FORK_TIMEOUT)

    def _in_parent(self) -> None:
        if self._forking.acquired:
            self._lock.release()

    def _in_child(self) -> None:
        if self._forking.acquired:
            # The lock is reentrant: a thread that held the lock before the fork still holds it.
            self._lock.release()
        else:
            self._lock = threading.RLock()
