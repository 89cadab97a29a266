# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plain data to objects, by the table of each class.

Only what is written as we write it is read here. Anything else raises :class:`.tables.Unusual`,
and is to be read the long way from its beginning: by oslo's own code, which knows what can be
made of it and what is wrong with it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container
from collections.abc import Set as AbstractSet
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif.objects import fields, tables, takers
from os_vif.objects.losses import FIXED_IPS
from os_vif.objects.tables import (
    CHANGED,
    CHANGES,
    DATA,
    NAME,
    NAMESPACE,
    TOLD,
    VERSION,
    Column,
    Table,
    Unusual,
)

#: How many names a primitive has that says nothing of changes.
_FRAME = len((NAME, NAMESPACE, VERSION, DATA))
#: How many lists of changed fields are kept of a class. Most objects have all of theirs changed.
_FEW = 64
#: Of an object, the data of a field, and what is known: the value.
Read = Callable[[Any, Any, "Known"], Any]
#: Of a field: where the value is kept, the type of data that is kept as it is, what reads a
#: string, and what reads anything else but null.
Row = tuple[str, type[Any] | None, Callable[[str], Any] | None, Read]
#: What reads the object that stands in a field: of the type of the field.
OfObject = Callable[[ovo_fields.Object], Read]


class Sheet:
    """What reading the objects of a class needs."""

    def __init__(self, table: Table, rows: dict[str, Row]) -> None:
        self.table = table
        self.make = functools.partial(object.__new__, table.cls) if table.simple else self._made
        self.rows = rows
        self.names = frozenset(rows)
        #: Lists of changed fields that have been read.
        self.told: dict[tuple[str, ...], AbstractSet[str]] = {}

    def _made(self) -> Any:
        obj = self.table.cls()
        obj.__dict__.pop(CHANGED, None)
        return obj


class Named(tables.Sheets[str, Sheet]):
    """The sheets by the names of the classes.

    Where somebody has registered another class of that name, newer or instead, there is none.
    """

    def __init__(self, work_out: Callable[[Table], Sheet]) -> None:
        super().__init__(work_out)
        self._registered: list[list[type[Any]]] = []

    def hold(self) -> bool:
        registered = ovo.VersionedObjectRegistry.obj_classes()
        return list(map(registered.get, self)) == self._registered and super().hold()

    def __missing__(self, name: str) -> Sheet:
        classes = ovo.VersionedObjectRegistry.obj_classes().get(name)
        if not classes:
            raise Unusual
        sheet = self.add(name, classes[0])
        self._registered.append([*classes])
        return sheet


class Known(dict[str, Sheet]):
    """The sheets while one call lasts, and what is counted meanwhile."""

    def __init__(self, work_out: Callable[[Table], Sheet], *, strict: bool = False) -> None:
        self._named = tables.sheets(Named, work_out)
        super().__init__(self._named)
        #: Whether what is unknown is refused, not passed over.
        self.strict = strict
        #: How many strings have been read, names of fields among them.
        self.strings = 0

    def pass_over(self, name: Any, beside: Container[str]) -> None:
        """Nothing is read of a name that is no field."""
        if (self.strict or name == FIXED_IPS) and name not in beside:
            raise Unusual

    def __missing__(self, name: str) -> Sheet:
        sheet = self[name] = self._named[name]
        return sheet


def read(
    sheet: Sheet, data: Any, beside: Container[str], known: Known, context: Any = None
) -> Any:
    """A new object with the fields that ``data`` has, in which nothing has changed.

    :param beside: names that are no fields, and are passed over.
    """
    if type(data) is not dict:
        raise Unusual
    obj = sheet.make()
    state = obj.__dict__
    state["_context"] = context
    rows, strings = sheet.rows, 2 * len(data)
    for name, value in data.items():
        kind = type(value)
        if kind is not str:
            strings -= 1
        try:
            attribute, plain, text, other = rows[name]
        except KeyError:
            known.pass_over(name, beside)
            continue
        if kind is not plain:
            if value is None:
                if not sheet.table.fields[name].nullable:
                    raise Unusual
            elif kind is not str or text is None:
                value = other(obj, value, known)  # noqa: PLW2901
            elif (value := text(value)) is None:
                raise Unusual
        state[attribute] = value
    known.strings += strings
    return obj


def read_list(sheet: Sheet, items: Any, known: Known) -> Any:
    """A new object of a class that has no field but ``objects``, with those items."""
    obj = sheet.make()
    state = obj.__dict__
    state["_context"] = None
    attribute, _, _, other = sheet.rows["objects"]
    state[attribute] = other(obj, items, known)
    return obj


