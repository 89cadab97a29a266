# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The observations of earlier garbage collections, in ``/run/os-vif/gc.json``.

Each collectable VIF has the time of the first observation and the number of observations in
succession. A VIF that was plugged again starts anew. A damaged file counts as no observations,
which delays removals and causes none.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Iterable
from typing import Any

from os_vif import exception
from os_vif.host.state.directory import STATE

LOG = logging.getLogger(__name__)

#: Name of the file in the state directory.
FILE = "gc.json"


def key(plugin: str, vif_id: str) -> str:
    """Return the key of a VIF or an empty bridge in the file."""
    return f"{plugin}/{vif_id}"


@dataclasses.dataclass
class Observation:
    """The observations of a VIF in succession."""

    #: Seconds since the epoch of the first observation.
    first: float
    times: int
    #: Seconds since the epoch of the plug; None if unknown.
    since: float | None


class Observations:
    """The observations of all collectable VIFs, and the number of removed VIFs."""

    def __init__(self, by_key: dict[str, Observation], removed: int) -> None:
        self._by_key = by_key
        #: Number of VIFs that collections have removed since the boot.
        self.removed = removed
        #: Seconds since the epoch of this collection.
        self.now = time.time()

    def count(self, vif: str, since: float | None) -> Observation:
        """Count an observation of a VIF, and return the observations in succession.

        :param since: the time of the plug. Another time than before starts anew.
        """
        found = self._by_key.get(vif)
        # An observation from the future is from before a change of the clock.
        if found is None or found.since != since or found.first > self.now:
            found = self._by_key[vif] = Observation(self.now, 0, since)
        found.times += 1
        return found

    def keys(self) -> frozenset[str]:
        """Return the keys of the observed VIFs."""
        return frozenset(self._by_key)

    def keep_only(self, vifs: Iterable[str]) -> None:
        """Forget the VIFs that this collection has not observed."""
        wanted = set(vifs)
        self._by_key = {name: o for name, o in self._by_key.items() if name in wanted}

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
    try:
        data: Any = json.loads(STATE.read(FILE))
        by_key = {str(name): _observation(found) for name, found in data["seen"].items()}
        return Observations(by_key, int(data["removed"]))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        LOG.warning("%s cannot be used (%s): observations start anew", STATE.file(FILE), error)
    return Observations({}, 0)


def _observation(found: Any) -> Observation:
    """Return the observation of an entry of the file."""
    since = found["since"]
    return Observation(
        float(found["first"]), int(found["times"]), None if since is None else float(since)
    )
