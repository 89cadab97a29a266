# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The codec of documents: strict, so the codec accepts the same documents as the JSON Schema.

A document has one version for the whole object tree. ``kind`` is present only where the declared
class may have subclasses; list objects are arrays; an unset field is absent, and null is
None. Names are sorted, ``apiVersion`` and ``kind`` first. ``$schema`` is permitted at the top level,
and ignored.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import field, members, registry, unknown
from os_vif.codec.compiled import NO_NAMES, ClassCodec, Context, Format
from os_vif.codec.members import Load, Row
from os_vif.codec.order import in_order, rank
from os_vif.codec.path import SeveralErrors, below, describe, errors_of, invalid, plain, within
from os_vif.codec.registry import FIXED_IPS
from os_vif.codec.scalar import FieldCodec
from os_vif.codec.unknown import UNKNOWN
from os_vif.escape import with_article

GROUP = "os-vif"
MAJOR, MINOR = 2, 0
API_VERSION = f"{GROUP}/{MAJOR}.{MINOR}"
#: The names of the format of documents in JSON and in protobuf.
FORM, PROTOBUF = "json", "protobuf"

_VERSIONS = re.compile(r"os-vif/(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
#: The name of the address of a JSON Schema, which editors and validators put into a document.
SCHEMA = "$schema"
_HEAD, _KIND = frozenset(("apiVersion", "kind", SCHEMA)), frozenset(("kind",))


class Decoding(Context):
    """The state of a call of :func:`decode`.

    :param newer: the minor version of the document if it is newer than this library's; unknown
        fields are preserved then, and refused otherwise.
    """

    #: The format of unknown fields.
    form = FORM

    def __init__(
        self,
        newer: int | None = None,
        *,
        collects: bool = False,
        data_format: Documents | None = None,
    ) -> None:
        super().__init__(DOCUMENTS if data_format is None else data_format)
        self._newer = newer
        self.collects = collects

    def null(self, cls: type[Any], name: str) -> Any:
        raise invalid(None, "a value, or no such name")

    def elements(self, data: Any) -> Any:
        raise invalid(data, "an array")

    def hides_objects(self, head: frozenset[str]) -> bool:
        # A list inside another object is an array.
        return not head

    def unknown(self, obj: Any, more: dict[Any, Any], codec: ClassCodec) -> None:
        if self._newer is None:
            errors: list[exception.SerializationError] = [
                invalid(name, "a string as each name")
                for name in more
                if not isinstance(name, str)
            ]
            names = sorted(name for name in more if isinstance(name, str))
            errors += [_unknown_field(name, codec) for name in names]
            raise SeveralErrors(errors) if self.collects else errors[0]
        fields = plain(more, collects=self.collects)
        unknown.attach(obj, unknown.Unknown(self.form, str(self._newer), fields))


def _unknown_field(name: str, codec: ClassCodec) -> exception.SerializationError:
    return exception.UnknownField(
        path=below("", name),
        found=f"a field that {codec.name} does not have",
        expected=f"a field of {API_VERSION}",
    )


class Encoding:
    """The state of a call of :func:`encode`.

    :param form: the format of the unknown fields in the document.
    """

    def __init__(self, form: str) -> None:
        self.form = form
        #: The newest minor version of the unknown fields in the document.
        self.minor = MINOR
        #: True if the document lacks unknown fields of another format.
        self.has_losses = False


class Documents(Format):
    """The format of documents."""

    order = staticmethod(rank)
    #: Sorts the names of written data with unknown fields.
    sort: Callable[[Any], Any] = staticmethod(in_order)

    def leaf(
        self,
        cls: type[Any],
        name: str,
        declared: ovo_fields.Field[Any],
        codec: FieldCodec,
    ) -> Row:
        if codec.has_warnings:
            return self._leaf_with_warnings(name, declared, codec)
        dump = None if codec.dumps_itself else codec.dump
        if isinstance(codec, field.Opaque):
            return Row(None, None, members.opaque_loader(declared, _opaque(cls, name)), dump)
        return Row(codec.identity, codec.load, None, dump)

    def _leaf_with_warnings(
        self, name: str, declared: ovo_fields.Field[Any], codec: FieldCodec
    ) -> Row:
        def load(data: Any) -> Any:
            try:
                return codec.coerce(data)
            except exception.InvalidValue:
                return declared.coerce(None, name, codec.load(data))

        return Row(codec.identity, load, None, None if codec.dumps_itself else codec.dump)

    def nested(self, codec: field.Nested) -> Row:
        if codec.open_type:
            return Row(None, None, _open_loader(codec.name), None, self._dump_open)
        return Row(None, None, _closed_loader(codec.name), None, self._dump_closed)

    def _dump_open(self, obj: Any, ctx: Encoding) -> dict[str, Any]:
        codec = self[type(obj)]
        return self.dump(obj, codec, {"kind": codec.name}, ctx)

    def _dump_closed(self, obj: Any, ctx: Encoding) -> Any:
        codec = self[type(obj)]
        if not codec.is_list:
            return self.dump(obj, codec, {}, ctx)
        state = codec.state_of(obj)
        objects = state.get("_obj_objects")
        if objects is not None and UNKNOWN not in state:
            return codec.dump_objects(objects, ctx)
        data = self.dump(obj, codec, {}, ctx)
        if "objects" not in data:
            raise exception.InvalidValue(
                found=f"{with_article(codec.name)} without objects",
                expected="objects, of which may be none",
            )
        return data["objects"]

    def dump(
        self, obj: Any, codec: ClassCodec, data: dict[str, Any], ctx: Encoding
    ) -> dict[str, Any]:
        """Add the fields of an object to *data*."""
        state = obj.__dict__ if codec.is_direct else codec.state_of(obj)
        try:
            for name, attribute, dump, dump_nested, _ in codec.sorted_dumpers:
                if attribute in state:
                    value = state[attribute]
                    if value is None:
                        data[name] = None
                    elif dump is not None:
                        data[name] = dump(value)
                    elif dump_nested is not None:
                        data[name] = dump_nested(value, ctx)
                    else:
                        data[name] = value
        except exception.SerializationError as error:
            if codec.is_list and "kind" not in data:
                # The array stands for the list object.
                raise
            located = within(name, error)
            raise located from located.__cause__
        if UNKNOWN in state or FIXED_IPS in state:
            return self._extended(state, data, ctx)
        return data

    def dump_whole(
        self, obj: ovo.VersionedObject, data: dict[str, Any], ctx: Encoding
    ) -> dict[str, Any]:
        """Add the fields of the object of a whole document to *data*.

        :raises os_vif.exception.DataLoss: for unknown fields of another format.
        """
        try:
            data = self.dump(obj, self[type(obj)], data, ctx)
        except exception.SerializationError:
            _refuse_losses(obj, ctx.form)
            raise
        if ctx.has_losses:
            _refuse_losses(obj, ctx.form)
        return data

    def _extended(
        self, state: dict[str, Any], data: dict[str, Any], ctx: Encoding
    ) -> dict[str, Any]:
        """Return *data* with unknown fields, and with the addresses of release 1.8.0."""
        kept = state.get(UNKNOWN)
        if kept is not None and kept.fields:
            if kept.form != ctx.form:
                ctx.has_losses = True
            else:
                data = copy.deepcopy(kept.fields) | data
                ctx.minor = max(ctx.minor, int(kept.version or MINOR))
        addresses = state.get(FIXED_IPS)
        if isinstance(addresses, ovo.VersionedObject):
            try:
                data[FIXED_IPS] = self._dump_closed(addresses, ctx)
            except exception.SerializationError as error:
                located = within(FIXED_IPS, error)
                raise located from located.__cause__
        return self.sort(data)  # type: ignore[no-any-return]


DOCUMENTS = Documents()


def _opaque(cls: type[Any], name: str) -> Callable[[Any], Load]:
    def loader(declared: Any) -> Load:
        codec = field.Opaque(cls, name, declared)
        return lambda _obj, data, _ctx: codec.load(data)

    return loader


def _open_loader(declared: str) -> Callable[[Any, Any, Any], Any]:
    def load(_: Any, data: Any, ctx: Any) -> Any:
        if not isinstance(data, dict) or "kind" not in data:
            raise invalid(data, f"an object with the kind of {with_article(declared)}")
        codec = ctx.codec(data["kind"], "kind")
        if declared not in codec.names:
            raise exception.UnknownKind(
                path="kind",
                found=describe(data["kind"]),
                expected=f"the name of a kind of {declared}",
            )
        return codec.load(data, ctx, _KIND)

    return load


def _closed_loader(name: str) -> Callable[[Any, Any, Any], Any]:
    def load(_: Any, data: Any, ctx: Any) -> Any:
        codec = ctx.codecs.get(name) or ctx.codec(name)
        if codec.is_list:
            if data is None:
                raise invalid(data, "an array")
            return codec.load({"objects": data}, ctx, NO_NAMES)
        if not isinstance(data, dict):
            raise invalid(data, "an object")
        return codec.load(data, ctx)

    return load


def field_names(cls: type[Any]) -> tuple[str, ...]:
    """Return the permitted names in a document of an object of a class."""
    return (*cls.fields, FIXED_IPS) if registry.has_fixed_ips(cls) else tuple(cls.fields)


def field_codec(cls: type[Any], name: str) -> FieldCodec:
    """Return the codec of a name of :func:`field_names`."""
    if name in cls.fields:
        return field.of_field(cls, name)
    return field.Nested("FixedIPList", open_type=False)


def takes_null(cls: type[Any], name: str) -> bool:
    """Return True if a field may be null."""
    return name in cls.fields and bool(cls.fields[name].nullable)


def encode(obj: ovo.VersionedObject, form: str = FORM) -> dict[str, Any]:
    """Return the document of an object: plain data without references to values of the object.

    :param form: the format of the unknown fields in the document.
    :raises os_vif.exception.DataLoss: for unknown fields of another format.
    :raises os_vif.exception.InvalidValue: for a value without an expression in a document.
    """
    ctx = Encoding(form)
    head = {"apiVersion": API_VERSION, "kind": obj.obj_name()}
    data = DOCUMENTS.dump_whole(obj, head, ctx)
    if ctx.minor != MINOR:
        data["apiVersion"] = f"{GROUP}/{MAJOR}.{ctx.minor}"
    return data


def _refuse_losses(obj: ovo.VersionedObject, form: str) -> None:
    if lost := unknown.losses(obj, form):
        reader = API_VERSION if form == FORM else f"a reader of {form}"
        raise exception.DataLoss(reader=reader, losses=lost)


def decode(document: Any, *, collects: bool = False) -> tuple[Any, bool]:
    """Return the object of a document, and True for a newer minor version.

    :param collects: True to raise ``SeveralErrors``, not only the first error.
    :raises os_vif.exception.SerializationError: naming the path of the field.
    """
    if not isinstance(document, dict):
        raise invalid(document, "an object with apiVersion and kind")
    version = document.get("apiVersion")
    newer = newer_minor(version)
    if "kind" not in document:
        raise exception.InvalidValue(path="kind", found="nothing", expected="the name of a class")
    ctx = Decoding(newer, collects=collects)
    if SCHEMA in document and not isinstance(document[SCHEMA], str):
        address = "the address of a JSON Schema, as a string"
        errors: list[exception.SerializationError] = [invalid(document[SCHEMA], address, SCHEMA)]
        if collects:
            try:
                ctx.codec(document["kind"], "kind").load(document, ctx, _HEAD)
            except exception.SerializationError as error:
                errors += errors_of(error)
        raise SeveralErrors(errors) if collects else errors[0]
    codec = ctx.codec(document["kind"], "kind")
    return codec.load(document, ctx, _HEAD), newer is not None


def newer_minor(version: Any) -> int | None:
    """Return the minor version of a document if newer than this library's, or None.

    :raises os_vif.exception.UnsupportedVersion: for a document with another major version.
    """
    if version == API_VERSION:
        return None
    match = _VERSIONS.fullmatch(version) if isinstance(version, str) else None
    if match is None:
        raise exception.UnsupportedVersion(
            path="apiVersion",
            found="nothing" if version is None else describe(version),
            expected=f"a version such as {API_VERSION}",
        )
    major, minor = int(match[1]), int(match[2])
    if major != MAJOR:
        raise exception.UnsupportedVersion(
            path="apiVersion", found=version, expected=f"{GROUP}/{MAJOR} with any minor version"
        )
    return minor if minor > MINOR else None
