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

A VIF stands there as an OVO primitive; :func:`read` takes a document in its place, too, and that
of a ``PodState`` in the place of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from os_vif import exception
from os_vif.codec import document, primitive, registry, unknown
from os_vif.codec.path import SeveralErrors, below, errors_of, invalid, joined
from os_vif.codec.unknown import Loss
from os_vif.objects.kuryr import DEFAULT_INTERFACE
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.objects.vif import VIFBase
from os_vif.serialization import formats, json_text

ANNOTATION = "openstack.org/kuryr-vif"
#: By wrapping, whom it is written for unless somebody else is named: the newest kuryr that
#: writes it; zun 5.0.0 and later need this os-vif or a newer one.
WRAPPINGS = {
    "pod-vif": "kuryr-0.4.7",
    "pod-state": "kuryr-2.1.0",
    "kuryrport": "kuryr-10.0.0",
    "cni-metadata": "1.15.1",
}
#: By wrapping, the first and the last release of kuryr that reads it.
READERS = {
    "pod-vif": ("kuryr-0.1.0", "kuryr-2.1.0"),
    # 3.0 and 3.1 make KuryrPorts of it.
    "pod-state": ("kuryr-0.5.0", "kuryr-3.1.0"),
    "kuryrport": ("kuryr-3.0.0", "kuryr-10.0.0"),
}
_STATES = {"pod-state": "PodState", "cni-metadata": "VIFState"}


def read(stored: Any) -> dict[str, VIFBase]:
    """The VIFs in any of the wrappings, by the name of their interface.

    What counts as changed in them is what was stored so.

    :param stored: text or plain data: a pod with the annotation, its annotations, the annotation,
        a ``KuryrPort``, its ``status``, the ``vifs`` of that, zun's ``cni_metadata``, or one VIF
        alone.
    :raises os_vif.exception.SerializationError: naming the path of what is wrong.
    """
    try:
        return _read(stored)
    except SeveralErrors as error:
        first = error.errors[0]
        raise first from first.__cause__


def validate(stored: Any) -> list[exception.SerializationError]:
    """Return all errors of VIFs in any of the wrappings; empty exactly if :func:`read` reads them.

    :param stored: as for :func:`read`.
    """
    try:
        _read(stored)
    except exception.SerializationError as error:
        return errors_of(error)
    return []


def _read(stored: Any) -> dict[str, VIFBase]:
    """Return the VIFs in any of the wrappings.

    :raises os_vif.codec.path.SeveralErrors: if more than one value is wrong.
    """
    data = json_text.parse(stored) if isinstance(stored, (str, bytes)) else stored
    if not isinstance(data, dict):
        raise invalid(data, "an object", "")
    if holds_object(data):
        return _read_object(data, "")
    # A KuryrPort may have annotations, too; not every pod has the one of kuryr.
    for where, reader in (
        ((VIFS_IN_SPEC if has_vifs_in_spec(data) else VIFS_IN_STATUS), _read_port),
        (("vifs",), _read_port),
        (("metadata", "annotations", ANNOTATION), _read_annotation),
        ((ANNOTATION,), _read_annotation),
    ):
        found = data
        for name in where:
            found = found.get(name, _ABSENT) if isinstance(found, dict) else _ABSENT
        if found is not _ABSENT:
            return reader(found, ".".join(where[:-1] if where[-1] == ANNOTATION else where))
    if holds_object(data.get("vif")):
        return _read_object(data["vif"], "vif")
    if "kind" in data:
        expected = f"a pod with the annotation {ANNOTATION}, or a KuryrPort with status.vifs"
        raise invalid(data, expected, "")
    return _read_port(data, "")


_ABSENT = object()
#: Where a ``KuryrPort`` has its VIFs, and where the first ones had them.
VIFS_IN_STATUS, VIFS_IN_SPEC = ("status", "vifs"), ("spec", "vifs")


def has_vifs_in_spec(data: dict[str, Any]) -> bool:
    """Return whether a KuryrPort has its VIFs in ``spec.vifs``, and none in ``status.vifs``."""
    in_spec, in_status = (
        part.get("vifs") if isinstance(part := data.get(name), dict) else None
        for name in ("spec", "status")
    )
    return bool(in_spec) and not in_status


