# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ordinary objects to text, and ordinary documents to objects, by the table of each class.

Ordinary are objects of our own classes with nothing beside their fields, and documents of this
version in which every value stands as we write it. Of all others nothing is decided here: they
raise :class:`Unusual` and go the long way, which also says what is wrong, if anything is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif.objects import fields, readers, tables, takers
from os_vif.objects.losses import FIXED_IPS
from os_vif.objects.readers import Known, Read, Sheet
from os_vif.objects.tables import UNKNOWN, Column, Table, Unusual
from os_vif.serialization import values

__all__ = [
    "Unusual",
    "document_text",
    "from_document",
    "from_primitive",
    "loads",
    "primitive_text",
]

#: Numbers beyond 64 bits are written and read the long way, which knows how large one may be.
_SMALLEST = -(2**63)
_string: Callable[[str], str] = encoder.encode_basestring_ascii
_boolean = {True: "true", False: "false"}.__getitem__
#: JSON text of a value of a field. Objects need the tables.
Write = Callable[[Any, "_Sheets"], str]


def _integer(value: Any) -> str:
    if type(value) is not int or not _SMALLEST <= value < -_SMALLEST:
        raise Unusual
    return str(value)


def _address(value: Any) -> str:
    # Such a field has made it itself, so it is no subclass.
    return _quoted[value.__getstate__()]


def _quote(state: tuple[int, ...]) -> str:
    return f'"{takers.text_of(state)}"'


_quoted = takers.Kept(_quote)


def _unusual(*_: Any) -> Any:
    raise Unusual


#: JSON text of values, by the type of the field.
_TEXT: dict[Any, Callable[[Any], str]] = {
    ovo_fields.String: _string,
    ovo_fields.UUID: _string,
    ovo_fields.Enum: _string,
    ovo_fields.Boolean: _boolean,
    fields.TrueOrFalse: _boolean,
    ovo_fields.Integer: _integer,
    fields.Range: _integer,
    ovo_fields.IPAddress: _address,
    ovo_fields.IPNetwork: _address,
}


class _Sheets(tables.Sheets[type[Any], Any]):
    """What writes the objects of each class."""

    def __missing__(self, cls: type[Any]) -> Any:
        return self.add(cls, cls)


# A closure calls what it holds with less ado than functools.partial.


def _array(text: Callable[[Any], str]) -> Callable[[Any], str]:
    def array(items: Any) -> str:
        return "[" + ",".join([text(item) for item in items]) + "]" if items else "[]"

    return array


def _array_of(one: Write) -> Write:
    def array(items: Any, known: _Sheets) -> str:
        return "[" + ",".join([one(item, known) for item in items]) + "]"

    return array


def _members_of(one: Write) -> Write:
    def members(items: dict[str, Any], known: _Sheets) -> str:
        found = [f"{_string(name)}:{one(item, known)}" for name, item in sorted(items.items())]
        return "{" + ",".join(found) + "}"

    return members


# Documents, as text

#: Of a field: where the value is, the name as it is written, and what writes the value: by
#: itself, or with the sheets.
Row = tuple[str, str, Callable[[Any], str] | None, Write]
DocumentSheet = tuple[list[Row], str, bool]


def document_text(obj: ovo.VersionedObject, version: str) -> str:
    """The text of the document of an object, whose head says that version.

    :raises Unusual: if it is to be written the long way.
    :raises os_vif.exception.InvalidValue: for a value that cannot be; its path is not known here.
    """
    sheets = tables.sheets(_Sheets, _document_sheet)
    return _open_text(obj, sheets, f'"apiVersion":"{version}",')


def _document_sheet(table: Table) -> DocumentSheet:
    """The rows of a class in order, what says its kind, and whether it stands as an array."""
    rows = [
        (c.attribute, f"{_string(name)}:", _document_leaf(table, c), _document_writer(c))
        for name, c in sorted(table.columns.items())
    ]
    return rows, f'"kind":"{table.name}"', table.is_list


