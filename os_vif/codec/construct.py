# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Construction and copying of objects of os-vif, with the results of oslo.versionedobjects.

The codec of the field type coerces values of the usual types. The field coerces the remaining
values, and words the errors.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import descriptions, field
from os_vif.codec.compiled import (
    CHANGED,
    INITIAL_CHANGES,
    NO_NAMES,
    is_direct,
)
from os_vif.codec.members import coerced_list
from os_vif.codec.path import invalid
from os_vif.codec.registry import FIXED_IPS, ancestors
from os_vif.codec.scalar import FieldCodec
from os_vif.codec.unknown import UNKNOWN
from os_vif.escape import abbreviated

#: Returns the stored value of a field of an object for a value.
Coerce = Callable[[Any, Any], Any]
#: Returns a copy of a value for another object; with the memo of :func:`copy.deepcopy`.
Duplicate = Callable[[Any, Any, dict[int, Any]], Any]


class Conversions(NamedTuple):
    """The functions of a field. A value of the type *identity* needs no coercion."""

    identity: type[Any] | None
    #: Coerces without the object of the field; None to call :attr:`coerce`.
    leaf: Callable[[Any], Any] | None
    coerce: Coerce
    #: Copies without the object of the field; None to call :attr:`duplicate`.
    duplicate_leaf: Callable[[Any], Any] | None
    #: None if copies share the value, or :attr:`duplicate_leaf` copies the value.
    duplicate: Duplicate | None


