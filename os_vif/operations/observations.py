# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The observations of earlier garbage collections, in ``/run/os-vif/gc.json``.

Each collectable VIF has the time of the first observation and the number of observations in
succession. The first observation sets the mark of the VIF (:mod:`os_vif.host.state.gc_marks`), which
each plug deletes: a VIF without the mark starts anew. The file has the observations of all owners and
network namespaces. A damaged file counts as no observations, which delays removals and causes none.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import gc_marks
from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink

LOG = logging.getLogger(__name__)

#: Name of the file in the state directory.
FILE = "gc.json"


def key(netns: str, plugin: str, vif_id: str) -> str:
    """Return the key of a VIF or an empty bridge in the file.

    :param netns: the number of the network namespace.
    """
    return f"{netns}/{plugin}/{vif_id}"


@dataclasses.dataclass
class Observation:
    """The observations of a VIF in succession."""

    #: Seconds since the epoch of the first observation.
    first: float
    times: int
    #: Seconds since the epoch of the plug; None if unknown.
    since: float | None
    #: The id of the record of the VIF, and the token of the mark; empty for an empty bridge.
    record_id: str = ""
    token: str = ""
    #: Number of failed unplugs.
    failures: int = 0
    #: The identity of the devices and of the port of the VIF.
    fingerprint: str = ""

    def is_of_same_plug(self, later: Observation) -> bool:
        """Return whether a later observation is of the VIF as plugged at this observation."""
        # An observation from the future is from before a change of the clock.
        return self.first <= later.first and (
            (self.since, self.record_id, self.token, self.fingerprint)
            == (later.since, later.record_id, later.token, later.fingerprint)
        )


class Observations:
    """The observations of all collectable VIFs, and the number of removed VIFs.

    :param netns: the network namespace of this collection.
    """

    def __init__(self, by_key: dict[str, Observation], removed: int, netns: str) -> None:
        self._netns = netns
        #: The observations whose marks are to be set, and to be deleted.
        self._unmarked: list[Observation] = []
        self._forgotten: list[Observation] = []
        self._by_key = by_key
        #: Number of VIFs that collections have removed since the boot.
        self.removed = removed
        #: Seconds since the epoch of this collection.
        self.now = time.time()

    def key(self, plugin: str, vif_id: str) -> str:
        """Return the key of a VIF in the network namespace of this collection."""
        return key(self._netns, plugin, vif_id)

    def get(self, vif: str) -> Observation | None:
        """Return the observations of a VIF, or None."""
        return self._by_key.get(vif)

    def count(self, net: Netlink, vif: str, present: Observation) -> Observation:
        """Count an observation of a VIF, and return the observations in succession.

        :param present: the VIF at present. Another time of the plug, record or fingerprint than
            before starts anew. The mark of the record is required.
        """
        found = self._by_key.get(vif)
        token = gc_marks.read(net, present.record_id) if present.record_id else ""
        # A mark on the host was set after the last plug, also for another entry.
        present.token = token or ""
        if found is None or token is None or not found.is_of_same_plug(present):
            found = self._by_key[vif] = present
            if token is None:
                self._unmarked.append(found)
        found.times += 1
        return found

    def keys(self) -> frozenset[str]:
        """Return the keys of the observed VIFs of the network namespace."""
        return frozenset(name for name in self._by_key if self._is_here(name))

    def keep_only(self, vifs: Iterable[str]) -> None:
        """Forget the VIFs of the network namespace that are in use or gone.

        :param vifs: the keys of all other VIFs.
        """
        wanted = set(vifs)
        gone = [name for name in self._by_key if self._is_here(name) and name not in wanted]
        self._forgotten += [self._by_key.pop(name) for name in gone]

    def _is_here(self, vif: str) -> bool:
        return vif.startswith(f"{self._netns}/")

    def write_marks(self, net: Netlink) -> None:
        """Set the marks of the first observations; delete the marks of forgotten VIFs.

        :raises os_vif.exception.CollectException: if a mark cannot be written.
        """
        tokens: dict[str, str] = {}
        try:
            for observation in self._forgotten:
                if observation.record_id:
                    gc_marks.delete(net, observation.record_id)
            for observation in self._unmarked:
                name = gc_marks.key_of(observation.record_id)
                if name not in tokens:
                    tokens[name] = gc_marks.new_token()
                    gc_marks.write(net, observation.record_id, tokens[name])
                observation.token = tokens[name]
        except OSError as error:
            raise exception.CollectException(
                err=f"{STATE}: a mark cannot be written: {error.strerror}"
            ) from error
        self._forgotten, self._unmarked = [], []

    def note_failure(self, vif: str) -> None:
        """Count a failed unplug."""
        if (found := self._by_key.get(vif)) is not None:
            found.failures += 1

    def note_removal(self, vif: str) -> None:
        """Forget a removed VIF, and count the removal."""
        self._by_key.pop(vif, None)
        self.removed += 1

    def write(self) -> None:
        """Replace the file.

        :raises os_vif.exception.CollectException: if the file cannot be written.
        """
        seen = {name: dataclasses.asdict(o) for name, o in self._by_key.items()}
        try:
            STATE.write_atomically(FILE, {"removed": self.removed, "seen": seen})
        except OSError as error:
            raise exception.CollectException(err=error.strerror) from error


def read() -> Observations:
    """Return the observations of earlier collections."""
    with rtnetlink.opened() as net:
        netns = net.netns
    try:
        data: Any = json.loads(STATE.read(FILE))
        by_key = {str(name): _observation(found) for name, found in data["seen"].items()}
        return Observations(by_key, int(data["removed"]), netns)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        LOG.warning("%s cannot be used (%s): observations start anew", STATE.file(FILE), error)
    return Observations({}, 0, netns)


def _observation(found: Any) -> Observation:
    """Return the observation of an entry of the file."""
    since = found["since"]
    return Observation(
        float(found["first"]),
        int(found["times"]),
        None if since is None else float(since),
        str(found["record_id"]),
        str(found["token"]),
        int(found["failures"]),
        str(found["fingerprint"]),
    )
