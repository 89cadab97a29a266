# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Codecs of field types: the knowledge of os-vif about each type, in one class.

A :class:`FieldCodec` defines coercion, decoding from and encoding to a document, the JSON Schema
and the protobuf type. :func:`register` adds the codec of a field type, also for third parties::

    from os_vif import codec

    class PortField(codec.FieldCodec):
        expected = "a port number"

        def load(self, data):
            if type(data) is not int or not 0 < data < 65536:
                raise codec.invalid(data, self.expected)
            return data

        def json_schema(self):
            return {"type": "integer", "minimum": 1, "maximum": 65535}

    codec.register(PortType, lambda field_type: PortField())

A field type without a codec is *opaque*: the methods ``to_primitive``, ``from_primitive`` and
``coerce`` of the type convert all values, and the JSON Schema accepts all data.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import descriptions, scalar
from os_vif.codec.order import in_order
from os_vif.codec.path import COERCION_ERRORS, invalid, plain
from os_vif.codec.scalar import FieldCodec


class Opaque(FieldCodec):
    """A field type of a third party; the methods of the type convert the value."""

    def __init__(self, cls: type[Any], name: str, field: ovo_fields.Field[Any]) -> None:
        self._class = cls
        self._name = name
        self._field = field
        self.expected = descriptions.of_field(field)

    def load(self, data: Any) -> Any:
        try:
            blank = self._class()
            value = self._field.from_primitive(blank, self._name, copy.deepcopy(data))
            return self._field.coerce(blank, self._name, value)
        except COERCION_ERRORS as error:
            raise invalid(data, self.expected) from error

    def dump(self, value: Any) -> Any:
        try:
            data = self._field.to_primitive(self._class(), self._name, value)
        except COERCION_ERRORS as error:
            raise invalid(value, self.expected) from error
        return in_order(plain(data))


class Guarded(FieldCodec):
    """The codec of a third party. Any failure of a method is an InvalidValue."""

    def __init__(self, codec: FieldCodec) -> None:
        self._codec = codec
        self.expected = codec.expected
        self.identity = codec.identity
        self.coerce_identity = codec.coerce_identity
        self.dumps_itself = codec.dumps_itself
        self.is_native = codec.is_native
        self.has_warnings = codec.has_warnings
        self.is_primitive = codec.is_primitive
        self.json_schema = codec.json_schema  # type: ignore[method-assign]
        self.proto_type = codec.proto_type  # type: ignore[method-assign]

    def load(self, data: Any) -> Any:
        return self._call(self._codec.load, data)

    def dump(self, value: Any) -> Any:
        return self._call(self._codec.dump, value)

    def coerce(self, value: Any) -> Any:
        return self._call(self._codec.coerce, value)

    def duplicate(self, value: Any) -> Any:
        return self._codec.duplicate(value)

    def _call(self, method: Callable[[Any], Any], value: Any) -> Any:
        try:
            return method(value)
        except exception.SerializationError:
            raise
        except COERCION_ERRORS as error:
            raise invalid(value, self.expected) from error


class Nested(FieldCodec):
    """An object of the declared class, or of a subclass if the type is open.

    Where the type is open, ``kind`` says which class the data of a document is of.
    """

    def __init__(self, name: str, *, open_type: bool) -> None:
        self.name = name
        self.open_type = open_type

    def json_schema(self) -> dict[str, Any]:
        """Return a reference to a definition in the enclosing schema."""
        name = f"Any{self.name}" if self.open_type else f"{self.name}WithoutKind"
        return {"$ref": f"#/$defs/{name}"}

    def proto_type(self) -> str:
        return f"Any{self.name}" if self.open_type else self.name


class Array(FieldCodec):
    """A list."""

    def __init__(self, element: ovo_fields.Field[Any], item: FieldCodec) -> None:
        self.element = element
        self.item = item

    def json_schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.json_schema()}

    def proto_type(self) -> str:
        inner = self.item.proto_type()
        return "Strings" if inner == "string" else f"ListOf{inner}"


class Map(FieldCodec):
    """A dict from strings; in a document an object with arbitrary names."""

    def __init__(self, element: ovo_fields.Field[Any], item: FieldCodec) -> None:
        self.element = element
        self.item = item

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.json_schema()}

    def proto_type(self) -> str:
        return f"TableOf{self.item.proto_type()}"


