# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A queue of calls, which serves users in turn.

A user occupies at most all worker threads but the last, in which a call of another user starts.
"""

from __future__ import annotations

import collections
import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class CallQueue(Generic[T]):
    """Waiting calls by user. All methods are safe to call from several threads.

    :param threads: the number of worker threads.
    :param per_user: the maximal number of waiting and running calls of a user.
    """

    def __init__(self, threads: int, per_user: int) -> None:
        self._most_running = max(1, threads - 1)
        self._per_user = per_user
        #: The users with waiting calls, in the order of their turns.
        self._waiting: collections.OrderedDict[int, collections.deque[T]] = (
            collections.OrderedDict()
        )
        self._running: collections.Counter[int] = collections.Counter()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, user: int, call: T) -> bool:
        """Add a call of a user; return False if the user has too many calls."""
        with self._changed:
            waiting = self._waiting.setdefault(user, collections.deque())
            if len(waiting) + self._running[user] >= self._per_user:
                if not waiting:
                    del self._waiting[user]
                return False
            waiting.append(call)
            self._changed.notify()
            return True

    def take(self) -> tuple[int, T] | None:
        """Wait for the next call, and return the user and the call; None after :meth:`close`."""
        with self._changed:
            while True:
                for user, waiting in self._waiting.items():
                    if self._running[user] < self._most_running:
                        call = waiting.popleft()
                        self._running[user] += 1
                        # The next turn of the user is the last.
                        self._waiting.move_to_end(user)
                        if not waiting:
                            del self._waiting[user]
                        return user, call
                if self._is_closed:
                    return None
                self._changed.wait()

    def end(self, user: int) -> None:
        """Record the end of a call from :meth:`take`."""
        with self._changed:
            self._running[user] -= 1
            if not self._running[user]:
                del self._running[user]
            self._changed.notify()

    def close(self) -> list[T]:
        """Remove and return all waiting calls, and end the threads in :meth:`take`."""
        with self._changed:
            left = [call for waiting in self._waiting.values() for call in waiting]
            self._waiting.clear()
            self._is_closed = True
            self._changed.notify_all()
            return left

    @property
    def running(self) -> int:
        """Return the number of running calls."""
        with self._changed:
            return sum(self._running.values())