def holds_vifs(data: Any) -> bool:
    """Return whether an annotation is an object of interface name to VIF.

    kuryr's documentation of three releases shows that form.
    """
    return (
        isinstance(data, dict)
        and not holds_object(data)
        and any(holds_object(vif) for name, vif in data.items() if name != "vif")
    )


def holds_object(data: Any) -> bool:
    """Whether it is an OVO primitive or a document, not something of Kubernetes."""
    if formats.is_primitive(data):
        return True
    version = data.get("apiVersion") if isinstance(data, dict) else None
    return isinstance(version, str) and version.startswith(f"{document.GROUP}/")


def _read_annotation(annotation: Any, path: str) -> dict[str, VIFBase]:
    place = f"{path}[{ANNOTATION!r}]"
    if not isinstance(annotation, str):
        raise invalid(annotation, "text, in which the VIFs are", place)
    try:
        data = json_text.parse(annotation)
    except exception.SerializationError as error:
        raise _inside(place, error) from error
    if holds_vifs(data):
        return _read_vifs(data, place)
    if not holds_object(data):
        expected = "an OVO primitive, a document, or VIFs by the name of their interface"
        raise invalid(data, expected, place)
    return _read_object(data, place)


def _read_object(data: dict[str, Any], path: str) -> dict[str, VIFBase]:
    """A PodState, a VIFState, or one VIF."""
    if data.get(primitive.NAME) in _STATES.values():
        return _read_state(data, path)
    found = _load(data, path)
    if found.obj_name() != "PodState":
        return {DEFAULT_INTERFACE: _vif(found, path)}
    _refuse_more(found, path)
    if not found.obj_attr_is_set("default_vif"):
        raise invalid(None, "a VIF", below(path, "default_vif"))
    return {DEFAULT_INTERFACE: found.default_vif, **found.additional_vifs}


def _read_state(data: dict[str, Any], path: str) -> dict[str, VIFBase]:
    """Each VIF by itself: it may be a document."""
    fields = data.get(primitive.DATA)
    if not isinstance(fields, dict):
        raise invalid(fields, "an object with the fields", below(path, primitive.DATA))
    more = {name: fields[name] for name in fields.keys() - {"default_vif", "additional_vifs"}}
    place = below(path, "default_vif")

    def check_state() -> dict[str, VIFBase]:
        # The state of zun has the fields of kuryr's.
        state = {**data, primitive.NAME: "PodState", primitive.DATA: more}
        _refuse_more(_load(state, path), path)
        return {}

    return _all(
        (
            check_state,
            lambda: {DEFAULT_INTERFACE: _read_vif(fields.get("default_vif"), place)},
            lambda: _read_vifs(fields.get("additional_vifs", {}), below(path, "additional_vifs")),
        )
    )


def _read_vifs(vifs: Any, path: str) -> dict[str, VIFBase]:
    if not isinstance(vifs, dict):
        raise invalid(vifs, "an object with the VIFs by interface", path)
    return _all(
        lambda name=name, vif=vif: {name: _read_vif(vif, below(path, name))}  # type: ignore[misc]
        for name, vif in vifs.items()
    )


def _all(parts: Iterable[Callable[[], dict[str, VIFBase]]]) -> dict[str, VIFBase]:
    """Return the VIFs of all parts, or raise the errors of all parts."""
    found: dict[str, VIFBase] = {}
    errors: list[exception.SerializationError] = []
    for read_part in parts:
        try:
            found |= read_part()
        except exception.SerializationError as error:
            errors += errors_of(error)
    if errors:
        raise SeveralErrors(errors)
    return found


def _refuse_more(state: Any, path: str) -> None:
    """Refuse unknown fields of a state: no object could preserve the fields.

    :raises os_vif.codec.path.SeveralErrors: for such fields.
    """
    errors: list[exception.SerializationError] = [
        exception.UnknownField(
            path=below(path, name),
            found="a field that a state does not have",
            expected="default_vif and additional_vifs",
        )
        for form in (document.FORM, primitive.FORM)
        for name in unknown.fields_of(state, form)
    ]
    if errors:
        raise SeveralErrors(errors)


def _read_port(vifs: Any, path: str) -> dict[str, VIFBase]:
    if not isinstance(vifs, dict):
        raise invalid(vifs, "an object with the VIFs by interface", path)
    return _all(
        lambda name=name, entry=entry: {name: _read_entry(entry, below(path, name))}  # type: ignore[misc]
        for name, entry in vifs.items()
    )


