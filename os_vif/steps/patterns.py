# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Patterns for forwarding rules: a subset of regular expressions that matches in linear time.

In a pattern ``.*`` matches any text, ``|`` separates alternatives, and ``^`` and ``$`` match the
ends of a line. A backslash escapes an operator. A dot without ``*`` matches a dot.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\[^A-Za-z0-9]|[.][*]|[^\\*+?()\[\]{}]")


def is_pattern(pattern: str) -> bool:
    """Return whether a text is a pattern."""
    try:
        _alternatives(pattern)
    except ValueError:
        return False
    return True


def matches(pattern: str, line: str) -> bool:
    """Return whether a pattern occurs in a line."""
    return any(_occurs(*alternative, line) for alternative in _alternatives(pattern))


def _alternatives(pattern: str) -> list[tuple[bool, list[str], bool]]:
    """Parse a pattern. An alternative is: anchored at the beginning, texts, anchored at the end.

    :raises ValueError: if the pattern has an unknown operator.
    """
    tokens, at = [], 0
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if found is None:
            message = f"{pattern[at]!r} is not permitted in a pattern"
            raise ValueError(message)
        tokens.append(found[0])
        at = found.end()
    split: list[list[str]] = [[]]
    for part in tokens:
        if part == "|":
            split.append([])
        else:
            split[-1].append(part)
    return [_alternative(each) for each in split]


def _alternative(tokens: list[str]) -> tuple[bool, list[str], bool]:
    """Parse the tokens of an alternative; texts are separated by ``.*``."""
    begins, ends = tokens[:1] == ["^"], tokens[-1:] == ["$"]
    tokens = tokens[1 if begins else 0 : -1 if ends else None]
    if "^" in tokens or "$" in tokens:
        message = "'^' and '$' are permitted only at the ends of a pattern"
        raise ValueError(message)
    texts = [""]
    for part in tokens:
        if part == ".*":
            texts.append("")
        else:
            texts[-1] += part[-1]
    return (begins, texts, ends)


def _occurs(begins: bool, texts: list[str], ends: bool, line: str) -> bool:
    """Return whether the texts occur in a line in their order, without overlap."""
    at, end = 0, len(line)
    if begins and ends and len(texts) == 1:
        return line == texts[0]
    if begins:
        if not line.startswith(texts[0]):
            return False
        at, texts = len(texts[0]), texts[1:]
    if ends and texts:
        if not line.endswith(texts[-1]):
            return False
        end, texts = end - len(texts[-1]), texts[:-1]
    for text in texts:
        found = line.find(text, at, end)
        if found < 0:
            return False
        at = found + len(text)
    return at <= end
