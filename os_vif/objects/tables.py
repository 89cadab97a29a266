# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Objects of our own classes, made, read, written and copied faster than oslo does it.

What a class needs for that is worked out once, in a :class:`Table`. All that comes out is what
oslo's own code gives, errors included: only values that a field would take as they are, or in a
way that is known here, are taken here; the field's own methods see all others. A class from
outside of os-vif has no table, nor has one of ours while its fields are not those that it was
registered with. oslo's own code works on those.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif.objects import history, takers
from os_vif.objects.losses import FIXED_IPS

_KEY = f"{ovo.VersionedObject.OBJ_SERIAL_NAMESPACE}."
NAME, NAMESPACE, VERSION = f"{_KEY}name", f"{_KEY}namespace", f"{_KEY}version"
DATA, CHANGES = f"{_KEY}data", f"{_KEY}changes"

#: The attribute in which an object carries what a newer side wrote and this one does not know.
UNKNOWN = "_unknown"

#: What a registry has: the classes of each name, newest version first.
Registered = Mapping[str, list[type[Any]]]


class Unusual(Exception):
    """It is to be read, or written, the long way; that says what is wrong, if anything is."""


class Column(NamedTuple):
    """A field of a class."""

    name: str
    #: Where an object keeps the value.
    attribute: str
    field: ovo_fields.Field[Any]
    #: The type of the field, where it is exactly one that is known.
    kind: type[ovo_fields.FieldType[Any]] | None
    #: The type of the elements, where it is a list or a table of known ones.
    element: type[ovo_fields.FieldType[Any]] | None
    #: Values of exactly this type are stored, and written, as they are.
    plain: type[Any] | None
    #: What the field makes of a value; None if that is not known.
    take: takers.Take


class Table:
    """What is known of one class."""

    def __init__(self, cls: type[Any]) -> None:
        self.cls = cls
        #: Those that it was registered with.
        self.fields: dict[str, ovo_fields.Field[Any]] = dict(cls.fields)
        self.name: str = cls.obj_name()
        #: It, and what it derives from.
        self.names = {c.obj_name() for c in cls.__mro__ if hasattr(c, "obj_name")}
        self.namespace: str = cls.OBJ_PROJECT_NAMESPACE
        #: What a new object has unless it is told otherwise.
        self.initial = [(n, f"_obj_{n}", make) for n, make in cls._obj_initial.items()]
        #: Whether nothing but ``base.VersionedObject.__init__`` makes its objects.
        self.simple = "__init__" not in cls.__dict__
        self.columns = {name: _column(name, field) for name, field in self.fields.items()}

    def new(self, context: Any) -> Any:
        """An object that has nothing but what its class gives it."""
        obj = self.cls.__new__(self.cls) if self.simple else self.cls()
        obj.__dict__["_context"] = context
        return obj

    def complete(self, state: dict[str, Any]) -> None:
        """Give an object what a new one has, where it has nothing."""
        for _, attribute, make in self.initial:
            if attribute not in state:
                state[attribute] = make()


_tables: dict[type[Any], Table] = {}


def of(cls: type[Any]) -> Table | None:
    """The table of a class, if it is one of ours, and as it was registered."""
    table = _tables.get(cls)
    if table is None:
        if not _registered(cls):
            return None
        table = _tables[cls] = Table(cls)
    return table if table.fields == cls.fields else None


def _registered(cls: type[Any]) -> bool:
    """Whether it is a class of ours, with the properties that oslo makes for its fields."""
    if cls.__module__.partition(".")[0] != "os_vif" or not history.own(cls):
        return False
    members = vars(cls)
    return "fields" in members and all(
        not field.read_only and _setter_defaults(members.get(name)) == (name, field)
        for name, field in cls.fields.items()
    )


def _setter_defaults(member: Any) -> Any:
    """The field whose ``coerce`` a property calls, with its name."""
    return getattr(getattr(member, "fset", None), "__defaults__", None)


