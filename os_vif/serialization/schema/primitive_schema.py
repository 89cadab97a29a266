# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON Schema (draft 2020-12) of the OVO primitives that a release writes.

The schema accepts the versions, the fields and the values that the release writes. The readers of
all releases accept more: they convert values, and ignore unknown fields.
"""

from __future__ import annotations

from typing import Any

from os_vif import exception
from os_vif.codec import FieldCodec, document, field, primitive, registry
from os_vif.codec.path import describe
from os_vif.codec.registry import FIXED_IPS
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import formats
from os_vif.serialization.schema import json_schema
from os_vif.serialization.schema.json_schema import ANY_VIF, Schema

_BASE = "VIFBase"
_NAMES: Schema = {"type": "array", "items": {"type": "string"}}
#: The prefix of a definition that accepts a class and the subclasses.
_ANY = "Any"


def generate(kind: str, release: str) -> Schema:
    """Return the schema of the primitives of a kind, or of VIFs of any kind (``VIF``).

    :param release: a release of os-vif, or a named peer: see
        :func:`os_vif.objects.versioning.history.releases`.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release.
    :raises os_vif.exception.UnknownKind: for a kind that the release does not have.
    """
    try:
        versions = history.manifest(release)
    except ValueError:
        raise exception.UnsupportedVersion(
            path="release", found=describe(release), expected=history.describe_releases()
        ) from None
    if kind not in {ANY_VIF, *versions}:
        raise exception.UnknownKind(
            path="kind",
            found=describe(kind),
            expected=f"{ANY_VIF} or the name of a class that {release} has",
        )
    root = _ANY + _BASE if kind == ANY_VIF else kind
    return {
        "$schema": json_schema.DIALECT,
        "$id": f"urn:{document.GROUP}:{primitive.FORM}:{release}:{kind}",
        "title": kind,
        "$ref": f"#/$defs/{root}",
        "$defs": json_schema.closure([root], _Release(release, versions).definition),
    }


class _Release:
    """The classes of a release with their versions.

    :param versions: the manifest of the release.
    """

    def __init__(self, release: str, versions: dict[str, str]) -> None:
        self._release = release
        self._versions = versions
        vocabulary = history.vocabulary()
        self._classes = {name: vocabulary[name] for name in vocabulary if name in versions}

    def definition(self, name: str) -> Schema:
        """Return the schema of objects of a class; after ``Any``, of subclasses, too."""
        if name in self._classes:
            return self._object(self._classes[name])
        kinds = json_schema.kinds_of(name.removeprefix(_ANY), self._classes)
        return json_schema.choice(kinds, primitive.NAME)

    def _object(self, cls: type[Any]) -> Schema:
        name = cls.obj_name()
        fields = {key: self._field(cls, key, codec) for key, codec in self._fields(cls).items()}
        known = {
            key: schema
            for key, schema in fields.items()
            if all(
                nested.removeprefix(_ANY) in self._classes
                for nested in json_schema.references(schema)
            )
        }
        data = {"type": "object", "properties": known, "additionalProperties": False}
        frame = formats.primitive_envelope(name, self._versions[name], data)
        properties: Schema = {key: {"const": value} for key, value in frame.items()}
        return {
            "title": name,
            "type": "object",
            "properties": properties | {primitive.DATA: data, primitive.CHANGES: _NAMES},
            "required": [*frame],
            "additionalProperties": False,
        }

    def _fields(self, cls: type[Any]) -> dict[str, FieldCodec]:
        """Return the codecs of the fields that a class has in the release."""
        absent = history.absent_fields(cls, self._release)
        codecs = {name: field.of_field(cls, name) for name in cls.fields if name not in absent}
        is_withdrawn = history.withdrawn_version(self._classes[_BASE], self._versions[_BASE])
        if _BASE in registry.ancestors(cls) and (is_withdrawn or self._release == CURRENT_RELEASE):
            # The field of addresses of release 1.8.0; this release writes the addresses back.
            codecs[FIXED_IPS] = field.Nested("FixedIPList", open_type=False)
        return codecs

    def _field(self, cls: type[Any], name: str, codec: FieldCodec) -> Schema:
        schema = _value(codec)
        is_nullable = name in cls.fields and cls.fields[name].nullable
        return json_schema.or_null(schema) if is_nullable else schema


def _value(codec: FieldCodec) -> Schema:
    """Return the schema of values; every nested object has the head of a primitive."""
    if isinstance(codec, field.Array):
        return {"type": "array", "items": _value(codec.item)}
    if isinstance(codec, field.Map):
        return {"type": "object", "additionalProperties": _value(codec.item)}
    if isinstance(codec, field.Nested):
        return {"$ref": f"#/$defs/{_ANY if codec.open_type else ''}{codec.name}"}
    return codec.json_schema()
