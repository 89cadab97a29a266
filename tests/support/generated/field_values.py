# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Valid and invalid values for the fields of steps."""

from __future__ import annotations

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Valid and invalid values for fields of a kind."""

    good: tuple[Any, ...]
    bad: tuple[Any, ...]


def optional(kind: Kind) -> Kind:
    return Kind((*kind.good, None), tuple(value for value in kind.bad if value is not None))


def integer(low: int, high: int) -> Kind:
    middle = (low + high) // 2
    texts = (str(middle), str(middle).encode(), "", "1; id")
    others = (None, True, False, float(middle), float("nan"), [middle], {middle: middle})
    return Kind((low, middle, high), (low - 1, high + 1, -(2**70), 2**70, *texts, *others))


#: Values of no kind but flags and numbers.
_NO_TEXT = (None, True, False, 0, 7, 1.5, b"eth0", ["eth0"], ("eth0",), {"eth0": "eth0"})


_NO_LINE = ("a\nb", "a\n", "\n", "a\rb", "a\0", "\x1b[2J", "a\u2028b", "\ud800", "a\x7f")


DEVICE = Kind(
    ("a", "x" * 15, "é" * 7, "eth0.100", "tap-1_b@c", "...", "All", "a+", "123"),
    (
        "",
        ".",
        "..",
        "all",
        "default",
        "a/b",
        "/",
        "x" * 16,
        "é" * 8,
        "a b",
        " a",
        "a\t",
        "a\u00a0b",
        "br%d",
        "%",
        "a:b",
        "eth0:1",
        *_NO_LINE,
        *_NO_TEXT,
    ),
)


BOOLEAN = Kind((True, False), (None, 0, 1, 1.0, "", "yes", "True", b"\1", [True], (), {}))


def line(longest: int) -> Kind:
    good = ("", "x" * longest, "é" * (longest // 2), "a b", "it's")
    return Kind(good, ("x" * (longest + 1), "é" * (longest // 2 + 1), *_NO_LINE, *_NO_TEXT))
