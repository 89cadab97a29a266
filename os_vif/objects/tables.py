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
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple, TypeVar

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif.escape import abbreviated
from os_vif.objects import descriptions, history, takers
from os_vif.objects.losses import FIXED_IPS

K = TypeVar("K")
T = TypeVar("T")
S = TypeVar("S", bound="Sheets[Any, Any]")
_KEY = f"{ovo.VersionedObject.OBJ_SERIAL_NAMESPACE}."
NAME, NAMESPACE, VERSION = f"{_KEY}name", f"{_KEY}namespace", f"{_KEY}version"
DATA, CHANGES = f"{_KEY}data", f"{_KEY}changes"

#: Where an object keeps the names of its changed fields, and those that were read with it: till
#: it is asked for them there is no set, which is larger than most objects.
CHANGED, TOLD = "_changed_fields", "_told_as_changed"
#: The attribute in which an object carries what a newer side wrote and this one does not know.
UNKNOWN = "_unknown"


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
    #: The same of a string, where a string is not what it keeps anyway.
    text: Callable[[str], Any] | None


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

        self.is_list = list(self.fields) == ["objects"]
        self._derived: dict[Callable[[Table], Any], Any] = {}

    def derived(self, work_out: Callable[[Table], T]) -> T:
        """What follows from the table, worked out once."""
        try:
            found: T = self._derived[work_out]
        except KeyError:
            found = self._derived[work_out] = work_out(self)
        return found

    def fits(self, declared: ovo_fields.Object) -> bool:
        """Whether an object of the class may stand in a field of that type."""
        name = declared._obj_name
        return name in self.names if declared._subclasses else name == self.name

    def new(self, context: Any) -> Any:
        """An object that has nothing but what its class gives it."""
        obj = object.__new__(self.cls) if self.simple else self.cls()
        obj.__dict__["_context"] = context
        return obj

    def complete(self, state: dict[str, Any]) -> None:
        """Give an object what a new one has, where it has nothing."""
        for _, attribute, make in self.initial:
            if attribute not in state:
                state[attribute] = make()


_NONE: AbstractSet[str] = frozenset()
_tables: dict[type[Any], Table] = {}


def of(cls: type[Any]) -> Table | None:
    """The table of a class, if it is one of ours, and as it was registered."""
    table = _tables.get(cls)
    if table is None:
        if not _registered(cls):
            return None
        table = _tables[cls] = Table(cls)
    return table if table.fields == cls.fields else None


class Sheets(dict[K, T]):
    """What follows from the tables of some classes, and is right as long as :meth:`hold` says so.

    To ask that of all that were met so far is less than to ask for each table again.
    """

    def __init__(self, work_out: Callable[[Table], T]) -> None:
        super().__init__()
        self._work_out = work_out
        self._classes: list[type[Any]] = []
        self._fields: list[dict[str, ovo_fields.Field[Any]]] = []

    def add(self, key: K, cls: type[Any]) -> T:
        """:raises Unusual: if the class has no table."""
        if (table := of(cls)) is None:
            raise Unusual
        found = self[key] = table.derived(self._work_out)
        self._classes.append(cls)
        self._fields.append(table.fields)
        return found

    def hold(self) -> bool:
        """Whether all classes are as they were registered."""
        return [cls.fields for cls in self._classes] == self._fields


_sheets: dict[Any, Any] = {}


def sheets(kind: Callable[[Any], S], work_out: Callable[[Table], Any]) -> S:
    """Those of that kind that hold."""
    found: S | None = _sheets.get(work_out)
    if found is None or not found.hold():
        found = _sheets[work_out] = kind(work_out)
    return found


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
            kind = element = None
    plain, text, take = (
        takers.PLAIN.get(kind),
        takers.of_text(field, kind),
        _take(name, field, kind),
    )
    return Column(name, f"_obj_{name}", field, kind, element, plain, take, text)


def _take(name: str, field: ovo_fields.Field[Any], kind: Any) -> takers.Take:
    declared: Any = field._type
    if kind is ovo_fields.Object:
        return functools.partial(_object, declared)
    if kind is ovo_fields.List:
        element = declared._element_type
        take = _take(name, element, takers.kind_of(element))
        return functools.partial(takers.all_of, take, name, element)
    return functools.partial(takers.leaf, kind, takers.of_text(field, kind))


def _object(declared: ovo_fields.Object, _: Any, value: Any) -> Any:
    table = of(type(value))
    return value if table is not None and table.fits(declared) else None


# Making


def changed(state: Mapping[str, Any]) -> AbstractSet[str]:
    """The names of the fields of an object that have changed."""
    names: AbstractSet[str] | None = state.get(CHANGED)
    return state.get(TOLD, _NONE) if names is None else names


