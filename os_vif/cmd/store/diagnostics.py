# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Diagnostics of a stored object: errors and unknown fields, with line and path.

:func:`os_vif.serialization.validate` and :func:`os_vif.serialization.storage.validate`
return the errors; this module adds the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import os_vif
from os_vif import exception, serialization
from os_vif.cmd.store import json_edit
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.cmd.store.stored_entry import Keys, StoredEntry, translated_errors
from os_vif.codec import primitive, unknown
from os_vif.codec.path import COERCION_ERRORS, below, describe, joined
from os_vif.escape import printable
from os_vif.serialization import formats, storage

#: The default number of diagnostics of an object; a last diagnostic counts the others.
MAX_ERRORS = 100


class Diagnostic(NamedTuple):
    """An error of an object, or a note, with line and path."""

    line: int
    path: str
    message: str
    #: True if the object can be read and converted all the same.
    is_note: bool = False

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.message}" if self.path else self.message)


def all_errors(entry: StoredEntry, max_errors: int = MAX_ERRORS) -> list[Diagnostic]:
    """Return all errors of an entry, sorted by line; no errors exactly if the entry is valid.

    An unknown field of an OVO primitive is an error, because no document can contain the field. A
    newer version of a primitive is a note.

    :param max_errors: the maximum number of diagnostics before a count of the others; 0 for all.
    """
    try:
        with translated_errors():
            return _limit(_unknown_parts(entry, entry.read()), max_errors)
    except exception.SerializationError as error:
        first = first_error(entry.chunk, error)
    if entry.data is None:
        return [first]
    lines = _Lines(entry.chunk, entry.data)
    found = [
        Diagnostic(lines.line_of(error.path), error.path, _message(error))
        for error in _errors_of(entry)
    ]
    # A class of a plugin may raise other errors when it reads the object as a whole.
    if all(each.path != first.path for each in found):
        found.append(first)
    return _limit(found, max_errors)


def first_error(chunk: Chunk, error: exception.SerializationError) -> Diagnostic:
    """Return the diagnostic for the exception that ended the reading of an object."""
    try:
        with translated_errors():
            entry = StoredEntry(chunk)
    except exception.SerializationError:
        return _text_errors(chunk, [error])[0]
    line = _Lines(chunk, entry.data).line_of(error.path)
    return Diagnostic(line, error.path, _message(error))


def text_errors(
    chunk: Chunk, error: exception.MalformedDocument, max_errors: int = MAX_ERRORS
) -> list[Diagnostic]:
    """Return all errors of text that :class:`StoredEntry` refused with *error*."""
    # Only the error of a repeated name has a path.
    errors: list[exception.SerializationError] = [error]
    if error.path:
        errors = serialization.validate(chunk.data)
    return _limit(_text_errors(chunk, errors), max_errors)


def _limit(found: list[Diagnostic], max_errors: int) -> list[Diagnostic]:
    """Return the sorted diagnostics, at most *max_errors* and a count of the others."""
    found.sort()
    others = found[max_errors:] if max_errors else []
    if others:
        message = f"{len(others)} more errors in this object"
        is_note = all(each.is_note for each in others)
        found[max_errors:] = [Diagnostic(others[0].line, "", message, is_note)]
    return found


def _errors_of(entry: StoredEntry) -> list[exception.SerializationError]:
    """Return all errors of an entry; load the plugins for a kind that is unknown without them."""

    def validate() -> list[exception.SerializationError]:
        try:
            if entry.is_bare:
                return serialization.validate(entry.chunk.data)
            return storage.validate(entry.data) if entry.envelope else []
        except COERCION_ERRORS:
            # The first error names the exception, which a class of a plugin raised.
            return []

    errors = validate()
    if any(isinstance(error, exception.UnknownKind) for error in errors):
        os_vif.initialize()
        errors = validate()
    return errors


