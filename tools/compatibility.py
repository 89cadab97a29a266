# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Comparison of classes, documents and protobuf messages with a release.

A comparison returns a line for each change that breaks readers of the release, and for each change
without a new version. The compared data is plain: dicts, lists and strings.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from oslo_versionedobjects import fields as ovo_fields

from os_vif.codec import document, registry
from os_vif.objects import fields as osv_fields
from os_vif.serialization.schema import json_schema

Data = dict[str, Any]

#: Text for a missing value.
_NONE = "none"


# Classes


def describe_classes(classes: Mapping[str, type[Any]]) -> Data:
    """Return classes as plain data: versions, parents, and fields with types."""
    return {
        name: {
            "version": cls.VERSION,
            "parents": [parent for parent in registry.ancestors(cls)[1:] if parent in classes],
            "fields": {name: _describe_field(cls.fields[name]) for name in sorted(cls.fields)},
        }
        for name, cls in sorted(classes.items())
    }


def _describe_field(declared: Any) -> Data:
    data: Data = {"type": _type(declared._type)}
    if declared.nullable:
        data["nullable"] = True
    if isinstance(declared._type, ovo_fields.Enum):
        data["values"] = sorted(declared._type.valid_values)
    if declared.default is not ovo_fields.UnspecifiedDefault:
        data["default"] = declared.default
    return data


def _type(kind: Any) -> str:
    """Return the type of a field in the notation of manifests: ``List<Object(FixedIP)>``."""
    if isinstance(kind, ovo_fields.Object):
        return f"Object({kind._obj_name}{',subclasses' if kind._subclasses else ''})"
    if isinstance(kind, ovo_fields.Enum):
        return "Enum"
    if isinstance(kind, osv_fields.Range):
        return f"Range({kind.least} to {kind.most})"
    if isinstance(kind, ovo_fields.CompoundFieldType):
        element = kind._element_type
        null = " nullable" if element.nullable else ""
        return f"{type(kind).__name__}<{_type(element._type)}{null}>"
    return type(kind).__name__


def compare_classes(released: Data, now: Data) -> list[str]:
    """Compare two results of :func:`describe_classes`; return a line for each breaking change."""
    changes = []
    for name, old in released.items():
        if name in now:
            changes += _compare_class(name, old, now[name])
        else:
            changes.append(f"{name}: the class was removed")
    return changes


def _compare_class(name: str, old: Data, new: Data) -> list[str]:
    broken = [
        f"{name}: the class no longer derives from {parent}"
        for parent in old["parents"]
        if parent not in new["parents"]
    ]
    broken += _compare_version(name, old["version"], new["version"])
    added = []
    for key, before in old["fields"].items():
        where = f"{name}.{key}"
        if key not in new["fields"]:
            broken.append(f"{where}: the field was removed")
            continue
        broken += _find_narrowing(where, before, new["fields"][key])
        added += _find_widening(where, before, new["fields"][key])
    added += [
        f"{name}.{key}: the field was added" for key in new["fields"] if key not in old["fields"]
    ]
    if old["version"] == new["version"]:
        broken += [f"{line}, but {name} is still {old['version']}" for line in added]
    return broken


def _compare_version(name: str, old: str, new: str) -> list[str]:
    before, after = ([int(part) for part in version.split(".")] for version in (old, new))
    if after < before or after[0] != before[0]:
        return [f"{name}: version {old} became {new}"]
    return []


def _find_narrowing(where: str, old: Data, new: Data) -> Iterator[str]:
    if old["type"] != new["type"]:
        yield f"{where}: the type {old['type']} became {new['type']}"
        return
    if old.get("nullable") and not new.get("nullable"):
        yield f"{where}: null is no longer accepted"
    for value in old.get("values", ()):
        if value not in new["values"]:
            yield f"{where}: {value!r} is no longer accepted"
    before, after = old.get("default", _NONE), new.get("default", _NONE)
    if before != after:
        yield f"{where}: the default {before} became {after}"


