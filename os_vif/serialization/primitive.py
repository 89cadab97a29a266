# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The OVO primitive: what every release since 1.0.0 wrote, with a version for each object.

Reading here is oslo's own ``obj_from_primitive``, with three differences: every error names the
path of the field, a newer minor version is read too, and what is unknown is kept.
"""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterable
from typing import Any, cast

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.objects import backlevel, descriptions, history, losses
from os_vif.objects.base import VersionedObject
from os_vif.objects.losses import FIXED_IPS
from os_vif.serialization import kinds, quick, text, unknown, values
from os_vif.serialization.values import Place, refuse, shown

FORM = "ovo"
_PREFIX = f"{VersionedObject.OBJ_SERIAL_NAMESPACE}."
NAME = f"{_PREFIX}name"
_NAMESPACE, _VERSION = f"{_PREFIX}namespace", f"{_PREFIX}version"
DATA, CHANGES = f"{_PREFIX}data", f"{_PREFIX}changes"
#: oslo knows a third number, for branches of old releases.
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,2}")


def is_primitive(data: Any) -> bool:
    """Whether it is one, and no document that has a field of such a name."""
    return isinstance(data, dict) and NAME in data and "apiVersion" not in data


# Reading


def from_primitive(primitive: Any) -> Any:
    """The object of an OVO primitive, whatever release wrote it.

    :param primitive: a mapping of plain data, which is not changed.
    :raises os_vif.exception.SerializationError: naming the path of what is wrong.
    """
    try:
        return quick.from_primitive(primitive)
    except quick.Unusual:
        # What follows tells what is wrong, if anything is; and keeps what is unknown.
        pass
    text.refuse_many(primitive)
    found: list[tuple[Place, unknown.Unknown]] = []
    known = _readable(primitive, Place(), None, found)
    try:
        obj = VersionedObject.obj_from_primitive(known)
    except (*values.REFUSALS, ovo_exception.VersionedObjectsException) as error:
        # Each field was tried; what remains is a class of somebody else's.
        raise exception.InvalidValue(
            found=f"a primitive of {primitive[NAME]}", expected="one that its class reads"
        ) from error
    for place, kept in found:
        unknown.keep(_at(obj, place), kept)
    return obj


def _at(obj: Any, place: Place) -> Any:
    for part in place.parts:
        obj = obj[part] if isinstance(obj, dict) or isinstance(part, int) else getattr(obj, part)
    return obj


def _readable(
    data: Any,
    place: Place,
    declared: values.Object | None,
    found: list[tuple[Place, unknown.Unknown]],
) -> dict[str, Any]:
    """A copy of a primitive that oslo reads; what it would leave out is added to ``found``."""
    cls = _class_of(data, place, declared)
    version = _version_of(data, cls, place)
    fields = data.get(DATA)
    if not isinstance(fields, dict):
        raise refuse(place / DATA, fields, "an object with the fields")
    known: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in fields.items():
        inner = place if kinds.is_list(cls) and name == "objects" else place / name
        if name in cls.fields:
            known[name] = _field(cls, name, value, inner, found)
        elif name == FIXED_IPS and "VIFBase" in kinds.ancestors(cls):
            addresses = values.Object("FixedIPList", open_type=False)
            known[name] = _readable(value, inner, addresses, found)
        else:
            more[name] = values.plain(value, inner)
    readable = {**data, DATA: known}
    if CHANGES in data:
        readable[CHANGES] = _changes(cls, data[CHANGES], place)
    newer = None
    if backlevel.number(version) > backlevel.number(cls.VERSION) and not history.burnt(
        cls, version
    ):
        newer = version
        readable[_VERSION] = cls.VERSION
    if more or newer:
        found.append((place, unknown.Unknown(FORM, newer, more)))
    return readable


def _class_of(data: Any, place: Place, declared: values.Object | None) -> type[Any]:
    if not isinstance(data, dict) or NAME not in data:
        raise refuse(place, data, f"an object with {NAME}")
    if data.get(_NAMESPACE) != kinds.NAMESPACE:
        raise exception.UnknownKind(
            path=str(place / _NAMESPACE),
            found=shown(data.get(_NAMESPACE)),
            expected=repr(kinds.NAMESPACE),
        )
    cls = kinds.find(data[NAME], place / NAME)
    if declared is not None:
        fits = kinds.ancestors(cls) if declared.open_type else [cls.obj_name()]
        if declared.name not in fits:
            raise exception.UnknownKind(
                path=str(place / NAME),
                found=shown(data[NAME]),
                expected=f"a {declared.name}" + (" or a kind of it" if declared.open_type else ""),
            )
    return cls


def _version_of(data: dict[str, Any], cls: type[Any], place: Place) -> str:
    version = data.get(_VERSION)
    number = _NUMBER.fullmatch(version) if isinstance(version, str) else None
    if number is None or number[1] != cls.VERSION.partition(".")[0]:
        raise exception.UnsupportedVersion(
            path=str(place / _VERSION),
            found=shown(version),
            expected=f"a version of {cls.obj_name()} that begins as {cls.VERSION} does",
        )
    return str(version)


def _changes(cls: type[Any], changes: Any, place: Place) -> list[str]:
    try:
        return [name for name in changes if name in cls.fields or name == FIXED_IPS]
    except TypeError:
        raise refuse(place / CHANGES, changes, "an array of names") from None


def _field(
    cls: type[Any],
    name: str,
    data: Any,
    place: Place,
    found: list[tuple[Place, unknown.Unknown]],
) -> Any:
    value = values.of_field(cls, name)
    if data is not None and _holds_objects(value):
        return _nested(value, data, place, found)
    return _tried(cls, name, data, place)


def _holds_objects(value: values.Value) -> bool:
    while isinstance(value, (values.Array, values.Table)):
        value = value.item
    return isinstance(value, values.Object)


def _nested(
    value: values.Value, data: Any, place: Place, found: list[tuple[Place, unknown.Unknown]]
) -> Any:
    """An object, or an array or a table of some."""
    if isinstance(value, values.Array):
        # oslo takes all that has members, and "" and {} have none.
        if not isinstance(data, Iterable):
            raise refuse(place, data, "an array")
        return [_nested(value.item, item, place / n, found) for n, item in enumerate(data)]
    if isinstance(value, values.Table):
        if not isinstance(data, dict):
            raise refuse(place, data, "an object")
        return {
            key: _nested(value.item, item, place / values.named(key, place), found)
            for key, item in data.items()
        }
    return _readable(data, place, cast("values.Object", value), found)


def _tried(cls: type[Any], name: str, data: Any, place: Place) -> Any:
    """A copy of a value that the field takes, as oslo does: it is laxer than a document."""
    field = cls.fields[name]
    blank = cls()
    try:
        field.coerce(blank, name, field.from_primitive(blank, name, data))
        return copy.deepcopy(data)
    except values.REFUSALS as error:
        raise refuse(place, data, descriptions.of_field(field)) from error


# Writing


def frame(name: str, version: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The primitive of an object of which nothing has changed."""
    return {NAME: name, _NAMESPACE: kinds.NAMESPACE, _VERSION: version, DATA: fields}


