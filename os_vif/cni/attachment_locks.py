# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Locks of the daemon: a call at a time for a container, and for a VIF; GC excludes calls for the
same network.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
from collections.abc import Iterator

from os_vif.cni.cni_error import CniError, Code
from os_vif.forking import ForkSafeLock

#: Seconds for which GC waits for the calls of the network. The calls after GC wait as long. ADD may
#: wait minutes for an IPAM plugin.
_TIMEOUT = 10.0


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
    def of_network(self, network: str, timeout: float = _TIMEOUT) -> Iterator[None]:
        """Exclude all other calls for a network.

        :param timeout: seconds. The end of the wait lets the calls continue that wait for GC.
        :raises CniError: with the code 11 if calls for the network do not end in time.
        """
        with self._condition:
            self._collections[network] += 1
        try:
            with self._condition:
                is_free = self._condition.wait_for(lambda: self._is_free(network), timeout)
                if not is_free:
                    raise CniError(
                        Code.TRY_AGAIN_LATER,
                        "pods of the network are being plugged or unplugged",
                        f"GC of {network} has waited for {timeout:g} s",
                    )
                self._collecting.add(network)
            try:
                yield
            finally:
                with self._condition:
                    self._collecting.remove(network)
        finally:
            with self._condition:
                self._collections[network] -= 1
                if not self._collections[network]:
                    del self._collections[network]
                self._condition.notify_all()

    def _is_free(self, network: str) -> bool:
        """Return whether no call for a network runs, and no collection."""
        return network not in self._busy.values() and network not in self._collecting


@dataclasses.dataclass
class _VifLock:
    """The lock of a VIF."""

    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)
    #: Number of threads that hold or await the lock.
    users: int = 0


_vif_locks: dict[str, _VifLock] = {}
_guard = ForkSafeLock()


@contextlib.contextmanager
def of_vif(vif_id: str) -> Iterator[None]:
    """Exclude the calls of other threads for a VIF. A thread may take the lock repeatedly.

    DEL of a container and ADD of another container may be about the same VIF: between the check
    which container has the VIF and the unplug, the VIF must not change containers.

    :param vif_id: the id of the VIF. No lock is taken for an empty id.
    """
    if not vif_id:
        yield
        return
    with _guard:
        held = _vif_locks.setdefault(vif_id, _VifLock())
        held.users += 1
    try:
        with held.lock:
            yield
    finally:
        with _guard:
            held.users -= 1
            if not held.users:
                del _vif_locks[vif_id]
