# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The visitor of stored objects: opens the inputs of a command, and visits object by object.

Each command passes a function for one object to :meth:`Source.visit`. The visitor splits the
input, reports the error of an object and continues with the next object, counts the outcomes,
shows the progress, and decides the exit code.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from io import BufferedReader
from typing import Any, NamedTuple

from os_vif import exception
from os_vif.cmd import main
from os_vif.cmd.exit_codes import EXIT_PARTIAL
from os_vif.cmd.store import diagnostics, files, progress, selection, stored_entry
from os_vif.cmd.store.json_scanner import Chunk, StructureError
from os_vif.cmd.store.json_splitter import split_chunks
from os_vif.cmd.store.progress import Outcome

LOG = logging.getLogger("os-vif")


class Message(NamedTuple):
    """A message about an object of a file, in the layout of compiler messages."""

    file: str
    line: int
    object: str
    diagnostic: diagnostics.Diagnostic

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.object}: {self.diagnostic}"

    def to_record(self) -> dict[str, Any]:
        """Return the message as plain data."""
        place = {"file": self.file, "line": self.line, "object": self.object}
        return place | {"path": self.diagnostic.path, "message": self.diagnostic.message}


WriteMessage = Callable[[Message], object]


class Source:
    """An open input file, with the counts of its objects and a progress bar."""

    def __init__(self, name: str, file: BufferedReader) -> None:
        self.name = name
        self.file = file
        self.title = files.title_of(name)
        self.counts = progress.Counts()
        status = os.fstat(file.fileno())
        self._bar = progress.Bar(status.st_size if stat.S_ISREG(status.st_mode) else None)
        self._bytes_read = 0
        #: The options --only and --skip.
        self.selection = selection.Selection()

    def visit(
        self,
        act: Callable[[Chunk], Outcome],
        *,
        failure: Outcome = Outcome.INVALID,
        keep: Callable[[Chunk], object] = lambda _: None,
        write_error: WriteMessage = LOG.error,
        is_single: bool = False,
    ) -> None:
        """Call *act* for each object of the file, and count the outcomes.

        :param act: a function that returns the outcome for an object.
        :param failure: the outcome for an object whose function raises a SerializationError.
        :param keep: a function for separators between objects, and for objects with an error.
        :param write_error: a function for error messages.
        :param is_single: refuse a file with several objects, or none; skip separators.
        :raises BadInputError: for a file that cannot be read or split.
        """
        try:
            for chunk in self._only_object() if is_single else self._chunks():
                if not chunk.is_object:
                    keep(chunk)
                    continue
                if not self.selection.selects_chunk(chunk):
                    self.counts.outcomes[Outcome.SKIPPED] += 1
                    keep(chunk)
                    continue
                try:
                    with stored_entry.translated_errors():
                        outcome = act(chunk)
                except exception.SerializationError as error:
                    outcome = Outcome.SKIPPED
                    if self.selection.selects_error(error):
                        outcome = failure
                        found = diagnostics.first_error(chunk, error)
                        self.report(write_error, chunk, [found])
                    keep(chunk)
                self.counts.outcomes[outcome] += 1
        finally:
            self._bar.clear()

    def report(
        self, write: WriteMessage, chunk: Chunk, found: Iterable[diagnostics.Diagnostic]
    ) -> None:
        """Write a line for each diagnostic of an object: file, line, object and message."""
        self._bar.clear()
        name = None
        for diagnostic in found:
            name = name or _name_of(chunk)
            write(Message(self.title, diagnostic.line, name, diagnostic))

    def log_summary(self, *, is_lost: bool = True) -> None:
        """Log the counts of the file."""
        for line in self.counts.summary(self.title, is_lost=is_lost):
            LOG.info("%s", line)

    def _chunks(self) -> Iterator[Chunk]:
        count = 0
        try:
            for chunk in split_chunks(self._read):
                count += chunk.is_object
                self._bar.update(self._bytes_read, count)
                yield chunk
        except StructureError as error:
            raise main.BadInputError(f"{self.title}:{error.line}: {error}") from error

    def _only_object(self) -> list[Chunk]:
        found = list(itertools.islice((c for c in self._chunks() if c.is_object), 2))
        if len(found) != 1:
            count = "several objects" if found else "no object"
            raise main.BadInputError(
                f"{self.title}: found {count}; expected one for a binary form"
            )
        return found

    def _read(self, size: int) -> bytes:
        try:
            # read1() returns after each line of a terminal.
            data = self.file.read1(size)
        except OSError as error:
            raise main.BadInputError(f"{self.title}: {error.strerror}") from error
        self._bytes_read += len(data)
        return data


def _name_of(chunk: Chunk) -> str:
    """Return the name of an object for messages; invalid JSON has no name."""
    return stored_entry.name_of(stored_entry.parsed_or_none(chunk))


@contextlib.contextmanager
def open_sources(names: list[str]) -> Iterator[list[Source]]:
    """Open all input files before the command writes output.

    :param names: paths, or ``-`` for standard input.
    :raises BadInputError: for a file that cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        yield [Source(name, stack.enter_context(files.open_input(name))) for name in names]


def exit_code(sources: list[Source]) -> int:
    """Return 0, or the exit code for invalid objects."""
    return EXIT_PARTIAL if any(source.counts.has_failures for source in sources) else 0


def line_writer(out: files.Output) -> Callable[[object], object]:
    """Return a function that writes the text of an object as a line to a binary file."""
    return lambda line: out.write(f"{line}\n".encode("utf-8", "backslashreplace"))
