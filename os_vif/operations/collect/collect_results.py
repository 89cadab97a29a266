# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The results of a garbage collection."""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os_vif.operations.plugged import Plugged


class CollectOutcome(enum.StrEnum):
    """The result of a collection for a VIF not in the keep list."""

    #: The VIF was unplugged.
    REMOVED = "removed"
    #: A collection without ``dry_run`` would unplug the VIF.
    WOULD_REMOVE = "would remove"
    #: The VIF is collectable later: the grace period, the observations or the limit.
    WAITING = "waiting"
    #: The VIF is not collectable: another owner, no known owner, or pending.
    SPARED = "spared"
    #: The VIF was plugged again, or unplugged, during the collection.
    CHANGED = "changed"
    #: The unplug failed. The next collection repeats the unplug.
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Collected:
    """The result of a collection for a VIF or an empty bridge."""

    entry: Plugged
    outcome: CollectOutcome
    #: Why, in a sentence; the text of the error for ``failed``.
    reason: str


@dataclasses.dataclass(frozen=True)
class CollectReport:
    """The results of a collection, for each VIF not in the keep list."""

    results: tuple[Collected, ...]
    #: Number of VIFs in the keep list.
    kept: int
    #: A sentence for each unreadable source of the inventory; the VIFs of the source
    #: are missing in the results.
    errors: tuple[str, ...] = ()

    def with_outcome(self, *outcomes: CollectOutcome) -> tuple[Collected, ...]:
        """Return the results with any of the outcomes."""
        return tuple(result for result in self.results if result.outcome in outcomes)

    @property
    def removed(self) -> tuple[Collected, ...]:
        """The results of unplugged VIFs."""
        return self.with_outcome(CollectOutcome.REMOVED)

    @property
    def failed(self) -> tuple[Collected, ...]:
        """The results of VIFs whose unplug failed."""
        return self.with_outcome(CollectOutcome.FAILED)
