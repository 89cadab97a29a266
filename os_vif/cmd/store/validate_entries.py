# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif validate``."""

from __future__ import annotations

import argparse
import itertools
import sys
from typing import TYPE_CHECKING, NamedTuple

from os_vif import exception
from os_vif.cmd.colours import Colour, has_colours, paint
from os_vif.cmd.store import files, object_output, selection
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.store_command import FilesCommand

# ``os-vif --help`` loads this module: codecs are imported when the command runs.
if TYPE_CHECKING:
    from os_vif.cmd.store import visitor

#: The maximum number of digits of a count in an option.
_MAX_DIGITS = 9


class Validate(FilesCommand):
    """Print all errors of stored objects, with file, line and path of each error."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "--max-errors",
            type=_count,
            default=100,
            metavar="N",
            help="the maximum number of printed errors of an object; 0 for all; default: 100",
        )
        selection.add_selection_options(parser)
        object_output.add_format_option(
            parser,
            "text with a line for each error; json with a line for each error; or yaml with a "
            "document for each error; by default text",
            others=("text",),
            default="text",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import visitor

        selected = selection.parse_selection(parsed_args)
        with visitor.open_sources(parsed_args.files) as sources:
            with files.open_output(files.STANDARD_STREAM, [s.file for s in sources]) as out:
                writers = _writers(out, parsed_args.format)
                for source in sources:
                    source.selection = selected
                    _validate(source, writers, parsed_args.max_errors)
            for source in sources:
                source.log_summary()
        return visitor.exit_code(sources)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of errors")
    return int(text)


class _Writers(NamedTuple):
    """Functions that write a message: an error, and a note."""

    error: visitor.WriteMessage
    note: visitor.WriteMessage


def _writers(out: files.Output, output_format: str) -> _Writers:
    """Return the functions for messages on standard output; text is coloured on a terminal."""
    from os_vif.cmd.store import visitor

    if output_format != "text":
        write_data = object_output.object_writer(out, output_format)
        return _Writers(
            lambda message: write_data(message.to_record() | {"severity": "error"}),
            lambda message: write_data(message.to_record() | {"severity": "note"}),
        )
    write = visitor.line_writer(out)
    if not has_colours(sys.stdout):
        return _Writers(write, write)
    return _Writers(
        lambda message: write(paint(str(message), Colour.RED)),
        lambda message: write(paint(str(message), Colour.YELLOW)),
    )


def _validate(source: visitor.Source, writers: _Writers, max_errors: int) -> None:
    """Write a line for each error of the objects of a file."""
    from os_vif.cmd.store import diagnostics
    from os_vif.cmd.store.stored_entry import StoredEntry, translated_errors

    def act(chunk: Chunk) -> Outcome:
        try:
            entry = StoredEntry(chunk)
        except exception.MalformedDocument as error:
            if not source.selection.selects_error(error):
                return Outcome.SKIPPED
            source.report(writers.error, chunk, diagnostics.text_errors(chunk, error, max_errors))
            return Outcome.INVALID
        if source.selection.has_reasons:
            try:
                with translated_errors():
                    entry.read()
            except exception.SerializationError as error:
                if not source.selection.selects_error(error):
                    return Outcome.SKIPPED
        found = diagnostics.all_errors(entry, max_errors)
        for is_note, group in itertools.groupby(found, key=lambda each: each.is_note):
            source.report(writers.note if is_note else writers.error, chunk, group)
        if any(not each.is_note for each in found):
            return Outcome.INVALID
        return Outcome.VALID if entry.has_vifs else Outcome.EMPTY

    source.visit(act, write_error=writers.error)