def _document_leaf(table: Table, column: Column) -> Callable[[Any], str] | None:
    if column.kind in takers.SAME and column.kind not in _TEXT:
        codec = values.of_field(table.cls, column.name)
        return lambda value: _string(codec.encode(value))
    return _leaf(column)


def _leaf(column: Column) -> Callable[[Any], str] | None:
    if column.kind is ovo_fields.List and column.element in _TEXT:
        return _array(_TEXT[column.element])
    return _TEXT.get(column.kind)


def _document_writer(column: Column) -> Write:
    declared: Any = column.field._type
    if column.kind is ovo_fields.Object:
        return _open_text if declared._subclasses else _closed_text
    if column.element is ovo_fields.Object:
        one = _open_text if declared._element_type._type._subclasses else _closed_text
        return _array_of(one) if column.kind is ovo_fields.List else _document_table(one)
    return _unusual


def _document_table(one: Write) -> Write:
    members = _members_of(one)

    def table(items: dict[str, Any], known: _Sheets) -> str:
        if not items.keys().isdisjoint(("apiVersion", "kind")):
            # They go before all others.
            raise Unusual
        return members(items, known)

    return table


def _open_text(obj: Any, known: _Sheets, before: str = "") -> str:
    rows, head, _ = known[type(obj)]
    return "{" + ",".join([before + head, *_members(obj, rows, known)]) + "}"


def _closed_text(obj: Any, known: _Sheets) -> str:
    rows, _, is_list = known[type(obj)]
    members = _members(obj, rows, known)
    if not is_list:
        return "{" + ",".join(members) + "}"
    if not members:
        raise Unusual
    return members[0][len('"objects":') :]


def _members(obj: Any, rows: list[Row], known: _Sheets) -> list[str]:
    state = obj.__dict__
    if UNKNOWN in state or FIXED_IPS in state:
        raise Unusual
    members = []
    for attribute, key, text, write in rows:
        if attribute in state:
            value = state[attribute]
            if value is None:
                members.append(key + "null")
            elif text is None:
                members.append(key + write(value, known))
            else:
                members.append(key + text(value))
    return members


# OVO primitives, as text


def primitive_text(obj: ovo.VersionedObject) -> str:
    """The text of the OVO primitive of an object, with all names in order.

    :raises Unusual: if it is to be written the long way.
    """
    return _primitive(obj, tables.sheets(_Sheets, _primitive_sheet))[0]


def _primitive(obj: Any, known: _Sheets) -> tuple[str, bool]:
    """The text, and whether anything has changed, in the object or in one of its fields."""
    state = obj.__dict__
    if UNKNOWN in state or FIXED_IPS in state:
        raise Unusual
    rows, head, fields = known[type(obj)]
    changed = tables.changed(state)
    dirty = bool(changed) and not fields.isdisjoint(changed)
    members, listed = [], []
    for name, attribute, quoted, text, write in rows:
        if attribute not in state:
            continue
        value = state[attribute]
        within = False
        if value is None:
            member = "null"
        elif text is not None:
            member = text(value)
        elif write is _primitive:
            member, within = _primitive(value, known)
            dirty = dirty or within
        else:
            member = write(value, known)
        members.append(f"{quoted}:{member}")
        if within or name in changed:
            listed.append(quoted)
    changes = f'"{tables.CHANGES}":[{",".join(listed)}],' if listed else ""
    data = ",".join(members)
    return f'{{{changes}"{tables.DATA}":{{{data}}},{head}{_string(obj.VERSION)}}}', dirty


def _primitive_sheet(table: Table) -> tuple[list[Any], str, Any]:
    """The rows of a class in order, what stands before its version, and the names of fields."""
    head = (
        f'"{tables.NAME}":"{table.name}","{tables.NAMESPACE}":"{table.namespace}",'
        f'"{tables.VERSION}":'
    )
    rows = [
        (name, c.attribute, _string(name), _primitive_leaf(c), _primitive_writer(c))
        for name, c in sorted(table.columns.items())
    ]
    return rows, head, table.fields.keys()


