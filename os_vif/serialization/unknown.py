# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a newer side wrote and this one does not know: it is kept, and written back."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif.objects.losses import FIXED_IPS, Loss, below
from os_vif.objects.tables import UNKNOWN


@dataclass
class Unknown:
    """The unknown part of one object.

    It stays with the object when that is cloned or copied.
    """

    #: ``json`` or ``ovo``: the form that it stands in, and is written back in.
    form: str
    #: The version that the object was written in, if that is not known here.
    version: str | None = None
    #: Name to plain data.
    fields: dict[str, Any] = field(default_factory=dict)


def keep(obj: ovo.VersionedObject, unknown: Unknown) -> None:
    """Let ``obj`` have it. One of another form is forgotten."""
    vars(obj)[UNKNOWN] = unknown


def of(obj: ovo.VersionedObject, form: str) -> Unknown | None:
    """What ``obj`` itself has of that form."""
    unknown: Unknown | None = vars(obj).get(UNKNOWN)
    return unknown if unknown is not None and unknown.form == form else None


def fields_of(obj: ovo.VersionedObject, form: str) -> dict[str, Any]:
    """The unknown fields of ``obj`` itself, in that form, by name."""
    unknown = of(obj, form)
    return copy.deepcopy(unknown.fields) if unknown else {}


def within(value: Any, path: str = "") -> Iterator[tuple[str, Unknown]]:
    """All that is unknown in an object, at any depth, with the path of its object."""
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
    """The fields that are set, and the addresses that release 1.8.0 kept beside them."""
    for name in obj.fields:
        if obj.obj_attr_is_set(name):
            yield name, getattr(obj, name)
    if isinstance(addresses := vars(obj).get(FIXED_IPS), ovo.VersionedObject):
        yield FIXED_IPS, addresses


def losses(obj: ovo.VersionedObject, form: str | None) -> list[Loss]:
    """What ``obj`` has kept and cannot be written in that form; in any, without one."""
    return [
        Loss(below(path, name), "not known here, so it cannot be converted")
        for path, unknown in within(obj)
        if unknown.form != form
        for name in sorted(unknown.fields)
    ]


def forget(obj: ovo.VersionedObject, form: str) -> None:
    """Let ``obj``, which is changed, have nothing that cannot be written in that form."""
    for _, unknown in within(obj):
        if unknown.form != form:
            unknown.fields.clear()