def _read_entry(entry: Any, path: str) -> VIFBase:
    if not isinstance(entry, dict) or "vif" not in entry:
        raise invalid(entry, "an object with default and vif", path)
    return _read_vif(entry["vif"], below(path, "vif"))


def _read_vif(data: Any, path: str) -> VIFBase:
    if not holds_object(data):
        raise invalid(data, "a VIF, as an OVO primitive or a document", path)
    return _vif(_load(data, path), path)


def _vif(found: Any, path: str) -> VIFBase:
    if "VIFBase" not in registry.ancestors(type(found)):
        raise exception.UnknownKind(path=path, found=found.obj_name(), expected="a VIF")
    return found  # type: ignore[no-any-return]


def _load(data: dict[str, Any], path: str) -> Any:
    load = formats.from_primitive if formats.is_primitive(data) else formats.from_document
    try:
        return load(data, collects=True)
    except exception.SerializationError as error:
        raise SeveralErrors([_inside(path, single) for single in errors_of(error)]) from error


def _inside(path: str, error: exception.SerializationError) -> exception.SerializationError:
    """The same error, where it is inside something larger."""
    return type(error)(path=joined(path, error.path), found=error.found, expected=error.expected)


def write(
    vifs: Mapping[str, VIFBase],
    wrapping: str,
    release: str | None = None,
    form: str = primitive.FORM,
) -> str | dict[str, Any]:
    """VIFs as kuryr or zun stores them, for a certain release that reads this wrapping.

    Nothing of it counts as changed.

    :param vifs: by the name of their interface; the one of a pod's first interface is ``eth0``.
    :param wrapping: one of :data:`WRAPPINGS`.
    :param release: who is to read it, such as ``kuryr-4.0.0`` (:data:`READERS`), or a release of
        os-vif; by default the one in :data:`WRAPPINGS`.
    :param form: ``ovo``, or ``json`` for documents, which no public kuryr reads.
    :returns: text for ``pod-vif`` and ``pod-state``, which are annotations; else plain data.
    :raises ValueError: for a wrapping that there is not, or a form that cannot stand in it or
        that the release does not read.
    :raises os_vif.exception.DataLoss: if something would be lost, such as all other VIFs of a pod
        in ``pod-vif``. Paths begin with the name of the interface.
    :raises os_vif.exception.SerializationError: if there is no ``eth0`` where one is needed, if
        there is no such release, if it does not read the wrapping, or if it has no such class.
    """
    written, lost = downgrade(vifs, wrapping, release, form)
    if lost:
        reader = release or (WRAPPINGS[wrapping] if form == primitive.FORM else CURRENT_RELEASE)
        raise exception.DataLoss(reader=f"{reader} as {wrapping}", losses=lost)
    return written


def downgrade(
    vifs: Mapping[str, VIFBase],
    wrapping: str,
    release: str | None = None,
    form: str = primitive.FORM,
) -> tuple[str | dict[str, Any], list[Loss]]:
    """What :func:`write` writes, and what is lost on the way there.

    Parameters and errors are the same, but for :class:`~os_vif.exception.DataLoss`.
    """
    if wrapping not in WRAPPINGS:
        raise ValueError(f"{wrapping!r} is none of {', '.join(WRAPPINGS)}")
    if form not in {primitive.FORM, document.FORM}:
        raise ValueError(f"{form!r} cannot stand in {wrapping}")
    if form == document.FORM and release not in {None, CURRENT_RELEASE}:
        raise ValueError(f"{release} does not read the form {form!r}")
    reader = release or WRAPPINGS[wrapping]
    if form == primitive.FORM:
        _check_reader(reader, wrapping)
    if wrapping != "kuryrport" and DEFAULT_INTERFACE not in vifs:
        raise exception.InvalidValue(
            path=DEFAULT_INTERFACE, found="nothing", expected="the VIF of the first interface"
        )
    written: dict[str, Any] = {}
    lost: list[Loss] = []
    for name, vif in sorted(vifs.items()):
        if wrapping == "pod-vif" and name != DEFAULT_INTERFACE:
            lost.append(Loss(below("", name), "left out"))
            continue
        try:
            data, losses = _downgrade(vif, reader, form)
        except (exception.UnknownKind, exception.InvalidValue) as error:
            raise _inside(below("", name), error) from error
        written[name] = data
        lost += [Loss(joined(below("", name), loss.path), loss.what) for loss in losses]
    return _wrapped(written, wrapping, form), lost


