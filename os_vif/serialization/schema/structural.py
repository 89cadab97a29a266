# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The structural form of OpenAPI v3 that a Kubernetes CRD takes, made of the JSON Schemas.

It is wider than they are, never narrower: where the type is open, it takes the fields of all
kinds together; an API server that has it prunes nothing and refuses nothing of a newer minor
version. What a document really is, its reader checks.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from typing import Any

from os_vif.codec import document, primitive
from os_vif.serialization.schema import json_schema
from os_vif.serialization.schema.json_schema import Classes, Schema

#: The files beside the JSON Schemas.
OPENAPI = "openapi.json"
KURYRPORT = "kuryrport-crd.yaml"

_ANY_MINOR = rf"^{document.GROUP}/{document.MAJOR}\.(0|[1-9][0-9]{{0,5}})$"
#: What means the same there.
_KEPT = ("description", "enum", "maximum", "minimum", "pattern", "required")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"


def load(kind: str) -> Schema:
    """The structural schema of a kind, or of any VIF (``VIF``), as this release ships it.

    :raises os_vif.exception.UnknownKind: if this release has no such kind.
    """
    json_schema.load(kind)
    openapi: Schema = json.loads(json_schema.read(OPENAPI))
    found: Schema = openapi["components"]["schemas"][kind]
    return found


def kuryrport_crd() -> str:
    """The CRD of kuryr's ``KuryrPort`` with typed VIFs, as YAML, as this release ships it."""
    return json_schema.read(KURYRPORT)


def generate(classes: Classes | None = None) -> Schema:
    """The OpenAPI document: nothing but the structural schema of each kind, and of any VIF.

    :param classes: by name, instead of the vocabulary.
    """
    schemas = json_schema.generate(classes)
    version = f"{document.MAJOR}.{document.MINOR}"
    return {
        "openapi": "3.0.3",
        "info": {"title": "Documents of os-vif", "version": version},
        "paths": {},
        "components": {"schemas": {name: convert(schemas[name]) for name in schemas}},
    }


def convert(whole: Schema) -> Schema:
    """The structural form of a JSON Schema that :mod:`os_vif.serialization.schema.json_schema` made."""
    return _node(whole, whole.get("$defs", {}))


def _node(node: Schema, defined: dict[str, Schema]) -> Schema:
    if "$ref" in node:
        return _node(defined[node["$ref"].rpartition("/")[2]], defined)
    if "anyOf" in node:
        # There is no other: something, or null.
        return _or_null(_node(node["anyOf"][0], defined))
    if "oneOf" in node:
        return _choice(node, defined)
    if "const" in node:
        return _constant(node["const"])
    if "type" not in node:
        return {_PRESERVE: True}
    return _typed(node, defined)


def _typed(node: Schema, defined: dict[str, Schema]) -> Schema:
    found: Schema = {key: node[key] for key in _KEPT if key in node}
    found["type"] = node["type"]
    if isinstance(node["type"], list):
        found = _or_null(found | {"type": node["type"][0]})
    if "items" in node:
        found["items"] = _node(node["items"], defined)
    if "properties" in node:
        inner = {name: _node(node["properties"][name], defined) for name in node["properties"]}
        found |= {"properties": inner, _PRESERVE: True}
    elif isinstance(node.get("additionalProperties"), dict):
        found["additionalProperties"] = _node(node["additionalProperties"], defined)
    return found


def _or_null(found: Schema) -> Schema:
    """Return a schema that also accepts null.

    A choice of strings becomes a pattern. Kubernetes applies ``enum`` to null, and before 1.23.0
    refuses a CRD with null in an ``enum``, with a misleading error (apiextensions commits
    9a412db46 and f73ff4ba3). It does not apply ``pattern`` to null.
    """
    found = found | {"nullable": True}
    if "enum" in found:
        values = [re.escape(value) for value in found.pop("enum") if value is not None]
        found["pattern"] = f"^({'|'.join(values)})$"
    return found


