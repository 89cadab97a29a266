# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base classes of the commands for stored objects."""

from __future__ import annotations

import argparse
import logging
import signal
from typing import NoReturn

from cliff import command

from os_vif import exception, objects
from os_vif.cmd import main
from os_vif.cmd.exit_codes import EXIT_BAD_INPUT, EXIT_FAILED
from os_vif.cmd.store import files

LOG = logging.getLogger("os-vif")

#: Signals that end the command after the removal of temporary files.
_TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class StoreCommand(main.Escaping, command.Command):
    """A command without plugins. A failure is a line and an exit code."""

    needs_plugins = False

    def run(self, parsed_args: argparse.Namespace) -> int:
        objects.register_all()
        handlers = {
            number: signal.signal(number, _exit_after_cleanup)
            for number in _TERMINATION_SIGNALS
            # With nohup(1) the command continues after a hangup.
            if signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            return super().run(parsed_args)
        except (main.BadInputError, exception.SerializationError) as error:
            LOG.error("%s", error)  # noqa: TRY400 - a message for a person
            return EXIT_BAD_INPUT
        except files.OutputError as error:
            LOG.error("%s", error)  # noqa: TRY400
            return EXIT_FAILED
        except KeyboardInterrupt:
            LOG.error("interrupted")  # noqa: TRY400
            raise
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _exit_after_cleanup(number: int, _: object) -> NoReturn:
    """Exit, so that context managers remove the temporary file."""
    raise SystemExit(128 + number)


class FilesCommand(StoreCommand):
    """A command with input files as arguments."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "files",
            nargs="*",
            default=["-"],
            metavar="FILE",
            help="JSON or YAML file with VIFs, pods or KuryrPorts; standard input by default, or for '-'",
        )
        return parser
