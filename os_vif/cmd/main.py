# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``os-vif`` command: options, logging, and the base classes of its commands."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import os
import pathlib
import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from cliff import app, commandmanager, help, lister, show  # noqa: A004 - cliff's name
from oslo_config import cfg
from stevedore import extension

import os_vif
from os_vif import exception, plugin_loader
from os_vif.cmd import configuration, exit_codes, help_text, streams
from os_vif.cmd.colours import Colour, has_colours, paint
from os_vif.escape import printable
from os_vif.host.netlink import pyroute2_import

_NAME = "os-vif"
#: The verbosity of cliff without -v and -q.
_DEFAULT_VERBOSITY = 1
#: The configuration files of commands without ``--config-file``.
_FILES_VARIABLE = "OS_VIF_CONFIG"
#: Help texts that replace those of cliff.
_OPTION_HELP = {
    "--version": "Show the version of os-vif and exit.",
    "--verbose": "Show each change on the host; with -vv each step, also without a change.",
    "--log-file": "Append log messages to a file; by default none.",
}
#: Table formats with escapes of control characters of their own.
_ESCAPING_FORMATS = {"json", "yaml"}


class BadInputError(Exception):
    """An unusable argument, file or configuration. The text is one printable line."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class Escaping:
    """A mixin for commands: errors of arguments without control characters; help with examples."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = super().get_parser(prog_name)  # type: ignore[misc]
        help_text.add_examples(parser, getattr(self, "cmd_name", None))
        # Options between the arguments, such as "import kuryr -f yaml FILE".
        parser.parse_args = parser.parse_intermixed_args  # type: ignore[method-assign]
        return _escape_errors(parser)

    def get_epilog(self) -> str:
        """Return the text of cliff after the options; for a command of os-vif itself, none.

        cliff reads the metadata of all installed distributions, for 0.2 s, to name the
        distribution of a command.
        """
        if type(self).__module__.startswith("os_vif.") and not list(self._hooks):  # type: ignore[attr-defined]
            return ""
        return str(super().get_epilog())  # type: ignore[misc]