def to_text(obj: ovo.VersionedObject) -> str:
    """The OVO primitive of an object, as JSON text: see :func:`to_primitive`."""
    try:
        return quick.primitive_text(obj)
    except quick.Unusual:
        return text.compose_sorted(to_primitive(obj))


def to_primitive(obj: ovo.VersionedObject) -> dict[str, Any]:
    """The OVO primitive in the versions that the objects have, with what was unknown.

    :raises os_vif.exception.DataLoss: for what a document of a newer version had, and is not
        known here.
    """
    if lost := unknown.losses(obj, FORM):
        raise exception.DataLoss(reader="a reader of OVO primitives", losses=lost)
    return _whole(obj)


def _whole(obj: ovo.VersionedObject) -> dict[str, Any]:
    """The primitive, with what oslo does not know of."""
    primitive: dict[str, Any] = obj.obj_to_primitive()
    _add_unknown(obj, primitive)
    return primitive


def _add_unknown(value: Any, primitive: Any) -> None:
    if isinstance(value, ovo.VersionedObject):
        _add_unknown_fields(value, primitive)
        for name, inner in unknown.contents(value):
            _add_unknown(inner, primitive[DATA][name])
    elif isinstance(value, list):
        for item, inner in zip(value, primitive, strict=True):
            _add_unknown(item, inner)
    elif isinstance(value, dict):
        for key, item in value.items():
            _add_unknown(item, primitive[key])


def _add_unknown_fields(obj: ovo.VersionedObject, primitive: dict[str, Any]) -> None:
    data = primitive[DATA]
    if (kept := unknown.of(obj, FORM)) is not None:
        data |= copy.deepcopy(kept.fields)
        if kept.version:
            primitive[_VERSION] = kept.version
    if isinstance(addresses := vars(obj).get(FIXED_IPS), ovo.VersionedObject):
        # From release 1.8.0; readers of others pass over it.
        data[FIXED_IPS] = addresses.obj_to_primitive()
        if changes := backlevel.changes(obj, data, primitive.get(CHANGES, ())):
            primitive[CHANGES] = changes


def downgrade(obj: ovo.VersionedObject, release: str) -> tuple[dict[str, Any], list[losses.Loss]]:
    """The OVO primitive for a reader, and what is lost on the way there, by field path.

    :param release: a release of os-vif, such as ``1.14.0``, or a named peer: see
        :func:`os_vif.objects.history.releases`.
    :raises os_vif.exception.UnsupportedVersion: if there is no such release.
    :raises os_vif.exception.UnknownKind: if the reader has no class for ``obj`` itself.
    """
    try:
        manifest = history.manifest(release)
    except ValueError as error:
        raise exception.UnsupportedVersion(
            path="release", found=shown(release), expected=str(error)
        ) from None
    if release == history.OURS:
        return _whole(obj), unknown.losses(obj, FORM)
    with contextlib.suppress(quick.Unusual):
        text.refuse_huge(quick.primitive_text(obj))
    lost = unknown.losses(obj, None)
    try:
        primitive = obj.obj_to_primitive(version_manifest=backlevel.Peer(manifest, quiet=True))
    except ovo_exception.UnsupportedObjectError:
        raise exception.UnknownKind(
            found=obj.obj_name(), expected=f"a class that {release} has"
        ) from None
    return primitive, [*losses.losses(obj, primitive), *lost]
