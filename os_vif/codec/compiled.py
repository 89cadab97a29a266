# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The compiled codec of a class in a format: one row for each field.

A format (:class:`Format`) compiles each field once; a :class:`ClassCodec` then decodes and encodes
objects of the class by walking the rows. Classes of os-vif are *direct*: decoded values are stored
in the attributes of oslo.versionedobjects. Objects of third parties are made, and the fields set
and read, through the methods and properties of the class.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import descriptions, field, members, registry
from os_vif.codec.members import Load, Row
from os_vif.codec.path import (
    COERCION_ERRORS,
    MAX_DEPTH,
    SeveralErrors,
    errors_of,
    invalid,
    within,
)
from os_vif.codec.registry import FIXED_IPS
from os_vif.codec.scalar import FieldCodec

#: The changed fields of a decoded object, until the object changes; absent for none.
INITIAL_CHANGES = "_initial_changed_fields"
CHANGED = "_changed_fields"
NO_NAMES: frozenset[str] = frozenset()


class Context:
    """The state of a decoding call: compiled codecs by class name, and rules of the format."""

    #: The ``context`` of the objects.
    context: Any = None
    #: True to decode on after an error, and to report all errors.
    collects = False
    #: True if the default objects of a new object count as unchanged.
    resets_defaults = True
    depth = 0

    def __init__(self, data_format: Format) -> None:
        self.codecs = data_format.by_name()

    def codec(self, name: Any, path: str = "") -> ClassCodec:
        """Return the compiled codec of the class with a name.

        :raises os_vif.exception.UnknownKind: for an unknown name.
        """
        if type(name) is str:
            return self.codecs.find(name, path)
        registry.find(name, path)
        raise AssertionError(name)

    def null(self, cls: type[Any], name: str) -> Any:
        """Return the value for null in a field without null, or raise an error."""
        raise NotImplementedError

    def elements(self, data: Any) -> Any:
        """Return the elements of data of another type than list."""
        raise NotImplementedError

    def hides_objects(self, head: frozenset[str]) -> bool:
        """Return True if the field ``objects`` of a list is not part of a path."""
        raise NotImplementedError

    def unknown(self, obj: Any, more: dict[Any, Any], codec: ClassCodec) -> None:
        """Store, ignore or refuse unknown fields."""
        raise NotImplementedError


