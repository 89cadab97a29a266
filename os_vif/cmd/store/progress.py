# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a command that goes through many objects tells while it runs, and at its end."""

from __future__ import annotations

import collections
import logging
import re
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from os_vif.codec.unknown import Loss
from os_vif.escape import printable

LOG = logging.getLogger("os-vif")

#: Seconds until there is a bar, and between two pictures of it.
_PATIENCE = 1.0
_OFTEN = 0.1
_WIDTH = 30
#: How many different paths are remembered.
_PATHS = 1000
_NUMBERS = re.compile(r"\[\d+\]")


class Bar:
    """A progress bar on a terminal; anywhere else nothing at all.

    :param total: of the input, in bytes; None where nobody knows.
    """

    def __init__(self, total: int | None, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._is_on = self._stream.isatty()
        self._total = total
        self._next = time.monotonic() + _PATIENCE
        self._is_drawn = False

    def show(self, done: int, objects: int) -> None:
        """So many bytes were read, and so many objects were in them."""
        if not self._is_on or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _OFTEN
        picture = _objects(objects)
        if self._total:
            share = min(done / self._total, 1)
            filled = int(share * _WIDTH)
            picture = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {share:4.0%}  {picture}"
        self._stream.write(f"\r\x1b[K{picture}")
        self._stream.flush()
        self._is_drawn = True

    def clear(self) -> None:
        """Make room for something else."""
        if self._is_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_drawn = False


class Counts:
    """How many objects there were of which kind, and what was lost, by path."""

    def __init__(self) -> None:
        self.of: collections.Counter[str] = collections.Counter()
        self._lost: collections.Counter[str] = collections.Counter()

    def lose(self, losses: Iterable[Loss]) -> None:
        """Count what one object loses."""
        for loss in {_NUMBERS.sub("[]", loss.path) for loss in losses}:
            path = loss or "the object"
            known = path in self._lost or len(self._lost) < _PATHS
            self._lost[path if known else "other paths"] += 1

    def lines(self, title: str, verbs: Iterable[str], *, is_lost: bool = True) -> list[str]:
        """The counts in words, in that order; and what is lost, or would be."""
        total = sum(self.of.values())
        told = [f"{self.of[verb]:,} {verb}" for verb in verbs if self.of[verb]]
        lines = [f"{title}: {_objects(total)}" + (f": {', '.join(told)}" if told else "")]
        lost = "lost" if is_lost else "would be lost"
        for path, number in sorted(self._lost.items()):
            lines.append(printable(f"{title}: {lost}: {path} of {_objects(number)}"))
        return lines


def _objects(number: int) -> str:
    return f"{number:,} object{'' if number == 1 else 's'}"