def _escape_errors(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Make a parser escape control characters in error messages, which quote arguments."""
    report = parser.error
    parser.error = lambda message: report(printable(message))  # type: ignore[method-assign]
    return parser


class Help(Escaping, help.HelpCommand):
    """Print the help of a command."""

    def run(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.cmd:
            help_text.PrintHelp([], argparse.SUPPRESS, default=self.app)(self.app.parser)
        try:
            return int(super().run(parsed_args))
        except ValueError as error:
            topic = " ".join(parsed_args.cmd)
            self.app.LOG.error(  # noqa: TRY400 - a message for a person
                "help: there is no command named %r (%s); see 'os-vif --help'", topic, error
            )
            return exit_codes.EXIT_BAD_INPUT


def add_text_format(parser: argparse.ArgumentParser, lines: str) -> None:
    """Add the output format ``text`` to the formats of cliff, as the default.

    :param lines: the lines of the format, for the help.
    """
    for action in parser._actions:  # noqa: SLF001 - cliff offers its own formats only
        if action.dest == "formatter":
            action.choices = ["text", *(action.choices or ())]
            action.default = "text"
            action.help = f"output format; by default text, with {lines}"


class _Display(Escaping):
    """A mixin for commands with the output formats of cliff: YAML that is read back equal."""

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Any, data: Iterable[Any]
    ) -> int:
        """Write the data in the output format."""
        if parsed_args.formatter == "yaml":
            from os_vif.cmd.yaml_formatter import YAMLFormatter

            setattr(self, "formatter", YAMLFormatter())  # noqa: B010 - an attribute of cliff
        return int(super().produce_output(parsed_args, column_names, data))  # type: ignore[misc]


class ShowOne(_Display, show.ShowOne):
    """A command with names and values as output."""


class Lister(_Display, lister.Lister):
    """A command with a table as output. An unknown column name is bad input."""

    #: The names of all columns.
    columns: tuple[str, ...]
    #: Colours of a table on a terminal: for each column, the colour of a value.
    colours: Mapping[str, Mapping[str, Colour]] = {}

    def run(self, parsed_args: argparse.Namespace) -> int:
        known = {self._normalize_column_name(name) for name in self.columns}
        for name in (*parsed_args.columns, *parsed_args.sort_columns):
            if self._normalize_column_name(name) not in known:
                self.app.LOG.error(
                    "there is no column named %r; expected one of %s",
                    name,
                    ", ".join(self.columns),
                )
                return exit_codes.EXIT_BAD_INPUT
        return int(super().run(parsed_args))

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Any, data: Iterable[Any]
    ) -> int:
        if parsed_args.formatter not in _ESCAPING_FORMATS:
            data = [
                tuple(printable(cell) if isinstance(cell, str) else cell for cell in row)
                for row in data
            ]
        if self.colours and parsed_args.formatter == "table" and has_colours(self.app.stdout):
            data = [self._painted(column_names, row) for row in data]
        return int(super().produce_output(parsed_args, column_names, data))

    def _painted(self, names: Iterable[str], row: Iterable[Any]) -> tuple[Any, ...]:
        """Return a row with the cells in colours."""
        return tuple(
            paint(cell, self.colours.get(name, {}).get(cell)) if isinstance(cell, str) else cell
            for name, cell in zip(names, row, strict=True)
        )


class _EscapingFormatter(logging.Formatter):
    """A log formatter that escapes control characters."""

    def format(self, record: logging.LogRecord) -> str:
        first, *more = super().format(record).split("\n")
        text = printable(first)
        for line in more:
            # Lists of commands are indented; a traceback has several lines.
            is_line = record.exc_info or line.startswith("  ")
            text += ("\n" if is_line else "\\n") + printable(line)
        return text


class _ConsoleFilter(logging.Filter):
    """A filter for the terminal without ``--debug``.

    Messages of os-vif pass; with ``-v`` also the steps that changed something, with ``-vv`` all
    steps. Of other libraries, only warnings and errors pass.
    """

    def __init__(self, verbosity: int) -> None:
        super().__init__()
        self._shows_held_steps = verbosity > _DEFAULT_VERBOSITY + 1

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == "os_vif.steps":
            return self._shows_held_steps or not getattr(record, "step_held", False)
        return record.name.startswith("os-vif") or record.levelno >= logging.WARNING


class _Commands(commandmanager.CommandManager):
    """The commands by name. The module of a command is imported when the command is run."""

    def load_commands(self, namespace: str) -> None:
        """Add the commands of a group of entry points, without an import."""
        self.group_list.append(namespace)
        group: extension.ExtensionManager[Any]
        group = extension.ExtensionManager.make_test_instance([], namespace=namespace)
        # The name of a command of several words has underscores in the entry point.
        found = {each.name.replace("_", " "): each for each in group.list_entry_points()}
        self.commands.update(found)


class Shell(app.App):
    """The application: global options, and the commands of the group ``os_vif.commands``."""

    # The default is the name of the file, such as os_vif for ``python -m os_vif``.
    NAME = _NAME
    LOG = logging.getLogger(_NAME)

    def __init__(self) -> None:
        super().__init__(
            description="Plug virtual network interfaces (VIFs) into this host; convert stored VIFs.",
            version=importlib.metadata.version("os-vif"),
            command_manager=_Commands("os_vif.commands"),
            deferred_help=True,
        )
        # cliff has added a command of this name for bash only.
        self.command_manager.commands["complete"] = importlib.metadata.EntryPoint(
            "complete", "os_vif.cmd.print_completion:Complete", "os_vif.commands"
        )
        self.command_manager.add_command("help", Help)

    def build_option_parser(
        self, description: str | None, version: str | None, argparse_kwargs: Any = None
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(
            description,
            version,
            {
                "prog": _NAME,
                "usage": "%(prog)s [OPTION]... COMMAND [ARGUMENT]...",
                "epilog": exit_codes.HELP,
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
            help="Read options from FILE, such as nova.conf. Can be repeated; by default the files "
            "of the environment variable OS_VIF_CONFIG, separated by colons.",
        )
        for action in parser._actions:  # noqa: SLF001 - cliff defines these options
            action.help = _OPTION_HELP.get(action.option_strings[-1], action.help)
            if isinstance(action, argparse._VersionAction):  # noqa: SLF001
                # cliff prints the file name of the program.
                action.version = f"{_NAME} {version}"
        return _escape_errors(parser)

    def run_subcommand(self, argv: list[str]) -> int:
        if argv and argv[0].startswith("-"):
            self.parser.error(f"unrecognized arguments: {argv[0]}")
        # cliff quotes the name of an unknown command.
        return int(super().run_subcommand([*map(printable, argv[:1]), *argv[1:]]))

    def configure_logging(self) -> None:
        try:
            super().configure_logging()
        except OSError as error:
            name = self.options.log_file
            self.parser.error(f"argument --log-file: {name} cannot be opened: {error.strerror}")
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.setFormatter(_EscapingFormatter(self.LOG_FILE_MESSAGE_FORMAT))
            elif isinstance(handler, logging.StreamHandler) and handler.stream is self.stderr:
                handler.setFormatter(_EscapingFormatter(self.CONSOLE_MESSAGE_FORMAT))
                if not self.options.debug:
                    handler.addFilter(_ConsoleFilter(self.options.verbose_level))

    def print_help_if_requested(self) -> None:
        if self.options.deferred_help:
            help_text.PrintHelp([], argparse.SUPPRESS, default=self)(self.parser)

    def initialize_app(self, argv: list[str]) -> None:
        if not self.options.config_file:
            try:
                self.options.config_file = _files_of_environment()
            except argparse.ArgumentTypeError as error:
                self.parser.error(f"environment variable {_FILES_VARIABLE}: {error}")
        if not self.options.debug:
            # Commands report failures in one line; --debug shows tracebacks.
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
            sys.exit(exit_codes.EXIT_BAD_INPUT)
        except UnicodeDecodeError as error:
            # oslo.config reads files in the encoding of the locale, and the error names no file.
            self.LOG.error(  # noqa: TRY400 - a message for a person
                "--config-file: one of %s is not text in the encoding %s of the locale: %s; "
                "use UTF-8 for the file and the locale, such as LC_ALL=C.UTF-8",
                ", ".join(map(printable, names)),
                error.encoding,
                error.reason,
            )
            sys.exit(exit_codes.EXIT_BAD_INPUT)
        # Commands that only read stored objects start faster without plugins.
        if getattr(cmd, "needs_plugins", True):
            # Warnings about options in files need the options of all plugins.
            plugin_loader.loads_late = getattr(cmd, "loads_late", False) and not names
            try:
                os_vif.initialize()
            except exception.InvalidField as error:
                self.LOG.error("%s", error)  # noqa: TRY400 - a message for a person
                sys.exit(exit_codes.EXIT_BAD_INPUT)
            if not getattr(cmd, "reports_unknown_options", False):
                configuration.warn_of_unknown(cfg.CONF, names)


def _readable_file(name: str) -> str:
    if not (pathlib.Path(name).is_file() and os.access(name, os.R_OK)):
        raise argparse.ArgumentTypeError(f"{name} cannot be read")
    return name


def _files_of_environment() -> list[str]:
    """Return the configuration files that the environment names; empty names are ignored.

    :raises argparse.ArgumentTypeError: for a file that cannot be read.
    """
    names = os.environ.get(_FILES_VARIABLE, "").split(os.pathsep)
    return [_readable_file(name) for name in names if name]


def main(argv: list[str] | None = None) -> int:
    """Run the command with *argv*, or the arguments of the process; return the exit code."""
    # Warnings of oslo libraries about eventlet are for developers.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    logging.getLogger("oslo_service").setLevel(logging.ERROR)
    # oslo.messaging loads eventlet. Without this variable eventlet loads dnspython, for 0.1 s.
    os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
    arguments = sys.argv[1:] if argv is None else argv
    pyroute2_import.skip_package()
    streams.prepare()
    return _run(arguments or ["--help"])


def _run(arguments: list[str]) -> int:
    try:
        code = Shell().run(arguments)
    except SystemExit as ended:
        if not _flush(failed=bool(ended.code)):
            raise SystemExit(_output_error_code()) from None
        raise
    finally:
        # A caller in this process, such as a test, loads all plugins again.
        plugin_loader.loads_late = False
    return code if _flush(failed=bool(code)) else _output_error_code(code)


def _flush(*, failed: bool) -> bool:
    """Flush standard output; return whether all output was written.

    :param failed: True if the command has reported a failure already.
    """
    try:
        # The pager of cliff closes standard output after a broken pipe.
        if not streams.reader_is_gone():
            sys.stdout.flush()
    except BrokenPipeError:
        # A broken pipe is no failure.
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


def _output_error_code(code: int = 0) -> int:
    """Return the exit code of a command whose output could not be written."""
    return (
        exit_codes.EXIT_BROKEN_PIPE if streams.reader_is_gone() else code or exit_codes.EXIT_FAILED
    )


if __name__ == "__main__":
    sys.exit(main())
