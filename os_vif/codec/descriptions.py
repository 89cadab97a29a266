# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Descriptions of the accepted values of fields, for error messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oslo_versionedobjects import fields as ovo_fields

#: By type of field; a subclass has the description of the nearest parent. :mod:`.field` adds the
#: types with a codec, from ``expected`` of the codec.
by_type: dict[type[Any], str] = {
    ovo_fields.UUID: "a UUID, such as 11111111-2222-3333-4444-555555555555",
    ovo_fields.DateTime: "a date and time, such as 2026-01-31T12:00:00Z",
    ovo_fields.Float: "a number",
}


#: The descriptions by registered codecs, by field type: see :func:`os_vif.codec.field.register`.
registered: dict[type[Any], Callable[[Any], str]] = {}


def of_field(field: ovo_fields.Field[Any]) -> str:
    """Return in words which values a field accepts, such as ``a MAC address, such as …``."""
    return of_type(field._type)


def of_type(kind: Any) -> str:
    """Return in words which values a type of field accepts."""
    if type(kind) in registered:
        return registered[type(kind)](kind)
    if isinstance(expected := getattr(kind, "expected", None), str):
        return expected
    if isinstance(kind, ovo_fields.Enum):
        return "one of " + ", ".join(sorted(str(value) for value in kind.valid_values))
    if isinstance(kind, ovo_fields.CompoundFieldType | ovo_fields.Object):
        return _of_compound(kind)
    for cls in type(kind).__mro__:
        if cls in by_type:
            return by_type[cls]
    # The type of another project.
    return f"a value that the type {type(kind).__name__} accepts"


def _of_compound(kind: Any) -> str:
    """Return in words which objects, arrays or tables a type of field accepts."""
    if isinstance(kind, ovo_fields.Object):
        of_subclass = " or a subclass of it" if kind._subclasses else ""
        return f"an object of the class {kind._obj_name}{of_subclass}"
    element = of_field(kind._element_type)
    if isinstance(kind, ovo_fields.Dict):
        return f"an object, each value of which is {element}"
    return f"an array, each element of which is {element}"