def _unknown_parts(entry: StoredEntry, content: Any) -> list[Diagnostic]:
    """Return the unknown fields, and the newer versions, of the OVO primitives in an entry.

    :param content: the result of :meth:`StoredEntry.read`.
    """
    objects = {"": content}
    if not entry.is_bare:
        objects = {entry.path_of(interface): vif for interface, vif in content.items()}
    parts = [
        part
        for object_path, obj in objects.items()
        for path, kept in unknown.within(obj, object_path)
        if kept.form == primitive.FORM
        for part in _parts_of(path, kept)
    ]
    lines = _Lines(entry.chunk, entry.data) if parts else None
    return [part._replace(line=lines.line_of(part.path)) for part in parts] if lines else []


def _parts_of(path: str, kept: unknown.Unknown) -> Iterator[Diagnostic]:
    """Yield a diagnostic without line for each unknown field, else for a newer version."""
    for name in kept.fields:
        yield Diagnostic(0, joined(path, name), "unknown field")
    if kept.version and not kept.fields:
        message = f"version {describe(kept.version)}, which is newer than this os-vif"
        yield Diagnostic(0, path, message, is_note=True)


def _text_errors(chunk: Chunk, errors: list[exception.SerializationError]) -> list[Diagnostic]:
    """Return the diagnostics of text that is not an entry; invalid JSON has its own line."""
    data = None
    try:
        data = json.loads(chunk.data)
    except json.JSONDecodeError as syntax:
        line = chunk.line + syntax.lineno - 1
        return [Diagnostic(line, "", f"invalid JSON: {syntax.msg} (column {syntax.colno})")]
    except (ValueError, RecursionError):
        pass
    lines = _Lines(chunk, data if any(error.path for error in errors) else None)
    return [Diagnostic(lines.line_of(e.path), e.path, _message(e)) for e in errors]


def _message(error: exception.SerializationError) -> str:
    if isinstance(error, exception.DataLoss) or not error.found:
        return str(error)
    return f"found {error.found}; expected {error.expected}"


class _Lines:
    """The lines of the values of an object.

    :param data: the plain data of the object; None for a binary format.
    """

    def __init__(self, chunk: Chunk, data: Any) -> None:
        self._first_line = chunk.line
        self._data = data
        self._text = "" if data is None else chunk.data.decode()
        self._index = json_edit.Index(self._text)

    def line_of(self, path: str) -> int:
        """Return the line of the value at a path, or of the nearest value around the path."""
        if self._data is None:
            return self._first_line
        start, _ = self._index.find(_keys_of(self._data, path))
        return self._first_line + self._text.count("\n", 0, start)


def _keys_of(data: Any, path: str) -> Keys:
    """Return the keys of the value at a path, or of the nearest value around the path."""
    keys: Keys = ()
    reached = ""
    while reached != path:
        children = [
            child for child in _children(data, reached) if _is_inside(path, outer=child[0])
        ]
        if not children:
            break
        reached, more, data = max(children, key=lambda child: len(child[0]))
        keys += more
    return keys


def _children(data: Any, path: str) -> Iterator[tuple[str, Keys, Any]]:
    """Yield path, keys and value of each value in an object or an array.

    The paths are the paths of error messages: the envelope of a primitive is no part of a path.
    """
    if isinstance(data, list):
        for number, item in enumerate(data):
            yield below(path, number), (number,), item
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if name == primitive.DATA and isinstance(value, dict) and formats.is_primitive(data):
            for field, inner in value.items():
                yield below(path, field), (name, field), inner
                # A list object has the path of its list.
                if field == "objects" and isinstance(inner, list):
                    for number, item in enumerate(inner):
                        yield below(path, number), (name, field, number), item
        inside = f"{path}[{name!r}]" if name == storage.ANNOTATION else below(path, name)
        yield inside, (name,), value


def _is_inside(path: str, outer: str) -> bool:
    """Return whether *path* is *outer* or a path within *outer*."""
    return path == outer or (path.startswith(outer) and (not outer or path[len(outer)] in ".["))
