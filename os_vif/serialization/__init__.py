# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Serialization: storing objects, and sending objects to other processes and releases.

The promises of this package, which its tests hold:

* All that any release of os-vif wrote can be read, for ever.
* What is written for a release is read by that release, and nothing is lost unnamed.
* An object is written as the same bytes by every process.
* What a newer minor version wrote is read; what is unknown of it is kept, and written back.
* Every error is a :class:`os_vif.exception.SerializationError` that names the path of the field.
"""

from __future__ import annotations

from typing import Any, Literal, TypeGuard, overload

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

#: What :func:`dumps` writes: the document, and what every release since 1.0.0 wrote.
#: And the document as protobuf, for ``os-vif[protobuf]``.
FORMS = (document.FORM, primitive.FORM, document.PROTOBUF)


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
    """Return *obj* as compact JSON in ASCII, or as protobuf.

    :param form: ``json``, the document; ``ovo``, the primitive of oslo.versionedobjects that
        1.x wrote; or ``protobuf``, the document as bytes. By default the document, unless ``release`` knows nothing of it.
    :param release: who is to read it: a release of os-vif, such as ``1.14.0``, or a named peer.
        By default one that is as new as this one.
    :raises ValueError: for a form that there is not, or that the release does not read.
    :raises os_vif.exception.DataLoss: if something would be lost; :func:`downgrade` tells what,
        and gives the rest.
    :raises os_vif.exception.UnsupportedVersion: if there is no such release.
    :raises os_vif.exception.UnknownKind: if that release has no such class.
    :raises RuntimeError: for protobuf, if that is not installed.
    """
    old = release is not None and not knows_documents(release)
    form = form or (primitive.FORM if old else document.FORM)
    if form not in FORMS:
        raise ValueError(f"{form!r} is none of the forms {', '.join(FORMS)}")
    if old and form != primitive.FORM:
        raise ValueError(f"{release} does not read the form {form!r}, only {primitive.FORM!r}")
    if form == document.PROTOBUF:
        return message_codec.dumps(obj)
    if form == document.FORM:
        return formats.document_to_text(obj)
    if not old:
        return formats.primitive_to_text(obj)
    data, losses = downgrade(obj, str(release))
    if losses:
        raise exception.DataLoss(reader=release, losses=losses)
    return json_text.compose_sorted(data)


def knows_documents(release: str) -> bool:
    """Return whether a release reads documents."""
    return release == CURRENT_RELEASE


def validate(data: str | bytes | dict[str, Any]) -> list[exception.SerializationError]:
    """Return all errors of a document or an OVO primitive, each with the path of its field.

    The list is empty exactly if :func:`loads` reads the data. An error of the head of an object,
    such as an unknown ``kind``, is the only error of that object.

    :param data: text, UTF-8, protobuf, or plain data.
    """
    try:
        if isinstance(data, dict):
            _read(data, collects=True)
        elif is_protobuf(data):
            message_codec.loads(bytes(data))
        else:
            _read(json_text.parse(data), collects=True)
    except exception.SerializationError as error:
        return errors_of(error)
    return []


def _read(found: Any, *, collects: bool) -> Any:
    if formats.is_primitive(found):
        return formats.from_primitive(found, collects=collects)
    if isinstance(found, dict) and "apiVersion" in found:
        return formats.from_document(found, collects=collects)
    raise exception.MalformedDocument(
        found="JSON without apiVersion",
        expected=f"a document ({API_VERSION}) or an OVO primitive ({primitive.NAME})",
    )


def is_protobuf(data: Any) -> TypeGuard[bytes]:
    """Return True for bytes that are no text, but may be a document in protobuf."""
    is_bytes = isinstance(data, (bytes, bytearray, memoryview))
    return is_bytes and bytes(data[:1]) == message_codec.FIRST


def loads(data: str | bytes) -> Any:
    """Return the object in a document or an OVO primitive of any release.

    :param data: text, or UTF-8, or protobuf; what it is is recognised.
    :raises os_vif.exception.SerializationError: naming the path of what is wrong, what was found
        there, and what was expected.
    """
    if is_protobuf(data):
        return message_codec.loads(bytes(data))
    found = json_text.parse(data)
    if isinstance(found, dict):
        # The text has no more objects than a document may have: the parser refuses others.
        if "apiVersion" in found:
            return document.decode(found)[0]
        if primitive.NAME in found:
            return primitive.decode(found)[0]
    return _read(found, collects=False)