def _find_widening(where: str, old: Data, new: Data) -> Iterator[str]:
    if new.get("nullable") and not old.get("nullable"):
        yield f"{where}: null is accepted"
    for value in new.get("values", ()):
        if value not in old.get("values", (value,)):
            yield f"{where}: {value!r} is accepted"


# Documents


def describe_documents(whole: Data) -> Data:
    """Return the record of a released JSON Schema: the schema of each kind, and the definitions.

    :param whole: the schema of all documents.
    """
    names = sorted([json_schema.ANY_VIF, *whole["properties"]["kind"]["enum"]])
    # A kind and the definition of the kind share no data.
    kinds = {name: copy.deepcopy(json_schema.bundle(whole, name)) for name in names}
    return {
        "apiVersion": document.API_VERSION,
        "kinds": {n: {k: v for k, v in kinds[n].items() if k != "$defs"} for n in names},
        "$defs": whole["$defs"],
    }


def compare_documents(released: Data, now: Data) -> list[str]:
    """Compare two results of :func:`describe_documents`; return a line for each breaking change."""
    comparison = _Comparison(released["$defs"], now["$defs"])
    for kind, old in released["kinds"].items():
        if kind in now["kinds"]:
            comparison.compare(kind, old, now["kinds"][kind])
        else:
            comparison.broken.append(f"{kind}: the kind was removed")
    comparison.added += [
        f"{kind}: the kind was added" for kind in now["kinds"] if kind not in released["kinds"]
    ]
    lines = list(comparison.broken)
    version = released["apiVersion"]
    if version == now["apiVersion"]:
        lines += [f"{line}, but the document is still {version}" for line in comparison.added]
    return list(dict.fromkeys(lines))


@dataclass
class _Comparison:
    """A simultaneous walk through two schemas."""

    old_defs: Data
    new_defs: Data
    broken: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def compare(self, where: str, old: Data, new: Data) -> None:
        old, new = _resolve(old, self.old_defs), _resolve(new, self.new_defs)
        before, after = _types(old), _types(new)
        lost = before - after
        if lost - {"null"}:
            self.broken.append(
                f"{where}: the type {_join_types(before)} became {_join_types(after)}"
            )
            return
        if lost:
            self.broken.append(f"{where}: null is no longer accepted")
        if after - before:
            self.added.append(f"{where}: {_join_types(after - before)} is accepted")
        self._compare_values(where, old, new)
        self._compare_names(where, old, new)
        for key, step in (("items", "[]"), ("additionalProperties", ".*")):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                self.compare(where + step, old[key], new[key])
            elif isinstance(old.get(key), dict) and new.get(key) is False:
                self.broken.append(f"{where}{step}: the property was removed")
        self._compare_kinds(where, old, new)

    def _compare_values(self, where: str, old: Data, new: Data) -> None:
        if "pattern" in new and new["pattern"] != old.get("pattern"):
            # Inclusion of regular expressions is undecidable in general: any change is breaking.
            self.broken.append(
                f"{where}: the pattern {old.get('pattern', _NONE)} became {new['pattern']}"
            )
        elif "pattern" in old and "pattern" not in new:
            self.added.append(f"{where}: values that do not match {old['pattern']} are accepted")
        for value in _choices(old, new):
            self.broken.append(f"{where}: {value!r} is no longer accepted")
        for value in _choices(new, old):
            self.added.append(f"{where}: {value!r} is accepted")

    def _compare_names(self, where: str, old: Data, new: Data) -> None:
        before, after = _properties(old), _properties(new)
        self.broken += [f"{where}.{n}: the property was removed" for n in before if n not in after]
        self.added += [f"{where}.{n}: the property was added" for n in after if n not in before]
        for name in new.get("required", ()):
            if name not in old.get("required", ()):
                self.broken.append(f"{where}.{name}: the property is required now")
        for name in before:
            if name in after and name != "apiVersion":
                self.compare(f"{where}.{name}", before[name], after[name])

    def _compare_kinds(self, where: str, old: Data, new: Data) -> None:
        before, after = _kinds(old), _kinds(new)
        for name, schema in before.items():
            if name in after:
                self.compare(f"{where}({name})", schema, after[name])
            else:
                self.broken.append(f"{where}: the kind {name} is no longer accepted")
        self.added += [f"{where}: the kind {n} is accepted" for n in after if n not in before]


