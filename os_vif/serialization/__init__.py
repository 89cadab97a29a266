# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Serialization of objects for storage, and for processes with another release of os-vif.

The package guarantees, and the tests verify:

* :func:`loads` reads the output of every release of os-vif.
* Data for a release is readable by that release, and every loss is reported with a path.
* The same object gives the same bytes in every process.
* A document of a newer minor version is readable; unknown fields are preserved and written back.
* Every error is a :class:`os_vif.exception.SerializationError` with the path of the field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeGuard, TypeVar, overload

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.codec import document, primitive
from os_vif.codec.document import API_VERSION
from os_vif.codec.path import errors_of
from os_vif.codec.unknown import Loss
from os_vif.objects.versioning.history import manifest, peers, releases
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import formats, json_text
from os_vif.serialization.formats import downgrade, from_document, to_document
from os_vif.serialization.protobuf import message_codec

__all__ = [
    "API_VERSION",
    "FORMS",
    "Loss",
    "downgrade",
    "dumps",
    "from_document",
    "loads",
    "manifest",
    "peers",
    "releases",
    "to_document",
    "validate",
]

_Kind = TypeVar("_Kind", bound=ovo.VersionedObject)

_WRITERS: dict[str, Callable[[ovo.VersionedObject], str | bytes]] = {
    document.FORM: formats.document_to_text,
    primitive.FORM: formats.primitive_to_text,
    document.PROTOBUF: message_codec.dumps,
}
#: The formats of :func:`dumps`: ``json``, a document; ``ovo``, the primitive of
#: oslo.versionedobjects, as since release 1.0.0; ``protobuf``, for ``os-vif[protobuf]``.
FORMS = tuple(_WRITERS)


@overload
def dumps(  # type: ignore[overload-overlap]
    obj: ovo.VersionedObject, form: Literal["protobuf"], release: str | None = None
) -> bytes: ...


@overload
def dumps(
    obj: ovo.VersionedObject, form: str | None = None, release: str | None = None
) -> str: ...


def dumps(
    obj: ovo.VersionedObject, form: str | None = None, release: str | None = None
) -> str | bytes:
    """Return an object as compact JSON in ASCII, or as protobuf.

    :param form: ``json`` for a document; ``ovo`` for the primitive of oslo.versionedobjects, as
        written by 1.x; ``protobuf`` for a document as bytes. The default is ``json``, or ``ovo``
        for a release without documents.
    :param release: the reader: a release of os-vif, such as ``1.14.0``, or of kuryr, such as
        ``kuryr-10.0.0``. The default is the present release.
    :raises ValueError: for an unknown form, and for a form that the release does not read.
    :raises os_vif.exception.DataLoss: if a value would be lost; :func:`downgrade` returns the
        remaining data and the losses.
    :raises os_vif.exception.InvalidValue: for a value without an expression in the form, and for
        an argument that is no versioned object.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release.
    :raises os_vif.exception.UnknownKind: if the reader lacks the class of the object. Protobuf has
        no messages for classes of third parties; the error has the path of the object.
    :raises RuntimeError: for protobuf, if the package protobuf is not installed.
    """
    formats.require_object(obj)
    is_old = release is not None and not reads_documents(release)
    form = form or (primitive.FORM if is_old else document.FORM)
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r}: use {', '.join(FORMS)}")
    if not is_old:
        return _WRITERS[form](obj)
    if form != primitive.FORM:
        raise ValueError(f"{release} does not read the form {form!r}, only {primitive.FORM!r}")
    data, losses = downgrade(obj, str(release))
    if losses:
        raise exception.DataLoss(reader=release, losses=losses)
    return json_text.compose_sorted(data)


def reads_documents(release: str) -> bool:
    """Return True if a release reads documents."""
    return release == CURRENT_RELEASE


@overload
def loads(data: str | bytes) -> ovo.VersionedObject: ...


@overload
def loads(data: str | bytes, kind: type[_Kind]) -> _Kind: ...


def loads(data: str | bytes, kind: type[ovo.VersionedObject] | None = None) -> Any:
    """Return the object of a document, of protobuf, or of an OVO primitive of any release.

    :param data: JSON text, JSON in UTF-8, or protobuf. The format is recognized.
    :param kind: the class of the object, or a parent of the class, such as ``objects.VIFBase``;
        the type checker then knows the class of the result. None accepts any class.
    :raises os_vif.exception.SerializationError: with the path of the field, the found and the
        expected value.
    :raises os_vif.exception.UnknownKind: for an object of another class than *kind*.
    :raises RuntimeError: for protobuf, if the package protobuf is not installed.
    """
    if is_protobuf(data):
        obj = message_codec.loads(bytes(data))
    else:
        plain = json_text.parse(data)
        # The parser has limited the number of objects.
        obj = formats.find_decoder(plain)(plain)[0]
    formats.require_kind(obj, kind)
    return obj


def validate(data: str | bytes | dict[str, Any]) -> list[exception.SerializationError]:
    """Return all errors of a document or an OVO primitive, each with the path of the field.

    The list is empty exactly if :func:`loads` reads the data. An error of the envelope of an
    object, such as an unknown ``kind``, hides the errors inside the object.

    :param data: JSON text, JSON in UTF-8, protobuf, or plain data.
    """
    try:
        if is_protobuf(data):
            message_codec.loads(bytes(data), collects=True)
        else:
            plain = data if isinstance(data, dict) else json_text.parse(data, collects=True)
            formats.decode(plain, collects=True)
    except exception.SerializationError as error:
        return errors_of(error)
    return []


def is_protobuf(data: Any) -> TypeGuard[bytes]:
    """Return True for bytes that are not text, and may be a document in protobuf."""
    is_bytes = isinstance(data, (bytes, bytearray, memoryview))
    return is_bytes and bytes(data[:1]) == message_codec.MAGIC
