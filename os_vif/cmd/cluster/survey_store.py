# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif survey``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.store import files, selection
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.store_command import FilesCommand

if TYPE_CHECKING:
    from os_vif.cmd.store import visitor
    from os_vif.operations.stores import store_survey


_FAULTY_COLUMNS = ("Namespace", "Object")


class Survey(FilesCommand, main.Lister):
    """Count stored objects by era, class and version, namespace and fault."""

    columns = ("Subject", "Value", "Objects", "Example")
    _exit_code = 0

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        selection.add_selection_options(parser)
        parser.add_argument(
            "--faulty",
            action="store_true",
            help="print only the objects with a fault, for a loop: a line for each object with "
            "namespace and kind/name, '-' without namespace; with -f, the rows Namespace and Object",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        return super().run(parsed_args) or self._exit_code

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """Return the columns and rows; no rows if the names of the objects are written already."""
        from os_vif.cmd.store import visitor

        if parsed_args.faulty and parsed_args.formatter != "table":
            faulty: list[str] = []
            self._survey(parsed_args, faulty.append)
            return _FAULTY_COLUMNS, [tuple(name.split(" ", 1)) for name in faulty]
        if parsed_args.faulty:
            with files.open_output(files.STANDARD_STREAM, []) as out:
                write = visitor.line_writer(out)
                self._survey(parsed_args, write)
            return self.columns, []
        found = self._survey(parsed_args, None)
        rows = [(str(r.subject), r.value, r.objects, r.example) for r in found.rows()]
        return self.columns, rows

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Any, data: Iterable[Any]
    ) -> int:
        is_written = parsed_args.faulty and parsed_args.formatter == "table"
        return 0 if is_written else super().produce_output(parsed_args, column_names, data)

    def _survey(
        self, parsed_args: argparse.Namespace, names: Callable[[str], object] | None
    ) -> store_survey.Survey:
        """Count the objects of all files; call *names* with the names of the objects with a fault."""
        from os_vif.cmd.store import visitor
        from os_vif.operations.stores import store_survey

        survey = store_survey.Survey()
        selected = selection.parse_selection(parsed_args)
        with visitor.open_sources(parsed_args.files) as sources:
            for source in sources:
                source.selection = selected
                _visit(source, survey, names)
            self._exit_code = visitor.exit_code(sources)
        return survey


def _visit(
    source: visitor.Source, survey: store_survey.Survey, names: Callable[[str], object] | None
) -> None:
    """Count the objects of a file."""
    from os_vif.cmd.store import stored_entry
    from os_vif.operations.stores.store_survey import Subject, reason_of

    def act(chunk: Chunk) -> Outcome:
        entry = None
        try:
            with stored_entry.translated_errors():
                entry = stored_entry.StoredEntry(chunk)
                entry.read()
        except exception.SerializationError as error:
            if not source.selection.selects_error(error):
                return Outcome.SKIPPED
            data = entry.data if entry else stored_entry.parsed_or_none(chunk)
            survey.add(Subject.FAULT, reason_of(error), stored_entry.name_of(data))
            if names:
                names(stored_entry.loop_name(data))
            return Outcome.INVALID
        if not entry.has_vifs:
            return Outcome.EMPTY
        survey.add_object(entry.data, entry.envelope, entry.name)
        return Outcome.VALID

    source.visit(act)
