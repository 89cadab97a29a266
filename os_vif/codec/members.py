# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rows: the compiled codecs of fields, of lists and of dicts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec.path import SeveralErrors, errors_of, invalid, within

Leaf = Callable[[Any], Any]
#: Decodes data, with the object of the field and the context of the call.
Load = Callable[[Any, Any, Any], Any]
#: Encodes a value with the context of the call.
DumpNested = Callable[[Any, Any], Any]


class Row(NamedTuple):
    """The compiled codec of a field. Data of the type *identity* is the value."""

    identity: type[Any] | None
    #: Decodes data without context; None if :attr:`load` decodes all data.
    leaf: Leaf | None
    #: Decodes the data that :attr:`leaf` refuses; None if the refusal is final.
    load: Load | None
    #: Encodes a value; None if the value is the data, or :attr:`dump_nested` encodes it.
    dump: Leaf | None
    dump_nested: DumpNested | None = None
    is_object: bool = False


_CoercedList: Any = ovo_fields.CoercedList
_new_list, _extend = list.__new__, list.extend


def coerced_list(obj: Any, name: str, element: Any, items: Sequence[Any]) -> Any:
    """Return the stored list of a field of *obj*, with coerced items."""
    # Faster than the constructor of the list, with the same result.
    stored = _new_list(_CoercedList)
    state = stored.__dict__
    state["_element_type"], state["_obj"], state["_field"] = element, obj, name
    if items:
        _extend(stored, items)
    return stored


def coerced_dict(obj: Any, name: str, element: Any, items: dict[str, Any]) -> Any:
    """Return the stored dict of a field of *obj*, with coerced items."""
    stored: Any = ovo_fields.CoercedDict(items)
    stored.enable_coercing(element, obj, name)
    return stored


def list_row(name: str, element: Any, row: Row, fallback: Load | None = None) -> Row:
    """Return the compiled codec of a list with elements of the compiled codec *row*.

    :param fallback: decodes other data than lists, and refused lists, unless the elements are
        objects.
    """
    if row.dump_nested is not None:
        load = _nested_list_loader(name, element, row)
        return Row(None, None, load, None, _nested_list_dumper(row.dump_nested))
    dump = list if row.dump is None else _leaf_list_dumper(row.dump)
    return Row(None, None, _leaf_list_loader(name, element, row, fallback), dump)


def _complete_loader(row: Row) -> Load:
    """Return the function that decodes all data of a row."""
    identity, leaf, load_other = row.identity, row.leaf, row.load

    def load(obj: Any, data: Any, ctx: Any) -> Any:
        if type(data) is identity:
            return data
        if leaf is None:
            return load_other(obj, data, ctx)  # type: ignore[misc]
        try:
            return leaf(data)
        except exception.SerializationError:
            if load_other is None:
                raise
            return load_other(obj, data, ctx)

    return load


def _leaf_list_loader(name: str, element: Any, row: Row, fallback: Load | None) -> Load:
    identity, leaf = row.identity, row.leaf
    load_item = _complete_loader(row)
    load_other = None if fallback is None else with_paths_of_members(fallback, load_item)

    def load(obj: Any, data: Any, ctx: Any) -> Any:
        if type(data) is not list:
            if fallback is not None:
                return fallback(obj, data, ctx)
            if not isinstance(data, list):
                data = ctx.elements(data)
        if not data:
            return coerced_list(obj, name, element, ())
        try:
            if leaf is not None:
                items = [item if type(item) is identity else leaf(item) for item in data]
            else:
                items = [load_item(obj, item, ctx) for item in data]
        except exception.SerializationError:
            if fallback is not None:
                return load_other(obj, data, ctx)  # type: ignore[misc]
            errors = list(_errors_from(0, data, lambda item: load_item(obj, item, ctx)))
            raise _first_or_all(errors, ctx) from errors[0].__cause__
        return coerced_list(obj, name, element, items)

    return load


def opaque_loader(declared: Any, loader: Callable[[Any], Load]) -> Load:
    """Return the function that decodes a field by the methods; errors name refused members.

    :param loader: returns the function for a declared field, or for the members of a field.
    """
    load = loader(declared)
    kind: Any = getattr(declared, "_type", None)
    if type(kind) in {ovo_fields.List, ovo_fields.Dict}:
        return with_paths_of_members(load, opaque_loader(kind._element_type, loader))
    return load


