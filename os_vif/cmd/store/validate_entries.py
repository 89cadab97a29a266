# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The command ``os-vif validate``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from os_vif.cmd.store import files
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.progress import Outcome
from os_vif.cmd.store.store_command import FilesCommand

# ``os-vif --help`` loads this module: codecs are imported when the command runs.
if TYPE_CHECKING:
    from os_vif.cmd.store import visitor


class Validate(FilesCommand):
    """Print all errors of stored objects, with file, line and path of each error."""

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        from os_vif.cmd.store import visitor

        with visitor.open_sources(parsed_args.files) as sources:
            with files.open_output(files.STANDARD_STREAM, [s.file for s in sources]) as out:
                for source in sources:
                    _validate(source, visitor.line_writer(out))
            for source in sources:
                source.log_summary()
        return visitor.exit_code(sources)


def _validate(source: visitor.Source, write: visitor.WriteLine) -> None:
    """Write a line for each error of the objects of a file."""
    from os_vif.cmd.store import diagnostics
    from os_vif.cmd.store.stored_entry import StoredEntry

    def act(chunk: Chunk) -> Outcome:
        entry = StoredEntry(chunk)
        found = diagnostics.all_errors(entry)
        source.report(write, chunk, found)
        if any(not each.is_note for each in found):
            return Outcome.INVALID
        return Outcome.VALID if entry.has_vifs else Outcome.EMPTY

    source.visit(act, write_error=write)
