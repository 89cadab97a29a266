# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Help of the ``os-vif`` command: line breaks, examples, and the list of commands."""

from __future__ import annotations

import argparse
import functools
import inspect
import shutil
import textwrap
from typing import TYPE_CHECKING, Any, NoReturn

import autopage.argparse
from cliff import help as cliff_help

if TYPE_CHECKING:
    from collections.abc import Iterator


class HelpFormatter(autopage.argparse.HelpFormatter):
    """A formatter that breaks no line at a hyphen, and keeps indented lines of the end."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return [line for part in text.splitlines() for line in _wrap(part, width)]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for paragraph in text.split("\n\n"):
            if any(line.startswith(" ") for line in paragraph.splitlines()):
                lines += [f"{indent}{line}" for line in paragraph.splitlines()]
            else:
                lines += _wrap(" ".join(paragraph.split()), width, indent)
            lines.append("")
        return "\n".join(lines[:-1])


def _wrap(text: str, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Return the lines of a text, broken only at spaces."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,
        break_long_words=False,
    )


def add_examples(parser: argparse.ArgumentParser, command: str | None) -> None:
    """Make the help of a command end with the examples of the command."""
    parser.formatter_class = HelpFormatter
    parser.format_help = functools.partial(  # type: ignore[method-assign]
        _format_help, parser, command
    )


def _format_help(parser: argparse.ArgumentParser, command: str | None) -> str:
    # The module is imported only if the help is printed.
    from os_vif.cmd import examples

    found = examples.EXAMPLES.get(command or "", ())
    parts = [parser.epilog, _examples_text(found)] if found else [parser.epilog]
    own, parser.epilog = parser.epilog, "\n\n".join(filter(None, parts))
    try:
        return type(parser).format_help(parser)
    finally:
        parser.epilog = own


def _examples_text(found: tuple[tuple[str, str], ...]) -> str:
    lines = ["examples:"]
    for title, command in found:
        lines.append(f"  {title}:")
        lines += [f"    {line}" for line in command.splitlines()]
    return "\n".join(lines)


class PrintHelp(cliff_help.HelpAction):
    """Print the global options and the commands, in lines of the width of the terminal."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        app: Any = self.default
        width = shutil.get_terminal_size().columns - 2
        pager = autopage.argparse.help_pager(app.stdout)
        with pager as out:
            autopage.argparse.use_color_for_parser(parser, pager.to_terminal())
            parser.print_help(out)
            out.write("\nCommands:\n")
            for line in _command_lines(app, width):
                out.write(f"{line}\n")
            out.write("\n'os-vif help COMMAND' prints the options and examples of a command.\n")
        raise cliff_help.HelpExit


def _command_lines(app: Any, width: int) -> Iterator[str]:
    """Yield the lines of the list of commands."""
    commands = sorted(app.command_manager)
    longest = max(len(name) for name, _ in commands)
    for name, entry_point in commands:
        try:
            description = first_sentence(entry_point.load())
        except Exception as error:  # noqa: BLE001 - a command of another project raises any exception
            description = f"(cannot be loaded: {type(error).__name__}: {error})"
        yield from _wrap(description, width, f"  {name:{longest}}  ", " " * (longest + 4))


def first_sentence(command: type) -> str:
    """Return the first paragraph of the description of a command, without the final period."""
    description = getattr(command, "_description", "") or inspect.getdoc(command) or ""
    paragraph, _, _ = description.partition("\n\n")
    return " ".join(paragraph.split()).removesuffix(".")