class Constructor:
    """The compiled constructor of a class of os-vif."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        self.new = object.__new__ if "__init__" not in vars(cls) else _new_unchanged
        self.initial = [(name, f"_obj_{name}", make) for name, make in cls._obj_initial.items()]
        self.coercions = {}
        self.copies = []
        for name, declared in cls.fields.items():
            compiled = _compile(cls, name, declared)
            is_nullable = declared.nullable and field.has_standard_methods(declared)
            self.coercions[name] = (f"_obj_{name}", *compiled[:3], is_nullable)
            self.copies.append((f"_obj_{name}", compiled.duplicate_leaf, compiled.duplicate))


def _new_unchanged(cls: type[Any]) -> Any:
    obj = cls()
    vars(obj).pop(CHANGED, None)
    return obj


class _Constructors(dict[type[Any], Constructor | None]):
    """The compiled constructors; None for a class of another project."""

    def __missing__(self, cls: type[Any]) -> Constructor | None:
        found = self[cls] = Constructor(cls) if is_direct(cls) else None
        return found


_constructors = _Constructors()
field.on_register.append(_constructors.clear)
of_class = _constructors.__getitem__


def changed_fields(state: Mapping[str, Any]) -> Any:
    """Return the names of changed fields in the state of an object."""
    names = state.get(CHANGED)
    return state.get(INITIAL_CHANGES, NO_NAMES) if names is None else names


def construct(obj: Any, constructor: Constructor, context: Any, values: Mapping[str, Any]) -> None:
    """Set the fields and attributes of a new object, with the result of ``__init__`` of oslo.

    :raises ValueError: or another exception of a field, of the same type; the text names class and
        field, the found and the expected value.
    """
    state, coercions = obj.__dict__, constructor.coercions
    names = state[CHANGED] = set()
    state["_context"] = context
    if constructor.initial:
        initial = {n: make() for n, _, make in constructor.initial if n not in values}
        values = initial | {**values}
    for name, value in values.items():
        row = coercions.get(name)
        if row is None:
            setattr(obj, name, value)
            continue
        attribute, identity, leaf, coerce, is_nullable = row
        if type(value) is not identity and not (value is None and is_nullable):
            try:
                value = coerce(obj, value) if leaf is None else leaf(value)  # noqa: PLW2901
            except exception.SerializationError:
                value = _coerced(obj, name, value)  # noqa: PLW2901
        state[attribute] = value
        names.add(name)


def _coerced(obj: Any, name: str, value: Any) -> Any:
    """Return the value coerced by the field."""
    declared = obj.fields[name]
    try:
        return declared.coerce(obj, name, value)
    except (ValueError, TypeError) as error:
        name_field(error, f"{obj.obj_name()}.{name}", declared, value)
        raise


def name_field(error: Exception, path: str, declared: ovo_fields.Field[Any], value: Any) -> None:
    """Put path, found and expected value before the text of an error of a field."""
    expected = descriptions.of_field(declared)
    said = f" ({error})" if str(error) else ""
    error.args = (f"{path}: found {abbreviated(value)}; expected {expected}{said}",)


def clone(obj: Any, constructor: Constructor, memo: dict[int, Any]) -> Any:
    """Return a deep copy of the fields of an object; see :func:`copy.deepcopy`."""
    copied = memo[id(obj)] = constructor.new(constructor.cls)
    before, after = obj.__dict__, copied.__dict__
    if names := changed_fields(before):
        after[INITIAL_CHANGES] = frozenset(names)
    _copy_fields(constructor, before, copied, after, memo)
    return copied


def _copy_fields(
    constructor: Constructor,
    before: dict[str, Any],
    copied: Any,
    after: dict[str, Any],
    memo: dict[int, Any],
) -> None:
    """Copy the fields in the state *before* into the object *copied* with the state *after*."""
    after["_context"] = before["_context"]
    for attribute, duplicate_leaf, duplicate_value in constructor.copies:
        if attribute in before:
            value = before[attribute]
            if value is None:
                pass
            elif duplicate_leaf is not None:
                value = duplicate_leaf(value)
            elif duplicate_value is not None:
                value = duplicate_value(copied, value, memo)
            after[attribute] = value
    if constructor.initial:
        for _, attribute, make in constructor.initial:
            if attribute not in after:
                after[attribute] = make()


def set_unchanged(obj: Any, name: str, value: Any) -> None:
    """Set a field to a coerced value; the field does not count as changed."""
    state = obj.__dict__
    if _constructors[type(obj)] is not None and name not in changed_fields(state):
        state[f"_obj_{name}"] = value
    else:
        setattr(obj, name, value)
        obj.obj_reset_changes([name])


def list_copies(cls: type[Any], objects: Iterable[Any]) -> Any:
    """Return a list object with deep copies of objects; no field counts as changed."""
    copies = []
    memo: dict[int, Any] = {}
    for obj in objects:
        constructor = _constructors[type(obj)]
        before = obj.__dict__
        if constructor is None or UNKNOWN in before or FIXED_IPS in before:
            copied = _copy_unchanged(obj)
        else:
            copied = memo[id(obj)] = constructor.new(constructor.cls)
            _copy_fields(constructor, before, copied, copied.__dict__, memo)
        copies.append(copied)
    if _constructors[cls] is None:
        listing = cls(objects=copies)
        listing.obj_reset_changes()
        return listing
    listing = object.__new__(cls)
    state = listing.__dict__
    state["_context"] = None
    element = cls.fields["objects"]._type._element_type
    state["_obj_objects"] = coerced_list(listing, "objects", element, copies)
    return listing


def _copy_unchanged(obj: Any) -> Any:
    """Return a deep copy of an object by the methods of the class; no field counts as changed."""
    copied = copy.deepcopy(obj)
    after = copied.__dict__
    after.pop(INITIAL_CHANGES, None)
    if CHANGED in after:
        after[CHANGED] = set()
    return copied


def _clone_nested(_: Any, obj: Any, memo: dict[int, Any]) -> Any:
    constructor = _constructors[type(obj)]
    state = obj.__dict__
    if constructor is None or id(obj) in memo or UNKNOWN in state or FIXED_IPS in state:
        return copy.deepcopy(obj, memo)
    return clone(obj, constructor, memo)


def _compile(cls: type[Any], name: str, declared: ovo_fields.Field[Any]) -> Conversions:
    """Return the compiled functions of a field, or of the elements of one."""

    def by_field(obj: Any, value: Any, memo: dict[int, Any]) -> Any:
        return declared.coerce(obj, name, copy.deepcopy(value, memo))

    if not field.has_standard_methods(declared):
        return Conversions(None, None, _refuse, None, by_field)
    codec = field.compile_field(cls, name, declared)
    if isinstance(codec, field.Nested):
        return Conversions(None, None, _object_coercion(codec), None, _clone_nested)
    if isinstance(codec, field.Array):
        element = codec.element
        items = _compile(cls, name, element)
        coerce_list = _list_coercion(name, element, items)
        return Conversions(None, None, coerce_list, None, _list_copy(name, element, items))
    if not codec.is_native:
        return Conversions(None, None, _refuse, None, by_field)
    has_copies = type(codec).duplicate is not FieldCodec.duplicate
    duplicate_leaf = codec.duplicate if has_copies else None
    return Conversions(codec.coerce_identity, codec.coerce, _refuse, duplicate_leaf, None)


def _refuse(_: Any, value: Any) -> Any:
    raise invalid(value, "a value of a usual type")


def _object_coercion(codec: field.Nested) -> Coerce:
    declared, is_open = codec.name, codec.open_type
    #: The accepted classes.
    accepted: set[type[Any]] = set()

    def coerce(_: Any, value: Any) -> Any:
        cls = type(value)
        if cls not in accepted:
            if not isinstance(value, ovo.VersionedObject) or not is_direct(cls):
                return _refuse(None, value)
            if declared not in (ancestors(cls) if is_open else (cls.obj_name(),)):
                return _refuse(None, value)
            accepted.add(cls)
        return value

    return coerce


def _list_coercion(name: str, element: Any, items: Conversions) -> Coerce:
    identity, leaf, coerce, *_ = items

    def coerce_list(obj: Any, value: Any) -> Any:
        if type(value) is not list and type(value) is not ovo_fields.CoercedList:
            return _refuse(obj, value)
        if not value:
            coerced: list[Any] = []
        elif leaf is None:
            coerced = [coerce(obj, item) for item in value]
        else:
            coerced = [item if type(item) is identity else leaf(item) for item in value]
        return coerced_list(obj, name, element, coerced)

    return coerce_list


def _list_copy(name: str, element: Any, items: Conversions) -> Duplicate:
    *_, duplicate_leaf, duplicate_item = items

    def copy_list(obj: Any, value: Any, memo: dict[int, Any]) -> Any:
        if value and duplicate_leaf is not None:
            value = [duplicate_leaf(item) for item in value]
        elif value and duplicate_item is not None:
            value = [duplicate_item(obj, item, memo) for item in value]
        return coerced_list(obj, name, element, value)

    return copy_list
