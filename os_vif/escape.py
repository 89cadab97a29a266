# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Escaping of untrusted text for terminals and logs.

Names in stored objects, rows of a database and output of programs may contain control characters,
which move the cursor of a terminal, or line feeds, which forge a line of a log.
"""

from __future__ import annotations

_VOWELS = frozenset("AEIOUaeiou")


def printable(text: str) -> str:
    r"""Return *text* with each unprintable character replaced by its Python escape.

    :meth:`str.isprintable` decides: control characters, line separators, bidirectional overrides
    and lone surrogates are escaped. A line feed becomes the two characters ``\n``.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> str:
    """Return *text* escaped as by :func:`printable`, except for line feeds.

    Only for texts of several lines that the library has composed.
    """
    return "\n".join(printable(line) for line in text.split("\n"))


def abbreviated(value: object, longest: int = 200) -> str:
    """Return the ``repr`` of *value*, escaped, cut to *longest* characters.

    If ``repr`` fails, the type of the value is returned: describing the value of an error must not
    raise a second error.
    """
    try:
        # Cut before escaping: the value may be a message of many megabytes.
        text = printable(repr(value)[: longest + 1])
    except Exception:  # noqa: BLE001 - classes of other projects raise any exception
        text = f"an object of the type {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}…"


def with_article(noun: str) -> str:
    """Return a noun, such as the name of a class, after ``a`` or ``an``."""
    is_vowel = noun[:1] in _VOWELS and noun != "UUID"
    return f"{'an' if is_vowel else 'a'} {noun}"


def described_error(error: BaseException) -> str:
    """Return the class and the text of an exception, escaped, for a line of a log or an error."""
    name = type(error).__name__
    return printable(f"{name}: {error}" if str(error) else name)