Factory = Callable[[Any], FieldCodec]
_factories: dict[type[Any], Factory] = {}
_METHODS = ("coerce", "from_primitive", "to_primitive")
#: Functions to call after a registration, to discard compiled codecs.
on_register: list[Callable[[], None]] = []


def register(field_type: type[ovo_fields.FieldType[Any]], factory: Factory) -> None:
    """Register the codec of a field type, without subclasses of the type.

    :param field_type: the class of the field type, such as the class of ``AUTO_TYPE`` of a field.
    :param factory: returns the codec of an instance of the field type.
    :raises TypeError: for an argument of another kind, before anything is registered.
    """
    if not isinstance(field_type, type) or not issubclass(field_type, ovo_fields.FieldType):
        raise TypeError(
            f"field_type: found {field_type!r}; expected a subclass of"
            " oslo_versionedobjects.fields.FieldType, not a field or an instance"
        )
    if not callable(factory):
        raise TypeError(f"factory: found {factory!r}; expected a function that returns a codec")
    make = _factories[field_type] = _guarded(field_type, factory)
    descriptions.registered[field_type] = lambda kind: make(kind).expected
    for clear_cache in on_register:
        clear_cache()


def _guarded(field_type: type[Any], factory: Factory) -> Factory:
    """Return a factory that checks the codec of a third party."""

    def make(instance: Any) -> FieldCodec:
        codec = factory(instance)
        if not isinstance(codec, FieldCodec):
            raise TypeError(
                f"the factory registered for {field_type.__name__}: returned {codec!r}; expected an"
                " os_vif.codec.FieldCodec"
            )
        return codec if type(codec).__module__.startswith("os_vif.codec.") else Guarded(codec)

    return make


def of_type(field_type: Any) -> FieldCodec | None:
    """Return the codec of a field type of scalars, or None."""
    factory = _factories.get(type(field_type))
    if factory is not None:
        return factory(field_type)
    if isinstance(field_type, ovo_fields.Enum):
        is_native = all(
            getattr(type(field_type), name) is getattr(ovo_fields.Enum, name) for name in _METHODS
        )
        return scalar.Enum(list(field_type.valid_values), is_native=is_native)
    return None


def compile_field(cls: type[Any], name: str, declared: ovo_fields.Field[Any]) -> FieldCodec:
    """Return the codec of a field of a class, or of the elements of one."""
    if not has_standard_methods(declared):
        return Opaque(cls, name, declared)
    kind: Any = declared._type
    if type(kind) is ovo_fields.Object:
        return Nested(kind._obj_name, open_type=kind._subclasses)
    if type(kind) in (ovo_fields.List, ovo_fields.Dict) and not kind._element_type.nullable:
        element = kind._element_type
        item = compile_field(cls, name, element)
        return Array(element, item) if type(kind) is ovo_fields.List else Map(element, item)
    return of_type(kind) or Opaque(cls, name, declared)


_of_classes: weakref.WeakKeyDictionary[type[Any], dict[str, FieldCodec]] = (
    weakref.WeakKeyDictionary()
)
on_register.append(_of_classes.clear)


def of_field(cls: type[Any], name: str) -> FieldCodec:
    """Return the codec of a field of a class."""
    codecs = _of_classes.setdefault(cls, {})
    if name not in codecs:
        codecs[name] = compile_field(cls, name, cls.fields[name])
    return codecs[name]


def has_standard_methods(field: ovo_fields.Field[Any]) -> bool:
    """Return True if the class of a field has the standard methods."""
    return all(getattr(type(field), name) is getattr(ovo_fields.Field, name) for name in _METHODS)


def _shared(codec: FieldCodec) -> Factory:
    return lambda _: codec


for _type, _codec in (
    (ovo_fields.String, scalar.STRING),
    (ovo_fields.UUID, scalar.UUID()),
    (ovo_fields.Integer, scalar.Integer()),
    (ovo_fields.Boolean, scalar.BOOLEAN),
    (ovo_fields.MACAddress, scalar.MAC_ADDRESS),
    (ovo_fields.PCIAddress, scalar.PCI_ADDRESS),
    (ovo_fields.IPAddress, scalar.IP_ADDRESS),
    (ovo_fields.IPNetwork, scalar.IP_NETWORK),
):
    _factories[_type] = _shared(_codec)
    # Documents accept more than UUIDs, so that the codec of UUIDs expects a string.
    descriptions.by_type.setdefault(_type, _codec.expected)
