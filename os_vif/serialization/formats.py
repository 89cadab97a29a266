# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plain data of objects: documents and OVO primitives, with a limit on the size.

Decoding of an OVO primitive accepts the same data as ``obj_from_primitive`` of
oslo.versionedobjects, with three differences: every error names the path of the field, a newer
minor version is accepted, and unknown fields are preserved.
"""

from __future__ import annotations

from typing import Any, TypeVar, overload

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.codec import construct, document, registry, size, unknown
from os_vif.codec import primitive as primitive_codec
from os_vif.codec.path import describe
from os_vif.codec.primitive import DATA, FORM, NAME, NAMESPACE_KEY, VERSION
from os_vif.codec.registry import NAMESPACE
from os_vif.codec.size import Decoder, decode_limited
from os_vif.escape import abbreviated, with_article
from os_vif.objects.versioning import downgrade as views
from os_vif.objects.versioning import history, losses, make_compatible
from os_vif.objects.versioning.manifest import TargetManifest
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import json_text

_Kind = TypeVar("_Kind", bound=ovo.VersionedObject)


def require_object(obj: Any, path: str = "obj (the first argument)") -> None:
    """Refuse a value that is no versioned object, or an object with names of another library.

    :raises os_vif.exception.InvalidValue: for a value that is no versioned object.
    :raises os_vif.exception.UnknownKind: for a class with another ``OBJ_SERIAL_NAMESPACE``.
    """
    if not isinstance(obj, ovo.VersionedObject):
        shown = f"{with_article(type(obj).__name__)} ({abbreviated(obj, 80)})"
        raise exception.InvalidValue(
            path=path,
            found="None" if obj is None else shown,
            expected="a versioned object, such as os_vif.objects.vif.VIFBridge"
            " (for stored data, call os_vif.serialization.loads() first)",
        )
    if obj.OBJ_SERIAL_NAMESPACE != ovo.VersionedObject.OBJ_SERIAL_NAMESPACE:
        raise exception.UnknownKind(
            path=path,
            found=f"{obj.obj_name()} with the OBJ_SERIAL_NAMESPACE {obj.OBJ_SERIAL_NAMESPACE!r}",
            expected=f"a class with {ovo.VersionedObject.OBJ_SERIAL_NAMESPACE!r}",
        )


def to_document(obj: ovo.VersionedObject) -> dict[str, Any]:
    """Return the document of an object: plain data without references to values of the object.

    :raises os_vif.exception.DataLoss: for unknown fields of another format.
    :raises os_vif.exception.InvalidValue: for a value without an expression in a document, and
        for an argument that is no versioned object.
    """
    require_object(obj)
    return document.encode(obj)


def document_to_text(obj: ovo.VersionedObject) -> str:
    """Return the document of an object as JSON text: see :func:`to_document`."""
    return json_text.compose(document.encode(obj))


def require_kind(obj: Any, kind: type[ovo.VersionedObject] | None) -> None:
    """Refuse an object of another class.

    Classes are compared by name: kuryr-kubernetes registers classes with the names of classes of
    os-vif.

    :param kind: the class of the object, or a parent of the class; None accepts any class.
    :raises os_vif.exception.UnknownKind: for an object of another class.
    """
    if kind is not None and kind.obj_name() not in registry.ancestors(type(obj)):
        raise exception.UnknownKind(
            path="kind", found=obj.obj_name(), expected=f"{kind.obj_name()} or a subclass"
        )


@overload
def from_document(data: Any, *, collects: bool = ...) -> ovo.VersionedObject: ...


@overload
def from_document(data: Any, kind: type[_Kind], *, collects: bool = ...) -> _Kind: ...


def from_document(
    data: Any, kind: type[ovo.VersionedObject] | None = None, *, collects: bool = False
) -> Any:
    """Return the object of a document. No field counts as changed.

    Unknown fields are refused in a document of this library's minor version or an older one. A
    document of a newer minor version may have unknown fields at any depth, which are preserved.

    :param data: a mapping of plain data, which does not change.
    :param kind: the class of the object, or a parent of the class, such as ``objects.VIFBase``;
        the type checker then knows the class of the result. None accepts any class.
    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: with the path of the field.
    :raises os_vif.exception.UnknownKind: for an object of another class than *kind*.
    """
    obj = decode_limited(document.decode, data, collects=collects)
    require_kind(obj, kind)
    return obj


def from_primitive(primitive: Any, *, collects: bool = False) -> Any:
    """Return the object of an OVO primitive of any release.

    :param primitive: a mapping of plain data, which does not change.
    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: with the path of the field.
    """
    return decode_limited(primitive_codec.decode, primitive, collects=collects)


def is_primitive(data: Any) -> bool:
    """Return True for an OVO primitive; a document may have a field with the name of a key."""
    return isinstance(data, dict) and NAME in data and "apiVersion" not in data


def find_decoder(data: Any) -> Decoder:
    """Return the decoder of the format of plain data.

    :raises os_vif.exception.MalformedDocument: for data of no known format.
    """
    if isinstance(data, dict) and "apiVersion" in data:
        return document.decode
    if is_primitive(data):
        return primitive_codec.decode
    raise exception.MalformedDocument(
        found="JSON without apiVersion",
        expected=f"a document ({document.API_VERSION}) or an OVO primitive ({NAME})",
    )


def decode(data: Any, *, collects: bool = False) -> Any:
    """Return the object of a document or an OVO primitive: see :func:`from_document`."""
    return decode_limited(find_decoder(data), data, collects=collects)


def primitive_envelope(name: str, version: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the OVO primitive of an object without changed fields."""
    return {NAME: name, NAMESPACE_KEY: NAMESPACE, VERSION: version, DATA: fields}