def _one_of(values: set[str], *, or_null: bool) -> Schema:
    """Return a schema of strings to choose from, and null if *or_null* is true."""
    found: Schema = {"enum": sorted(values)}
    return _or_null(found) if or_null else found


def _constant(value: str) -> Schema:
    if value == document.API_VERSION:
        return {"type": "string", "pattern": _ANY_MINOR}
    return {"type": "string", "enum": [value]}


def _choice(node: Schema, defined: dict[str, Schema]) -> Schema:
    """One of several kinds: what holds for all of them."""
    found = functools.reduce(_widen, (_node(kind, defined) for kind in node["oneOf"]))
    # A newer minor version may have more kinds.
    found["properties"]["kind"] = {"type": "string"}
    found.pop("description", None)
    return found | {key: node[key] for key in ("description",) if key in node}


def _widen(one: Schema, other: Schema) -> Schema:
    """What takes all that either of two takes."""
    if one == other:
        return copy.deepcopy(one)
    found: Schema = {key: True for key in ("nullable", _PRESERVE) if key in {**one, **other}}
    if "type" not in one or one["type"] != other.get("type"):
        return found | {_PRESERVE: True}
    for key in ("type", "pattern", "description"):
        if key in one and one[key] == other.get(key):
            found[key] = one[key]
    if "enum" in one and "enum" in other:
        found |= _one_of({*one["enum"], *other["enum"]}, or_null="nullable" in found)
    if common := [name for name in one.get("required", ()) if name in other.get("required", ())]:
        found["required"] = common
    for key in ("items", "additionalProperties"):
        if key in one and key in other:
            found[key] = _widen(one[key], other[key])
    if "properties" in one and "properties" in other:
        found["properties"] = _union(one["properties"], other["properties"])
    return found


def _union(one: Schema, other: Schema) -> Schema:
    both = {name: _widen(one[name], other[name]) for name in one.keys() & other.keys()}
    return copy.deepcopy({**one, **other}) | both


# A CRD


def generate_kuryrport_crd() -> Schema:
    """Kuryr's ``KuryrPort``, with the type that ``status.vifs`` never had.

    A VIF is a document there or an OVO primitive: what kuryr stored before stays valid.
    """
    vif = convert(json_schema.generate()[json_schema.ANY_VIF])
    vif["anyOf"] = [{"required": vif.pop("required")}, {"required": [primitive.NAME]}]
    entry = _struct({"default": {"type": "boolean"}, "vif": vif}, required=["vif"])
    spec = _struct(
        {
            "podUid": {"type": "string"},
            "podNodeName": {"type": "string"},
            "podStatic": {"type": "boolean"},
        },
        required=["podUid", "podNodeName"],
    )
    vifs = {
        "description": "By the name of the interface in the pod.",
        "type": "object",
        "additionalProperties": entry,
    }
    port = {
        "description": "The VIFs of a pod.",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": _struct({"vifs": vifs}, required=["vifs"]),
        },
    }
    names = {
        "kind": "KuryrPort",
        "listKind": "KuryrPortList",
        "plural": "kuryrports",
        "singular": "kuryrport",
        "shortNames": ["kp"],
    }
    group = "openstack.org"
    # The status is no subresource: kuryr writes both at once.
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": port},
        "additionalPrinterColumns": [
            # Those of kuryr's own definition, which ``kubectl get kuryrports`` prints.
            _column("PodUID", "UID of the pod.", ".spec.podUid"),
            _column("Nodename", "Node that the pod runs on.", ".spec.podNodeName"),
            _column("labels", "Labels of the KuryrPort.", ".metadata.labels"),
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}"},
        "spec": {"group": group, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _column(name: str, description: str, path: str) -> Schema:
    return {"name": name, "type": "string", "description": description, "jsonPath": path}


def _struct(properties: dict[str, Any], *, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, _PRESERVE: True}
