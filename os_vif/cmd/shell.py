# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``os-vif`` command: its options and its exit codes."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import pathlib
import sys
import warnings
from typing import Any

from cliff import app, commandmanager, complete
from oslo_config import cfg

import os_vif

#: Exit codes, for scripts.
FAILED = 1
BAD_INPUT = 2
DIFFERENT = 3
SOME_BAD = 4

_EXIT_CODES = """exit codes:
  0  done; or nothing differs
  1  it failed; the message says what is left
  2  what was asked for, or the input, is wrong; nothing was touched
  3  check: something differs from a plugged VIF
  4  validate, convert: some objects are wrong, or would lose something; the others are done
"""


class BadInputError(Exception):
    """What the user gave cannot be used."""


class Shell(app.App):
    def __init__(self) -> None:
        super().__init__(
            description="Describe virtual network interfaces, and plug them into this host.",
            version=importlib.metadata.version("os-vif"),
            command_manager=commandmanager.CommandManager("os_vif.commands"),
            deferred_help=True,
        )
        self.command_manager.add_command("complete", complete.CompleteCommand)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: Any = None
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(
            description,
            version,
            {
                "epilog": _EXIT_CODES,
                "formatter_class": argparse.RawDescriptionHelpFormatter,
                **(argparse_kwargs or {}),
            },
        )
        parser.add_argument(
            "--config-file",
            action="append",
            default=[],
            metavar="FILE",
            type=_readable_file,
            help="oslo.config file with [os_vif_*] groups, such as nova.conf; may be repeated",
        )
        return parser

    def initialize_app(self, argv: list[str]) -> None:
        if not self.options.debug:
            # The command says itself what failed; a traceback is for --debug.
            for name in ("os_vif", "oslo.privsep", "oslo_privsep", "oslo_versionedobjects"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            logging.getLogger("py.warnings").setLevel(logging.CRITICAL)
        logging.captureWarnings(capture=True)

    def prepare_to_run_command(self, cmd: Any) -> None:
        arguments = [f"--config-file={name}" for name in self.options.config_file]
        try:
            cfg.CONF(arguments, project="os-vif", default_config_files=[], default_config_dirs=[])
        except cfg.Error as error:
            self.LOG.error("--config-file: %s", error)  # noqa: TRY400 - a message for a person
            sys.exit(BAD_INPUT)
        # A command that only reads what is stored is faster without.
        if getattr(cmd, "needs_plugins", True):
            os_vif.initialize()


def _readable_file(name: str) -> str:
    if not (pathlib.Path(name).is_file() and os.access(name, os.R_OK)):
        raise argparse.ArgumentTypeError(f"{name} cannot be read")
    return name


def main(argv: list[str] | None = None) -> int:
    """:returns: the exit code."""
    # What oslo's libraries say about eventlet as they load is not for this command's user.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    logging.getLogger("oslo_service").setLevel(logging.ERROR)
    arguments = sys.argv[1:] if argv is None else argv
    return Shell().run(arguments or ["--help"])


if __name__ == "__main__":
    sys.exit(main())
