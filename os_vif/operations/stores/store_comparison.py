# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A comparison of stored objects before and after a migration, object by object.

A temporary file contains the old objects: the memory does not grow with the number of objects.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from os_vif.codec.path import below
from os_vif.serialization import json_text

__all__ = ["Comparison", "StoreChange", "StoreDifference", "differing_paths"]

#: The kilobytes of the temporary database in memory.
_CACHE_KB = 4096


class StoreChange(enum.StrEnum):
    """The kind of a difference."""

    CHANGED = "changed"
    ADDED = "only after"
    REMOVED = "only before"


class StoreDifference(NamedTuple):
    """A difference between the object before and the object after."""

    #: The name of the object, such as ``shop/web``.
    name: str
    change: StoreChange
    #: The path of the value in the object; empty for the object as a whole.
    path: str = ""
    #: The values as JSON; empty for a value that does not exist.
    before: str = ""
    after: str = ""


class Comparison:
    """Old objects, to which new objects of the same names are compared.

    Several objects may have the same name: an object is compared to an equal one, if there is one.
    """

    def __enter__(self) -> Self:
        # SQLite deletes the temporary file of a database without a name.
        self._database = sqlite3.connect("")
        self._database.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        self._database.execute(
            "CREATE TABLE old (id INTEGER PRIMARY KEY, name TEXT, content TEXT)"
        )
        self._database.execute("CREATE INDEX old_name ON old (name)")
        self._database.execute(
            "CREATE TABLE difference (name TEXT, change TEXT, path TEXT, before TEXT, after TEXT)"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add_before(self, name: str, content: Any) -> None:
        """Add an old object.

        :param content: plain data.
        """
        self._database.execute(
            "INSERT INTO old (name, content) VALUES (?, ?)",
            (name, json_text.compose_sorted(content)),
        )

    def add_after(self, name: str, content: Any) -> bool:
        """Compare a new object to the old object of the same name; return whether the two are equal.

        :param content: plain data.
        """
        text = json_text.compose_sorted(content)
        found = self._database.execute(
            "SELECT id, content FROM old WHERE name = ? ORDER BY content = ? DESC, id LIMIT 1",
            (name, text),
        ).fetchone()
        if found is None:
            self._add([StoreDifference(name, StoreChange.ADDED)])
            return False
        number, before = found
        self._database.execute("DELETE FROM old WHERE id = ?", (number,))
        if before == text:
            return True
        paths = differing_paths(json_text.parse(before), json_text.parse(text))
        self._add(StoreDifference(name, StoreChange.CHANGED, *each) for each in paths)
        return False

    def differences(self) -> Iterator[StoreDifference]:
        """Yield the differences, and an entry for each old object without a new object."""
        found = self._database.execute("SELECT name, change, path, before, after FROM difference")
        for name, change, *rest in found:
            yield StoreDifference(name, StoreChange(change), *rest)
        for (name,) in self._database.execute("SELECT name FROM old ORDER BY id"):
            yield StoreDifference(name, StoreChange.REMOVED)

    def _add(self, found: Any) -> None:
        self._database.executemany("INSERT INTO difference VALUES (?, ?, ?, ?, ?)", found)


def differing_paths(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield path, old value and new value, both as JSON, for each difference of plain data."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _differing_members(below(path, name), name, before, after)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from differing_paths(old, new, below(path, number))
    elif json_text.compose_sorted(before) != json_text.compose_sorted(after):
        yield path, json_text.compose_sorted(before), json_text.compose_sorted(after)


def _differing_members(
    path: str, name: str, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[tuple[str, str, str]]:
    if name not in after:
        yield path, json_text.compose_sorted(before[name]), ""
    elif name not in before:
        yield path, "", json_text.compose_sorted(after[name])
    else:
        yield from differing_paths(before[name], after[name], path)
