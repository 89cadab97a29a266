# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""All that is wrong with one object of an input, not only what a reader meets first.

What a reader refuses is taken out of a copy, and the rest is read again.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from os_vif import exception
from os_vif.cmd import json_text, units
from os_vif.cmd.stream import Piece
from os_vif.escape import printable
from os_vif.objects.losses import below, joined
from os_vif.serialization import document, primitive, stored, text

#: No more than that are told of one object.
MOST = 100
#: Without them an object cannot be read at all.
_HEADS = {"apiVersion", "kind", *primitive.frame("", "", {})}
_DEFAULT = "default_vif"

Keys = units.Keys


class Fault(NamedTuple):
    """What is wrong, and where."""

    line: int
    path: str
    what: str

    def __str__(self) -> str:
        return printable(f"{self.path}: {self.what}" if self.path else self.what)


def of(piece: Piece, error: exception.SerializationError) -> Fault:
    """The fault that was met in an object."""
    try:
        unit = units.Unit(piece)
    except exception.SerializationError:
        return _of_text(piece, error)
    if unit.data is None:
        return Fault(piece.line, "", _words(error))
    _, line = _where(unit, error.path)
    return Fault(line, error.path, _words(error))


def every(piece: Piece) -> Iterator[Fault]:
    """All faults of an object; none if it can be read."""
    try:
        unit = units.Unit(piece)
    except exception.SerializationError as error:
        yield _of_text(piece, error)
        return
    try:
        unit.read()
    except exception.SerializationError as error:
        if unit.data is None:
            yield Fault(piece.line, "", _words(error))
        else:
            yield from sorted(_Search(unit).faults())


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
    data = unit.piece.data.decode()
    start, _ = json_text.find(data, keys)
    return unit.piece.line + data.count("\n", 0, start)


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
                self._prefix = f"metadata.annotations[{stored.ANNOTATION!r}]"
                self._keys = units.ANNOTATION
        self._left = copy.deepcopy(self._data)
        #: Which members of which arrays are no longer there.
        self._gone: dict[Keys, list[int]] = {}

    def faults(self) -> Iterator[Fault]:
        taken_out: list[str] = []
        for _ in range(MOST):
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
                    line = _line(self._unit, self._keys or keys)
                    yield Fault(line, joined(self._prefix, path), _words(error))
                taken_out.append(path)
                if not self._take_out(steps, keys):
                    return
            else:
                return

    def _read(self) -> Any:
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
                    for number in sorted(self._gone.get(keys + at, ())):
                        original = int(original) + (number <= int(original))
                at += (original,)
            path, data = next(
                (inner, value) for inner, found, value in _children(data, path) if found == at
            )
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
        del around[keys[-1]]
        if isinstance(keys[-1], int):
            self._gone.setdefault(original[:-1], []).append(int(original[-1]))
        return True

    def _stand_in(self, keys: Keys) -> dict[str, Any]:
        """A VIF in which nothing is wrong: a state is not read without one."""
        if primitive.DATA in keys:
            return {"apiVersion": document.API_VERSION, "kind": "VIFBase"}
        return {"kind": "VIFBase"}
