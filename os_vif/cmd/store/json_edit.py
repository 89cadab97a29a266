# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Edit JSON text in place, preserving the formatting of everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_decode = json.JSONDecoder().raw_decode
_SPACE = re.compile(r"[ \t\r\n]*")
#: The indentation of the first member of an object or an array, and of the closing bracket.
_FIRST_INDENT = re.compile(r"[{\[][ \t]*\r?\n([ \t]*)")
_LAST_INDENT = re.compile(r"\n([ \t]*)[}\]]\Z")

Key = str | int
#: The index of the first character of a value, and of the character after the value.
Span = tuple[int, int]


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _members(text: str, position: int) -> Iterator[tuple[Key, Span]]:
    """Yield the name or number, and the span, of each member of an object or an array."""
    is_object = text[position] == "{"
    number = 0
    position = _skip_space(text, position + 1)
    while text[position] not in "]}":
        key: Key = number
        if is_object:
            key, position = _decode(text, position)
            # Skip the colon.
            position = _skip_space(text, _skip_space(text, position) + 1)
        start = position
        _, position = _decode(text, position)
        yield key, (start, position)
        number += 1
        position = _skip_space(text, position)
        if text[position] == ",":
            position = _skip_space(text, position + 1)


class Index:
    """The spans of the values in JSON text. Each object and array is scanned once.

    :param text: valid JSON.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        start = _skip_space(text, 0)
        self._whole = start, len(text[start:].rstrip()) + start
        #: The spans of members, by start of the object or array.
        self._members: dict[int, dict[Key, Span]] = {}

    def find(self, keys: Sequence[Key]) -> Span:
        """Return the span of the value at *keys*, or of the nearest value around it."""
        span = self._whole
        for key in keys:
            start = span[0]
            if start not in self._members:
                is_leaf = self._text[start] not in "{["
                self._members[start] = {} if is_leaf else dict(_members(self._text, start))
            member = self._members[start].get(key)
            if member is None:
                break
            span = member
        return span


def replace(text: str, values: Sequence[tuple[Sequence[Key], Any]]) -> str:
    """Return the text with new values at some keys. No value may be inside another value.

    A value that occupied several lines is written on several lines, with the same indentation.
    """
    index = Index(text)
    edits = sorted(((index.find(keys), value) for keys, value in values), key=lambda e: e[0])
    parts = []
    position = 0
    for (start, end), value in edits:
        parts += [text[position:start], _compose(value, text[start:end])]
        position = end
    return "".join([*parts, text[position:]])


def _compose(value: Any, old: str) -> str:
    """Return a value as JSON, in the layout of the old JSON."""
    first, last = _FIRST_INDENT.match(old), _LAST_INDENT.search(old)
    if first is None or last is None:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    outer = last[1]
    indent = first[1][len(outer) :] or "  "
    newline = ("\r\n" if "\r\n" in old else "\n") + outer
    return json.dumps(value, indent=indent, allow_nan=False).replace("\n", newline)
