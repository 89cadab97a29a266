# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON Schema (draft 2020-12) of OVO primitives, as a certain release writes them.

It takes what that release writes, in its versions. Its readers are laxer: they convert values,
and pass over what they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from os_vif import exception
from os_vif.codec import FieldCodec, document, field, primitive, registry
from os_vif.codec.path import describe
from os_vif.codec.registry import FIXED_IPS
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import formats
from os_vif.serialization.schema.json_schema import ANY_VIF, DIALECT, Schema

_BASE = "VIFBase"
_NAMES: Schema = {"type": "array", "items": {"type": "string"}}


def generate(kind: str, release: str) -> Schema:
    """Return the schema of the primitives of a kind, or of any VIF (``VIF``).

    :param release: one of os-vif, or a named peer: :func:`os_vif.objects.versioning.history.releases`.
    :raises os_vif.exception.UnsupportedVersion: if there is no such release.
    :raises os_vif.exception.UnknownKind: if it has no such kind.
    """
    try:
        versions = history.manifest(release)
    except ValueError as error:
        raise exception.UnsupportedVersion(
            path="release", found=describe(release), expected=str(error)
        ) from None
    if kind not in {ANY_VIF, *versions}:
        raise exception.UnknownKind(
            path="kind",
            found=describe(kind),
            expected=f"{ANY_VIF} or the name of a class that {release} has",
        )
    return _Release(release, versions).schema(kind)


class _Release:
    """The classes and versions of one release."""

    def __init__(self, release: str, versions: dict[str, str]) -> None:
        self._release = release
        self._versions = versions
        self._classes = {
            name: cls for name, cls in history.vocabulary().items() if name in versions
        }

    def schema(self, kind: str) -> Schema:
        wanted = _BASE if kind == ANY_VIF else kind
        nested = {wanted: self._declared(wanted, open_type=kind == ANY_VIF)}
        waiting = [wanted]
        while waiting:
            for inner in self._nested(waiting.pop()):
                if inner.name not in nested:
                    nested[inner.name] = self._declared(inner.name, open_type=inner.open_type)
                    waiting.append(inner.name)
        head = {
            "$schema": DIALECT,
            "$id": f"urn:{document.GROUP}:{primitive.FORM}:{self._release}:{kind}",
            "title": kind,
            "$ref": f"#/$defs/{wanted}",
        }
        return head | {"$defs": nested}

    def _declared(self, name: str, *, open_type: bool) -> Schema:
        """Return the schema of a field with a declared class."""
        if not open_type:
            return self._object(self._classes[name])
        return {"oneOf": [self._object(cls) for cls in self._kinds(name)]}

    def _kinds(self, name: str) -> list[type[Any]]:
        classes = sorted(self._classes.items())
        return [cls for _, cls in classes if name in registry.ancestors(cls)]

    def _nested(self, name: str) -> Iterator[field.Nested]:
        """Yield the nested fields of a class and of the derived classes."""
        for cls in self._kinds(name):
            for value in self._fields(cls).values():
                while isinstance(value, (field.Array, field.Map)):
                    value = value.item  # noqa: PLW2901 - down to what is in it
                if isinstance(value, field.Nested) and value.name in self._classes:
                    yield value

    def _fields(self, cls: type[Any]) -> dict[str, FieldCodec]:
        """Return the fields of a class in the release, with their codecs."""
        absent = history.absent_fields(cls, self._release)
        found = {name: field.of_field(cls, name) for name in cls.fields if name not in absent}
        burnt = history.withdrawn_version(self._classes[_BASE], self._versions[_BASE])
        if _BASE in registry.ancestors(cls) and (burnt or self._release == CURRENT_RELEASE):
            # Where release 1.8.0 keeps addresses, and this one what it read from there.
            found[FIXED_IPS] = field.Nested("FixedIPList", open_type=False)
        return found

    def _object(self, cls: type[Any]) -> Schema:
        name = cls.obj_name()
        fields = {
            field_name: self._field(cls, field_name, value)
            for field_name, value in self._fields(cls).items()
            if not (isinstance(value, field.Nested) and value.name not in self._classes)
        }
        data = {"type": "object", "properties": fields, "additionalProperties": False}
        frame = formats.frame(name, self._versions[name], data)
        required = list(frame)
        properties: Schema = {key: {"const": value} for key, value in frame.items()}
        properties |= {primitive.DATA: data, primitive.CHANGES: _NAMES}
        return {
            "title": name,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _field(self, cls: type[Any], name: str, value: FieldCodec) -> Schema:
        schema = _written(value)
        if name in cls.fields and cls.fields[name].nullable:
            return {"anyOf": [schema, {"type": "null"}]}
        return schema


def _written(value: FieldCodec) -> Schema:
    if isinstance(value, field.Array):
        return {"type": "array", "items": _written(value.item)}
    if isinstance(value, field.Map):
        return {"type": "object", "additionalProperties": _written(value.item)}
    return value.json_schema()
