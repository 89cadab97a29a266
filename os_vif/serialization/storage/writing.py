# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Writing of VIFs in the envelopes of kuryr-kubernetes and zun, for a release that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from os_vif import exception
from os_vif.codec import document, primitive, unknown
from os_vif.codec.order import in_order
from os_vif.codec.path import below, invalid, joined
from os_vif.codec.unknown import Loss
from os_vif.objects.kuryr import DEFAULT_INTERFACE
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.objects.vif import VIFBase
from os_vif.serialization import formats, json_text
from os_vif.serialization.storage.envelopes import ENVELOPES, require_reader
from os_vif.serialization.storage.reading import relocate


def write(
    vifs: Mapping[str, VIFBase],
    envelope: str,
    release: str | None = None,
    form: str = primitive.FORM,
) -> str | dict[str, Any]:
    """Return VIFs in an envelope for a release of kuryr or os-vif. No field counts as changed.

    :param vifs: VIFs by the name of the interface; the first interface of a pod is ``eth0``.
    :param envelope: a key of ``ENVELOPES``.
    :param release: the reader: a release of kuryr, such as ``kuryr-4.0.0``, or of os-vif; by
        default the ``default_release`` of the envelope.
    :param form: ``ovo`` for OVO primitives, or ``json`` for documents, which no public kuryr
        reads.
    :returns: text for ``pod-vif`` and ``pod-state``, which are annotations; otherwise plain data.
    :raises ValueError: for an unknown envelope, for an unknown form, and for a form that the
        release does not read.
    :raises os_vif.exception.DataLoss: if the reader has no place for a value, for example for the
        second VIF of a pod in ``pod-vif``. Paths begin with the name of the interface.
    :raises os_vif.exception.SerializationError: if ``eth0`` is required and missing, if the
        release is unknown, does not read the envelope, or lacks the class of a VIF.
    """
    written, losses = downgrade(vifs, envelope, release, form)
    if losses:
        default = (
            ENVELOPES[envelope].default_release if form == primitive.FORM else CURRENT_RELEASE
        )
        raise exception.DataLoss(reader=f"{release or default} as {envelope}", losses=losses)
    return written


def downgrade(
    vifs: Mapping[str, VIFBase],
    envelope: str,
    release: str | None = None,
    form: str = primitive.FORM,
) -> tuple[str | dict[str, Any], list[Loss]]:
    """Return the result of :func:`write`, and the losses.

    Parameters and errors are the same, except :class:`~os_vif.exception.DataLoss`.
    """
    reader = _require_writable(envelope, release, form)
    if envelope != "kuryrport" and DEFAULT_INTERFACE not in vifs:
        raise exception.InvalidValue(
            path=DEFAULT_INTERFACE, found="nothing", expected="the VIF of the first interface"
        )
    written: dict[str, Any] = {}
    losses: list[Loss] = []
    for name, vif in sorted(vifs.items()):
        path = below("", name)
        if envelope == "pod-vif" and name != DEFAULT_INTERFACE:
            losses.append(Loss(path, "left out"))
            continue
        try:
            written[name], of_vif = _downgrade(vif, reader, form)
        except (exception.UnknownKind, exception.InvalidValue) as error:
            raise relocate(error, path) from error
        losses += [Loss(joined(path, loss.path), loss.what) for loss in of_vif]
    return _enclose(written, envelope, form), losses


def _require_writable(envelope: str, release: str | None, form: str) -> str:
    """Return the reader. Raise an error if the reader does not read the envelope or the form."""
    if envelope not in ENVELOPES:
        raise ValueError(f"{envelope!r} is not an envelope: use {', '.join(ENVELOPES)}")
    if form not in {primitive.FORM, document.FORM}:
        raise ValueError(
            f"{envelope} cannot contain the form {form!r}: "
            f"use {primitive.FORM!r} or {document.FORM!r}"
        )
    if form == document.FORM and release not in {None, CURRENT_RELEASE}:
        raise ValueError(f"{release} does not read the form {form!r}")
    reader = release or ENVELOPES[envelope].default_release
    if form == primitive.FORM:
        require_reader(reader, envelope)
    return reader