def with_paths_of_members(load: Load, load_member: Load) -> Load:
    """Return *load*, whose errors for a list or a dict name the refused members.

    :param load_member: decodes a member of the list or the dict alone.
    """

    def load_located(obj: Any, data: Any, ctx: Any) -> Any:
        try:
            return load(obj, data, ctx)
        except exception.SerializationError:
            if not isinstance(data, (list, dict)):
                raise
            members = data.items() if isinstance(data, dict) else enumerate(data)
            errors = _errors_of(members, lambda member: load_member(obj, member, ctx))
            located = list(errors) if ctx.collects else list(itertools.islice(errors, 1))
            if not located:
                raise
            raise _first_or_all(located, ctx) from located[0].__cause__

    return load_located


def _first_or_all(
    errors: list[exception.SerializationError], ctx: Any
) -> exception.SerializationError:
    if ctx.collects:
        return SeveralErrors([single for error in errors for single in errors_of(error)])
    return errors[0]


def _nested_list_loader(name: str, element: Any, row: Row) -> Load:
    load_item = row.load
    assert load_item is not None  # noqa: S101

    def load(obj: Any, data: Any, ctx: Any) -> Any:
        if type(data) is not list and not isinstance(data, list):
            data = ctx.elements(data)
        items: list[Any] = []
        rest = iter(data)
        try:
            for item in rest:
                items.append(load_item(obj, item, ctx))  # noqa: PERF401 - for the number
        except exception.SerializationError as error:
            number = len(items)
            errors = [within(number, error)]
            if ctx.collects:
                errors += _errors_from(number + 1, rest, lambda item: load_item(obj, item, ctx))
            raise _first_or_all(errors, ctx) from error.__cause__
        return coerced_list(obj, name, element, items)

    return load


def _errors_from(
    start: int, rest: Iterable[Any], load: Callable[[Any], object]
) -> Iterator[exception.SerializationError]:
    """Yield the errors of elements. The number of the first element is *start*."""
    yield from _errors_of(enumerate(rest, start), load)


def _errors_of(
    members: Iterable[tuple[Any, Any]], load: Callable[[Any], object]
) -> Iterator[exception.SerializationError]:
    """Yield the errors of members, each with its number or its name."""
    for part, member in members:
        try:
            load(member)
        except exception.SerializationError as error:
            yield within(part, error)


def _leaf_list_dumper(dump: Leaf) -> Leaf:
    def dump_leaves(value: Any) -> list[Any]:
        if not value:
            return []
        try:
            return [dump(item) for item in value]
        except exception.SerializationError:
            first = next(iter(_errors_from(0, value, dump)))
            raise first from first.__cause__

    return dump_leaves


def _nested_list_dumper(dump: DumpNested) -> DumpNested:
    def dump_objects(value: Any, ctx: Any) -> list[Any]:
        items: list[Any] = []
        try:
            for item in value:
                items.append(dump(item, ctx))  # noqa: PERF401 - for the number
        except exception.SerializationError as error:
            located = within(len(items), error)
            raise located from located.__cause__
        return items

    return dump_objects


def map_row(name: str, element: Any, row: Row, order: Callable[[Any], Any] | None) -> Row:
    """Return the compiled codec of a dict with values of the compiled codec *row*.

    :param order: the sort key of written members.
    """
    return Row(None, None, _map_loader(name, element, row), None, _map_dumper(row, order))


def _map_loader(name: str, element: Any, row: Row) -> Load:
    load_item = _complete_loader(row)

    def load(obj: Any, data: Any, ctx: Any) -> Any:
        if not isinstance(data, dict):
            raise invalid(data, "an object")
        items: dict[str, Any] = {}
        errors: list[exception.SerializationError] = []
        for key, item in data.items():
            if not isinstance(key, str):
                errors.append(invalid(key, "a string as each name"))
            else:
                try:
                    items[key] = load_item(obj, item, ctx)
                except exception.SerializationError as error:
                    errors.append(within(key, error))
            if errors and not ctx.collects:
                break
        if errors:
            raise _first_or_all(errors, ctx) from errors[0].__cause__
        return coerced_dict(obj, name, element, items)

    return load


def _map_dumper(row: Row, order: Callable[[Any], Any] | None) -> DumpNested:
    def dump_one(value: Any, ctx: Any) -> Any:
        if row.dump_nested is not None:
            return row.dump_nested(value, ctx)
        return value if row.dump is None else row.dump(value)

    def dump(value: Any, ctx: Any) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for key, item in sorted(value.items(), key=order):
            try:
                items[key] = dump_one(item, ctx)
            except exception.SerializationError as error:
                located = within(key, error)
                raise located from located.__cause__
        return items

    return dump