class ClassCodec:
    """The compiled codec of a class in a format."""

    def __init__(self, cls: type[Any], data_format: Format) -> None:
        self.cls = cls
        self.name: str = cls.obj_name()
        self.names = frozenset(registry.ancestors(cls))
        self.is_list = registry.is_list(cls)
        self.is_direct = is_direct(cls)
        self.withdrawn = registry.withdrawn_versions(cls)
        self.fields = frozenset(cls.fields)
        self.has_fixed_ips = registry.has_fixed_ips(cls)
        #: The names that a primitive may list as changed.
        self.changeable = self.fields | {FIXED_IPS} if self.has_fixed_ips else self.fields
        #: The changed fields by the names in the data, and the most recent entry.
        self.changes: dict[tuple[str, ...], frozenset[str]] = {}
        self.recent_changes: tuple[list[str], frozenset[str]] = [], NO_NAMES
        is_simple = self.is_direct and "__init__" not in vars(cls)
        self.new: Callable[[type[Any]], Any] = object.__new__ if is_simple else self._construct
        initial = cls._obj_initial if is_simple else {}
        self._initial = [(f"_obj_{name}", make) for name, make in initial.items()]
        rows = {
            name: data_format.row(cls, name, declared) for name, declared in cls.fields.items()
        }
        self._loaders = {
            name: (f"_obj_{name}", *row[:3], cls.fields[name].nullable)
            for name, row in rows.items()
        }
        if self.has_fixed_ips:
            load = data_format.fixed_ips().load
            self._loaders[FIXED_IPS] = (FIXED_IPS, None, None, load, False)
        #: Returns a new object with the fields of a dict, for a context and the names in the dict
        #: besides fields; raises SerializationError with a path relative to the object.
        self.load = self._compile_load()
        if self.is_list and self.is_direct and not self._initial:
            self.load = self._compile_list_load(self.load, rows["objects"].load)
        #: Name, attribute, and the encoding functions, in the order of the class.
        self.dumpers = [(name, f"_obj_{name}", *row[3:]) for name, row in rows.items()]
        #: Encodes the objects of a list.
        self.dump_objects: Any = rows["objects"].dump_nested if self.is_list else None
        self.sorted_dumpers = sorted(self.dumpers, key=operator.itemgetter(0))

    def _construct(self, cls: type[Any]) -> Any:
        obj = cls()
        if self.is_direct:
            vars(obj).pop(CHANGED, None)
        return obj

    def state_of(self, obj: Any) -> dict[str, Any]:
        """Return the values of set fields, by attribute."""
        if self.is_direct:
            state: dict[str, Any] = obj.__dict__
            return state
        values = {f"_obj_{n}": getattr(obj, n) for n in obj.fields if obj.obj_attr_is_set(n)}
        return {**vars(obj), **values}

    def _compile_load(self) -> Callable[..., Any]:  # noqa: C901
        """Return :attr:`load`: a closure, because its variables are faster than attributes."""
        cls, new, rows, is_direct = self.cls, self.new, self._loaders, self.is_direct
        is_complete = is_direct and not self._initial

        def load(  # noqa: C901, PLR0912 - the inner loop of all reading
            data: dict[Any, Any], ctx: Any, head: frozenset[str] = NO_NAMES
        ) -> Any:
            obj = new(cls)
            if is_direct:
                state = obj.__dict__
                state["_context"] = ctx.context
            else:
                state = self._prepare(obj, ctx)
            more = None
            items = iter(data.items())
            while True:
                try:
                    for name, value in items:
                        attribute, identity, leaf, load_value, nullable = rows[name]
                        if type(value) is identity:
                            state[attribute] = value
                        elif value is None:
                            state[attribute] = None if nullable else ctx.null(cls, name)
                        elif leaf is not None:
                            state[attribute] = leaf(value)
                        else:
                            state[attribute] = load_value(obj, value, ctx)  # type: ignore[misc]
                    break
                except KeyError:
                    if name in rows:
                        raise
                    if name not in head:
                        more = more or {}
                        more[name] = value
                except exception.SerializationError as refusal:
                    error = refusal
                    if leaf is not None and load_value is not None and value is not None:
                        try:
                            state[attribute] = load_value(obj, value, ctx)
                            continue
                        except exception.SerializationError as final:
                            error = final
                    located = self._locate(name, error, ctx, head)
                    if ctx.collects:
                        located = self._collect(located, obj, items, ctx, head=head, more=more)
                    raise located from located.__cause__
            if not is_direct:
                ctx.depth -= 1
            if more is not None:
                ctx.unknown(obj, more, self)
            if not is_complete:
                self._complete(obj, state, ctx)
            return obj

        return load

    def _compile_list_load(self, load_any: Callable[..., Any], load_objects: Any) -> Any:
        """Return :attr:`load` of a list object: faster for data with the objects alone."""
        cls, new = self.cls, self.new

        def load(data: dict[Any, Any], ctx: Any, head: frozenset[str] = NO_NAMES) -> Any:
            if len(data) != 1 or "objects" not in data or data["objects"] is None:
                return load_any(data, ctx, head)
            obj = new(cls)
            state = obj.__dict__
            state["_context"] = ctx.context
            try:
                state["_obj_objects"] = load_objects(obj, data["objects"], ctx)
            except exception.SerializationError as error:
                located = self._locate("objects", error, ctx, head)
                raise located from located.__cause__
            return obj

        return load

    def _locate(
        self, name: Any, error: exception.SerializationError, ctx: Any, head: frozenset[str]
    ) -> exception.SerializationError:
        """Return the error of a field with the path relative to the object."""
        if not self.is_direct:
            ctx.depth -= 1
        if self.is_list and name == "objects" and ctx.hides_objects(head):
            return error
        return within(name, error)

    def _collect(
        self,
        first: exception.SerializationError,
        obj: Any,
        items: Iterator[tuple[Any, Any]],
        ctx: Any,
        *,
        head: frozenset[str],
        more: dict[Any, Any] | None,
    ) -> SeveralErrors:
        """Decode the remaining fields and return all errors."""
        errors = [*errors_of(first)]
        more = more or {}
        for name, value in items:
            if name not in self._loaders:
                if name not in head:
                    more[name] = value
                continue
            try:
                self.load({name: value}, ctx, head)
            except exception.SerializationError as error:
                errors += errors_of(error)
        if more:
            try:
                ctx.unknown(obj, more, self)
            except exception.SerializationError as error:
                errors += errors_of(error)
        return SeveralErrors(errors)

    def _prepare(self, obj: Any, ctx: Any) -> Any:
        """Return the setter of the fields of an object of a third party."""
        if ctx.depth >= MAX_DEPTH:
            raise exception.MalformedDocument(
                found="more below it", expected=f"at most {MAX_DEPTH} levels"
            )
        obj._context = ctx.context
        if ctx.resets_defaults:
            obj.obj_reset_changes(recursive=True)
        ctx.depth += 1
        return _Properties(obj)

    def _complete(self, obj: Any, state: Any, ctx: Any) -> None:
        """Set the unset fields with a default; an object of a third party gets no changes."""
        for attribute, make in self._initial:
            if attribute not in state:
                value = state[attribute] = make()
                if ctx.resets_defaults and isinstance(value, ovo.VersionedObject):
                    value.obj_reset_changes(recursive=True)
        if not self.is_direct and ctx.resets_defaults:
            obj.obj_reset_changes()


