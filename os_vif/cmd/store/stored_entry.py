# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A stored object of an input: a VIF, or an object of kuryr or zun that contains VIFs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from oslo_versionedobjects import exception as ovo_exception

import os_vif
from os_vif import exception, serialization
from os_vif.cmd.store import json_edit
from os_vif.cmd.store.conversion_target import Target
from os_vif.cmd.store.json_scanner import Chunk
from os_vif.codec import document, primitive, unknown
from os_vif.codec.path import COERCION_ERRORS, below, invalid
from os_vif.codec.unknown import Loss
from os_vif.escape import printable
from os_vif.objects.kuryr import DEFAULT_INTERFACE
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.objects.vif import VIFBase
from os_vif.serialization import json_text, storage

Keys = tuple[json_edit.Key, ...]
#: The keys of the annotation of a pod, and the path in errors.
ANNOTATION: Keys = ("metadata", "annotations", storage.ANNOTATION)
ANNOTATION_PATH = f"metadata.annotations[{storage.ANNOTATION!r}]"
_POD = {"pod-vif", "pod-state"}
#: An annotation with VIFs by interface name, as in the documentation of kuryr.
_POD_VIFS = "pod-vifs"
#: A KuryrPort with VIFs in ``spec.vifs``.
_KURYRPORT_SPEC = "kuryrport-spec"
_ANNOTATED = _POD | {_POD_VIFS}
_MAX_NAME = 80


class StoredEntry:
    """A stored object of an input.

    :raises os_vif.exception.SerializationError: for an object of an unknown type.
    """

    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        #: Plain data; None for a binary format.
        self.data: Any = None
        #: The envelope of the VIFs: a key of :data:`os_vif.serialization.storage.ENVELOPES`,
        #: ``pod-vifs``, ``kuryrport-spec``, or None.
        self.envelope: str | None = None
        #: True for an object of os-vif without an envelope.
        self.is_bare = True
        if is_text(chunk.data):
            self.data = json_text.parse(chunk.data)
            self.is_bare = storage.is_vif_payload(self.data)
            if not self.is_bare:
                self.envelope = _find_envelope(self.data)

    @property
    def name(self) -> str:
        """The name of the object for messages."""
        return name_of(self.data)

    @property
    def has_vifs(self) -> bool:
        """True if the object is a VIF or contains VIFs. Pods in the host network have none."""
        return self.is_bare or self.envelope is not None

    def read(self) -> Any:
        """Return the object itself; for an envelope, the VIFs by interface name.

        :raises os_vif.exception.SerializationError: with the path of the error.
        """
        if self.is_bare:
            return _retry_with_plugins(lambda: serialization.loads(self.chunk.data))
        return _retry_with_plugins(lambda: storage.read(self.data)) if self.envelope else {}

    def write(self, content: Any, target: Target) -> tuple[bytes, list[Loss]]:
        """Return the converted object, and the losses. Everything around the VIFs is unchanged.

        :param content: the result of :meth:`read`. The method may change the objects in it.
        :raises os_vif.exception.SerializationError: if the target cannot read such an object.
        """
        if not self.has_vifs:
            return self.chunk.data, []
        if self.is_bare:
            return self._write_bare(content, target)
        self._refuse_binary(target)
        reader = target.release or CURRENT_RELEASE
        envelope = self._target_envelope(reader)
        layout = "kuryrport" if envelope in {_POD_VIFS, _KURYRPORT_SPEC} else envelope
        written, losses = storage.downgrade(content, layout, reader, target.form)
        values = list(_vif_values(envelope, written))
        if all(_is_same_json(self._value_at(keys), value) for keys, value in values):
            return self.chunk.data, losses
        return json_edit.replace(self.chunk.data.decode(), values).encode(), losses

    def _target_envelope(self, reader: str) -> str:
        """Return the envelope that a release reads in the place of the present envelope."""
        envelope = str(self.envelope)
        if envelope in _POD and not storage.reader_supports(reader, envelope):
            (other,) = _POD - {envelope}
            return other if storage.reader_supports(reader, other) else envelope
        if envelope == _POD_VIFS and reader.startswith("kuryr-"):
            return "pod-state" if storage.reader_supports(reader, "pod-state") else "pod-vif"
        return envelope

    def write_kuryrport(
        self, vifs: dict[str, VIFBase], target: Target
    ) -> tuple[bytes, list[Loss]]:
        """Return the ``KuryrPort`` of a pod, and the losses; a pod without VIFs unchanged.

        :raises os_vif.exception.SerializationError: for another object than a pod.
        """
        if not self.has_vifs:
            return self.chunk.data, []
        if self.envelope not in _ANNOTATED:
            raise exception.InvalidValue(found=self.name, expected="a pod")
        self._refuse_binary(target)
        reader = target.release or CURRENT_RELEASE
        status, losses = storage.downgrade(vifs, "kuryrport", reader, target.form)
        return json_text.compose(storage.kuryrport(self.data, status)).encode(), losses

    def _refuse_binary(self, target: Target) -> None:
        if target.is_binary:
            raise exception.InvalidValue(
                found=self.name, expected="a VIF without an envelope, for a binary form"
            )

    def _write_bare(self, obj: Any, target: Target) -> tuple[bytes, list[Loss]]:
        written, losses = dump(obj, target)
        if isinstance(written, bytes):
            return written, losses
        if self.data is None:
            return written.encode() + b"\n", losses
        data = json_text.parse(written)
        if _is_same_json(self.data, data):
            return self.chunk.data, losses
        return json_edit.replace(self.chunk.data.decode(), [((), data)]).encode(), losses

    def path_of(self, interface: str) -> str:
        """Return the path of the VIF of an interface."""
        if self.envelope in {"kuryrport", _KURYRPORT_SPEC}:
            part = "status" if self.envelope == "kuryrport" else "spec"
            return f"{below(f'{part}.vifs', interface)}.vif"
        prefix = "vif" if self.envelope == "cni-metadata" else ANNOTATION_PATH
        if self.envelope == _POD_VIFS:
            return below(prefix, interface)
        if self.envelope == "pod-vif":
            return prefix
        if interface == DEFAULT_INTERFACE:
            return f"{prefix}.default_vif"
        return below(f"{prefix}.additional_vifs", interface)

    def _value_at(self, keys: Keys) -> Any:
        value = self.data
        for key in keys:
            value = value[key]
        return value


