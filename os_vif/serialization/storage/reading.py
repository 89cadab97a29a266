# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reading of VIFs from every envelope that kuryr-kubernetes or zun has stored.

An error in a VIF does not end the reading: the remaining VIFs are read, so that :func:`validate`
returns all errors.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from os_vif import exception
from os_vif.codec import document, primitive, registry, unknown
from os_vif.codec.path import SeveralErrors, below, errors_of, invalid, joined
from os_vif.objects.kuryr import DEFAULT_INTERFACE
from os_vif.objects.vif import VIFBase
from os_vif.serialization import formats, json_text
from os_vif.serialization.storage.envelopes import (
    ANNOTATION,
    ENVELOPES,
    VIFS_IN_SPEC,
    VIFS_IN_STATUS,
    has_vifs_by_interface,
    has_vifs_in_spec,
    is_vif_payload,
)

_ABSENT = object()
_IN_POD = "metadata.annotations"
_STATES = [envelope.state_class for envelope in ENVELOPES.values() if envelope.state_class]


def read(stored: Any) -> dict[str, VIFBase]:
    """Return the VIFs of any envelope, by the name of the interface.

    Fields count as changed if the stored primitive lists the fields as changed.

    :param stored: text or plain data: a pod with the annotation, the annotations of a pod, the
        annotation, a ``KuryrPort``, the ``status`` or the ``vifs`` of a ``KuryrPort``, zun's
        ``cni_metadata``, or a single VIF.
    :raises os_vif.exception.SerializationError: for the first error, with the path of the field.
    """
    try:
        return _read(stored)
    except SeveralErrors as error:
        first = error.errors[0]
        raise first from first.__cause__


def validate(stored: Any) -> list[exception.SerializationError]:
    """Return all errors of VIFs in any envelope; no errors exactly if :func:`read` succeeds.

    :param stored: text or plain data, as for :func:`read`.
    """
    try:
        _read(stored)
    except exception.SerializationError as error:
        return errors_of(error)
    return []


@contextlib.contextmanager
def _collect(errors: list[exception.SerializationError]) -> Iterator[None]:
    """Add the errors of the body to *errors* instead of raising the errors."""
    try:
        yield
    except exception.SerializationError as error:
        errors += errors_of(error)


def _read(stored: Any) -> dict[str, VIFBase]:
    """Return the VIFs of any envelope.

    :raises os_vif.codec.path.SeveralErrors: for more than one error.
    """
    data = json_text.parse(stored, collects=True) if isinstance(stored, (str, bytes)) else stored
    if not isinstance(data, dict):
        raise invalid(data, "an object", "")
    if is_vif_payload(data):
        return _read_object(data, "")
    # A KuryrPort may have annotations, and a pod may lack the annotation of kuryr.
    in_port = VIFS_IN_SPEC if has_vifs_in_spec(data) else VIFS_IN_STATUS
    for keys in (in_port, ("vifs",)):
        if (vifs := _value_at(data, keys)) is not _ABSENT:
            return _read_each(vifs, ".".join(keys), _read_entry)
    for mapping, path in (_value_at(data, _IN_POD.split(".")), _IN_POD), (data, ""):
        if (annotation := _value_at(mapping, (ANNOTATION,))) is not _ABSENT:
            return _read_annotation(annotation, f"{path}[{ANNOTATION!r}]")
    if is_vif_payload(data.get("vif")):
        return _read_object(data["vif"], "vif")
    if "kind" in data:
        expected = f"a pod with the annotation {ANNOTATION}, or a KuryrPort with status.vifs"
        raise invalid(data, expected, "")
    return _read_each(data, "", _read_entry)


def _value_at(data: Any, keys: Iterable[str]) -> Any:
    """Return the value at nested keys, or ``_ABSENT``."""
    for key in keys:
        data = data.get(key, _ABSENT) if isinstance(data, dict) else _ABSENT
    return data


def _read_annotation(annotation: Any, path: str) -> dict[str, VIFBase]:
    if not isinstance(annotation, str):
        raise invalid(annotation, "text with the VIFs", path)
    try:
        data = json_text.parse(annotation, collects=True)
    except exception.SerializationError as error:
        errors = [relocate(single, path) for single in errors_of(error)]
        raise (SeveralErrors(errors) if errors[1:] else errors[0]) from error
    if has_vifs_by_interface(data):
        return _read_each(data, path, _read_vif)
    if not is_vif_payload(data):
        expected = "an OVO primitive, a document, or VIFs by the name of the interface"
        raise invalid(data, expected, path)
    return _read_object(data, path)


