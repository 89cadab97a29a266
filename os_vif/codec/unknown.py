# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Unknown fields: data of a newer version, which is preserved and written back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif.codec.path import below
from os_vif.codec.registry import FIXED_IPS
from os_vif.exception import Loss

__all__ = [
    "UNKNOWN",
    "Loss",
    "Unknown",
    "attach",
    "contents",
    "discard",
    "fields_of",
    "get",
    "losses",
    "move",
    "within",
]

#: The attribute of an object with the unknown fields.
UNKNOWN = "_unknown"


@dataclass
class Unknown:
    """The unknown fields of an object, and of the clones and copies of the object."""

    #: ``json``, ``ovo`` or ``protobuf``: the format of the fields.
    form: str
    #: The version of the writer, if the version is unknown.
    version: str | None = None
    #: Plain data by name.
    fields: dict[str, Any] = field(default_factory=dict)


def attach(obj: ovo.VersionedObject, unknown: Unknown) -> None:
    """Attach unknown fields to *obj*, replacing earlier unknown fields."""
    vars(obj)[UNKNOWN] = unknown


def get(obj: ovo.VersionedObject, form: str) -> Unknown | None:
    """Return the unknown fields of *obj* itself in a format, or None."""
    unknown: Unknown | None = vars(obj).get(UNKNOWN)
    return unknown if unknown is not None and unknown.form == form else None


def fields_of(obj: ovo.VersionedObject, form: str) -> dict[str, Any]:
    """Return a copy of the unknown fields of *obj* itself in a format, by name."""
    unknown = get(obj, form)
    return copy.deepcopy(unknown.fields) if unknown else {}


def within(value: Any, path: str = "") -> Iterator[tuple[str, Unknown]]:
    """Yield all unknown fields in an object, at any depth, with the path of their object."""
    if isinstance(value, ovo.VersionedObject):
        if (unknown := vars(value).get(UNKNOWN)) is not None:
            yield path, unknown
        listing = list(value.fields) == ["objects"]
        for name, inner in contents(value):
            yield from within(inner, path if listing else below(path, name))
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from within(item, below(path, n))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from within(item, below(path, name))


def contents(obj: ovo.VersionedObject) -> Iterator[tuple[str, Any]]:
    """Yield the set fields, and the addresses of release 1.8.0."""
    for name in obj.fields:
        if obj.obj_attr_is_set(name):
            yield name, getattr(obj, name)
    if isinstance(addresses := vars(obj).get(FIXED_IPS), ovo.VersionedObject):
        yield FIXED_IPS, addresses


def move(source: Any, target: Any) -> None:
    """Attach the unknown fields of all objects in *source* to the same objects in *target*."""
    if isinstance(source, ovo.VersionedObject) and type(source) is type(target):
        if (kept := vars(source).get(UNKNOWN)) is not None:
            attach(target, kept)
        values = dict(contents(target))
        for name, value in contents(source):
            move(value, values.get(name))
    elif isinstance(source, list) and isinstance(target, list):
        for inner, other in zip(source, target, strict=False):
            move(inner, other)
    elif isinstance(source, dict) and isinstance(target, dict):
        for key in source.keys() & target.keys():
            move(source[key], target[key])


def losses(obj: ovo.VersionedObject, form: str | None) -> list[Loss]:
    """Return the unknown fields in *obj* of all formats but *form*."""
    return [
        Loss(below(path, name), "not known here, so it cannot be converted")
        for path, unknown in within(obj)
        if unknown.form != form
        for name in sorted(unknown.fields)
    ]


def discard(obj: ovo.VersionedObject, form: str) -> None:
    """Remove the unknown fields in *obj* of all formats but *form*."""
    for _, unknown in within(obj):
        if unknown.form != form:
            unknown.fields.clear()