def _downgrade(vif: VIFBase, reader: str, form: str) -> tuple[Any, list[Loss]]:
    if form == primitive.FORM:
        data, lost = formats.downgrade(vif, reader)
        return _unchanged(data), lost
    if lost := unknown.losses(vif, form):
        vif = vif.obj_clone()
        unknown.discard(vif, form)
    return formats.to_document(vif), lost


def kuryrport(pod: dict[str, Any], status: Any) -> dict[str, Any]:
    """The ``KuryrPort`` that kuryr 3.0 and later would have for a pod.

    :param pod: plain data, as Kubernetes gives it.
    :param status: what :func:`write` wrote as ``kuryrport``.
    :raises os_vif.exception.InvalidValue: if the pod has no ``uid`` yet, or is on no node.
    """
    found = {}
    for path in ("metadata.namespace", "metadata.name", "metadata.uid", "spec.nodeName"):
        part, name = path.split(".")
        holder = pod.get(part)
        found[name] = holder.get(name) if isinstance(holder, dict) else None
        if not isinstance(found[name], str):
            raise invalid(found[name], "a string, as every pod on a node has it", path)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": found["name"], "uid": found["uid"]}
    return {
        "apiVersion": "openstack.org/v1",
        "kind": "KuryrPort",
        "metadata": {
            "namespace": found["namespace"],
            "name": found["name"],
            "finalizers": ["kuryr.openstack.org/kuryrport-finalizer"],
            "labels": {"kuryr.openstack.org/nodeName": found["nodeName"]},
            # From kuryr 6.0 on; to others it does nothing.
            "ownerReferences": [owner],
        },
        "spec": {"podUid": found["uid"], "podNodeName": found["nodeName"]},
        "status": status,
    }


def reads(release: str, wrapping: str) -> bool:
    """Whether a release of kuryr reads the wrapping. One of os-vif may be under any reader."""
    kuryr = [peer for peer in history.peers() if peer.startswith("kuryr-")]
    if release not in kuryr:
        return True
    if wrapping not in READERS:
        return False
    first, last = READERS[wrapping]
    return kuryr.index(first) <= kuryr.index(release) <= kuryr.index(last)


def _check_reader(release: str, wrapping: str) -> None:
    if reads(release, wrapping):
        return
    expected = f"a release of os-vif: no kuryr reads {wrapping}"
    if wrapping in READERS:
        first, last = READERS[wrapping]
        expected = f"{first} to {last}, which read {wrapping}"
    raise exception.UnsupportedVersion(path="release", found=repr(release), expected=expected)


def _wrapped(written: dict[str, Any], wrapping: str, form: str) -> str | dict[str, Any]:
    if wrapping == "kuryrport":
        return {
            "vifs": {
                name: {"default": name == DEFAULT_INTERFACE, "vif": data}
                for name, data in written.items()
            }
        }
    default = written.pop(DEFAULT_INTERFACE)
    compose = json_text.compose if form == document.FORM else json_text.compose_sorted
    if wrapping == "pod-vif":
        return compose(default)
    fields: dict[str, Any] = {"default_vif": default}
    # zun never writes it empty, and kuryr always has it.
    if written or wrapping == "pod-state":
        fields["additional_vifs"] = written
    if form == primitive.FORM:
        state = formats.frame(_STATES[wrapping], "1.0", fields)
    else:
        # Zun's has the fields of kuryr's.
        state = _state(fields)
    return compose(state) if wrapping == "pod-state" else {"vif": state}


def _state(fields: dict[str, Any]) -> dict[str, Any]:
    """The document of a ``PodState`` whose VIFs are documents; it has the newest version."""
    vifs = [fields["default_vif"], *fields.get("additional_vifs", {}).values()]
    newest = max((vif["apiVersion"] for vif in vifs), key=lambda v: int(v.rpartition(".")[2]))
    head = {"apiVersion": newest, "kind": "PodState"}
    for vif in vifs:
        del vif["apiVersion"]
    data: dict[str, Any] = json_text.in_order(head | fields)
    return data


def _unchanged(data: Any) -> Any:
    """A primitive of which nothing has changed, as kuryr stores it."""
    if isinstance(data, dict):
        return {n: _unchanged(v) for n, v in data.items() if n != primitive.CHANGES}
    return [_unchanged(item) for item in data] if isinstance(data, list) else data