def _primitive_leaf(column: Column) -> Callable[[Any], str] | None:
    return _string if column.kind in takers.SAME else _leaf(column)


def _primitive_writer(column: Column) -> Any:
    if column.kind is ovo_fields.Object:
        return _primitive
    if column.element is ovo_fields.Object:
        many = _array_of if column.kind is ovo_fields.List else _members_of
        return many(_one_primitive)
    return _unusual


def _one_primitive(obj: Any, known: _Sheets) -> str:
    return _primitive(obj, known)[0]


# Reading

_decode = json.JSONDecoder().decode
_HEAD = frozenset(("apiVersion", "kind"))
_KIND, _NOTHING = frozenset(("kind",)), frozenset[str]()


def loads(text: str | bytes, version: str) -> Any:
    """The object of the text of a document of that version, or of an OVO primitive.

    :raises Unusual: if it is to be read the long way.
    """
    if not isinstance(text, (str, bytes)):
        raise Unusual
    try:
        data = text if isinstance(text, str) else text.decode()
        found = _decode(data)
    except (ValueError, RecursionError):
        raise Unusual from None
    if type(found) is not dict or "\\" in data:
        raise Unusual
    if "apiVersion" in found:
        known = Known(_documents, strict=True)
        if found["apiVersion"] != version:
            raise Unusual
        obj = _object(_named(found, known), found, _HEAD, known)
    else:
        known = Known(readers.primitives, strict=True)
        obj = readers.from_primitive(found, None, known)
    # Without an escape each string has two quotes. If all have been read, then no name stands
    # twice in an object: of those the decoder gives the last only.
    if data.count('"') != 2 * known.strings:
        raise Unusual
    return obj


def from_document(document: dict[str, Any]) -> Any:
    """The object of a document of this version.

    :raises Unusual: if it is to be read the long way.
    """
    known = Known(_documents, strict=True)
    return _object(_named(document, known), document, _HEAD, known)


def _named(data: Any, known: Known) -> Sheet:
    """The class that ``kind`` says."""
    if type(data) is not dict or type(name := data.get("kind")) is not str:
        raise Unusual
    return known[name]


def _object(sheet: Sheet, data: Any, beside: frozenset[str], known: Known) -> Any:
    obj = readers.read(sheet, data, beside, known)
    if sheet.table.initial:
        state = obj.__dict__
        for _, attribute, make in sheet.table.initial:
            if attribute not in state:
                state[attribute] = _unchanged(make())
    return obj


def _unchanged(value: Any) -> Any:
    if isinstance(value, ovo.VersionedObject):
        value.obj_reset_changes(recursive=True)
    return value


def from_primitive(primitive: dict[str, Any]) -> Any:
    """The object of an OVO primitive in the versions of today.

    :raises Unusual: if it is to be read the long way.
    """
    return readers.from_primitive(primitive, None, Known(readers.primitives, strict=True))


def _documents(table: Table) -> Sheet:
    """How the documents of a class are read."""
    rows = readers.rows(table, _of_object)
    for name, column in table.columns.items():
        if column.plain is int:
            rows[name] = (column.attribute, None, None, _whole)
    return Sheet(table, rows)


def _whole(_: Any, data: Any, known: Known) -> int:  # noqa: ARG001
    if type(data) is not int or not _SMALLEST <= data < -_SMALLEST:
        raise Unusual
    return data


def _of_object(declared: Any) -> Read:
    if declared._subclasses:
        return _open(declared)
    name = declared._obj_name

    def closed(_: Any, data: Any, known: Known) -> Any:
        sheet = known[name]
        if sheet.table.initial:
            return _object(sheet, data, _NOTHING, known)
        if not sheet.table.is_list:
            return readers.read(sheet, data, _NOTHING, known)
        return readers.read_list(sheet, data, known)

    return closed


def _open(declared: Any) -> Read:
    def opened(_: Any, data: Any, known: Known) -> Any:
        sheet = _named(data, known)
        if not sheet.table.fits(declared):
            raise Unusual
        return _object(sheet, data, _KIND, known)

    return opened
