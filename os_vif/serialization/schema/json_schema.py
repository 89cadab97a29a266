# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON Schema (draft 2020-12) of documents.

The schema accepts the same documents of this minor version as the reader, except that the schema
does not limit the depth of nesting. Patterns have the syntax of ECMA-262, in which ``$`` is the
very end of the text.

One committed file, :data:`FILE`, has a definition of each class, generated from the classes by
``python -m tools.contract --write``. A definition is complete, so validators report an error
once, in the object that has it: where several kinds are permitted, ``kind`` selects the definition.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from os_vif import exception
from os_vif.codec import document, field, registry
from os_vif.codec.document import field_codec, field_names, takes_null
from os_vif.codec.path import describe
from os_vif.objects.versioning import history

Schema = dict[str, Any]
Classes = Mapping[str, type[Any]]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: The name that selects a VIF of any kind.
ANY_VIF = "VIF"
VERSION = f"{document.MAJOR}.{document.MINOR}"
#: The folder of the committed schemas in this package, and the file of the JSON Schema.
FOLDER = f"data/{VERSION}"
FILE = "os-vif.json"
_BASE = "VIFBase"
_ROLE = re.compile(r":\w+:`~?([^`]*)`|``([^`]*)``")
_HEAD: Schema = {
    document.SCHEMA: {"type": "string"},
    "apiVersion": {"const": document.API_VERSION},
}


def load(kind: str) -> Schema:
    """Return the JSON Schema of the documents of a kind, or of VIFs of any kind (``VIF``).

    The schema is self-contained, and the one published with this release. The caller may change it.

    :raises os_vif.exception.UnknownKind: for a kind that this release does not have.
    """
    if not isinstance(kind, str) or kind not in {ANY_VIF, *history.vocabulary()}:
        raise exception.UnknownKind(
            path="kind",
            found=describe(kind),
            expected=f"{ANY_VIF} or the name of a class of os-vif",
        )
    return bundle(json.loads(read(FILE)), kind)


def read(name: str) -> str:
    """Return the text of a committed file of this version."""
    return resources.files(__package__).joinpath(FOLDER, name).read_text("utf-8")


def generate(classes: Classes | None = None) -> Schema:
    """Return the schema of all documents, with a definition of each class in ``$defs``.

    :param classes: classes by name, instead of the classes of this release.
    """
    if classes is None:
        classes = history.vocabulary()
    definitions = {name: _with_kind(cls) for name, cls in classes.items()}
    for nested in _nested(classes):
        cls = classes[nested.name]
        if nested.open_type:
            definitions[_name(nested)] = kinds = choice(kinds_of(nested.name, classes))
            # A nested object has no version.
            kinds["properties"] |= dict.fromkeys(_HEAD, False)
        elif registry.is_list(cls):
            definitions[_name(nested)] = field_codec(cls, "objects").json_schema()
        else:
            definitions[_name(nested)] = _object(cls, {})
    return {
        "$schema": DIALECT,
        "$id": f"urn:{document.GROUP}:{VERSION}",
        "title": "Document of os-vif",
        "$defs": definitions,
    } | _whole(choice(classes))


def bundle(whole: Schema, kind: str) -> Schema:
    """Return the self-contained schema of the documents of a kind, with the required definitions.

    :param whole: the result of :func:`generate`.
    """
    definitions = whole["$defs"]
    root = _whole(_any_vif(definitions) if kind == ANY_VIF else definitions[kind])
    nested = closure(references(root), definitions.__getitem__)
    head = {"$schema": whole["$schema"], "$id": f"{whole['$id']}:{kind}"}
    return head | root | ({"$defs": nested} if nested else {})


def closure(names: Iterable[str], definition: Callable[[str], Schema]) -> Schema:
    """Return the definitions with certain names, and all definitions to which they refer."""
    definitions: Schema = {}
    pending = [*names]
    while pending:
        name = pending.pop()
        if name not in definitions:
            definitions[name] = definition(name)
            pending += references(definitions[name])
    return definitions


def _any_vif(definitions: Schema) -> Schema:
    """Return the schema of VIFs of any kind as whole documents."""
    nested: Schema = definitions[_name(field.Nested(_BASE, open_type=True))]
    properties = {"kind": nested["properties"]["kind"]}
    title = {"title": ANY_VIF, "description": "A VIF of any kind."}
    return nested | title | {"properties": properties}


def references(node: Any) -> Iterator[str]:
    """Yield the names of the definitions to which a schema refers."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from references(item)


def choice(kinds: Iterable[str], key: str = "kind") -> Schema:
    """Return the schema of objects of several kinds; the kind selects the definition.

    With ``oneOf``, a validator would report the errors of all kinds.

    :param key: the name of the property with the kind.
    """
    names = sorted(kinds)
    branches = [
        {
            "if": {"type": "object", "properties": {key: {"const": name}}, "required": [key]},
            "then": {"$ref": f"#/$defs/{name}"},
        }
        for name in names
    ]
    properties = {key: {"enum": names}}
    return {"type": "object", "properties": properties, "required": [key], "allOf": branches}


def or_null(schema: Schema) -> Schema:
    """Return a schema that accepts null, too."""
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    if "type" in schema:
        return schema | {"type": [schema["type"], "null"]}
    if "$ref" in schema:
        return {"if": {"not": {"type": "null"}}, "then": schema}
    # Any value is permitted.
    return schema


def _whole(schema: Schema) -> Schema:
    """Return the schema of a whole document, in which the version is required."""
    return schema | {"required": ["apiVersion", *schema["required"]]}


def _nested(classes: Classes) -> Iterator[field.Nested]:
    """Yield the fields of classes that contain objects."""
    for cls in classes.values():
        for name in field_names(cls):
            value = field_codec(cls, name)
            while isinstance(value, (field.Array, field.Map)):
                value = value.item
            if isinstance(value, field.Nested):
                yield value


def kinds_of(name: str, classes: Classes) -> list[str]:
    """Return the names of the classes permitted in a field that declares a class."""
    return [kind for kind, cls in classes.items() if name in registry.ancestors(cls)]


def _name(nested: field.Nested) -> str:
    """Return the name of the definition of the objects in a field."""
    return next(references(nested.json_schema()))


def _with_kind(cls: type[Any]) -> Schema:
    """Return the schema of objects of a class that have a kind."""
    return _object(cls, _HEAD | {"kind": {"const": cls.__name__}}) | {"required": ["kind"]}


def _object(cls: type[Any], head: dict[str, Schema]) -> Schema:
    """Return the schema of objects with a head and the fields of a class."""
    schema: Schema = {
        "title": cls.__name__,
        "type": "object",
        "properties": head | {name: _field(cls, name) for name in field_names(cls)},
        "additionalProperties": False,
    }
    if cls.__doc__:
        summary = inspect.cleandoc(cls.__doc__).partition("\n\n")[0].replace("\n", " ")
        schema["description"] = _ROLE.sub(lambda match: match[1] or match[2], summary)
    return schema


def _field(cls: type[Any], name: str) -> Schema:
    schema = field_codec(cls, name).json_schema()
    return or_null(schema) if takes_null(cls, name) else schema
