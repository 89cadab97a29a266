# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""All faults of an object of an input, with their lines.

:func:`os_vif.serialization.validate` and :func:`os_vif.serialization.storage.validate` find the
faults; this module finds the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import os_vif
from os_vif import exception, serialization
from os_vif.cmd.store import json_edit, stored_entry
from os_vif.cmd.store.json_splitter import Piece
from os_vif.codec import primitive, unknown
from os_vif.codec.path import COERCION_ERRORS, below, describe, joined
from os_vif.escape import printable
from os_vif.serialization import formats, storage

#: The maximum number of faults of an object in a report; a last line counts the others.
MOST = 100

Keys = stored_entry.Keys


class Fault(NamedTuple):
    """A fault of an object: line, path and description."""

    line: int
    path: str
    what: str
    #: True if the object can be read and converted.
    is_note: bool = False

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.what}" if self.path else self.what)


def of(piece: Piece, error: exception.SerializationError) -> Fault:
    """Return the fault that ended the reading of an object."""
    try:
        unit = stored_entry.guarded(lambda: stored_entry.Unit(piece))
    except exception.SerializationError:
        return _of_text(piece, error)
    if unit.data is None:
        return Fault(piece.line, error.path, _words(error))
    _, line = _where(unit, error.path)
    return Fault(line, error.path, _words(error))


def every(piece: Piece) -> Iterator[Fault]:
    """Yield all faults of an object, one at least if it cannot be read; none if it can.

    A field of an OVO primitive that is not known is a fault, too: no document can have it.
    """
    unit = None
    try:
        unit = stored_entry.guarded(lambda: stored_entry.Unit(piece))
        found = stored_entry.guarded(unit.read)
    except exception.SerializationError as error:
        yield from _told(piece, unit, error)
    else:
        yield from not_known(unit, found)


def _told(
    piece: Piece, unit: stored_entry.Unit | None, error: exception.SerializationError
) -> list[Fault]:
    """Return the faults of an object that cannot be read."""
    first = of(piece, error)
    if unit is None or unit.data is None:
        return [first]
    lines = _Lines(unit)
    found = [
        Fault(lines.of(_keys_of(unit, each.path)), each.path, _words(each))
        for each in _errors(unit)
    ]
    if not any(fault.path == first.path for fault in found):
        found.append(first)
    found.sort()
    if len(found) > MOST:
        words = f"{len(found) - MOST} more faults in this object"
        found[MOST:] = [Fault(found[MOST].line, "", words)]
    return found


def _errors(unit: stored_entry.Unit) -> list[exception.SerializationError]:
    """Return all errors of an object; an unknown kind may be the kind of a plugin."""

    def validate() -> list[exception.SerializationError]:
        try:
            if unit.is_bare:
                return serialization.validate(unit.piece.data)
            return storage.validate(unit.data) if unit.wrapping else []
        except COERCION_ERRORS:
            # The first fault names the exception of the class.
            return []

    errors = validate()
    if any(isinstance(error, exception.UnknownKind) for error in errors):
        os_vif.initialize()
        errors = validate()
    return errors


def not_known(unit: stored_entry.Unit, found: Any) -> list[Fault]:
    """Return what was read from OVO primitives and is not known here.

    These are fields, and versions that are newer than those that are known.
    """
    found = found if unit.is_bare else {unit.place_of(name): vif for name, vif in found.items()}
    told: list[Fault] = []
    whole = [("", found)] if unit.is_bare else list(found.items())
    for place, obj in whole:
        for path, kept in unknown.within(obj, place):
            if kept.form != primitive.FORM:
                continue
            names = [
                (joined(path, name), "a field that is not known here") for name in kept.fields
            ]
            if kept.version and not names:
                names = [
                    (path, f"version {describe(kept.version)}, which is newer than this os-vif")
                ]
            for at, words in names:
                line = unit.piece.line if unit.data is None else _where(unit, at)[1]
                told.append(Fault(line, at, words, is_note=not kept.fields))
    return sorted(told)


def _of_text(piece: Piece, error: exception.SerializationError) -> Fault:
    """Return the fault of text that is not JSON, at the line of the syntax error."""
    try:
        json.loads(piece.data)
    except json.JSONDecodeError as found:
        line = piece.line + found.lineno - 1
        return Fault(line, "", f"no JSON: {found.msg} (column {found.colno})")
    except (ValueError, RecursionError):
        pass
    return Fault(piece.line, error.path, _words(error))


def _words(error: exception.SerializationError) -> str:
    if isinstance(error, exception.DataLoss) or not error.found:
        return str(error)
    return f"found {error.found}; expected {error.expected}"


def _where(unit: stored_entry.Unit, path: str) -> tuple[Keys, int]:
    """Return the keys and the line of the value at a path, or of the nearest value around the path."""
    keys = _keys_of(unit, path)
    return keys, _Lines(unit).of(keys)


def _keys_of(unit: stored_entry.Unit, path: str) -> Keys:
    """Return the keys of the value at a path, or of the nearest value around the path."""
    steps, _ = _nearest(unit.data, path)
    return tuple(key for step in steps for key in step)


class _Lines:
    """The lines of the values of one object."""

    def __init__(self, unit: stored_entry.Unit) -> None:
        self._first = unit.piece.line
        self._text = unit.piece.data.decode()
        self._index = json_edit.Index(self._text)

    def of(self, keys: Keys) -> int:
        start, _ = self._index.find(keys)
        return self._first + self._text.count("\n", 0, start)


def _children(data: Any, path: str) -> Iterator[tuple[str, Keys, Any]]:
    """Yield the values in an object or an array, with the path that a reader reports."""
    if isinstance(data, list):
        for number, item in enumerate(data):
            yield below(path, number), (number,), item
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if name == primitive.DATA and isinstance(value, dict) and formats.is_primitive(data):
            for field, inner in value.items():
                yield below(path, field), (name, field), inner
                # A list object and what is in it have one path.
                if field == "objects" and isinstance(inner, list):
                    for number, item in enumerate(inner):
                        yield below(path, number), (name, field, number), item
        inside = f"{path}[{name!r}]" if name == storage.ANNOTATION else below(path, name)
        yield inside, (name,), value


def _is_inside(path: str, outer: str) -> bool:
    """Return whether *path* is *outer* or a path within *outer*."""
    return path == outer or (path.startswith(outer) and (not outer or path[len(outer)] in ".["))


def _nearest(data: Any, sought: str) -> tuple[list[Keys], str]:
    """Return the keys that lead to a path, or to the nearest value around the path, and the rest."""
    steps: list[Keys] = []
    path = ""
    while path != sought:
        matching = [
            (len(inner), keys, value, inner)
            for inner, keys, value in _children(data, path)
            if _is_inside(sought, inner)
        ]
        if not matching:
            break
        _, keys, data, path = max(matching, key=lambda found: found[0])
        steps.append(keys)
    return steps, path
