# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What an object loses on the way to a reader and back, by field path."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

from oslo_versionedobjects import base as ovo


class Loss(NamedTuple):
    """A value that does not come back."""

    #: Of the field, such as ``port_profile.create_port``; empty for the object itself.
    path: str
    #: What becomes of it, in words.
    what: str

    def __str__(self) -> str:
        return f"{self.path or 'the object'} ({self.what})"


def losses(obj: ovo.VersionedObject, primitive: dict[str, Any]) -> tuple[Loss, ...]:
    """What of ``obj`` is not there when ``primitive``, made from it, is read again here.

    A value that the reader has elsewhere, as release 1.8.0 has addresses, is not lost; neither
    is one that a constructor gives, such as no MTU.
    """
    from os_vif.objects.base import VersionedObject  # it imports this

    reader = type(obj) if hasattr(type(obj), "obj_from_primitive") else VersionedObject
    back = reader.obj_from_primitive(copy.deepcopy(primitive))
    return tuple(_compare(obj, back, ""))


def _compare(before: Any, after: Any, path: str) -> Iterator[Loss]:
    if isinstance(before, ovo.VersionedObject):
        if not isinstance(after, ovo.VersionedObject):
            yield Loss(path, f"{before.obj_name()} becomes {after!r}")
            return
        yield from _compare_objects(before, after, path)
    elif isinstance(before, list) and _holds_objects(before):
        yield from _compare_lists(before, after, path)
    elif isinstance(before, dict) and _holds_objects(before.values()):
        for key in before:
            if key in after:
                yield from _compare(before[key], after[key], f"{path}[{key!r}]")
            else:
                yield Loss(f"{path}[{key!r}]", "left out")
    elif before != after:
        yield Loss(path, f"{before!r} becomes {after!r}")


def _holds_objects(values: Any) -> bool:
    return any(isinstance(value, ovo.VersionedObject) for value in values)


def _compare_lists(before: list[Any], after: list[Any], path: str) -> Iterator[Loss]:
    for n, item in enumerate(before):
        if n < len(after):
            yield from _compare(item, after[n], f"{path}[{n}]")
        else:
            yield Loss(f"{path}[{n}]", "left out")


def _compare_objects(
    before: ovo.VersionedObject, after: ovo.VersionedObject, path: str
) -> Iterator[Loss]:
    if before.obj_name() != after.obj_name():
        yield Loss(path, f"{before.obj_name()} becomes {after.obj_name()}")
    listing = list(before.fields) == ["objects"]
    for name in sorted(before.fields):
        if not before.obj_attr_is_set(name):
            continue
        inner = path if listing else f"{path}.{name}".lstrip(".")
        if name not in after.fields or not after.obj_attr_is_set(name):
            yield Loss(inner, "left out")
        else:
            yield from _compare(getattr(before, name), getattr(after, name), inner)
