# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The progress bar of a command for many objects, and the summary at its end."""

from __future__ import annotations

import collections
import enum
import re
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.codec.unknown import Loss

#: The seconds before the first drawing of the bar, and between two drawings.
BAR_DELAY_S = 1.0
BAR_INTERVAL_S = 0.1
_BAR_WIDTH = 30
#: The maximum number of different paths in a summary.
MAX_PATHS = 1000
_INDEX = re.compile(r"\[\d+\]")


class Outcome(enum.StrEnum):
    """The outcome for an object, in the words and the order of a summary."""

    VALID = "valid"
    INVALID = "not valid"
    CONVERTED = "converted"
    UNCHANGED = "already in that format"
    FAILED = "not converted"
    EMPTY = "without VIFs"
    SKIPPED = "left out"


class Bar:
    """A progress bar on a terminal. Another stream gets no bar.

    :param total: the size of the input in bytes; None for a pipe.
    """

    def __init__(self, total: int | None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_enabled = self._stream.isatty()
        self._total = total
        self._next_drawing = time.monotonic() + BAR_DELAY_S
        self._is_drawn = False

    def update(self, done: int, objects: int) -> None:
        """Draw the bar, if the last drawing is old enough.

        :param done: the number of bytes read.
        :param objects: the number of objects read.
        """
        if not self._is_enabled or time.monotonic() < self._next_drawing:
            return
        self._next_drawing = time.monotonic() + BAR_INTERVAL_S
        text = _count_objects(objects)
        if self._total:
            share = min(done / self._total, 1)
            filled = int(share * _BAR_WIDTH)
            text = f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {share:4.0%}  {text}"
        self._stream.write(f"\r\x1b[K{text}")
        self._stream.flush()
        self._is_drawn = True

    def clear(self) -> None:
        """Remove the bar from the terminal."""
        if self._is_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_drawn = False


class Counts:
    """The number of objects by outcome, and of losses by path."""

    def __init__(self) -> None:
        self.outcomes: collections.Counter[Outcome] = collections.Counter()
        self._losses: collections.Counter[str] = collections.Counter()

    @property
    def has_failures(self) -> bool:
        """True if an object is invalid or could not be converted."""
        return bool(self.outcomes[Outcome.INVALID] or self.outcomes[Outcome.FAILED])

    def add_losses(self, losses: Iterable[Loss]) -> None:
        """Count the losses of an object. Members of a list count as one path."""
        for path in {_INDEX.sub("[]", loss.path) or "the object" for loss in losses}:
            is_listed = path in self._losses or len(self._losses) < MAX_PATHS
            self._losses[path if is_listed else "other paths"] += 1

    def summary(self, title: str, *, is_lost: bool = True) -> list[str]:
        """Return the counts as lines of text.

        :param is_lost: False if objects with losses were not converted.
        """
        counts = [f"{self.outcomes[o]:,} {o}" for o in Outcome if self.outcomes[o]]
        head = f"{title}: {_count_objects(self.outcomes.total())}"
        lines = [f"{head}: {', '.join(counts)}" if counts else head]
        lost = "lost" if is_lost else "would be lost"
        for path, number in sorted(self._losses.items()):
            lines.append(printable(f"{title}: {lost}: {path} of {_count_objects(number)}"))
        return lines


def _count_objects(number: int) -> str:
    return f"{number:,} object{'' if number == 1 else 's'}"
