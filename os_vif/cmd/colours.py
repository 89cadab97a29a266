# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Colours of the text on a terminal: SGR sequences of ECMA-48.

Output to a pipe or a file has no colours. On a terminal, ``NO_COLOR`` and ``TERM=dumb`` turn
colours off.
"""

from __future__ import annotations

import enum
import os
from typing import Any

_RESET = "\033[0m"


class Colour(enum.IntEnum):
    """A foreground colour."""

    RED = 31
    GREEN = 32
    YELLOW = 33


def has_colours(stream: Any) -> bool:
    """Return whether a stream is a terminal, and the user wants colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, colour: Colour | None) -> str:
    """Return a printable text in a colour; None for the colour of the terminal."""
    return text if colour is None else f"\033[{int(colour)}m{text}{_RESET}"
