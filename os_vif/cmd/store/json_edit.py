# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Where the values stand in JSON text, so that one is replaced and the rest stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_decode = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")
#: What stands before the first member of an object or an array, and before its end.
_FIRST = re.compile(r"[{\[][ \t]*\r?\n([ \t]*)")
_LAST = re.compile(r"\n([ \t]*)[}\]]\Z")

Key = str | int


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _children(text: str, at: int) -> Iterator[tuple[Key, int, int]]:
    """The names or numbers of what is in an object or an array, with where each stands."""
    named = text[at] == "{"
    number = 0
    at = _skip(text, at + 1)
    while text[at] not in "]}":
        key: Key = number
        if named:
            key, at = _decode(text, at)
            # Behind the colon.
            at = _skip(text, _skip(text, at) + 1)
        start = at
        _, at = _decode(text, at)
        yield key, start, at
        number += 1
        at = _skip(text, at)
        if text[at] == ",":
            at = _skip(text, at + 1)


class Index:
    """Where the values of one JSON text stand; each object and array is scanned once.

    :param text: JSON, which has been parsed.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        start = _skip(text, 0)
        self._whole = start, len(text[start:].rstrip()) + start
        self._inside: dict[int, dict[Key, tuple[int, int]]] = {}

    def find(self, keys: Sequence[Key]) -> tuple[int, int]:
        """Return where the value at that path stands, or the nearest that is around it.

        :returns: its first character, and the one after its last.
        """
        at, end = self._whole
        for key in keys:
            if at not in self._inside:
                found = _children(self._text, at) if self._text[at] in "{[" else ()
                self._inside[at] = {name: (start, stop) for name, start, stop in found}
            inner = self._inside[at].get(key)
            if inner is None:
                break
            at, end = inner
        return at, end


def find(text: str, keys: Sequence[Key]) -> tuple[int, int]:
    """Return where the value at that path stands in one text: see :class:`Index`."""
    return Index(text).find(keys)


def replace(text: str, values: Sequence[tuple[Sequence[Key], Any]]) -> str:
    """The text with other values at some paths, of which none is inside another.

    A value that stood on several lines is written on several lines, with the same indentation.
    """
    index = Index(text)
    spans = sorted(
        ((*index.find(keys), value) for keys, value in values), key=lambda span: span[:2]
    )
    parts = []
    done = 0
    for start, end, value in spans:
        parts += [text[done:start], _compose(value, text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def _compose(value: Any, before: str) -> str:
    """JSON of a value, in the layout of what stood there before."""
    first, last = _FIRST.match(before), _LAST.search(before)
    if first is None or last is None:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    outer = last[1]
    indent = first[1][len(outer) :] or "  "
    newline = ("\r\n" if "\r\n" in before else "\n") + outer
    return json.dumps(value, indent=indent, allow_nan=False).replace("\n", newline)