def _resolve(schema: Data, defined: Data) -> Data:
    """Return a schema without references, in the form of the record of 2.0.

    In that form, a value or null is ``anyOf``, and objects of several kinds are ``oneOf``.
    """
    if "anyOf" in schema or "if" in schema:
        inner = _resolve(schema["anyOf"][0] if "anyOf" in schema else schema["then"], defined)
        return inner | {"type": [inner.get("type", "object"), "null"]}
    if "$ref" in schema:
        return _resolve(defined[schema["$ref"].rpartition("/")[2]], defined)
    if "allOf" in schema:
        branches = [_resolve(branch["then"], defined) for branch in schema["allOf"]]
        return {"oneOf": [_merge(branch, schema) for branch in branches]}
    return schema


def _merge(kind: Data, choice: Data) -> Data:
    """Return the schema of one of several kinds, with the conditions for objects of all kinds."""
    properties = {
        name: schema
        for name, schema in kind["properties"].items()
        if choice["properties"].get(name) is not False
    }
    required = sorted({*kind["required"], *choice["required"]})
    return kind | {"properties": properties, "required": required}


def _types(schema: Data) -> set[str]:
    """Return the types that a schema permits; a schema without types permits all types."""
    if "oneOf" in schema and "type" not in schema:
        return {"object"}
    if "const" in schema:
        return {"string"}
    stated = schema.get("type", ["array", "boolean", "null", "number", "object", "string"])
    types = {stated} if isinstance(stated, str) else set(stated)
    return types | {"integer"} if "number" in types else types


def _choices(one: Data, other: Data) -> list[str]:
    """Return the values that *one* permits and the enumeration *other* does not, except null."""
    if "const" in other:
        return [one["const"]] if "const" in one and one["const"] != other["const"] else []
    if "enum" not in other:
        return []
    values = one.get("enum", ["any other string"])
    return [value for value in values if value is not None and value not in other["enum"]]


def _properties(schema: Data) -> Data:
    """Return the properties of an object, without ``$schema``: no release writes that name."""
    properties = schema.get("properties", {})
    return {name: properties[name] for name in properties if name != document.SCHEMA}


def _kinds(schema: Data) -> dict[str, Data]:
    """Return the schemas of a ``oneOf`` by kind."""
    return {kind["properties"]["kind"]["const"]: kind for kind in schema.get("oneOf", ())}


def _join_types(types: set[str]) -> str:
    return " or ".join(sorted(types))


# Messages of protobuf


def compare_messages(released: Data, now: Data) -> list[str]:
    """Compare two sets of protobuf messages; return a line for each breaking change.

    A message is a dict of field name to number, type and label.
    """
    changes = []
    for name, old in released.items():
        new = now.get(name, {})
        changes += [f"{name}.{field}: the field was removed" for field in old if field not in new]
        changes += [
            f"{name}.{field}: {_format_field(before)} became {_format_field(new[field])}"
            for field, before in old.items()
            if field in new and new[field] != before
        ]
        fields = {number: field for field, (number, _, _) in old.items()}
        changes += [
            f"{name}.{field}: the number {number} belonged to {fields[number]}"
            for field, (number, _, _) in new.items()
            if fields.get(number, field) != field
        ]
    return changes


def _format_field(declaration: list[Any]) -> str:
    number, kind, label = declaration
    return f"{label} {kind} {number}".strip()
