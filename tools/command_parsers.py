# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The parsers of the ``os-vif`` command, for manual pages and completion."""

from __future__ import annotations

import argparse
import configparser
import importlib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
#: Commands that cliff requires in each application.
_OF_CLIFF = {"complete": "os_vif.cmd.print_completion:Complete", "help": "os_vif.cmd.main:Help"}


def command_classes() -> dict[str, type[Any]]:
    """Return the class of each command in setup.cfg, by name."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["os_vif.commands"].strip().splitlines()
    places = _OF_CLIFF | dict(line.replace(" ", "").split("=", 1) for line in lines)
    classes = {}
    for name, place in sorted(places.items()):
        module, _, attribute = place.partition(":")
        command: type[Any] = getattr(importlib.import_module(module), attribute)
        classes[name.replace("_", " ")] = command
    return classes


def global_parser() -> argparse.ArgumentParser:
    """Return the parser of the options before the name of a command."""
    from os_vif.cmd import main

    return main.Shell().parser


def command_parsers() -> dict[str, argparse.ArgumentParser]:
    """Return the parser of each command, by the name of the command."""
    from os_vif.cmd import main

    shell = main.Shell()
    return {
        name: command(shell, None, cmd_name=name).get_parser(f"os-vif {name}")
        for name, command in command_classes().items()
    }