def _read_object(data: dict[str, Any], path: str) -> dict[str, VIFBase]:
    """Return the VIFs of a ``PodState``, of a ``VIFState``, or a single VIF."""
    if data.get(primitive.NAME) in _STATES:
        return _read_state(data, path)
    obj = _load(data, path)
    if obj.obj_name() != "PodState":
        return {DEFAULT_INTERFACE: _require_vif(obj, path)}
    _refuse_unknown_fields(obj, path)
    if not obj.obj_attr_is_set("default_vif"):
        raise invalid(None, "a VIF", below(path, "default_vif"))
    return {DEFAULT_INTERFACE: obj.default_vif, **obj.additional_vifs}


def _read_state(data: dict[str, Any], path: str) -> dict[str, VIFBase]:
    """Return the VIFs of the primitive of a state. Each VIF may be a primitive or a document."""
    fields = data.get(primitive.DATA)
    if not isinstance(fields, dict):
        raise invalid(fields, "an object with the fields", below(path, primitive.DATA))
    more = {name: fields[name] for name in fields.keys() - {"default_vif", "additional_vifs"}}
    vifs: dict[str, VIFBase] = {}
    errors: list[exception.SerializationError] = []
    with _collect(errors):
        # The VIFState of zun has the fields of the PodState of kuryr.
        state = {**data, primitive.NAME: "PodState", primitive.DATA: more}
        _refuse_unknown_fields(_load(state, path), path)
    with _collect(errors):
        default = _read_vif(fields.get("default_vif"), below(path, "default_vif"))
        vifs[DEFAULT_INTERFACE] = default
    with _collect(errors):
        additional = fields.get("additional_vifs", {})
        vifs |= _read_each(additional, below(path, "additional_vifs"), _read_vif)
    if errors:
        raise SeveralErrors(errors)
    return vifs


def _read_each(
    vifs: Any, path: str, read_member: Callable[[Any, str], VIFBase]
) -> dict[str, VIFBase]:
    """Return the VIFs of an object with a member for each interface.

    :raises os_vif.codec.path.SeveralErrors: with the errors of all members.
    """
    if not isinstance(vifs, dict):
        raise invalid(vifs, "an object with the VIFs by interface", path)
    found: dict[str, VIFBase] = {}
    errors: list[exception.SerializationError] = []
    for name, member in vifs.items():
        with _collect(errors):
            found[name] = read_member(member, below(path, name))
    if errors:
        raise SeveralErrors(errors)
    return found


def _read_entry(entry: Any, path: str) -> VIFBase:
    if not isinstance(entry, dict) or "vif" not in entry:
        raise invalid(entry, "an object with default and vif", path)
    return _read_vif(entry["vif"], below(path, "vif"))


def _read_vif(data: Any, path: str) -> VIFBase:
    if not is_vif_payload(data):
        raise invalid(data, "a VIF, as an OVO primitive or a document", path)
    return _require_vif(_load(data, path), path)


def _require_vif(obj: Any, path: str) -> VIFBase:
    if "VIFBase" not in registry.ancestors(type(obj)):
        raise exception.UnknownKind(path=path, found=obj.obj_name(), expected="a VIF")
    return obj  # type: ignore[no-any-return]


def _refuse_unknown_fields(state: Any, path: str) -> None:
    """Refuse unknown fields of a state: :func:`read` returns VIFs, which cannot keep the fields.

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


def _load(data: dict[str, Any], path: str) -> Any:
    load = formats.from_primitive if formats.is_primitive(data) else formats.from_document
    try:
        return load(data, collects=True)
    except exception.SerializationError as error:
        raise SeveralErrors([relocate(single, path) for single in errors_of(error)]) from error


def relocate(error: exception.SerializationError, path: str) -> exception.SerializationError:
    """Return an error inside the value at *path*, with the whole path."""
    return type(error)(path=joined(path, error.path), found=error.found, expected=error.expected)