class _Properties:
    """A setter of fields through the properties of an object."""

    def __init__(self, obj: Any) -> None:
        self._obj = obj

    def __setitem__(self, attribute: str, value: Any) -> None:
        name = attribute.removeprefix("_obj_")
        try:
            setattr(self._obj, name, value)
        except COERCION_ERRORS as error:
            raise invalid(value, descriptions.of_field(self._obj.fields[name])) from error


def is_direct(cls: type[Any]) -> bool:
    """Return True for a class of os-vif with the properties of oslo.versionedobjects."""
    members = vars(cls)
    return (
        cls.__module__.partition(".")[0] == "os_vif"
        and "fields" in members
        and all(
            not declared.read_only and _setter_defaults(members.get(name)) == (name, declared)
            for name, declared in cls.fields.items()
        )
    )


def _setter_defaults(member: Any) -> Any:
    """Return name and field of a property of oslo.versionedobjects."""
    return getattr(getattr(member, "fset", None), "__defaults__", None)


class _CodecsByName(dict[str, ClassCodec]):
    """Compiled codecs by the name of the class, as long as the registry does not change."""

    def __init__(self, by_class: dict[type[Any], ClassCodec]) -> None:
        super().__init__()
        self._by_class = by_class
        self._registered: list[list[type[Any]]] = []
        #: The codec and the version of objects, by class name and older version in the data.
        self.by_version: dict[tuple[str, str], tuple[ClassCodec, str]] = {}

    def is_valid(self) -> bool:
        registered = registry.registered_classes()
        return [*map(registered.get, self)] == self._registered

    def find(self, name: str, path: str) -> ClassCodec:
        """Return the compiled codec of a class.

        :raises os_vif.exception.UnknownKind: for an unknown name.
        """
        codec = self.get(name)
        if codec is None:
            cls = registry.find(name, path)
            codec = self._by_class[cls]
            self._registered.append([*registry.registered_classes()[name]])
            self[name] = codec
        return codec


class Format(dict[type[Any], ClassCodec]):
    """A format: the compiled codecs by class. A subclass says how objects and leaves look."""

    #: The sort key of the members of a dict; None to sort by name.
    order: Callable[[Any], Any] | None = None

    def __init__(self) -> None:
        super().__init__()
        self._by_name = _CodecsByName(self)
        field.on_register.append(self.clear_cache)

    def __missing__(self, cls: type[Any]) -> ClassCodec:
        codec = self[cls] = ClassCodec(cls, self)
        return codec

    def clear_cache(self) -> None:
        """Discard all compiled codecs."""
        self.clear()
        self._by_name = _CodecsByName(self)

    def by_name(self) -> _CodecsByName:
        """Return the compiled codecs by the name of the class."""
        codecs = self._by_name
        if not codecs.is_valid():
            codecs = self._by_name = _CodecsByName(self)
        return codecs

    def row(self, cls: type[Any], name: str, declared: ovo_fields.Field[Any]) -> Row:
        """Return the compiled codec of a field, or of the elements of a field."""
        codec = field.compile_field(cls, name, declared)
        if isinstance(codec, field.Nested):
            return self.nested(codec)
        if isinstance(codec, field.Array):
            row = self.row(cls, name, codec.element)
            return members.list_row(name, codec.element, row, self.fallback(name, declared))
        if isinstance(codec, field.Map):
            row = self.row(cls, name, codec.element)
            return members.map_row(name, codec.element, row, self.order)
        return self.leaf(cls, name, declared, codec)

    def fallback(self, name: str, declared: ovo_fields.Field[Any]) -> Load | None:
        """Return the function that decodes refused data of a field without objects, or None."""
        return None

    def nested(self, codec: field.Nested) -> Row:
        """Return the compiled codec of a field with an object."""
        raise NotImplementedError

    def leaf(
        self,
        cls: type[Any],
        name: str,
        declared: ovo_fields.Field[Any],
        codec: FieldCodec,
    ) -> Row:
        """Return the compiled codec of a field without objects and members."""
        raise NotImplementedError

    def fixed_ips(self) -> Row:
        """Return the compiled codec of the attribute ``fixed_ips`` of release 1.8.0."""
        return self.nested(field.Nested("FixedIPList", open_type=False))
