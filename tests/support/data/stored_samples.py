# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Texts stored by kuryr and zun: rows of the corpus, and imitations."""

from __future__ import annotations

import json
import pathlib

from oslo_versionedobjects import base as ovo

from os_vif.objects.versioning import history
from tests.support.strategies import make

CORPUS = pathlib.Path(__file__).parents[2] / "interop" / "corpus" / "corpus_public.jsonl"
ROWS = [row for row in map(json.loads, CORPUS.open(encoding="utf-8")) if row["src"] == "kuryr"]
KURYR = [peer for peer in history.peers() if peer.startswith("kuryr-")]
ANNOTATION = "openstack.org/kuryr-vif"


def ids(row) -> str:
    return f"{row['object']}-{row['id']}"


def content(value):
    """Return the classes and values of an object in the form of the corpus."""
    if isinstance(value, ovo.VersionedObject):
        names = [name for name in value.fields if value.obj_attr_is_set(name)]
        return {
            "$obj": value.obj_name(),
            "f": {name: content(getattr(value, name)) for name in names},
        }
    if isinstance(value, list):
        return [content(item) for item in value]
    return value if isinstance(value, (bool, int, str)) else str(value)


def expected_content(row) -> dict:
    """Return the expected content of a row, by interface."""
    fields = row["fields"]
    if row["object"] == "PodState":
        return {"eth0": fields["default_vif"], **fields["additional_vifs"]}
    return fields if "eth0" in fields else {"eth0": {"$obj": row["object"], "f": fields}}


def without_changes(value):
    """Return a primitive without the list of changes."""
    if isinstance(value, dict):
        return {k: without_changes(v) for k, v in value.items() if k != "versioned_object.changes"}
    return [without_changes(item) for item in value] if isinstance(value, list) else value


def versionless(value):
    if isinstance(value, dict):
        return {k: versionless(v) for k, v in value.items() if k != "versioned_object.version"}
    return [versionless(item) for item in value] if isinstance(value, list) else value


def stored_row(row) -> tuple[str, dict]:
    """Return the envelope of a row, and the text of kuryr as plain data."""
    payload = row["payload"]
    if row["wrap"] == "pod-annotation-vif":
        return "pod-vif", json.loads(payload["metadata"]["annotations"][ANNOTATION])
    if row["wrap"] == "kuryrport-crd":
        return "kuryrport", payload["status"]
    return ("pod-state" if row["object"] == "PodState" else "pod-vif"), payload


def parsed(written) -> dict:
    """Return written data as plain data; text is parsed as JSON."""
    return json.loads(written) if isinstance(written, str) else written


def primitive_with_all_changes(obj) -> dict:
    """Return the primitive of an object with all fields changed, as kuryr and zun write
    objects.
    """
    return obj.obj_to_primitive()


def state(name="PodState", default=None, **more) -> dict:
    """Return a state as a program writes it: kuryr always has ``additional_vifs``, zun never."""
    fields = {"default_vif": default or primitive_with_all_changes(make("VIFBridge")), **more}
    return {
        "versioned_object.name": name,
        "versioned_object.namespace": "os_vif",
        "versioned_object.version": "1.0",
        "versioned_object.data": fields,
        "versioned_object.changes": ["default_vif"],
    }


def pod(annotation) -> dict:
    return {"kind": "Pod", "metadata": {"annotations": {"other": "x", ANNOTATION: annotation}}}


def contents(vifs) -> dict:
    return {name: content(vif) for name, vif in vifs.items()}


def kuryr_vif(kind, **more):
    """Return a VIF as kuryr creates VIFs, without fields newer than os-vif 1.4.0."""
    return make(kind, full=False, vif_name="tap1", address="fa:16:3e:00:00:01", **more)


def envelopes(vif, other) -> dict[str, object]:
    """Return every envelope with a VIF, and with a second VIF where the envelope allows
    several.
    """
    primitive, second = primitive_with_all_changes(vif), primitive_with_all_changes(other)
    pair = state(default=primitive, additional_vifs={"eth1": second})
    ports = {
        "eth0": {"default": True, "vif": primitive},
        "eth1": {"default": False, "vif": second},
    }
    zun = state("VIFState", primitive)
    return {
        "vif": primitive,
        "vif as text": json.dumps(primitive),
        "vif as bytes": json.dumps(primitive).encode(),
        "pod with vif": pod(json.dumps(primitive, sort_keys=True)),
        "pod without kind": {"metadata": pod(json.dumps(primitive))["metadata"]},
        "annotations": pod(json.dumps(primitive))["metadata"]["annotations"],
        "state": state(default=primitive, additional_vifs={}),
        "state of two": pair,
        "pod with state of two": pod(json.dumps(pair)),
        "KuryrPort of two": {
            "apiVersion": "openstack.org/v1",
            "kind": "KuryrPort",
            # As written by kubectl apply.
            "metadata": {"name": "p", "annotations": {"kubectl.kubernetes.io/x": "{}"}},
            "spec": {"podUid": "u", "podNodeName": "n"},
            "status": {"vifs": ports},
        },
        "status of two": {"vifs": ports},
        "status as text of two": json.dumps({"vifs": ports}),
        "vifs of two": ports,
        "cni_metadata": {"vif": zun},
        "cni_metadata with pid": {"pid": 4711, "vif": zun},
        "cni_metadata as text": json.dumps({"pid": 4711, "vif": zun}),
        "cni_metadata of two": {
            "vif": state("VIFState", primitive, additional_vifs={"eth1": second}),
            "pid": 1,
        },
        "state of zun": zun,
    }
