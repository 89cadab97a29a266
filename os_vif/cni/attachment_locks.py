# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Locks of the daemon: a call at a time for a container, and GC excludes ADD, DEL and CHECK."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class AttachmentLocks:
    """The locks of the containers, and of GC. The locks end with the process."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._busy: set[str] = set()
        #: Number of collections that run or wait.
        self._collections = 0
        self._collecting = False

    @contextlib.contextmanager
    def of_container(self, container_id: str) -> Iterator[None]:
        """Exclude other calls for a container, and GC."""
        with self._condition:
            # A waiting collection has precedence: otherwise a busy host would never collect.
            self._condition.wait_for(
                lambda: not self._collections and container_id not in self._busy
            )
            self._busy.add(container_id)
        try:
            yield
        finally:
            with self._condition:
                self._busy.remove(container_id)
                self._condition.notify_all()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Exclude all other calls."""
        with self._condition:
            self._collections += 1
            self._condition.wait_for(lambda: not self._busy and not self._collecting)
            self._collecting = True
        try:
            yield
        finally:
            with self._condition:
                self._collections -= 1
                self._collecting = False
                self._condition.notify_all()
