# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Locks of the daemon: a call at a time for a container; GC excludes calls for the same network."""

from __future__ import annotations

import collections
import contextlib
import threading
from collections.abc import Iterator


class AttachmentLocks:
    """The locks of the containers, and of GC for each network. The locks end with the process."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        #: The network of the call that runs, by container.
        self._busy: dict[str, str] = {}
        #: Number of collections that run or wait, by network.
        self._collections: collections.Counter[str] = collections.Counter()
        self._collecting: set[str] = set()

    @contextlib.contextmanager
    def of_container(self, network: str, container_id: str) -> Iterator[None]:
        """Exclude other calls for a container, and GC of the network."""
        with self._condition:
            # A waiting collection has precedence: otherwise a busy network would never be collected.
            self._condition.wait_for(
                lambda: not self._collections[network] and container_id not in self._busy
            )
            self._busy[container_id] = network
        try:
            yield
        finally:
            with self._condition:
                del self._busy[container_id]
                self._condition.notify_all()

    @contextlib.contextmanager
    def of_network(self, network: str) -> Iterator[None]:
        """Exclude all other calls for a network."""
        with self._condition:
            self._collections[network] += 1
            self._condition.wait_for(
                lambda: network not in self._busy.values() and network not in self._collecting
            )
            self._collecting.add(network)
        try:
            yield
        finally:
            with self._condition:
                self._collections[network] -= 1
                if not self._collections[network]:
                    del self._collections[network]
                self._collecting.remove(network)
                self._condition.notify_all()
