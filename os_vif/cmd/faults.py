# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""All that is wrong with one object of an input, not only what a reader meets first.

What a reader refuses is taken out of a copy, and the rest is read again.
"""

from __future__ import annotations

import contextlib
import copy
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from os_vif import exception
from os_vif.cmd import json_text, units
from os_vif.cmd.stream import Piece
from os_vif.codec import unknown
from os_vif.codec.path import COERCION_ERRORS, below, describe, joined
from os_vif.escape import printable
from os_vif.serialization import document, primitive, stored, text

#: No more than that are told of one object.
MOST = 100
#: How long the search for more faults in one object may take.
_SECONDS = 10
#: Without them an object cannot be read at all.
_HEADS = {"apiVersion", "kind", *primitive.frame("", "", {})}
_DEFAULT = "default_vif"

Keys = units.Keys


class Fault(NamedTuple):
    """What is wrong, and where."""

    line: int
    path: str
    what: str
    #: Whether it is told of an object that can be read and converted.
    is_note: bool = False

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.what}" if self.path else self.what)


def of(piece: Piece, error: exception.SerializationError) -> Fault:
    """The fault that was met in an object."""
    try:
        unit = units.guarded(lambda: units.Unit(piece))
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
        unit = units.guarded(lambda: units.Unit(piece))
        found = units.guarded(unit.read)
    except exception.SerializationError as error:
        yield from _told(piece, unit, error)
    else:
        yield from not_known(unit, found)


def _told(
    piece: Piece, unit: units.Unit | None, error: exception.SerializationError
) -> list[Fault]:
    """Return the faults of an object that cannot be read."""
    first = of(piece, error)
    if unit is None or unit.data is None:
        return [first]
    found: list[Fault] = []
    with contextlib.suppress(exception.SerializationError, *COERCION_ERRORS):
        # What was found before stays.
        found.extend(_Search(unit).faults())
    if not any(fault.path == first.path for fault in found):
        found.append(first)
    return sorted(found)


def not_known(unit: units.Unit, found: Any) -> list[Fault]:
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
    """What is no JSON has a line of its own."""
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


def _where(unit: units.Unit, path: str) -> tuple[Keys, int]:
    """What is at a path or the nearest around it, and its line."""
    steps, _ = _nearest(unit.data, path)
    keys = tuple(key for step in steps for key in step)
    return keys, _line(unit, keys)


def _line(unit: units.Unit, keys: Keys) -> int:
    return _Lines(unit).of(keys)


class _Lines:
    """The lines of the values of one object."""

    def __init__(self, unit: units.Unit) -> None:
        self._first = unit.piece.line
        self._text = unit.piece.data.decode()
        self._index = json_text.Index(self._text)

    def of(self, keys: Keys) -> int:
        start, _ = self._index.find(keys)
        return self._first + self._text.count("\n", 0, start)


def _children(data: Any, path: str) -> Iterator[tuple[str, Keys, Any]]:
    """What is in an object or an array, with the path that a reader gives it."""
    if isinstance(data, list):
        for number, item in enumerate(data):
            yield below(path, number), (number,), item
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if name == primitive.DATA and isinstance(value, dict) and primitive.is_primitive(data):
            for field, inner in value.items():
                yield below(path, field), (name, field), inner
                # A list object and what is in it have one path.
                if field == "objects" and isinstance(inner, list):
                    for number, item in enumerate(inner):
                        yield below(path, number), (name, field, number), item
        inside = f"{path}[{name!r}]" if name == stored.ANNOTATION else below(path, name)
        yield inside, (name,), value


def _child(data: Any, path: str, keys: Keys) -> tuple[str, Any]:
    """Return the path and the value of what is in an object or an array."""
    if isinstance(data, list):
        return below(path, keys[0]), data[int(keys[0])]
    return next((inner, value) for inner, found, value in _children(data, path) if found == keys)


def _is_inside(path: str, outer: str) -> bool:
    """Whether one path is the other, or leads further."""
    return path == outer or (path.startswith(outer) and (not outer or path[len(outer)] in ".["))


def _nearest(data: Any, sought: str) -> tuple[list[Keys], str]:
    """The steps to what is at a path, or around it, and the path to there."""
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


class _Search:
    """Finds what is wrong in one object."""

    def __init__(self, unit: units.Unit) -> None:
        self._unit = unit
        self._prefix, self._data = "", unit.data
        #: Where all of an annotation is, for the reader of a file.
        self._keys: Keys = ()
        # What is no JSON is told as a whole.
        with contextlib.suppress(exception.SerializationError):
            if isinstance(unit.annotation, str):
                self._data = text.parse(unit.annotation)
                self._prefix = units.ANNOTATION_PATH
                self._keys = units.ANNOTATION
        self._left = copy.deepcopy(self._data)
        #: How many members at the beginning of which arrays are no longer there. A reader goes
        #: through an array in order, so those before the one with a fault need no second reading.
        self._gone: dict[Keys, int] = {}
        self._lines = _Lines(unit)

    def faults(self) -> Iterator[Fault]:
        taken_out: list[str] = []
        end = time.monotonic() + _SECONDS
        for _ in range(MOST):
            if time.monotonic() > end:
                words = f"the search took {_SECONDS} s; more may be wrong further on"
                yield Fault(self._unit.piece.line, "", words)
                return
            try:
                units.with_plugins(self._read)
            except exception.SerializationError as error:
                steps, there = _nearest(self._left, error.path)
                path, keys = self._original(steps)
                path += error.path[len(there) :]
                if path in taken_out:
                    return
                # That something is missing where it was taken out is no news.
                if not any(_is_inside(inner, path) for inner in taken_out):
                    line = self._lines.of(self._keys or keys)
                    yield Fault(line, joined(self._prefix, path), _words(error))
                taken_out.append(path)
                if not self._take_out(steps, keys):
                    return
            else:
                return

    def _read(self) -> Any:
        if self._keys:
            return stored.read_annotation(self._left)
        if self._unit.wrapping:
            return stored.read(self._left)
        if primitive.is_primitive(self._left):
            return primitive.from_primitive(self._left)
        return document.from_document(self._left)

    def _original(self, steps: list[Keys]) -> tuple[str, Keys]:
        """The path and the keys of what is there, as it was before anything was taken out."""
        path, data = "", self._data
        keys: Keys = ()
        for step in steps:
            at: Keys = ()
            for key in step:
                original = key
                if isinstance(key, int):
                    original = int(key) + self._gone.get(keys + at, 0)
                at += (original,)
            path, data = _child(data, path, at)
            keys += at
        return path, keys

    def _take_out(self, steps: list[Keys], original: Keys) -> bool:
        """Whether there is something left that can be read."""
        keys = tuple(key for step in steps for key in step)
        while keys and keys[-1] in _HEADS:
            keys, original = keys[:-1], original[:-1]
        if not keys:
            return False
        around = self._left
        for key in keys[:-1]:
            around = around[key]
        if keys[-1] == _DEFAULT:
            around[_DEFAULT] = self._stand_in(keys)
            return True
        last = keys[-1]
        if isinstance(last, int):
            self._gone[original[:-1]] = int(original[-1]) + 1
            del around[: last + 1]
        else:
            del around[last]
        self._drop_read(keys, original)
        return True

    def _drop_read(self, keys: Keys, original: Keys) -> None:
        """Take out what stands before in the arrays that lead to the value: it was read."""
        around: list[Any] = [self._left]
        for key in keys[:-1]:
            around.append(around[-1][key])
        for depth in range(len(keys) - 2, -1, -1):
            key = keys[depth]
            if isinstance(key, int) and key:
                self._gone[original[:depth]] = int(original[depth])
                del around[depth][:key]

    def _stand_in(self, keys: Keys) -> dict[str, Any]:
        """A VIF in which nothing is wrong: a state is not read without one."""
        if primitive.DATA in keys:
            return {"apiVersion": document.API_VERSION, "kind": "VIFBase"}
        return {"kind": "VIFBase"}