def rows(table: Table, of_object: OfObject) -> dict[str, Row]:
    """How each field is read."""
    return {
        name: (c.attribute, c.plain, c.text, _compound(c, of_object))
        for name, c in table.columns.items()
    }


def _compound(column: Column, of_object: OfObject) -> Read:
    declared: Any = column.field._type
    if column.kind is ovo_fields.Object:
        return of_object(declared)
    if column.kind is fields.Range:
        return functools.partial(_whole, declared)
    if column.kind is not ovo_fields.List and column.kind is not ovo_fields.Dict:
        return refuse
    element = declared._element_type
    if column.element is not ovo_fields.Object:
        text = takers.of_text(element, column.element)
        if text is None or column.kind is not ovo_fields.List:
            return refuse
        return _texts(text, column.name, element)
    many = _list if column.kind is ovo_fields.List else _table
    return many(of_object(element._type), column.name, element)


def _whole(declared: fields.Range, _: Any, data: Any, __: Known) -> int:
    if type(data) is not int or not declared.least <= data <= declared.most:
        raise Unusual
    return data


def refuse(*_: Any) -> Any:
    raise Unusual


def _texts(text: Callable[[str], Any], name: str, element: takers.Field) -> Read:
    def read_texts(obj: Any, data: Any, known: Known) -> Any:
        if type(data) is not list:
            raise Unusual
        items = []
        for item in data:
            if type(item) is not str or (found := text(item)) is None:
                raise Unusual
            items.append(found)
        known.strings += len(items)
        return takers.listed(obj, name, element, items)

    return read_texts


def _list(one: Read, name: str, element: takers.Field) -> Read:
    def read_list(obj: Any, data: Any, known: Known) -> Any:
        if type(data) is not list:
            raise Unusual
        return takers.listed(obj, name, element, [one(obj, item, known) for item in data])

    return read_list


def _table(one: Read, name: str, element: takers.Field) -> Read:
    def read_table(obj: Any, data: Any, known: Known) -> Any:
        if type(data) is not dict or not all(type(key) is str for key in data):
            raise Unusual
        known.strings += len(data)
        items = {key: one(obj, item, known) for key, item in data.items()}
        return takers.tabled(obj, name, element, items)

    return read_table


# OVO primitives


def from_primitive(primitive: Any, context: Any, known: Known) -> Any:
    """The object of an OVO primitive in the versions of today.

    :raises Unusual: if it is to be read the long way.
    """
    if type(primitive) is not dict:
        raise Unusual
    try:
        data, version, namespace = primitive[DATA], primitive[VERSION], primitive[NAMESPACE]
        sheet = known[primitive[NAME]]
    except (KeyError, TypeError):
        # Something is not there, or no string.
        raise Unusual from None
    table = sheet.table
    if version != (today := table.cls.VERSION) or namespace != table.namespace:
        raise Unusual
    obj = read(sheet, data, (), known, context)
    state = obj.__dict__
    state["VERSION"] = today
    if table.initial:
        table.complete(state)
    names = _FRAME
    if CHANGES in primitive:
        names += 1
        state[TOLD] = _told(primitive[CHANGES], sheet, known)
    if known.strict and len(primitive) != names:
        raise Unusual
    # Besides the names, the values of three.
    known.strings += names + 3
    return obj


def _told(changes: Any, sheet: Sheet, known: Known) -> AbstractSet[str]:
    """The fields that are said to have changed."""
    if type(changes) is not list:
        # oslo takes some of that, and refuses some.
        raise Unusual
    try:
        told = sheet.told.get(names := tuple(changes))
        if told is None:
            told = sheet.names & set(names)
            if len(told) != len(names):
                if known.strict:
                    raise Unusual
            elif len(sheet.told) < _FEW:
                sheet.told[names] = told
    except TypeError:
        raise Unusual from None
    known.strings += len(changes)
    return told


def _primitive_of(declared: ovo_fields.Object) -> Read:
    fitting: set[type[Any]] = set()

    def inner(obj: Any, primitive: Any, known: Known) -> Any:
        found = from_primitive(primitive, obj._context, known)
        cls = type(found)
        if cls not in fitting:
            table = tables.of(cls)
            if table is None or not table.fits(declared):
                raise Unusual
            fitting.add(cls)
        return found

    return inner


def primitives(table: Table) -> Sheet:
    """How the OVO primitives of a class are read."""
    return Sheet(table, rows(table, _primitive_of))
