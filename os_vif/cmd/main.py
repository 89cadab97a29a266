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
from collections.abc import Iterable
from typing import Any

from cliff import app, commandmanager, complete, help, lister  # noqa: A004 - cliff's name
from oslo_config import cfg

import os_vif
from os_vif.cmd import configuration, streams
from os_vif.escape import printable

#: Exit codes, for scripts.
FAILED = 1
BAD_INPUT = 2
DIFFERENT = 3
SOME_BAD = 4
#: As of other programs: 128 and the number of SIGPIPE.
NOBODY_READS = 141

_EXIT_CODES = """exit codes:
  0  done; or nothing differs
  1  it failed; the message says what is left
  2  what was asked for, or the input, is wrong; nothing was touched
  3  check: something differs from a plugged VIF
  4  validate, convert: some objects are wrong, or would lose something; the others are done
"""


#: cliff's own, without -v and -q.
_DEFAULT_VERBOSITY = 1
#: Formats of tables that escape control characters by themselves.
_ESCAPING_FORMATS = {"json", "yaml"}


class BadInputError(Exception):
    """What the user gave cannot be used. The text is one line, without control characters."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class Escaping:
    """A mixin for commands: an error about an argument has no control characters."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)  # type: ignore[misc]
        return _escaping(parser)


def _escaping(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Have a parser escape what an error repeats of the arguments."""
    tell = parser.error
    parser.error = lambda message: tell(printable(message))  # type: ignore[method-assign]
    return parser


class _Help(help.HelpCommand):
    """Print the help of a command."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            return int(super().run(parsed_args))
        except ValueError as error:
            topic = " ".join(parsed_args.cmd)
            self.app.LOG.error(  # noqa: TRY400 - a message for a person
                "help: there is no command named %r (%s); see 'os-vif --help'", topic, error
            )
            return BAD_INPUT


class Lister(Escaping, lister.Lister):
    """A command that prints a table. A wrong name of a column is bad input."""

    #: The names of the columns.
    columns: tuple[str, ...]

    def run(self, parsed_args: argparse.Namespace) -> int:
        known = {self._normalize_column_name(name) for name in self.columns}
        for name in (*parsed_args.columns, *parsed_args.sort_columns):
            if self._normalize_column_name(name) not in known:
                self.app.LOG.error(
                    "there is no column named %r; expected one of %s",
                    name,
                    ", ".join(self.columns),
                )
                return BAD_INPUT
        return int(super().run(parsed_args))

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Any, data: Iterable[Any]
    ) -> int:
        if parsed_args.formatter not in _ESCAPING_FORMATS:
            data = [
                tuple(printable(cell) if isinstance(cell, str) else cell for cell in row)
                for row in data
            ]
        return int(super().produce_output(parsed_args, column_names, data))


class _Escaping(logging.Formatter):
    """Formats a message with its control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        first, *more = super().format(record).split("\n")
        text = printable(first)
        for line in more:
            # The commands that are left to be typed are indented, and a traceback has its lines.
            is_line = record.exc_info or line.startswith("  ")
            text += ("\n" if is_line else "\\n") + printable(line)
        return text


class _Console(logging.Filter):
    """What the terminal shows without ``--debug``.

    Of os-vif, its messages; with ``-v`` also the steps that changed something, with ``-vv`` all
    steps. Of other libraries, warnings and errors.
    """

    def __init__(self, verbosity: int) -> None:
        super().__init__()
        self._held_too = verbosity > _DEFAULT_VERBOSITY + 1

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "os_vif.steps":
            return self._held_too or not getattr(record, "step_held", False)
        return record.name.startswith("os-vif") or record.levelno >= logging.WARNING


class Shell(app.App):
    def __init__(self) -> None:
        super().__init__(
            description="Describe virtual network interfaces, and plug them into this host.",
            version=importlib.metadata.version("os-vif"),
            command_manager=commandmanager.CommandManager("os_vif.commands"),
            deferred_help=True,
        )
        self.command_manager.add_command("complete", complete.CompleteCommand)
        self.command_manager.add_command("help", _Help)

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
        return _escaping(parser)

    def run_subcommand(self, argv: list[str]) -> int:
        # cliff repeats the name of a command that there is not.
        return int(super().run_subcommand([*map(printable, argv[:1]), *argv[1:]]))

    def configure_logging(self) -> None:
        super().configure_logging()
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.setFormatter(_Escaping(self.LOG_FILE_MESSAGE_FORMAT))
            elif isinstance(handler, logging.StreamHandler) and handler.stream is self.stderr:
                handler.setFormatter(_Escaping(self.CONSOLE_MESSAGE_FORMAT))
                if not self.options.debug:
                    handler.addFilter(_Console(self.options.verbose_level))

    def initialize_app(self, argv: list[str]) -> None:
        if not self.options.debug:
            # The command says itself what failed; a traceback is for --debug.
            for name in (
                "os_vif",
                "oslo.privsep",
                "oslo_privsep",
                "oslo_versionedobjects",
                "stevedore",
            ):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
            logging.getLogger("py.warnings").setLevel(logging.CRITICAL)
            if self.options.verbose_level > _DEFAULT_VERBOSITY:
                logging.getLogger("os_vif.steps").setLevel(logging.DEBUG)
        logging.captureWarnings(capture=True)

    def prepare_to_run_command(self, cmd: Any) -> None:
        names = self.options.config_file
        arguments = [f"--config-file={name}" for name in names]
        try:
            configuration.register_referenced(cfg.CONF, names)
            cfg.CONF(arguments, project="os-vif", default_config_files=[], default_config_dirs=[])
        except cfg.Error as error:
            self.LOG.error("--config-file: %s", printable(str(error)))  # noqa: TRY400 - a message for a person
            sys.exit(BAD_INPUT)
        except UnicodeDecodeError as error:
            # oslo.config reads files in the encoding of the locale, and names none.
            self.LOG.error(  # noqa: TRY400 - a message for a person
                "--config-file: one of %s is no text in %s, which is expected here: %s; "
                "use UTF-8 for the file and the locale, such as LC_ALL=C.UTF-8",
                ", ".join(map(printable, names)),
                error.encoding,
                error.reason,
            )
            sys.exit(BAD_INPUT)
        # A command that only reads what is stored is faster without.
        if getattr(cmd, "needs_plugins", True):
            os_vif.initialize()
            configuration.warn_of_unknown(cfg.CONF, names)


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
    streams.prepare()
    return _run(arguments or ["--help"])


def _run(arguments: list[str]) -> int:
    try:
        code = Shell().run(arguments)
    except SystemExit as ended:
        if not _flush(failed=bool(ended.code)):
            raise SystemExit(_code_of_output()) from None
        raise
    return code if _flush(failed=bool(code)) else _code_of_output(code)


def _flush(*, failed: bool) -> bool:
    """Write what standard output holds; return whether all of the output was written.

    :param failed: whether the command has said already what failed.
    """
    try:
        # The pager of cliff has closed one that nobody reads.
        if not streams.reader_is_gone():
            sys.stdout.flush()
    except BrokenPipeError:
        # That needs no message.
        pass
    except OSError as error:
        if not failed:
            logging.getLogger("os-vif").error("%s", error)  # noqa: TRY400 - for a person
        streams.discard_output()
        return False
    if streams.reader_is_gone():
        streams.discard_output()
        return False
    return True


def _code_of_output(code: int = 0) -> int:
    """Return the exit code of a command whose output could not be written."""
    return NOBODY_READS if streams.reader_is_gone() else code or FAILED


if __name__ == "__main__":
    sys.exit(main())