def make(obj: Any, table: Table, context: Any, values: Mapping[str, Any]) -> None:
    """Set fields, and other attributes, as oslo's ``__init__`` does it."""
    state, columns = obj.__dict__, table.columns
    names = state[CHANGED] = set()
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
            value = _coerced(obj, table, column, value) if found is None else found  # noqa: PLW2901
        state[column.attribute] = value
        names.add(name)


def _coerced(obj: Any, table: Table, column: Column, value: Any) -> Any:
    """Return the value that the field itself makes of ``value``.

    :raises ValueError: or another error of the field, of the same type as the field raised; the
        text names the class and the field, then what was found and expected.
    """
    try:
        return column.field.coerce(obj, column.name, value)
    except (ValueError, TypeError) as error:
        name_field(error, f"{table.name}.{column.name}", column.field, value)
        raise


def name_field(error: Exception, path: str, field: ovo_fields.Field[Any], value: Any) -> None:
    """Put the path of a field, what was found and what was expected before an error's text."""
    expected = descriptions.of_field(field)
    said = f" ({error})" if str(error) else ""
    error.args = (f"{path}: found {abbreviated(value)}; expected {expected}{said}",)


# Writing


class ByClass(dict[type[Any], Table | None]):
    """The tables by class, as they are while one call lasts."""

    def __missing__(self, cls: type[Any]) -> Table | None:
        table = self[cls] = of(cls)
        return table


def to_primitive(obj: Any, table: Table, known: ByClass) -> tuple[dict[str, Any], bool]:
    """The OVO primitive, and whether anything has changed, in it or in an object of it."""
    state = obj.__dict__
    data: dict[str, Any] = {}
    names = changed(state)
    within = set()
    for name, attribute, write, field in table.derived(_writers):
        if attribute not in state:
            continue
        value = state[attribute]
        if write is None or value is None:
            data[name] = value
        elif write is _nested:
            data[name], dirty = _nested(value, known)
            if dirty:
                within.add(name)
        elif write is _listed:
            data[name] = [_nested(item, known)[0] for item in value]
        elif write is takers.text:
            data[name] = takers.text(value)
        else:
            data[name] = field.to_primitive(obj, name, value)
    primitive = {
        NAME: table.name,
        NAMESPACE: table.namespace,
        VERSION: obj.VERSION,
        DATA: data,
    }
    if names or within:
        if listed := sorted(within.union(data.keys() & names)):
            primitive[CHANGES] = listed
        return primitive, bool(within) or not table.fields.keys().isdisjoint(names)
    return primitive, False


def _nested(obj: Any, known: ByClass) -> tuple[dict[str, Any], bool]:
    table = known[type(obj)]
    if table is not None:
        return to_primitive(obj, table, known)
    dirty = isinstance(obj, ovo.VersionedObject) and obj.obj_what_changed()
    return obj.obj_to_primitive(), bool(dirty)


def _listed() -> None:
    """Stands for a list of objects."""


def _writers(table: Table) -> list[tuple[str, str, Any, ovo_fields.Field[Any]]]:
    return [(c.name, c.attribute, _writer(c), c.field) for c in table.columns.values()]


def _writer(column: Column) -> Any:
    """What writes the values; None where they are written as they are, the field if unknown."""
    if column.plain is not None or column.kind in takers.SAME:
        return None
    if column.kind is ovo_fields.Object:
        return _nested
    if column.kind is ovo_fields.List and column.element is ovo_fields.Object:
        return _listed
    if column.kind in (ovo_fields.IPAddress, ovo_fields.IPNetwork):
        return takers.text
    return column.field


# Copying


def clone(obj: Any, table: Table, memo: dict[int, Any]) -> Any:
    """A deep copy of the fields; see :func:`copy.deepcopy`."""
    copied = memo[id(obj)] = table.new(obj._context)
    before, after = obj.__dict__, copied.__dict__
    for name, attribute, field, kind, element, plain, take, _ in table.columns.values():
        if attribute not in before:
            continue
        value = before[attribute]
        if value is not None and plain is None and kind not in takers.SAME:
            if kind is ovo_fields.Object:
                value = _cloned(value, memo)
            elif element is ovo_fields.Object and kind is ovo_fields.List:
                items = [_cloned(item, memo) for item in value]
                value = takers.listed(copied, name, field._type._element_type, items)  # type: ignore[attr-defined]
            elif (value := take(copied, value)) is None:
                value = field.coerce(copied, name, copy.deepcopy(before[attribute], memo))
        after[attribute] = value
    table.complete(after)
    after[CHANGED] = set(changed(before))
    return copied


def _cloned(obj: Any, memo: dict[int, Any]) -> Any:
    table, state = of(type(obj)), obj.__dict__
    if table is None or id(obj) in memo or UNKNOWN in state or FIXED_IPS in state:
        return copy.deepcopy(obj, memo)
    return clone(obj, table, memo)
