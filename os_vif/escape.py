# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Escaping of text from outside before it reaches a terminal or a log.

Names in stored objects, rows of a database and output of other programs may contain control
characters, which move a terminal's cursor, or line feeds, which forge a line of a log.
"""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Return *text* with each unprintable character replaced by its Python escape.

    Printable is what :meth:`str.isprintable` says: no control character, no line separator, no
    bidirectional override, no lone surrogate. A line feed becomes the two characters ``\n``.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """Return *text* escaped like :func:`printable`, but with its line feeds kept.

    For texts of several lines that this library composed itself.
    """
    return "\n".join(printable(line) for line in text.split("\n"))


def abbreviated(value: object, longest: int = 200) -> str:
    """Return the ``repr`` of *value*, escaped, cut to *longest* characters.

    A value whose ``repr`` fails is described by its type: an error must not hide another.
    """
    try:
        # Cut first: the value may be a message of many megabytes.
        found = printable(repr(value)[: longest + 1])
    except Exception:  # noqa: BLE001 - whatever a class of another project raises
        found = f"an object of the type {type(value).__name__}"
    return found if len(found) <= longest else f"{found[:longest]}…"


def described_error(error: BaseException) -> str:
    """Return the class and the text of an exception, escaped, for a line of a log or an error."""
    name = type(error).__name__
    return printable(f"{name}: {error}" if str(error) else name)