def _column(name: str, field: ovo_fields.Field[Any]) -> Column:
    declared: Any = field._type
    kind, element = takers.kind_of(field), None
    if kind in (ovo_fields.List, ovo_fields.Dict):
        element = takers.kind_of(declared._element_type)
        if element is None or declared._element_type.nullable:
            return Column(name, f"_obj_{name}", field, None, None, None, takers.leaf(None))
    plain = None if kind is None else takers.PLAIN.get(kind)
    return Column(name, f"_obj_{name}", field, kind, element, plain, _take(name, field, kind))


def _take(name: str, field: ovo_fields.Field[Any], kind: Any) -> takers.Take:
    declared: Any = field._type
    if kind is ovo_fields.Object:
        return functools.partial(_object, declared)
    if kind is ovo_fields.List:
        element = declared._element_type
        take = _take(name, element, takers.kind_of(element))
        return functools.partial(takers.all_of, take, name, field)
    return takers.leaf(kind)


def _object(declared: ovo_fields.Object, obj: Any, value: Any) -> Any:
    return value if is_a(value, declared) else None


def is_a(value: Any, declared: ovo_fields.Object) -> bool:
    """Whether an object of ours may stand in a field of that type."""
    table = of(type(value))
    if table is None:
        return False
    name = declared._obj_name
    return name in table.names if declared._subclasses else name == table.name


# Making


def make(obj: Any, table: Table, context: Any, values: Mapping[str, Any]) -> None:
    """Set fields, and other attributes, as oslo's ``__init__`` does it."""
    state, columns = obj.__dict__, table.columns
    changed = state["_changed_fields"] = set()
    state["_context"] = context
    if table.initial:
        values = {n: make() for n, _, make in table.initial if n not in values} | {**values}
    for name, value in values.items():
        column = columns.get(name)
        if column is None:
            setattr(obj, name, value)
            continue
        if type(value) is not column.plain:
            found = column.take(obj, value)
            value = column.field.coerce(obj, name, value) if found is None else found  # noqa: PLW2901
        state[column.attribute] = value
        changed.add(name)


# Writing


def to_primitive(obj: Any, table: Table) -> tuple[dict[str, Any], bool]:
    """The OVO primitive, and whether anything has changed, in it or in an object of it."""
    state = obj.__dict__
    data: dict[str, Any] = {}
    changed = state["_changed_fields"]
    within = set()
    for name, attribute, field, kind, element, plain, _ in table.columns.values():
        if attribute not in state:
            continue
        value = state[attribute]
        if value is None or plain is not None or kind in takers.SAME:
            data[name] = value
        elif kind is ovo_fields.Object:
            data[name], dirty = nested_to_primitive(value)
            if dirty:
                within.add(name)
        elif kind is ovo_fields.IPAddress or kind is ovo_fields.IPNetwork:
            data[name] = takers.text(value)
        elif kind is ovo_fields.List and element is ovo_fields.Object:
            data[name] = [nested_to_primitive(item)[0] for item in value]
        else:
            data[name] = field.to_primitive(obj, name, value)
    primitive = {
        NAME: table.name,
        NAMESPACE: table.namespace,
        VERSION: obj.VERSION,
        DATA: data,
    }
    if changed or within:
        if listed := sorted(within.union(data.keys() & changed)):
            primitive[CHANGES] = listed
        return primitive, bool(within) or not table.fields.keys().isdisjoint(changed)
    return primitive, False


def nested_to_primitive(obj: Any) -> tuple[dict[str, Any], bool]:
    table = of(type(obj))
    if table is not None:
        return to_primitive(obj, table)
    return obj.obj_to_primitive(), bool(obj.obj_what_changed())


# Reading


