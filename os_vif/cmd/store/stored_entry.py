# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""One object of an input: a VIF by itself, or what kuryr or zun put around some."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from oslo_versionedobjects import exception as ovo_exception

import os_vif
from os_vif import exception, serialization
from os_vif.cmd.store import json_edit
from os_vif.cmd.store.json_splitter import Piece
from os_vif.codec import primitive, unknown
from os_vif.codec.path import COERCION_ERRORS, below, invalid
from os_vif.codec.unknown import Loss
from os_vif.escape import printable
from os_vif.objects.kuryr import DEFAULT_INTERFACE
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.objects.vif import VIFBase
from os_vif.serialization import json_text, storage

Keys = tuple[json_edit.Key, ...]
#: Where a pod has its VIFs.
ANNOTATION: Keys = ("metadata", "annotations", storage.ANNOTATION)
ANNOTATION_PATH = f"metadata.annotations[{storage.ANNOTATION!r}]"
_POD = {"pod-vif", "pod-state"}
#: An annotation that has VIFs by the name of their interface, as kuryr's documentation shows it.
_BY_NAME = "pod-vifs"
#: A KuryrPort with its VIFs in ``spec.vifs``.
_IN_SPEC = "kuryrport-spec"
_ANNOTATED = _POD | {_BY_NAME}
_LONG = 80
Result = TypeVar("Result")


class Target(NamedTuple):
    """What to write: a form, and for whom."""

    form: str
    #: By default one that is as new as this one.
    release: str | None = None
    #: Whether it cannot stand in JSON, nor beside others.
    is_binary: bool = False


class Unit:
    """One object of an input.

    :raises os_vif.exception.SerializationError: if it is nothing in which VIFs are stored.
    """

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        #: Plain data; None for a form that is no JSON.
        self.data: Any = None
        #: The envelope of the VIFs, or None: a key of :data:`os_vif.serialization.storage.ENVELOPES`.
        self.wrapping: str | None = None
        #: Whether it is an object of os-vif itself.
        self.is_bare = True
        if is_text(piece.data):
            self.data = json_text.parse(piece.data)
            self.is_bare = storage.is_vif_payload(self.data)
            if not self.is_bare:
                self.wrapping = _wrapping(self.data)

    @property
    def name(self) -> str:
        """What it is, in few words, all of which can be printed."""
        return name_of(self.data)

    @property
    def has_vifs(self) -> bool:
        """Whether there are any; most pods of a host's own have none."""
        return self.is_bare or self.wrapping is not None

    def read(self) -> Any:
        """The object itself, or VIFs by the name of their interface.

        :raises os_vif.exception.SerializationError: naming the path of what is wrong.
        """
        if self.is_bare:
            return with_plugins(lambda: serialization.loads(self.piece.data))
        return with_plugins(lambda: storage.read(self.data)) if self.wrapping else {}

    def write(self, found: Any, target: Target) -> tuple[bytes, list[Loss]]:
        """It with what was read converted, and what is lost. The rest of it is not touched.

        :param found: what :meth:`read` gave, which may be changed.
        :raises os_vif.exception.SerializationError: if the reader has no place for it.
        """
        if not self.has_vifs:
            return self.piece.data, []
        if self.is_bare:
            return self._write_bare(found, target)
        self._refuse_binary(target)
        wrapping, reader = str(self.wrapping), target.release or CURRENT_RELEASE
        if wrapping in _POD and not storage.reader_supports(reader, wrapping):
            # The other way to store it there may be what is read.
            (other,) = _POD - {wrapping}
            wrapping = other if storage.reader_supports(reader, other) else wrapping
        if wrapping == _BY_NAME and reader.startswith("kuryr-"):
            wrapping = "pod-state" if storage.reader_supports(reader, "pod-state") else "pod-vif"
        layout = "kuryrport" if wrapping in {_BY_NAME, _IN_SPEC} else wrapping
        written, lost = storage.downgrade(found, layout, reader, target.form)
        new = list(_places(wrapping, written))
        if all(_same(self._at(keys), value) for keys, value in new):
            return self.piece.data, lost
        return json_edit.replace(self.piece.data.decode(), new).encode(), lost

    def kuryrport(self, found: dict[str, VIFBase], target: Target) -> tuple[bytes, list[Loss]]:
        """The ``KuryrPort`` of a pod; of one without VIFs there is none, and it is as it was."""
        if not self.has_vifs:
            return self.piece.data, []
        if self.wrapping not in _ANNOTATED:
            raise exception.InvalidValue(found=self.name, expected="a pod")
        self._refuse_binary(target)
        reader = target.release or CURRENT_RELEASE
        status, lost = storage.downgrade(found, "kuryrport", reader, target.form)
        return json_text.compose(storage.kuryrport(self.data, status)).encode(), lost

    def _refuse_binary(self, target: Target) -> None:
        if target.is_binary:
            raise exception.InvalidValue(found=self.name, expected="a VIF by itself for this form")

    def _write_bare(self, found: Any, target: Target) -> tuple[bytes, list[Loss]]:
        written, lost = _dump(found, target)
        if isinstance(written, bytes) or self.data is None:
            return written if isinstance(written, bytes) else written.encode() + b"\n", lost
        data = json_text.parse(written)
        if _same(self.data, data):
            return self.piece.data, lost
        return json_edit.replace(self.piece.data.decode(), [((), data)]).encode(), lost

    @property
    def annotation(self) -> Any:
        """That of a pod, in which its VIFs are; None where they are elsewhere."""
        return self._at(ANNOTATION) if self.wrapping in _ANNOTATED else None

    def place_of(self, interface: str) -> str:
        """Return the path of the VIF of an interface."""
        if self.wrapping in {"kuryrport", _IN_SPEC}:
            part = "status" if self.wrapping == "kuryrport" else "spec"
            return f"{below(f'{part}.vifs', interface)}.vif"
        prefix = "vif" if self.wrapping == "cni-metadata" else ANNOTATION_PATH
        if self.wrapping == _BY_NAME:
            return below(prefix, interface)
        if self.wrapping == "pod-vif":
            return prefix
        if interface == DEFAULT_INTERFACE:
            return f"{prefix}.default_vif"
        return below(f"{prefix}.additional_vifs", interface)

    def _at(self, keys: Keys) -> Any:
        found = self.data
        for key in keys:
            found = found[key]
        return found


