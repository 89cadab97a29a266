# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""OpenAPI v3.0 of documents, and the structural form of schemas for Kubernetes.

Both forms are made from the JSON Schema, and accept more: objects may have unknown fields, and the
version may be any minor version, so that data of a newer minor version is accepted, too.

The OpenAPI document has components with references. Where several kinds are permitted, ``kind``
is the discriminator of ``oneOf``.

A CRD of Kubernetes permits no references, and no types in ``oneOf``. The structural form therefore
repeats the definitions, and where several kinds are permitted, an object may have the fields of all
kinds. An API server with such a CRD removes no field.
"""

from __future__ import annotations

import copy
import functools
import re
from typing import Any

from os_vif.codec import document
from os_vif.serialization.schema import json_schema
from os_vif.serialization.schema.json_schema import ANY_VIF, Classes, Schema

#: The file of the OpenAPI document, next to the JSON Schema.
FILE = "openapi.json"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
#: The component for documents of all kinds.
_DOCUMENT = "Document"
_ANY_MINOR = rf"^{document.GROUP}/{document.MAJOR}\.(0|[1-9][0-9]{{0,5}})$"
#: The keywords with the same meaning in JSON Schema and OpenAPI.
_COMMON = ("enum", "maximum", "minimum", "pattern", "required")


def load(kind: str) -> Schema:
    """Return the structural schema of a kind, or of VIFs of any kind (``VIF``).

    :raises os_vif.exception.UnknownKind: for an unknown kind.
    """
    return structural(json_schema.load(kind))


def generate(classes: Classes | None = None) -> Schema:
    """Return the OpenAPI document: no paths, and a component for each definition.

    :param classes: classes by name; by default the classes of os-vif and kuryr.
    """
    whole = json_schema.generate(classes)
    converter = _Components({})
    roots = {ANY_VIF: json_schema.bundle(whole, ANY_VIF), _DOCUMENT: whole}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Documents of os-vif", "version": json_schema.VERSION},
        "paths": {},
        "components": {
            "schemas": {
                name: converter.convert(schema)
                for name, schema in {**whole["$defs"], **roots}.items()
            }
        },
    }


def structural(schema: Schema) -> Schema:
    """Return the structural form of a result of :func:`json_schema.bundle`."""
    return _Structural(schema.get("$defs", {})).convert(schema)


class _Components:
    """The conversion of JSON Schemas to components of OpenAPI.

    :param definitions: the definitions to which the schemas refer.
    """

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions

    def convert(self, node: Any) -> Schema:
        """Return a converted schema: any value for a schema of a third party in another form."""
        if not isinstance(node, dict):
            node = {}
        converted = self._converted(node)
        # OpenAPI 3.0 ignores all keywords beside a reference.
        if "description" in node and "$ref" not in converted:
            converted = converted | {"description": node["description"]}
        return converted

    def _converted(self, node: Schema) -> Schema:
        if "$ref" in node:
            return self.reference(node["$ref"].rpartition("/")[2])
        if node.get("if") == json_schema.NOT_NULL:
            return self.nullable(self.convert(node["then"]))
        if "allOf" in node and all("$ref" in branch.get("then", ()) for branch in node["allOf"]):
            return self.choice(node)
        if node.get("const") == document.API_VERSION:
            return {"type": "string", "pattern": _ANY_MINOR}
        if isinstance(node.get("const"), str):
            return {"type": "string", "enum": [node["const"]]}
        return self._typed(node)

    def _typed(self, node: Schema) -> Schema:
        types = [node["type"]] if isinstance(node.get("type"), str) else node.get("type", [])
        if len(set(types) - {"null"}) != 1:
            return self.anything()
        converted: Schema = {key: node[key] for key in _COMMON if key in node}
        (converted["type"],) = set(types) - {"null"}
        if "null" in types:
            converted = _or_null(converted)
        if converted["type"] == "array":
            converted["items"] = self.convert(node.get("items"))
        if "properties" in node:
            converted |= self.object(node["properties"])
        elif isinstance(node.get("additionalProperties"), dict):
            converted["additionalProperties"] = self.convert(node["additionalProperties"])
        elif converted["type"] == "object":
            converted |= self.anything()
        return converted

    def reference(self, name: str) -> Schema:
        return {"$ref": f"#/components/schemas/{name}"}

    def nullable(self, converted: Schema) -> Schema:
        return {"anyOf": [converted, {"type": "object", "nullable": True, "enum": [None]}]}

    def choice(self, node: Schema) -> Schema:
        return {key: node[key] for key in ("type", "required") if key in node} | {
            "oneOf": [self.convert(branch["then"]) for branch in node["allOf"]],
            "discriminator": {"propertyName": "kind"},
        }

    def object(self, properties: Schema) -> Schema:
        return {"properties": {name: self.convert(properties[name]) for name in properties}}

    def anything(self) -> Schema:
        return {}


class _Structural(_Components):
    """The conversion of JSON Schemas to structural schemas."""

    def __init__(self, definitions: Schema) -> None:
        super().__init__(definitions)
        self._cache: dict[str, Schema] = {}

    def reference(self, name: str) -> Schema:
        if name not in self._cache:
            # A structural schema cannot be recursive: a definition inside itself accepts anything.
            self._cache[name] = self.anything()
            self._cache[name] = self.convert(self._definitions[name])
        return copy.deepcopy(self._cache[name])

    def nullable(self, converted: Schema) -> Schema:
        return _or_null(converted)

    def choice(self, node: Schema) -> Schema:
        kinds = [self.convert(branch["then"]) for branch in node["allOf"]]
        if not all("properties" in kind for kind in kinds):
            return self.anything()
        converted = functools.reduce(_widen, kinds)
        absent = [name for name, schema in node["properties"].items() if schema is False]
        for name in absent:
            converted["properties"].pop(name, None)
        # A newer minor version may have more kinds.
        converted["properties"]["kind"] = {"type": "string"}
        converted.pop("description", None)
        return converted | {key: node[key] for key in ("required",) if key in node}

    def object(self, properties: Schema) -> Schema:
        known = {name: properties[name] for name in properties if name != document.SCHEMA}
        return super().object(known) | {PRESERVE: True}

    def anything(self) -> Schema:
        return {PRESERVE: True}


def _or_null(schema: Schema) -> Schema:
    """Return a schema that also accepts null.

    An enumeration becomes a pattern. Kubernetes applies ``enum`` to null, and before 1.23.0
    refuses a CRD with null in an ``enum``, with a misleading error (apiextensions commits
    9a412db46 and f73ff4ba3). It does not apply ``pattern`` to null.
    """
    schema = schema | {"nullable": True}
    if "enum" in schema:
        values = [value for value in schema.pop("enum") if value is not None]
        if all(isinstance(value, str) for value in values):
            schema["pattern"] = f"^({'|'.join(map(re.escape, values))})$"
    return schema


def _widen(one: Schema, other: Schema) -> Schema:
    """Return a schema that accepts all values accepted by either of two structural schemas."""
    if one == other:
        return copy.deepcopy(one)
    wide: Schema = {key: True for key in ("nullable", PRESERVE) if key in {**one, **other}}
    if "type" not in one or one["type"] != other.get("type"):
        return wide | {PRESERVE: True}
    for key in ("type", "pattern", "description"):
        if key in one and one[key] == other.get(key):
            wide[key] = one[key]
    if "enum" in one and "enum" in other:
        wide["enum"] = sorted({*one["enum"], *other["enum"]})
        wide = _or_null(wide) if "nullable" in wide else wide
    if common := [name for name in one.get("required", ()) if name in other.get("required", ())]:
        wide["required"] = common
    for key in ("items", "additionalProperties"):
        if key in one and key in other:
            wide[key] = _widen(one[key], other[key])
    if "properties" in one and "properties" in other:
        wide["properties"] = _unite(one["properties"], other["properties"])
    return wide


def _unite(one: Schema, other: Schema) -> Schema:
    common = {name: _widen(one[name], other[name]) for name in one.keys() & other.keys()}
    return copy.deepcopy({**one, **other}) | common