def is_text(data: bytes) -> bool:
    """Return whether *data* may be JSON; other formats start with a control character."""
    return b" " <= data.lstrip()[:1] <= b"~"


def name_of(data: Any) -> str:
    """Return the kind, namespace and name, or kind and ID, of an object as printable text."""
    if not isinstance(data, dict):
        return "an object"
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        names = [metadata[key] for key in ("namespace", "name") if key in metadata]
        words = [data.get("kind", "an object"), "/".join(map(str, names))]
    else:
        fields = data.get(primitive.DATA, data)
        words = [data.get(primitive.NAME, data.get("kind", "an object"))]
        words.append(fields.get("id", "") if isinstance(fields, dict) else "")
    return printable(" ".join(str(word) for word in words if word))[:_MAX_NAME] or "an object"


def names_of(data: Any) -> dict[str, Any]:
    """Return kind, namespace and name of a Kubernetes object as plain data."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        metadata = {}
    kind = data.get("kind") if isinstance(data, dict) else None
    return {"kind": kind, **{name: metadata.get(name) for name in ("namespace", "name")}}


def parsed_or_none(chunk: Chunk) -> Any:
    """Return the plain data of an object, or None if the text is not JSON."""
    try:
        return json_text.parse(chunk.data)
    except exception.SerializationError:
        return None


def loop_name(data: Any) -> str:
    """Return the namespace and kind/name of an object, for ``read namespace object`` of a shell."""
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        return "- " + name_of(data).replace(" ", "/")
    namespace, name = metadata.get("namespace", "-"), metadata.get("name", "")
    return printable(f"{namespace} {data.get('kind', 'Pod')}/{name}")


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Raise every error of an object as a SerializationError, so that the next object is read.

    Classes and fields of plugins may raise other exceptions.

    :raises os_vif.exception.SerializationError: for each error of the object.
    """
    try:
        yield
    except exception.SerializationError:
        raise
    except (*COERCION_ERRORS, ovo_exception.VersionedObjectsException, MemoryError) as error:
        text = printable(str(error))[:_MAX_NAME]
        raise exception.InvalidValue(
            found=f"unreadable data ({type(error).__name__}: {text})",
            expected="a VIF, a pod or a KuryrPort",
        ) from error


def _retry_with_plugins(read: Callable[[], Any]) -> Any:
    """Return the result of *read*; load the plugins for a kind that is unknown without them."""
    try:
        return read()
    except exception.UnknownKind:
        os_vif.initialize()
        return read()


