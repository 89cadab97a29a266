# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The two formats of plain data, with limits on their size: documents and OVO primitives.

Reading an OVO primitive accepts exactly what ``obj_from_primitive`` of oslo accepts, with three
differences: every error names the path of the field, a newer minor version is read too, and unknown
fields are preserved.
"""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.codec import construct, document, unknown
from os_vif.codec import primitive as primitive_codec
from os_vif.codec.path import describe
from os_vif.codec.primitive import DATA, FORM, NAME, NAMESPACE_KEY, VERSION
from os_vif.codec.registry import NAMESPACE
from os_vif.objects.versioning import downgrade as views
from os_vif.objects.versioning import losses
from os_vif.objects.versioning.manifest import TargetManifest
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import json_text


def to_document(obj: ovo.VersionedObject) -> dict[str, Any]:
    """Return the document of any object of os-vif: plain data that shares nothing with it.

    :raises os_vif.exception.DataLoss: for fields that were read from an OVO primitive of a newer
        version and are not known here.
    """
    return document.encode(obj)


def document_to_text(obj: ovo.VersionedObject) -> str:
    """Return the document of an object as JSON text: see :func:`to_document`."""
    return json_text.compose(document.encode(obj))


def from_document(data: Any, *, collects: bool = False) -> Any:
    """Return the object of a document. No field counts as changed.

    Unknown fields are refused in a document of this or an older minor version; in a document of a
    newer version they are kept, at any depth, and written back.

    :param data: a mapping of plain data, which is not changed.
    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: naming the path of the field.
    """
    try:
        obj, is_newer = document.decode(data, collects=collects)
    except exception.SerializationError:
        json_text.refuse_many(data)
        raise
    if is_newer:
        json_text.refuse_many(data)
    return obj


def is_primitive(data: Any) -> bool:
    """Return True for an OVO primitive, and not for a document that has a field of such a name."""
    return isinstance(data, dict) and NAME in data and "apiVersion" not in data


def from_primitive(primitive: Any, *, collects: bool = False) -> Any:
    """Return the object of an OVO primitive that any release wrote.

    :param primitive: a mapping of plain data, which is not changed.
    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: naming the path of the field.
    """
    try:
        obj, has_unknown = primitive_codec.decode(primitive, collects=collects)
    except exception.SerializationError:
        json_text.refuse_many(primitive)
        raise
    if has_unknown:
        json_text.refuse_many(primitive)
    return obj


def frame(name: str, version: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the primitive of an object in which no field has changed."""
    return {NAME: name, NAMESPACE_KEY: NAMESPACE, VERSION: version, DATA: fields}


def primitive_to_text(obj: ovo.VersionedObject) -> str:
    """Return the OVO primitive of an object as JSON text: see :func:`to_primitive`."""
    primitive, encoding = _encode(obj)
    # The codec sorts names; a class of another project need not.
    return (
        json_text.compose_sorted(primitive)
        if encoding.is_unsorted
        else json_text.compose(primitive)
    )


def to_primitive(obj: ovo.VersionedObject) -> dict[str, Any]:
    """Return the OVO primitive in the versions that the objects have, with unknown fields.

    :raises os_vif.exception.DataLoss: for unknown fields of a document of a newer version.
    """
    return _encode(obj)[0]


def _encode(obj: ovo.VersionedObject) -> tuple[dict[str, Any], primitive_codec.Encoding]:
    primitive, encoding = primitive_codec.encode_whole(obj)
    if encoding.has_losses:
        lost = unknown.losses(obj, FORM)
        raise exception.DataLoss(reader="a reader of OVO primitives", losses=lost)
    return primitive, encoding


def downgrade(obj: ovo.VersionedObject, release: str) -> tuple[dict[str, Any], list[unknown.Loss]]:
    """Return the OVO primitive for a reader, and the losses on the way there, by field path.

    :param release: a release of os-vif, such as ``1.14.0``, or a named peer: see
        :func:`os_vif.objects.versioning.history.releases`.
    :raises os_vif.exception.UnsupportedVersion: if there is no such release.
    :raises os_vif.exception.UnknownKind: if the reader has no class for ``obj`` itself.
    """
    try:
        reader = TargetManifest.of_release_alone(release)
    except ValueError as error:
        raise exception.UnsupportedVersion(
            path="release", found=describe(release), expected=str(error)
        ) from None
    if release == CURRENT_RELEASE:
        return primitive_codec.encode_whole(obj)[0], unknown.losses(obj, FORM)
    try:
        return _downgrade(obj, reader)
    except ovo_exception.UnsupportedObjectError:
        raise exception.UnknownKind(
            found=obj.obj_name(), expected=f"a class that {release} has"
        ) from None


def _downgrade(
    obj: ovo.VersionedObject, reader: TargetManifest
) -> tuple[dict[str, Any], list[unknown.Loss]]:
    if construct.of_class(type(obj)) is None:
        # A class of another project.
        before = obj.obj_to_primitive()
        json_text.refuse_many(before)
        primitive = obj.obj_to_primitive(version_manifest=reader)
        return primitive, [*losses.between(before, primitive), *unknown.losses(obj, None)]
    primitive, lost, encoding = views.encode(obj, None, reader)
    if encoding is not None:
        json_text.refuse_count(encoding.count)
        if encoding.has_unknown:
            lost += unknown.losses(obj, None)
    return primitive, lost
