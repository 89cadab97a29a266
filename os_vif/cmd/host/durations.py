# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Durations as arguments of commands, such as ``10m``."""

from __future__ import annotations

import argparse
import re

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhd]?)")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration: a number with the unit ms, s, m, h or d; s by default.

    :raises argparse.ArgumentTypeError: for another text.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no duration; expected such as 90s, 10m or 2h"
        )
    return float(found[1]) * _UNITS[found[2]]