def primitive_to_text(obj: ovo.VersionedObject) -> str:
    """Return the OVO primitive of an object as JSON text, with unknown fields.

    :raises os_vif.exception.DataLoss: for unknown fields of another format.
    """
    primitive, encoding = primitive_codec.encode_whole(obj)
    if encoding.has_losses:
        lost = unknown.losses(obj, FORM)
        raise exception.DataLoss(reader="a reader of OVO primitives", losses=lost)
    # The codec sorts names; the methods of a class of another project may not.
    compose = json_text.compose_sorted if encoding.is_unsorted else json_text.compose
    return compose(primitive)


def downgrade(obj: ovo.VersionedObject, release: str) -> tuple[dict[str, Any], list[unknown.Loss]]:
    """Return the OVO primitive of an object for a release, and the losses with their field paths.

    :param release: a release of os-vif, such as ``1.14.0``, or of kuryr, such as
        ``kuryr-10.0.0``: see :func:`os_vif.objects.versioning.history.releases` and
        :func:`os_vif.objects.versioning.history.peers`.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release.
    :raises os_vif.exception.UnknownKind: if the release has no class for ``obj`` itself.
    :raises os_vif.exception.InvalidValue: for an argument that is no versioned object.
    """
    require_object(obj)
    try:
        reader = TargetManifest.of_release_alone(release)
    except ValueError:
        raise exception.UnsupportedVersion(
            path="release", found=describe(release), expected=history.describe_releases()
        ) from None
    if release == CURRENT_RELEASE:
        return primitive_codec.encode_whole(obj)[0], unknown.losses(obj, FORM)
    return downgrade_to_manifest(obj, reader, release)


def downgrade_to_manifest(
    obj: ovo.VersionedObject, reader: TargetManifest, name: str
) -> tuple[dict[str, Any], list[unknown.Loss]]:
    """Return the OVO primitive of an object for a reader, and the losses with their field paths.

    :param reader: the classes of the reader, and the version of each.
    :param name: the name of the reader, for the error.
    :raises os_vif.exception.UnknownKind: if the reader has no class for ``obj`` itself.
    """
    try:
        return _downgrade(obj, reader)
    except ovo_exception.UnsupportedObjectError:
        raise exception.UnknownKind(
            found=obj.obj_name(), expected=f"a class that {name} has"
        ) from None


def _downgrade(
    obj: ovo.VersionedObject, reader: TargetManifest
) -> tuple[dict[str, Any], list[unknown.Loss]]:
    if construct.of_class(type(obj)) is None:
        # A class of another project.
        before = obj.obj_to_primitive()
        size.refuse_many(before)
        primitive = make_compatible.convert_foreign_object(obj, reader)
        return primitive, [*losses.between(before, primitive), *unknown.losses(obj, None)]
    primitive, lost, encoding = views.encode(obj, None, reader)
    if encoding is not None:
        size.refuse_count(encoding.count)
        if encoding.has_unknown:
            lost += unknown.losses(obj, None)
    return primitive, lost