def _downgrade(vif: VIFBase, reader: str, form: str) -> tuple[Any, list[Loss]]:
    formats.require_object(vif, "")
    if form == primitive.FORM:
        data, losses = formats.downgrade(vif, reader)
        return _without_changes(data), losses
    if losses := unknown.losses(vif, form):
        vif = vif.obj_clone()
        unknown.discard(vif, form)
    return formats.to_document(vif), losses


def _without_changes(data: Any) -> Any:
    """Return an OVO primitive without lists of changed fields, at any depth."""
    if isinstance(data, dict):
        return {
            name: _without_changes(value)
            for name, value in data.items()
            if name != primitive.CHANGES
        }
    return [_without_changes(item) for item in data] if isinstance(data, list) else data


def _enclose(written: dict[str, Any], envelope: str, form: str) -> str | dict[str, Any]:
    """Return the envelope with the plain data of VIFs by interface."""
    if envelope == "kuryrport":
        return {
            "vifs": {
                name: {"default": name == DEFAULT_INTERFACE, "vif": data}
                for name, data in written.items()
            }
        }
    default = written.pop(DEFAULT_INTERFACE)
    compose = json_text.compose if form == document.FORM else json_text.compose_sorted
    state_class = ENVELOPES[envelope].state_class
    if state_class is None:
        return compose(default)
    fields: dict[str, Any] = {"default_vif": default}
    # kuryr always writes additional_vifs; zun omits an empty one.
    if written or envelope == "pod-state":
        fields["additional_vifs"] = written
    if form == primitive.FORM:
        state = formats.primitive_envelope(state_class, "1.0", fields)
    else:
        state = _state_document(fields)
    return compose(state) if envelope == "pod-state" else {"vif": state}


def _state_document(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a ``PodState`` with the documents of VIFs, in the newest version.

    The VIFState of zun has the fields of a PodState.
    """
    vifs = [fields["default_vif"], *fields.get("additional_vifs", {}).values()]
    newest = max((vif["apiVersion"] for vif in vifs), key=lambda v: int(v.rpartition(".")[2]))
    head = {"apiVersion": newest, "kind": "PodState"}
    for vif in vifs:
        del vif["apiVersion"]
    data: dict[str, Any] = in_order(head | fields)
    return data


def kuryrport(pod: dict[str, Any], status: Any) -> dict[str, Any]:
    """Return the ``KuryrPort`` that kuryr 3.0 and later would create for a pod.

    :param pod: the pod as plain data, from the API of Kubernetes.
    :param status: the result of :func:`write` for the envelope ``kuryrport``.
    :raises os_vif.exception.InvalidValue: for a pod without ``uid`` or without node.
    """
    values = {}
    for path in ("metadata.namespace", "metadata.name", "metadata.uid", "spec.nodeName"):
        part, name = path.split(".")
        members = pod.get(part)
        value = values[name] = members.get(name) if isinstance(members, dict) else None
        if not isinstance(value, str):
            raise invalid(value, "a string, as every pod on a node has", path)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": values["name"], "uid": values["uid"]}
    return {
        "apiVersion": "openstack.org/v1",
        "kind": "KuryrPort",
        "metadata": {
            "namespace": values["namespace"],
            "name": values["name"],
            "finalizers": ["kuryr.openstack.org/kuryrport-finalizer"],
            "labels": {"kuryr.openstack.org/nodeName": values["nodeName"]},
            # kuryr writes owners since 6.0; earlier releases ignore owners.
            "ownerReferences": [owner],
        },
        "spec": {"podUid": values["uid"], "podNodeName": values["nodeName"]},
        "status": status,
    }
