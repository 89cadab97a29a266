# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The document: an object as flat plain data, with one version for all of it.

``kind`` stands only where a subclass may stand; list objects are arrays; a field that is unset is
absent, and null means None.
"""

from __future__ import annotations

import re
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.objects import vif
from os_vif.objects.losses import FIXED_IPS
from os_vif.serialization import kinds, quick, text, unknown, values
from os_vif.serialization.values import Place, refuse, shown

GROUP = "os-vif"
MAJOR, MINOR = 2, 0
API_VERSION = f"{GROUP}/{MAJOR}.{MINOR}"
FORM, PROTOBUF = "json", "protobuf"

_VERSIONS = re.compile(r"os-vif/(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
#: Beside the fields of every VIF.
_FIXED_IPS = values.Object("FixedIPList", open_type=False)


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """The names that a document may have for an object of that class."""
    extra = (FIXED_IPS,) if issubclass(cls, vif.VIFBase) and FIXED_IPS not in cls.fields else ()
    return (*cls.fields, *extra)


def codec(cls: type[Any], name: str) -> values.Value:
    """How that field stands in a document."""
    return values.of_field(cls, name) if name in cls.fields else _FIXED_IPS


def takes_null(cls: type[Any], name: str) -> bool:
    """Whether null may stand for that field."""
    return name in cls.fields and bool(cls.fields[name].nullable)


def to_document(obj: ovo.VersionedObject) -> dict[str, Any]:
    """The document of any object of os-vif: plain data that shares nothing with it.

    :raises os_vif.exception.DataLoss: for what was read from an OVO primitive of a newer version
        and is not known here.
    """
    if lost := unknown.losses(obj, FORM):
        raise exception.DataLoss(reader=API_VERSION, losses=lost)
    return encoded(obj)


def encoded(obj: ovo.VersionedObject) -> dict[str, Any]:
    """The same, with what was read as protobuf and is not known here."""
    minors = [found.version for _, found in unknown.within(obj) if found.fields and found.version]
    version = max((int(minor) for minor in minors), default=MINOR)
    head = {"apiVersion": f"{GROUP}/{MAJOR}.{version}", "kind": obj.obj_name()}
    data: dict[str, Any] = text.in_order(head | _encode(obj))
    return data


def to_text(obj: ovo.VersionedObject) -> str:
    """The document of an object, as JSON text: see :func:`to_document`."""
    try:
        return quick.document_text(obj, API_VERSION)
    except (quick.Unusual, exception.InvalidValue):
        return text.compose(to_document(obj))


def _encode(obj: ovo.VersionedObject) -> dict[str, Any]:
    data = unknown.fields_of(obj, FORM) or unknown.fields_of(obj, PROTOBUF)
    for name, value in unknown.contents(obj):
        try:
            data[name] = None if value is None else codec(type(obj), name).encode(value)
        except exception.InvalidValue as error:
            raise values.inside(name, error) from None
    return data


def encode_nested(obj: Any, declared: values.Object) -> Any:
    """An object inside another, which declares what may stand there."""
    if declared.open_type:
        return {"kind": obj.obj_name()} | _encode(obj)
    if not kinds.is_list(type(obj)):
        return _encode(obj)
    if not obj.obj_attr_is_set("objects"):
        raise exception.InvalidValue(
            found=f"a {obj.obj_name()} without objects", expected="objects, of which may be none"
        )
    return codec(type(obj), "objects").encode(obj.objects)


def from_document(document: Any) -> Any:
    """The object of a document. Nothing of it counts as changed.

    Unknown fields are refused in a document of this or an older minor version; in one of a newer
    they are kept, at any depth, and written back.

    :param document: a mapping of plain data, which is not changed.
    :raises os_vif.exception.SerializationError: naming the path of what is wrong.
    """
    if not isinstance(document, dict):
        raise refuse(Place(), document, "an object with apiVersion and kind")
    if document.get("apiVersion") == API_VERSION:
        try:
            return quick.from_document(document)
        except quick.Unusual:
            # What follows tells what is wrong, if anything is.
            pass
    text.refuse_many(document)
    minor = _minor(document.get("apiVersion"))
    if "kind" not in document:
        raise exception.InvalidValue(path="kind", found="nothing", expected="the name of a class")
    cls = kinds.find(document["kind"], Place("kind"))
    data = {name: value for name, value in document.items() if name not in {"apiVersion", "kind"}}
    return _decode(cls, data, Place(newer=minor if minor > MINOR else None))


def _minor(version: Any) -> int:
    """The minor version of a document that can be read here."""
    found = _VERSIONS.fullmatch(version) if isinstance(version, str) else None
    if found is None:
        raise exception.UnsupportedVersion(
            path="apiVersion",
            found="nothing" if version is None else shown(version),
            expected=f"a version such as {API_VERSION}",
        )
    major, minor = int(found[1]), int(found[2])
    if major != MAJOR:
        raise exception.UnsupportedVersion(
            path="apiVersion", found=version, expected=f"{GROUP}/{MAJOR} with any minor version"
        )
    return minor


def _decode(cls: type[Any], data: dict[str, Any], place: Place) -> Any:
    obj = cls()
    # Neither what was read nor what a new object sets itself has changed.
    obj.obj_reset_changes(recursive=True)
    more: dict[str, Any] = {}
    known = field_names(cls)
    for name, value in data.items():
        if values.named(name, place) not in known:
            more[name] = value
        elif value is None:
            _check_null(cls, name, place)
            setattr(obj, name, None)
        else:
            setattr(obj, name, codec(cls, name).decode(value, place / name))
    if more:
        _keep(obj, more, place)
    obj.obj_reset_changes()
    return obj


def _check_null(cls: type[Any], name: str, place: Place) -> None:
    """Null stands only where None may."""
    if not takes_null(cls, name):
        raise refuse(place / name, None, "a value, or no such name")


def _keep(obj: ovo.VersionedObject, more: dict[str, Any], place: Place) -> None:
    if place.newer is None:
        name = min(more)
        raise exception.UnknownField(
            path=str(place / name),
            found=f"a field that {obj.obj_name()} does not have",
            expected=f"those of {API_VERSION}",
        )
    unknown.keep(obj, unknown.Unknown(FORM, str(place.newer), values.plain(more, place)))


def decode_nested(data: Any, place: Place, declared: values.Object) -> Any:
    """An object inside another, which declares what may stand there."""
    if declared.open_type:
        if not isinstance(data, dict) or "kind" not in data:
            raise refuse(place, data, f"an object with the kind of a {declared.name}")
        cls = kinds.find(data["kind"], place / "kind")
        if declared.name not in kinds.ancestors(cls):
            raise exception.UnknownKind(
                path=str(place / "kind"),
                found=shown(data["kind"]),
                expected=f"the name of a kind of {declared.name}",
            )
        return _decode(cls, {n: v for n, v in data.items() if n != "kind"}, place)
    cls = kinds.find(declared.name, place)
    if kinds.is_list(cls):
        return _decode_list(cls, data, place)
    if not isinstance(data, dict):
        raise refuse(place, data, "an object")
    return _decode(cls, data, place)


def _decode_list(cls: type[Any], data: Any, place: Place) -> Any:
    listing = cls(objects=codec(cls, "objects").decode(data, place))
    listing.obj_reset_changes()
    return listing
