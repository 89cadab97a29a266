# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The codec of OVO primitives, the format of every release since 1.0.0: as lax as oslo."""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif.codec import field, members, scalar
from os_vif.codec.compiled import Format
from os_vif.codec.members import Load, Row
from os_vif.codec.primitive_decoder import Decoding, coerce_by_field, object_loader
from os_vif.codec.primitive_encoder import (
    CHANGES,
    DATA,
    FORM,
    NAME,
    NAMESPACE_KEY,
    VERSION,
    Encoding,
    changed_fields,
    dump_object,
)
from os_vif.codec.scalar import FieldCodec

__all__ = [
    "CHANGES",
    "DATA",
    "FORM",
    "NAME",
    "NAMESPACE_KEY",
    "PRIMITIVES",
    "VERSION",
    "Encoding",
    "changed_fields",
    "decode",
    "encode",
    "encode_whole",
]


class Primitives(Format):
    """The format of OVO primitives."""

    def row(self, cls: type[Any], name: str, declared: ovo_fields.Field[Any]) -> Row:
        if not field.has_standard_methods(declared):
            return self._by_field(name, declared)
        return super().row(cls, name, declared)

    def fallback(self, name: str, declared: Any) -> Load:
        return lambda obj, data, _: coerce_by_field(declared, obj, name, data)

    def _by_field(self, name: str, declared: Any) -> Row:
        """Return the row of a field with methods of a third party."""
        load = members.opaque_loader(declared, lambda member: self.fallback(name, member))
        return Row(None, None, load, lambda value: declared.to_primitive(None, name, value))

    def leaf(
        self,
        cls: type[Any],
        name: str,
        declared: ovo_fields.Field[Any],
        codec: FieldCodec,
    ) -> Row:
        if not codec.is_native:
            return self._by_field(name, declared)
        dump = None if codec.is_primitive else codec.dump
        # Primitives contain addresses as text, and load() is faster.
        load = codec.load if isinstance(codec, scalar.Address) else codec.coerce
        return Row(codec.coerce_identity, load, self.fallback(name, declared), dump)

    def nested(self, codec: field.Nested) -> Row:
        load = object_loader(codec.name, is_open=codec.open_type)
        return Row(None, None, load, None, dump_object, is_object=True)


PRIMITIVES = Primitives()
_load = object_loader()


def decode(
    primitive: Any, context: Any = None, *, for_oslo: bool = False, collects: bool = False
) -> tuple[Any, bool]:
    """Return the object of an OVO primitive, and True for unknown fields in the object.

    :raises os_vif.exception.SerializationError: naming the path of the field.
    """
    ctx = Decoding(PRIMITIVES, context, for_oslo=for_oslo, collects=collects)
    return _load(None, primitive, ctx), ctx.has_unknown


def encode(obj: ovo.VersionedObject) -> dict[str, Any]:
    """Return the OVO primitive of an object in the versions of its classes."""
    return dump_object(obj, Encoding(PRIMITIVES))


def encode_whole(obj: ovo.VersionedObject) -> tuple[dict[str, Any], Encoding]:
    """Return the OVO primitive with unknown fields, and the state of the call."""
    ctx = Encoding(PRIMITIVES, is_whole=True)
    return dump_object(obj, ctx), ctx