def is_text(data: bytes) -> bool:
    """Whether it may be JSON, so that it can stand beside others."""
    return b" " <= data.lstrip()[:1] <= b"~"


def with_plugins(read: Callable[[], Any]) -> Any:
    """What is read; if there is a kind in it that a plugin may have, with the plugins."""
    try:
        return read()
    except exception.UnknownKind:
        os_vif.initialize()
        return read()


def name_of(data: Any) -> str:
    """What an object is called, by its kind, namespace and name."""
    if not isinstance(data, dict):
        return "an object"
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        words = [data.get("kind", "an object")]
        names = [metadata[key] for key in ("namespace", "name") if key in metadata]
        words.append("/".join(map(str, names)))
    else:
        fields = data.get(primitive.DATA, data)
        words = [data.get(primitive.NAME, data.get("kind", "an object"))]
        words.append(fields.get("id", "") if isinstance(fields, dict) else "")
    return printable(" ".join(str(word) for word in words if word))[:_LONG] or "an object"


def _wrapping(data: Any) -> str | None:
    """Return the name of what is around the VIFs, or None if there are none.

    :raises os_vif.exception.InvalidValue: for an object that is not known, and for a VIF at a
        place where none is looked for: it would be passed over.
    """
    if not isinstance(data, dict):
        raise invalid(data, "an object")
    found, place = _known_wrapping(data)
    stray = _stray(data, place)
    if stray is not None:
        expected = (
            f"VIFs in {'.'.join(map(str, place))} alone"
            if place
            else "VIFs where kuryr stores them"
        )
        raise exception.InvalidValue(path=stray, found="a VIF", expected=expected)
    if found is None and not ("kind" in data or "metadata" in data):
        raise exception.InvalidValue(
            found="another object", expected="a VIF, a pod or a KuryrPort"
        )
    return found


