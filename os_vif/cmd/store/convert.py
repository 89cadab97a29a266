# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Goes through stored objects: whether they can be read, and to write them otherwise."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader

from os_vif import exception, objects, serialization
from os_vif.cmd import main
from os_vif.cmd.store import diagnostics, files, progress, stored_entry
from os_vif.cmd.store.json_splitter import Piece, Splitter, StructureError
from os_vif.codec import document, primitive
from os_vif.codec.unknown import Loss
from os_vif.escape import printable
from os_vif.objects.versioning import history
from os_vif.serialization import json_text

LOG = logging.getLogger("os-vif")

_CONVERTED, _SAME, _EMPTY = "converted", "as wanted already", "without VIFs"
_FAILED = "not converted"
_VALID, _INVALID = "valid", "not valid"

Say = Callable[[str], object]


class Source:
    """The pieces of a file, with a bar that tells how far we are."""

    def __init__(self, name: str, file: BufferedReader) -> None:
        self.title = files.title(name)
        self._file = file
        self._read = 0
        found = os.fstat(file.fileno())
        self.bar = progress.Bar(found.st_size if stat.S_ISREG(found.st_mode) else None)

    def _more(self, size: int) -> bytes:
        try:
            # What is there, so that one who types sees something.
            data = self._file.read1(size)
        except OSError as error:
            raise main.BadInputError(f"{self.title}: {error.strerror}") from error
        self._read += len(data)
        return data

    def pieces(self) -> Iterator[Piece]:
        """:raises BadInputError: if the file as a whole is not understood."""
        number = 0
        try:
            for piece in Splitter(self._more):
                number += piece.is_object
                self.bar.show(self._read, number)
                yield piece
        except StructureError as error:
            raise main.BadInputError(f"{self.title}:{error.line}: {error}") from error
        finally:
            self.bar.clear()

    def tell(self, say: Say, piece: Piece, line: int, what: object) -> None:
        """Say something of an object, with its name."""
        self.bar.clear()
        try:
            name = stored_entry.name_of(json_text.parse(piece.data))
        except exception.SerializationError:
            name = "an object"
        say(f"{self.title}:{line}: {name}: {what}")


def _only(source: Source) -> Piece:
    """The one object of a file.

    :raises BadInputError: if there are more.
    """
    found = list(itertools.islice((p for p in source.pieces() if p.is_object), 2))
    if len(found) != 1:
        raise main.BadInputError(f"{source.title}: expected one object for this form")
    return found[0]


def _writer(out: files.Output) -> Say:
    """Takes lines of text."""
    return lambda line: out.write(f"{line}\n".encode("utf-8", "backslashreplace"))


def validate(names: list[str]) -> bool:
    """Print all that is wrong with the objects in files.

    :returns: whether all of them can be read.
    :raises BadInputError: if a file as a whole is not understood.
    """
    wrong = 0
    told: list[str] = []
    with contextlib.ExitStack() as stack:
        opened = [(name, stack.enter_context(files.reading(name))) for name in names]
        out = stack.enter_context(files.writing(files.STANDARD, [file for _, file in opened]))
        for name, file in opened:
            counts = progress.Counts()
            source = Source(name, file)
            for piece in source.pieces():
                if piece.is_object:
                    counts.of[_look(source, piece, _writer(out))] += 1
            told += counts.lines(source.title, (_VALID, _INVALID, _EMPTY))
            wrong += counts.of[_INVALID]
    for line in told:
        LOG.info("%s", line)
    return not wrong


def _look(source: Source, piece: Piece, say: Say) -> str:
    found = list(diagnostics.every(piece))
    for fault in found:
        source.tell(say, piece, fault.line, fault)
    if any(not fault.is_note for fault in found):
        return _INVALID
    return _VALID if stored_entry.guarded(lambda: stored_entry.Unit(piece)).has_vifs else _EMPTY


def convert(
    names: list[str],
    target: stored_entry.Target,
    output: str | None,
    *,
    allow_loss: bool = False,
    check: bool = False,
    kuryrports: bool = False,
) -> bool:
    """Write the objects in files converted; what cannot be is written as it was.

    :param output: where to; None for each file in its own place.
    :param check: write a line on each object instead.
    :param kuryrports: write a list of the ``KuryrPorts`` of pods, and nothing else.
    :returns: whether all of them could be converted.
    :raises BadInputError: if a file as a whole is not understood. Nothing was replaced.
    :raises OutputError: if it could not be written. What was there is there still.
    """
    run = _Run(target, allow_loss=allow_loss, kuryrports=kuryrports)
    act = run.check if check else run.convert
    if kuryrports and not check:
        act = run.list_kuryrports
    with contextlib.ExitStack() as stack:
        # All of them, before anything is written.
        opened = [(name, stack.enter_context(files.reading(name))) for name in names]
        if output is None:
            for source, file in opened:
                with files.replacing(source, file) as out:
                    act(source, file, out)
                run.tell()
        else:
            inputs = [file for _, file in opened]
            with files.writing(output, inputs) as out:
                for source, file in opened:
                    act(source, file, out)
            run.tell()
    return not run.failed


