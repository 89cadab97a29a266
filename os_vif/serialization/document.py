# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Documents: an object as flat plain data, with one version for all of it.

:mod:`os_vif.codec.document` says how a document looks, and encodes and decodes it.
"""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.codec import document as codec
from os_vif.codec.document import API_VERSION, FORM, GROUP, MAJOR, MINOR, PROTOBUF
from os_vif.serialization import text

__all__ = [
    "API_VERSION",
    "FORM",
    "GROUP",
    "MAJOR",
    "MINOR",
    "PROTOBUF",
    "from_document",
    "to_document",
    "to_text",
]


def to_document(obj: ovo.VersionedObject) -> dict[str, Any]:
    """Return the document of any object of os-vif: plain data that shares nothing with it.

    :raises os_vif.exception.DataLoss: for fields that were read from an OVO primitive of a newer
        version and are not known here.
    """
    return codec.encode(obj)


def to_text(obj: ovo.VersionedObject) -> str:
    """Return the document of an object as JSON text: see :func:`to_document`."""
    return text.compose(codec.encode(obj))


def from_document(document: Any, *, collects: bool = False) -> Any:
    """Return the object of a document. No field counts as changed.

    Unknown fields are refused in a document of this or an older minor version; in a document of a
    newer version they are kept, at any depth, and written back.

    :param document: a mapping of plain data, which is not changed.
    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: naming the path of the field.
    """
    try:
        obj, is_newer = codec.decode(document, collects=collects)
    except exception.SerializationError:
        text.refuse_many(document)
        raise
    if is_newer:
        text.refuse_many(document)
    return obj
