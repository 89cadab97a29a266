# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The custom resource definition (CRD) of kuryr's ``KuryrPort``, with typed VIFs."""

from __future__ import annotations

from typing import Any

from os_vif.codec import primitive
from os_vif.serialization.schema import json_schema, openapi
from os_vif.serialization.schema.json_schema import ANY_VIF, Schema

#: The file of the CRD, next to the JSON Schema.
FILE = "kuryrport-crd.yaml"
_GROUP = "openstack.org"
_NAMES = {
    "kind": "KuryrPort",
    "listKind": "KuryrPortList",
    "plural": "kuryrports",
    "singular": "kuryrport",
    "shortNames": ["kp"],
}


def load() -> str:
    """Return the CRD as YAML, as this release ships it."""
    return json_schema.read(FILE)


def generate() -> Schema:
    """Return the CRD, with a type for the VIFs in ``status.vifs``.

    A VIF is a document or an OVO primitive, which releases of kuryr have stored.
    """
    vif = openapi.structural(json_schema.bundle(json_schema.generate(), ANY_VIF))
    vif["anyOf"] = [{"required": vif.pop("required")}, {"required": [primitive.NAME]}]
    entry = _object({"default": {"type": "boolean"}, "vif": vif}, required=["vif"])
    spec = {
        "podUid": {"type": "string"},
        "podNodeName": {"type": "string"},
        "podStatic": {"type": "boolean"},
    }
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
            "spec": _object(spec, required=["podUid", "podNodeName"]),
            "status": _object({"vifs": vifs}, required=["vifs"]),
        },
    }
    # The status is no subresource: kuryr writes the spec and the status in a single request.
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": port},
        "additionalPrinterColumns": [
            # The columns of kuryr's own definition, which ``kubectl get kuryrports`` prints.
            _column("PodUID", "UID of the pod.", ".spec.podUid"),
            _column("Nodename", "Node that the pod runs on.", ".spec.podNodeName"),
            _column("labels", "Labels of the KuryrPort.", ".metadata.labels"),
        ],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{_NAMES['plural']}.{_GROUP}"},
        "spec": {"group": _GROUP, "names": _NAMES, "scope": "Namespaced", "versions": [version]},
    }


def _column(name: str, description: str, path: str) -> Schema:
    return {"name": name, "type": "string", "description": description, "jsonPath": path}


def _object(properties: dict[str, Any], *, required: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        openapi.PRESERVE: True,
    }
