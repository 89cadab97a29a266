# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A single object in a message: as OVO primitive, as document, or as protobuf in an envelope."""

from __future__ import annotations

import base64
import binascii
import copy
import functools
import logging
from typing import TYPE_CHECKING, Any, Literal, get_args

from os_vif import exception
from os_vif.codec import document, primitive, unknown
from os_vif.codec.path import describe
from os_vif.codec.registry import NAMESPACE
from os_vif.codec.size import decode_limited
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from os_vif.serialization import formats
from os_vif.serialization.protobuf import message_codec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oslo_versionedobjects import base as ovo

LOG = logging.getLogger(__name__)

#: A format of objects in messages: see :data:`os_vif.serialization.FORMS`.
Form = Literal["ovo", "json", "protobuf"]
FORMS: tuple[str, ...] = get_args(Form)

#: The treatment of values that the reader cannot have: ``refuse`` raises DataLoss, ``tell`` logs a
#: warning and omits the values.
LossPolicy = Literal["refuse", "tell"]
LOSS_POLICIES: tuple[str, ...] = get_args(LossPolicy)

#: The only name in the envelope of protobuf, whose value is the protobuf in base64. Messages are
#: JSON, which has no bytes.
PROTOBUF = "os_vif.protobuf"
#: The beginning of the apiVersion of documents.
_DOCUMENTS = f"{document.GROUP}/"


def require_release(release: str, path: str) -> str:
    """Return the name of a release of os-vif or of kuryr.

    :param path: the argument or the option with the name, for the error.
    :raises os_vif.exception.UnsupportedVersion: for an unknown release.
    """
    if release not in history.releases() and release not in history.peers():
        raise exception.UnsupportedVersion(
            path=path, found=describe(release), expected=history.describe_releases()
        )
    return release


def require_choice(value: str, choices: Sequence[str], name: str) -> None:
    """Refuse an argument other than the choices.

    :raises ValueError: for the argument.
    """
    if value not in choices:
        raise ValueError(f"unknown {name} {value!r}: use {', '.join(choices)}")


def report_losses(
    obj: ovo.VersionedObject, reader: str, losses: list[unknown.Loss], policy: str
) -> None:
    """Refuse lost values, or log a warning with the paths of the lost values.

    :raises os_vif.exception.DataLoss: for lost values, if the policy is ``refuse``.
    """
    if not losses:
        return
    if policy == "refuse":
        raise exception.DataLoss(reader=reader, losses=losses)
    listed = "; ".join(map(str, losses))
    LOG.warning("%s is sent to %s without: %s", obj.obj_name(), reader, listed)


def encode(
    obj: ovo.VersionedObject, release: str | None, form: str, policy: str
) -> dict[str, Any]:
    """Return the plain data of an object for the readers of a message.

    :param release: the oldest release of the readers; None for the present release.
    :param form: the format for readers of documents; other readers get OVO primitives.
    :param policy: see :data:`LossPolicy`.
    :raises os_vif.exception.SerializationError: as :func:`os_vif.serialization.dumps`.
    """
    reader = release or CURRENT_RELEASE
    if form == primitive.FORM or reader != CURRENT_RELEASE:
        data, losses = formats.downgrade(obj, reader)
        report_losses(obj, reader, losses, policy)
        return data
    if losses := unknown.losses(obj, form):
        report_losses(obj, f"the form {form}", losses, policy)
        obj = copy.deepcopy(obj)
        unknown.discard(obj, form)
    if form == document.FORM:
        return formats.to_document(obj)
    return {PROTOBUF: base64.b64encode(message_codec.dumps(obj)).decode("ascii")}


def is_object(data: dict[str, Any], *, any_namespace: bool) -> bool:
    """Return True for the plain data of an object of os-vif.

    :param any_namespace: True for OVO primitives of other projects, too.
    """
    version = data.get("apiVersion")
    if isinstance(version, str) and version.startswith(_DOCUMENTS):
        return True
    if formats.is_primitive(data):
        return any_namespace or data.get(primitive.NAMESPACE_KEY, NAMESPACE) == NAMESPACE
    return len(data) == 1 and PROTOBUF in data


def is_other_primitive(data: dict[str, Any]) -> bool:
    """Return True for an object of another project, such as a primitive with ``nova_object.name``."""
    return any(
        name.endswith(".namespace") and f"{name.rpartition('.')[0]}.name" in data
        for name in data
        if isinstance(name, str)
    )


def decode(data: dict[str, Any], context: Any = None) -> Any:
    """Return the object of plain data for which :func:`is_object` is true.

    :param context: the context of the request, for the object.
    :raises os_vif.exception.SerializationError: with the path of the field.
    """
    if PROTOBUF in data:
        return _decode_protobuf(data[PROTOBUF])
    if formats.is_primitive(data):
        return decode_limited(functools.partial(primitive.decode, context=context), data)
    return formats.from_document(data)


def _decode_protobuf(text: Any) -> Any:
    try:
        packed = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise exception.MalformedDocument(
            path=PROTOBUF, found=describe(text), expected="protobuf in base64"
        ) from None
    try:
        return message_codec.loads(packed)
    except RecursionError:
        raise
    except RuntimeError as error:
        # The package protobuf is missing.
        raise exception.MalformedDocument(
            path=PROTOBUF, found="a document in protobuf", expected=f"another format: {error}"
        ) from error
