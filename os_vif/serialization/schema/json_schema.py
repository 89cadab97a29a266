# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON Schema (draft 2020-12) of the documents.

A document of this minor version is read if, and only if, the schema of its kind accepts it; how
deep it nests is not said there. Patterns are those of ECMA-262, in which ``$`` is the very end.

The schemas follow from the classes, and are committed and shipped: ``python -m tools.contract``
holds both together.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import Any

from os_vif import exception
from os_vif.codec import document, field, registry
from os_vif.codec.document import field_codec, field_names, takes_null
from os_vif.codec.path import describe
from os_vif.objects.versioning import history

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: The name that selects any VIF instead of a kind.
ANY_VIF = "VIF"
_BASE = "VIFBase"
#: The folder of the schemas, beside this file.
FOLDER = f"data/{document.MAJOR}.{document.MINOR}"
_ROLE = re.compile(r":\w+:`~?([^`]*)`|``([^`]*)``")

Schema = dict[str, Any]
Classes = Mapping[str, type[Any]]


def load(kind: str) -> Schema:
    """Return the JSON Schema of the documents of a kind, or of any VIF (``VIF``).

    It is as it was published with this release. The caller may change it.

    :raises os_vif.exception.UnknownKind: if this release has no such kind.
    """
    if not isinstance(kind, str) or kind not in {ANY_VIF, *history.vocabulary()}:
        raise exception.UnknownKind(
            path="kind",
            found=describe(kind),
            expected=f"{ANY_VIF} or the name of a class of os-vif",
        )
    schema: Schema = json.loads(read(f"{kind}.json"))
    return schema


def read(name: str) -> str:
    """Return the text of a file that ships with the schemas of this version."""
    return resources.files(__package__).joinpath(FOLDER, name).read_text("utf-8")


def generate(classes: Classes | None = None) -> dict[str, Schema]:
    """Return the schema of each kind, and of any VIF, by name.

    :param classes: by name, instead of the vocabulary.
    """
    if classes is None:
        classes = history.vocabulary()
    schemas = {name: _of_kinds(name, [cls], classes) for name, cls in classes.items()}
    vifs = _kinds_of(_BASE, classes)
    return {**schemas, ANY_VIF: _of_kinds(ANY_VIF, vifs, classes)}


def _of_kinds(name: str, of: list[type[Any]], classes: Classes) -> Schema:
    """Return the self-contained schema of documents of some kinds."""
    schemas = [
        _object(cls, {"apiVersion": {"const": document.API_VERSION}, "kind": _kind(cls)})
        for cls in of
    ]
    schema = schemas[0]
    if name == ANY_VIF:
        schema = {"title": ANY_VIF, "description": "A VIF of any kind.", "oneOf": schemas}
    version = f"{document.MAJOR}.{document.MINOR}"
    head = {"$schema": DIALECT, "$id": f"urn:{document.GROUP}:{version}:{name}"}
    nested = _definitions(of, classes)
    return head | schema | ({"$defs": nested} if nested else {})


def _definitions(of: Iterable[type[Any]], classes: Classes) -> dict[str, Schema]:
    """Return the schemas of nested objects, at any depth, by the name of the reference."""
    found: dict[str, Schema] = {}
    waiting = list(of)
    while waiting:
        for declared in _nested(waiting.pop()):
            if declared.name in found:
                continue
            inner = [classes[declared.name]]
            if declared.open_type:
                inner = _kinds_of(declared.name, classes)
                choices = [_object(cls, {"kind": _kind(cls)}) for cls in inner]
                found[declared.name] = {"oneOf": choices}
            elif registry.is_list(inner[0]):
                found[declared.name] = field_codec(inner[0], "objects").json_schema()
            else:
                found[declared.name] = _object(inner[0], {})
            waiting += inner
    return found


def _nested(cls: type[Any]) -> Iterator[field.Nested]:
    for name in field_names(cls):
        value = field_codec(cls, name)
        while isinstance(value, (field.Array, field.Map)):
            value = value.item
        if isinstance(value, field.Nested):
            yield value


def _kinds_of(name: str, classes: Classes) -> list[type[Any]]:
    """Return the classes allowed in a field that declares a class, in order."""
    return [cls for _, cls in sorted(classes.items()) if name in registry.ancestors(cls)]


def _kind(cls: type[Any]) -> Schema:
    return {"const": cls.__name__}


def _object(cls: type[Any], head: dict[str, Schema]) -> Schema:
    """Return the schema of an object: the head, and the fields of a class."""
    schema: Schema = {
        "title": cls.__name__,
        "type": "object",
        "properties": head | {name: _field(cls, name) for name in field_names(cls)},
        "additionalProperties": False,
    }
    if head:
        schema["required"] = list(head)
    return schema | _description(cls)


def _field(cls: type[Any], name: str) -> Schema:
    schema = field_codec(cls, name).json_schema()
    if not takes_null(cls, name):
        return schema
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    if "type" in schema:
        return schema | {"type": [schema["type"], "null"]}
    # Without a type and a reference, any value is allowed.
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema


def _description(cls: type[Any]) -> Schema:
    """Return the summary of a class, without markup."""
    if not cls.__doc__:
        return {}
    summary = inspect.cleandoc(cls.__doc__).partition("\n\n")[0].replace("\n", " ")
    return {"description": _ROLE.sub(lambda found: found[1] or found[2], summary)}
