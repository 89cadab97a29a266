# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A lock that survives ``fork(2)``.

A fork copies locks as they are, but only the thread that forks. A lock that another thread of the
parent held would stay locked in the child for ever, and what it protects would stay half done: a
module half imported, plugins half loaded.
"""

from __future__ import annotations

import os
import threading
from typing import Self

#: Seconds for which a fork waits for the thread that holds a lock.
_PATIENCE = 10.0


class ForkSafeLock:
    """A reentrant lock that no other thread holds while a process forks.

    The fork waits until the lock is free, 10 seconds at most. The child has a lock of its own,
    which is free. Make one for a module, not for an object: the hooks of a fork last for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        #: Whether the forking thread got the lock: each thread that forks has its own answer.
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
        self._forking.acquired = self._lock.acquire(timeout=_PATIENCE)

    def _in_parent(self) -> None:
        if self._forking.acquired:
            self._lock.release()

    def _in_child(self) -> None:
        if self._forking.acquired:
            # A thread that forks while it holds the lock itself still holds it in the child.
            self._lock.release()
        else:
            self._lock = threading.RLock()
