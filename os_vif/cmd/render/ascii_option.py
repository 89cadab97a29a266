# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The option ``--ascii`` of commands that draw trees."""

from __future__ import annotations

import argparse


def add_ascii_option(parser: argparse.ArgumentParser) -> None:
    """Add the option ``--ascii``."""
    parser.add_argument(
        "--ascii",
        action="store_true",
        help="draw a tree with ASCII characters; by default as the locale permits",
    )