def target(form: str | None, release: str | None) -> stored_entry.Target:
    """:raises BadInputError: for what no release reads."""
    if form is None and release is None:
        raise main.BadInputError("convert to what? Say --release or --form")
    if release is not None:
        try:
            history.manifest(release)
        except ValueError as error:
            raise main.BadInputError(f"--release: {error}") from error
    knows = release is None or serialization.knows_documents(release)
    if form is None:
        form = document.FORM if knows else primitive.FORM
    elif form != primitive.FORM and not knows:
        raise main.BadInputError(
            f"--form: {release} does not read the form {form!r}, only {primitive.FORM!r}"
        )
    is_binary = isinstance(serialization.dumps(objects.InstanceInfo(), form, release), bytes)
    return stored_entry.Target(form, release, is_binary)


class _Run:
    """Converts files, and tells of it."""

    def __init__(
        self, target: stored_entry.Target, *, allow_loss: bool = False, kuryrports: bool = False
    ) -> None:
        self._target = target
        self._kuryrports = kuryrports
        self._allow_loss = allow_loss
        self.failed = 0
        self._told: list[str] = []

    def convert(self, name: str, file: BufferedReader, out: files.Output) -> None:
        """Write a file converted; what cannot be is written as it was."""
        counts = progress.Counts()
        source = Source(name, file)
        if self._target.is_binary:
            out.write(self._piece(source, _only(source), counts))
        else:
            for piece in source.pieces():
                out.write(self._piece(source, piece, counts) if piece.is_object else piece.data)
        self._count(source, counts)

    def list_kuryrports(self, name: str, file: BufferedReader, out: files.Output) -> None:
        """Write a list of Kubernetes, of what could be converted."""
        counts = progress.Counts()
        source = Source(name, file)
        before = b'{"apiVersion":"v1","kind":"List","items":[\n'
        for piece in source.pieces():
            if not piece.is_object:
                continue
            written = self._piece(source, piece, counts)
            if written is not piece.data:
                out.write(before + written)
                before = b",\n"
        out.write((b"" if before == b",\n" else before) + b"\n]}\n")
        self._count(source, counts)

    def check(self, name: str, file: BufferedReader, out: files.Output) -> None:
        """Write a line on each object of a file."""
        counts = progress.Counts()
        source = Source(name, file)
        for piece in source.pieces():
            if piece.is_object:
                self._piece(source, piece, counts, _writer(out))
        self._count(source, counts)

    def _count(self, source: Source, counts: progress.Counts) -> None:
        self.failed += counts.of[_FAILED]
        verbs = (_CONVERTED, _SAME, _FAILED, _EMPTY)
        self._told += counts.lines(source.title, verbs, is_lost=self._allow_loss)

    def tell(self) -> None:
        """Tell the counts, once all is written."""
        for line in self._told:
            LOG.info("%s", line)
        self._told.clear()

    def _written(self, piece: Piece) -> tuple[stored_entry.Unit, tuple[bytes, list[Loss]]]:
        unit = stored_entry.Unit(piece)
        write = unit.kuryrport if self._kuryrports else unit.write
        return unit, write(unit.read(), self._target)

    def _piece(
        self, source: Source, piece: Piece, counts: progress.Counts, say: Say | None = None
    ) -> bytes:
        """An object converted, or as it is.

        :param say: takes a line on each object; by default only faults are told, in the log.
        """
        try:
            unit, (converted, losses) = stored_entry.guarded(lambda: self._written(piece))
            counts.lose(losses)
            if losses and not self._allow_loss:
                reader = self._target.release or self._target.form
                raise exception.DataLoss(reader=reader, losses=losses)
        except exception.SerializationError as error:
            counts.of[_FAILED] += 1
            fault = diagnostics.of(piece, error)
            source.tell(say or LOG.error, piece, fault.line, fault)
            return piece.data
        verdict = _CONVERTED if converted != piece.data else _SAME
        verdict = verdict if unit.has_vifs else _EMPTY
        counts.of[verdict] += 1
        if say:
            words = f"{verdict}, without {'; '.join(map(str, losses))}" if losses else verdict
            source.tell(say, piece, piece.line, printable(words))
        return converted