def _find_envelope(data: Any) -> str | None:
    """Return the envelope of the VIFs, or None for an object without VIFs.

    :raises os_vif.exception.InvalidValue: for an unknown object, and for a VIF in a place that
        the envelope does not have.
    """
    if not isinstance(data, dict):
        raise invalid(data, "an object")
    envelope, place = _known_envelope(data)
    path = _misplaced_vif(data, place)
    if path is not None:
        places = f"VIFs in {'.'.join(map(str, place))} alone" if place else None
        expected = places or "VIFs where kuryr stores them"
        raise exception.InvalidValue(path=path, found="a VIF", expected=expected)
    if envelope is None and not ("kind" in data or "metadata" in data):
        raise exception.InvalidValue(
            found="another object", expected="a VIF, a pod or a KuryrPort"
        )
    return envelope


def _known_envelope(data: dict[str, Any]) -> tuple[str | None, Keys]:
    """Return the envelope of an object, and the keys of the VIFs."""
    status, metadata = data.get("status"), data.get("metadata")
    if storage.has_vifs_in_spec(data):
        return _KURYRPORT_SPEC, storage.VIFS_IN_SPEC
    if isinstance(status, dict) and "vifs" in status:
        return "kuryrport", storage.VIFS_IN_STATUS
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and storage.ANNOTATION in annotations:
        return _annotation_envelope(annotations[storage.ANNOTATION]), ANNOTATION
    if storage.is_vif_payload(data.get("vif")):
        return "cni-metadata", ("vif",)
    return None, ()


def _misplaced_vif(data: dict[str, Any], place: Keys) -> str | None:
    """Return the path of a VIF outside *place*, or None."""
    pending: list[tuple[str, Keys, Any]] = [("", (), data)]
    while pending:
        path, keys, value = pending.pop()
        if place and keys == place:
            continue
        if keys == ANNOTATION and isinstance(value, str):
            return ANNOTATION_PATH
        if storage.is_vif_payload(value):
            return path
        if isinstance(value, (dict, list)):
            members = value.items() if isinstance(value, dict) else enumerate(value)
            is_shallow = len(keys) < len(ANNOTATION)
            pending += [
                (below(path, name), (*keys, name) if is_shallow else (*keys[:3], ""), member)
                for name, member in members
                if isinstance(member, (dict, list)) or name == storage.ANNOTATION
            ]
    return None


def _annotation_envelope(annotation: Any) -> str:
    """Return the envelope in the annotation of a pod."""
    try:
        data = json_text.parse(annotation)
    except exception.SerializationError:
        return "pod-vif"
    if storage.has_vifs_by_interface(data):
        return _POD_VIFS
    is_object = isinstance(data, dict)
    is_state = is_object and "PodState" in (data.get(primitive.NAME), data.get("kind"))
    return "pod-state" if is_state else "pod-vif"


def _vif_values(envelope: str, written: Any) -> Iterator[tuple[Keys, Any]]:
    """Yield the keys and the new value of each part that contains VIFs."""
    if envelope in _POD:
        yield ANNOTATION, written
    elif envelope == _POD_VIFS:
        vifs = {name: entry["vif"] for name, entry in written["vifs"].items()}
        yield ANNOTATION, json_text.compose(vifs)
    elif envelope in {"kuryrport", _KURYRPORT_SPEC}:
        place = storage.VIFS_IN_SPEC if envelope == _KURYRPORT_SPEC else storage.VIFS_IN_STATUS
        for name, entry in written["vifs"].items():
            yield (*place, name, "vif"), entry["vif"]
    else:
        yield ("vif",), written["vif"]


def dump(obj: Any, target: Target) -> tuple[str | bytes, list[Loss]]:
    """Return an object in the form of the target, and the losses."""
    try:
        return serialization.dumps(obj, target.form, target.release), []
    except exception.DataLoss as error:
        losses = list(error.losses)
    if target.form == primitive.FORM and target.release not in {None, CURRENT_RELEASE}:
        data, losses = serialization.downgrade(obj, str(target.release))
        return json_text.compose_sorted(data), losses
    unknown.discard(obj, target.form)
    return serialization.dumps(obj, target.form, target.release), losses


def plain_data(obj: Any) -> dict[str, Any]:
    """Return an object as a document; data without a place in documents is under "unknown"."""
    written, losses = dump(obj, Target(document.FORM))
    data: dict[str, Any] = json_text.parse(written)
    return data | {"unknown": sorted(map(str, losses))} if losses else data


def _is_same_json(first: Any, second: Any) -> bool:
    """Return whether two values are equal as JSON; text with JSON is compared as JSON, too."""
    if isinstance(first, str) and isinstance(second, str):
        try:
            return _is_same_json(json_text.parse(first), json_text.parse(second))
        except exception.SerializationError:
            return first == second
    return json_text.compose_sorted(first) == json_text.compose_sorted(second)
