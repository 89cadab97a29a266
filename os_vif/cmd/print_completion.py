# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif complete``."""

from __future__ import annotations

import argparse
from importlib import resources

from cliff import command

from os_vif.cmd import main

#: The file of the completion for each shell, below ``os_vif/cmd/completion``. Each shell requires
#: the name. ``python -m tools.completion`` writes the files.
FILES = {"bash": "bash/os-vif", "zsh": "zsh/_os-vif", "fish": "fish/os-vif.fish"}


class Complete(main.Escaping, command.Command):
    """Print a completion script for bash, zsh or fish."""

    needs_plugins = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--shell",
            choices=tuple(FILES),
            default="bash",
            help="shell that reads the script; by default bash",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        folder = resources.files("os_vif.cmd").joinpath("completion")
        text = folder.joinpath(FILES[parsed_args.shell]).read_text("utf-8")
        self.app.stdout.write(text)
