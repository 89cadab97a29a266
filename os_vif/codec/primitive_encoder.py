# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Encoding of objects to OVO primitives."""

from __future__ import annotations

import copy
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif.codec import unknown
from os_vif.codec.compiled import CHANGED, INITIAL_CHANGES, NO_NAMES, Format
from os_vif.codec.registry import FIXED_IPS, NAMESPACE
from os_vif.codec.unknown import UNKNOWN

#: The name of the format.
FORM = "ovo"
_PREFIX = f"{ovo.VersionedObject.OBJ_SERIAL_NAMESPACE}."
NAME, NAMESPACE_KEY, VERSION = f"{_PREFIX}name", f"{_PREFIX}namespace", f"{_PREFIX}version"
DATA, CHANGES = f"{_PREFIX}data", f"{_PREFIX}changes"


class Encoding:
    """The state of an encoding call.

    :param is_whole: True to write unknown fields and the addresses of release 1.8.0, with sorted
        names; False for the order of oslo.
    """

    def __init__(self, data_format: Format, *, is_whole: bool = False) -> None:
        self.data_format = data_format
        self.is_whole = is_whole
        #: True if a part of the primitive may have unsorted names.
        self.is_unsorted = False
        #: True if the primitive lacks unknown fields of another format.
        self.has_losses = False


def dump_object(obj: Any, ctx: Encoding) -> dict[str, Any]:
    """Return the OVO primitive of an object."""
    return _dump(obj, ctx)[0]


def _dump(  # noqa: C901, PLR0912 - the inner loop of all writing
    obj: Any, ctx: Encoding
) -> tuple[dict[str, Any], bool]:
    """Return the primitive of an object, and True if the object or a nested object has changed."""
    codec = ctx.data_format[type(obj)]
    if not codec.is_direct:
        return _dump_by_methods(obj, ctx)
    state = obj.__dict__
    names = state.get(CHANGED)
    if names is None:
        names = state.get(INITIAL_CHANGES, NO_NAMES)
    data: dict[str, Any] = {}
    changed = []
    is_changed = False
    dumpers = codec.sorted_dumpers if ctx.is_whole else codec.dumpers
    for name, attribute, dump, dump_nested, is_object in dumpers:
        if attribute not in state:
            continue
        value = state[attribute]
        if value is None:
            pass
        elif dump is not None:
            value = dump(value)
        elif is_object:
            value, is_changed_within = _dump(value, ctx)
            if is_changed_within:
                is_changed = True
                if name not in names:
                    changed.append(name)
        elif dump_nested is not None:
            value = dump_nested(value, ctx)
        data[name] = value
        if name in names:
            changed.append(name)
    is_changed = is_changed or not codec.fields.isdisjoint(names)
    if not ctx.is_whole:
        primitive = {
            NAME: codec.name,
            NAMESPACE_KEY: NAMESPACE,
            VERSION: obj.VERSION,
            DATA: data,
        }
        if changed:
            primitive[CHANGES] = sorted(changed)
        return primitive, is_changed
    primitive = {CHANGES: changed} if changed else {}
    primitive[DATA] = data
    primitive[NAME] = codec.name
    primitive[NAMESPACE_KEY] = NAMESPACE
    primitive[VERSION] = obj.VERSION
    if UNKNOWN in state or FIXED_IPS in state:
        primitive = _extended(obj, state, primitive, ctx)
    return primitive, is_changed


def _dump_by_methods(obj: Any, ctx: Encoding) -> tuple[dict[str, Any], bool]:
    ctx.is_unsorted = True
    primitive = obj.obj_to_primitive()
    if ctx.is_whole:
        _add_unknown(obj, primitive, ctx)
    is_object = isinstance(obj, ovo.VersionedObject)
    return primitive, is_object and bool(obj.obj_what_changed())


def has_same_shape(value: Any, primitive: Any) -> bool:
    """Return True if a primitive has the members of an object, a list or a dict.

    A field type of a third party may write a value in any shape, such as a dict as JSON text.
    """
    if isinstance(value, ovo.VersionedObject):
        return isinstance(primitive, dict) and value._obj_primitive_key("data") in primitive
    if isinstance(value, list):
        return isinstance(primitive, list) and len(primitive) == len(value)
    is_dict = isinstance(value, dict) and isinstance(primitive, dict)
    return is_dict and value.keys() <= primitive.keys()


def _add_unknown(value: Any, primitive: Any, ctx: Encoding) -> None:
    """Add the unknown fields in *value* to the primitive of a third party."""
    if not has_same_shape(value, primitive):
        return
    if isinstance(value, ovo.VersionedObject):
        primitive.update(_extended(value, vars(value), primitive, ctx))
        for name, inner in unknown.contents(value):
            _add_unknown(inner, primitive[DATA][name], ctx)
    elif isinstance(value, list):
        for item, inner in zip(value, primitive, strict=True):
            _add_unknown(item, inner, ctx)
    elif isinstance(value, dict):
        for key, item in value.items():
            _add_unknown(item, primitive[key], ctx)


def _extended(
    obj: Any, state: dict[str, Any], primitive: dict[str, Any], ctx: Encoding
) -> dict[str, Any]:
    """Return a primitive with unknown fields, and with the addresses of release 1.8.0."""
    data = primitive[DATA]
    kept = state.get(UNKNOWN)
    if kept is not None and kept.form != FORM:
        ctx.has_losses = ctx.has_losses or bool(kept.fields)
    elif kept is not None:
        data |= copy.deepcopy(kept.fields)
        if kept.version:
            primitive[VERSION] = kept.version
    addresses = state.get(FIXED_IPS)
    if isinstance(addresses, ovo.VersionedObject):
        # Readers of other releases ignore the addresses.
        data[FIXED_IPS] = dump_object(addresses, ctx)
        changed = changed_fields(obj, data, primitive.get(CHANGES, ()))
        if changed:
            primitive[CHANGES] = changed
    ctx.is_unsorted = True
    return primitive


def changed_fields(obj: ovo.VersionedObject, data: Any, changed: Any) -> list[str]:
    """Return the sorted names of changed fields: the names in *changed* and *data*.

    The result includes names of changed nested data for which *obj* has no field.
    """
    moved = {
        name
        for name in data.keys() - obj.fields.keys()
        if isinstance(data[name], dict) and CHANGES in data[name]
    }
    return sorted(moved.union(name for name in changed if name in data))
