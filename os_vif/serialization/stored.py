# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What kuryr-kubernetes and zun put around VIFs when they store them.

======================  =============================================================
``pod-vif``             the annotation ``openstack.org/kuryr-vif`` of a pod, as kuryr 0.1 to
                        0.4 wrote it: one VIF, the one of ``eth0``
``pod-state``           the same annotation, as kuryr 0.5 to 2.1 wrote it: a ``PodState``
``kuryrport``           ``status`` of a ``KuryrPort``, as kuryr 3.0 to 10.0 writes it: all VIFs
                        by interface
``cni-metadata``        ``container.cni_metadata`` of zun: a ``VIFState``
======================  =============================================================

A VIF stands there as an OVO primitive; :func:`read` takes a document in its place, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from os_vif import exception
from os_vif.objects.kuryr import DEFAULT_INTERFACE
from os_vif.objects.losses import Loss
from os_vif.objects.vif import VIFBase
from os_vif.serialization import document, kinds, primitive, text
from os_vif.serialization.values import refuse_at

ANNOTATION = "openstack.org/kuryr-vif"
#: By wrapping, the newest release that reads it.
WRAPPINGS = {
    "pod-vif": "kuryr-0.4.7",
    "pod-state": "kuryr-2.1.0",
    "kuryrport": "kuryr-10.0.0",
    # zun 5.0.0 and later need this one or a newer.
    "cni-metadata": "1.15.1",
}
_STATES = {"pod-state": "PodState", "cni-metadata": "VIFState"}


def read(stored: Any) -> dict[str, VIFBase]:
    """The VIFs in any of the wrappings, by the name of their interface.

    :param stored: text or plain data: a pod with the annotation, the annotation, a ``KuryrPort``,
        its ``status``, the ``vifs`` of that, zun's ``cni_metadata``, or one VIF alone.
    :raises os_vif.exception.SerializationError: naming the path of what is wrong.
    """
    data = text.parse(stored) if isinstance(stored, (str, bytes)) else stored
    if not isinstance(data, dict):
        raise refuse_at("", data, "an object")
    if primitive.is_primitive(data):
        return _read_state(data, "")
    for *where, reader in (
        ("metadata", "annotations", _read_annotation),
        ("status", "vifs", _read_port),
        ("vifs", _read_port),
    ):
        inner, path = _within(data, where)
        if inner is not None:
            return reader(inner, path)
    if primitive.is_primitive(data.get("vif")) and "default" not in data:
        return _read_state(data["vif"], "vif")
    if "apiVersion" in data and "kind" in data:
        return {DEFAULT_INTERFACE: _vif(data, "")}
    return _read_port(data, "")


def _within(data: Any, names: list[Any]) -> tuple[Any, str]:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data, ".".join(names)


def _read_annotation(annotations: Any, path: str) -> dict[str, VIFBase]:
    place = f"{path}[{ANNOTATION!r}]"
    found = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    if not isinstance(found, str):
        raise refuse_at(place, found, "text, in which the VIFs are")
    try:
        data = text.parse(found)
    except exception.MalformedDocument as error:
        raise refuse_at(place, found, error.expected) from error
    if not primitive.is_primitive(data):
        raise refuse_at(place, data, "an OVO primitive")
    return _read_state(data, place)


def _read_state(data: dict[str, Any], path: str) -> dict[str, VIFBase]:
    """A PodState, a VIFState, or one VIF."""
    if data[primitive.NAME] not in _STATES.values():
        return {DEFAULT_INTERFACE: _vif(data, path)}
    fields = data.get(primitive.DATA)
    more = fields.get("additional_vifs", {}) if isinstance(fields, dict) else None
    if not isinstance(more, dict) or "default_vif" not in fields:
        raise refuse_at(path, data, "a state with default_vif")
    found = {"default_vif": fields["default_vif"], **more}
    vifs = {name: _vif(value, f"{path}.{name}".lstrip(".")) for name, value in found.items()}
    return {DEFAULT_INTERFACE: vifs.pop("default_vif"), **vifs}


