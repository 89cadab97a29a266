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


def find(text: str, keys: Sequence[Key]) -> tuple[int, int]:
    """Where the value at that path stands, or the nearest that is around it.

    :param text: JSON, which has been parsed.
    :returns: its first character, and the one after its last.
    """
    at = _skip(text, 0)
    _, end = _decode(text, at)
    for key in keys:
        inside = _children(text, at) if text[at] in "{[" else ()
        found = next((span for name, *span in inside if name == key), None)
        if found is None:
            break
        at, end = found
    return at, end


def replace(text: str, values: Sequence[tuple[Sequence[Key], Any]]) -> str:
    """The text with other values at some paths, of which none is inside another.

    A value that stood on several lines is written on several lines, with the same indentation.
    """
    spans = sorted((*find(text, keys), value) for keys, value in values)
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