def from_primitive(
    primitive: Any, context: Any, registered: Registered, *, strict: bool = False
) -> Any:
    """The object of an OVO primitive; None if oslo's own code is to read it.

    :param strict: refuse whatever has an unknown name, another version or a class of others.
    :raises Unusual: for that.
    """
    table = _table_of(primitive, registered, strict)
    data = None if table is None else primitive.get(DATA)
    if table is None or type(data) is not dict or FIXED_IPS in data:
        if strict:
            raise Unusual
        return None
    obj = table.new(context)
    state = obj.__dict__
    state["VERSION"] = primitive[VERSION]
    known = 0
    for name, attribute, field, kind, element, plain, take in table.columns.values():
        if name not in data:
            continue
        known += 1
        value = data[name]
        if type(value) is not plain:
            if kind is ovo_fields.Object or element is ovo_fields.Object:
                found = _nested(obj, name, field, value, registered, strict)
            else:
                found = take(obj, value)
            if found is None:
                found = field.coerce(obj, name, field.from_primitive(obj, name, value))
            value = found
        state[attribute] = value
    if strict and known < len(data):
        raise Unusual
    table.complete(state)
    state["_changed_fields"] = table.fields.keys() & primitive.get(CHANGES, ())
    return obj


def _table_of(primitive: Any, registered: Registered, strict: bool) -> Table | None:
    if type(primitive) is not dict:
        return None
    name, version = primitive.get(NAME), primitive.get(VERSION)
    if type(name) is not str or type(version) is not str:
        return None
    for cls in registered.get(name, ()):
        if cls.VERSION == version:
            table = of(cls)
            if table is not None and primitive.get(NAMESPACE) == table.namespace:
                return table
        if strict:
            break
    return None


def _nested(
    obj: Any,
    name: str,
    field: ovo_fields.Field[Any],
    value: Any,
    registered: Registered,
    strict: bool,
) -> Any:
    """The object, or the objects, in a field; None if oslo's own code is to read them."""
    if value is None:
        return None
    declared: Any = field._type
    context = obj._context
    if type(declared) is ovo_fields.Object:
        found = from_primitive(value, context, registered, strict=strict)
        return found if found is not None and is_a(found, declared) else None
    if strict and type(value) not in (list, dict):
        raise Unusual
    element = declared._element_type._type
    if type(value) is list and type(declared) is ovo_fields.List:
        items = []
        for primitive in value:
            found = from_primitive(primitive, context, registered, strict=strict)
            if found is None or not is_a(found, element):
                return None
            items.append(found)
        return takers.listed(obj, name, field, items)
    if type(value) is dict and type(declared) is ovo_fields.Dict:
        table = {}
        for key, primitive in value.items():
            found = from_primitive(primitive, context, registered, strict=strict)
            if found is None or type(key) is not str or not is_a(found, element):
                return None
            table[key] = found
        return takers.tabled(obj, name, field, table)
    return None


# Copying


def clone(obj: Any, table: Table, memo: dict[int, Any]) -> Any:
    """A deep copy of the fields; see :func:`copy.deepcopy`."""
    copied = memo[id(obj)] = table.new(obj._context)
    before, after = obj.__dict__, copied.__dict__
    for name, attribute, field, kind, element, plain, take in table.columns.values():
        if attribute not in before:
            continue
        value = before[attribute]
        if value is not None and plain is None and kind not in takers.SAME:
            if kind is ovo_fields.Object:
                value = _cloned(value, memo)
            elif element is ovo_fields.Object and kind is ovo_fields.List:
                items = [_cloned(item, memo) for item in value]
                value = takers.listed(copied, name, field, items)
            elif (value := take(copied, value)) is None:
                value = field.coerce(copied, name, copy.deepcopy(before[attribute], memo))
        after[attribute] = value
    table.complete(after)
    after["_changed_fields"] = set(before["_changed_fields"])
    return copied


def _cloned(obj: Any, memo: dict[int, Any]) -> Any:
    table, state = of(type(obj)), obj.__dict__
    if table is None or id(obj) in memo or UNKNOWN in state or FIXED_IPS in state:
        return copy.deepcopy(obj, memo)
    return clone(obj, table, memo)