def _read_port(vifs: Any, path: str) -> dict[str, VIFBase]:
    if not isinstance(vifs, dict):
        raise refuse_at(path, vifs, "an object with the VIFs by interface")
    found = {}
    for name, entry in vifs.items():
        place = f"{path}.{name}".lstrip(".")
        if not isinstance(entry, dict) or "vif" not in entry:
            raise refuse_at(place, entry, "an object with default and vif")
        found[name] = _vif(entry["vif"], f"{place}.vif")
    return found


def _vif(data: Any, path: str) -> VIFBase:
    read_one = (
        primitive.from_primitive if primitive.is_primitive(data) else document.from_document
    )
    try:
        vif = read_one(data)
    except exception.SerializationError as error:
        raise type(error)(
            path=f"{path}.{error.path}".strip("."), found=error.found, expected=error.expected
        ) from error
    if "VIFBase" not in kinds.ancestors(type(vif)):
        raise refuse_at(path, data, "a VIF")
    return vif  # type: ignore[no-any-return]


def write(
    vifs: Mapping[str, VIFBase], wrapping: str, release: str | None = None
) -> str | dict[str, Any]:
    """VIFs as kuryr or zun stores them, for a certain release or any older one of the same form.

    Nothing of it counts as changed.

    :param vifs: by the name of their interface; the one of a pod's first interface is ``eth0``.
    :param wrapping: one of :data:`WRAPPINGS`.
    :param release: who is to read it, such as ``kuryr-4.0.0``; by default the newest that reads
        this wrapping.
    :returns: text for ``pod-vif`` and ``pod-state``, which are annotations; else plain data.
    :raises ValueError: for a wrapping that there is not.
    :raises os_vif.exception.DataLoss: if something would be lost, such as all other VIFs of a pod
        in ``pod-vif``. Paths begin with the name of the interface.
    :raises os_vif.exception.SerializationError: if there is no ``eth0`` where one is needed, if
        there is no such release, or if it has no such class.
    """
    if wrapping not in WRAPPINGS:
        raise ValueError(f"{wrapping!r} is none of {', '.join(WRAPPINGS)}")
    release = release or WRAPPINGS[wrapping]
    if wrapping != "kuryrport" and DEFAULT_INTERFACE not in vifs:
        raise exception.InvalidValue(
            path=DEFAULT_INTERFACE, found="nothing", expected="the VIF of the first interface"
        )
    written: dict[str, Any] = {}
    lost: list[Loss] = []
    for name, vif in vifs.items():
        if wrapping == "pod-vif" and name != DEFAULT_INTERFACE:
            lost.append(Loss(name, "left out"))
            continue
        data, losses = primitive.downgrade(vif, release)
        written[name] = _unchanged(data)
        lost += [Loss(f"{name}.{loss.path}".rstrip("."), loss.what) for loss in losses]
    if lost:
        raise exception.DataLoss(reader=f"{release} as {wrapping}", losses=lost)
    return _wrapped(written, wrapping)


def _wrapped(written: dict[str, Any], wrapping: str) -> str | dict[str, Any]:
    if wrapping == "kuryrport":
        return {
            "vifs": {
                name: {"default": name == DEFAULT_INTERFACE, "vif": data}
                for name, data in sorted(written.items())
            }
        }
    default = written.pop(DEFAULT_INTERFACE)
    if wrapping == "pod-vif":
        return text.compose_sorted(default)
    fields: dict[str, Any] = {"default_vif": default}
    # zun never writes it empty, and kuryr always has it.
    if written or wrapping == "pod-state":
        fields["additional_vifs"] = written
    state = primitive.frame(_STATES[wrapping], "1.0", fields)
    return text.compose_sorted(state) if wrapping == "pod-state" else {"vif": state}


def _unchanged(data: Any) -> Any:
    """A primitive of which nothing has changed, as kuryr stores it."""
    if isinstance(data, dict):
        return {n: _unchanged(v) for n, v in data.items() if n != primitive.CHANGES}
    return [_unchanged(item) for item in data] if isinstance(data, list) else data