def _known_wrapping(data: dict[str, Any]) -> tuple[str | None, Keys]:
    """Return what is around the VIFs, and where they are."""
    status, metadata = data.get("status"), data.get("metadata")
    if storage.has_vifs_in_spec(data):
        return _IN_SPEC, storage.VIFS_IN_SPEC
    if isinstance(status, dict) and "vifs" in status:
        return "kuryrport", storage.VIFS_IN_STATUS
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if isinstance(annotations, dict) and storage.ANNOTATION in annotations:
        return _annotated(annotations[storage.ANNOTATION]), ANNOTATION
    if storage.is_vif_payload(data.get("vif")):
        return "cni-metadata", ("vif",)
    return None, ()


def _stray(data: dict[str, Any], place: Keys) -> str | None:
    """Return the path of a VIF that is not at that place, or None."""
    waiting: list[tuple[str, Keys, Any]] = [("", (), data)]
    while waiting:
        path, keys, value = waiting.pop()
        if place and keys == place:
            continue
        if keys == ANNOTATION and isinstance(value, str):
            return ANNOTATION_PATH
        if storage.is_vif_payload(value):
            return path
        if isinstance(value, (dict, list)):
            members = value.items() if isinstance(value, dict) else enumerate(value)
            deeper = len(keys) < len(ANNOTATION)
            waiting += [
                (below(path, name), (*keys, name) if deeper else (*keys[:3], ""), item)
                for name, item in members
                if isinstance(item, (dict, list)) or name == storage.ANNOTATION
            ]
    return None


def _annotated(annotation: Any) -> str:
    """Return how the annotation of a pod has its VIFs."""
    try:
        data = json_text.parse(annotation)
    except exception.SerializationError:
        return "pod-vif"
    if storage.has_vifs_by_interface(data):
        return _BY_NAME
    is_state = isinstance(data, dict) and "PodState" in (
        data.get(primitive.NAME),
        data.get("kind"),
    )
    return "pod-state" if is_state else "pod-vif"


def guarded(act: Callable[[], Result]) -> Result:
    """Call a function that reads, draws or writes one object, and return its result.

    Every command goes through this function, so one object cannot end a run.

    :raises os_vif.exception.SerializationError: for everything that can be wrong with the object,
        also for an error that a class of a plugin raises.
    """
    try:
        return act()
    except exception.SerializationError:
        raise
    except (*COERCION_ERRORS, ovo_exception.VersionedObjectsException, MemoryError) as error:
        raise exception.InvalidValue(
            found=f"what cannot be read ({type(error).__name__}: {printable(str(error))[:_LONG]})",
            expected="a VIF, a pod or a KuryrPort",
        ) from error


def _places(wrapping: str, written: Any) -> Iterator[tuple[Keys, Any]]:
    """Where each part of what was written stands in an object."""
    if wrapping in _POD:
        yield ANNOTATION, written
    elif wrapping == _BY_NAME:
        vifs = {name: entry["vif"] for name, entry in written["vifs"].items()}
        yield ANNOTATION, json_text.compose(vifs)
    elif wrapping in {"kuryrport", _IN_SPEC}:
        around = storage.VIFS_IN_SPEC if wrapping == _IN_SPEC else storage.VIFS_IN_STATUS
        for name, entry in written["vifs"].items():
            yield (*around, name, "vif"), entry["vif"]
    else:
        yield ("vif",), written["vif"]


def _dump(obj: Any, target: Target) -> tuple[str | bytes, list[Loss]]:
    """An object in a form, and what is lost of it."""
    try:
        return serialization.dumps(obj, target.form, target.release), []
    except exception.DataLoss as error:
        lost = list(error.losses)
    if target.form == primitive.FORM and target.release not in {None, CURRENT_RELEASE}:
        data, lost = serialization.downgrade(obj, str(target.release))
        return json_text.compose_sorted(data), lost
    unknown.discard(obj, target.form)
    return serialization.dumps(obj, target.form, target.release), lost


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same as JSON; text with JSON in it, by what that says."""
    if isinstance(one, str) and isinstance(other, str):
        try:
            return _same(json_text.parse(one), json_text.parse(other))
        except exception.SerializationError:
            return one == other
    return json_text.compose_sorted(one) == json_text.compose_sorted(other)
