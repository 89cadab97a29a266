# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Decoding of OVO primitives.

The codec decodes the usual spelling of a value. The methods ``from_primitive`` and ``coerce`` of
the field decode each value with another spelling.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from oslo_versionedobjects import exception as ovo_exception

from os_vif import exception
from os_vif.codec import descriptions, registry, unknown
from os_vif.codec.compiled import INITIAL_CHANGES, NO_NAMES, ClassCodec, Context, Format
from os_vif.codec.members import Load
from os_vif.codec.path import (
    COERCION_ERRORS,
    SeveralErrors,
    below,
    describe,
    errors_of,
    invalid,
    plain,
)
from os_vif.codec.primitive_encoder import (
    CHANGES,
    DATA,
    FORM,
    NAME,
    NAMESPACE_KEY,
    VERSION,
    Encoding,
    dump_object,
)
from os_vif.codec.registry import FIXED_IPS, NAMESPACE
from os_vif.codec.unknown import UNKNOWN
from os_vif.escape import with_article

#: The maximum number of cached versions, and of cached lists of changed fields of a class.
_MAX_CACHED = 256
#: oslo knows a third number, for branches of old releases.
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5})){1,2}")
_READING_METHODS = ("obj_from_primitive", "_obj_from_primitive", "obj_class_from_name")


class Decoding(Context):
    """The state of a call of :func:`decode`.

    :param for_oslo: True for ``obj_from_primitive``, which ignores unknown fields, refuses newer
        versions, and reads the classes of third parties through the methods of the class.
    """

    resets_defaults = False

    def __init__(
        self,
        data_format: Format,
        context: Any = None,
        *,
        for_oslo: bool = False,
        collects: bool = False,
    ) -> None:
        super().__init__(data_format)
        self.data_format = data_format
        self.context = context
        self.for_oslo = for_oslo
        self.collects = collects
        #: True if an object has unknown fields, or a newer version.
        self.has_unknown = False

    def codec(self, name: Any, path: str = "") -> ClassCodec:
        if self.for_oslo and name not in self.codecs and not registry.candidates(name):
            # oslo registers no classes for an unknown name.
            raise invalid(name, "the name of a registered class", path)
        return super().codec(name, path)

    def null(self, cls: type[Any], name: str) -> Any:
        if name not in cls.fields:
            raise invalid(None, f"an object with {NAME}")
        return coerce_by_field(cls.fields[name], cls(), name, None)

    def elements(self, data: Any) -> Any:
        # oslo accepts all iterable data, and reports an error of the iteration itself.
        try:
            return list(data)
        except Exception:  # noqa: BLE001
            raise invalid(data, "an array") from None

    def hides_objects(self, head: frozenset[str]) -> bool:
        return True

    def unknown(self, obj: Any, more: dict[Any, Any], codec: ClassCodec) -> None:
        if not self.for_oslo:
            self.has_unknown = True
            fields = plain(more, collects=self.collects)
            unknown.attach(obj, unknown.Unknown(FORM, None, fields))


def coerce_by_field(declared: Any, obj: Any, name: str, data: Any) -> Any:
    """Return the result of the methods of a field for data.

    :raises os_vif.exception.InvalidValue: if the field refuses the data.
    """
    try:
        if isinstance(data, (list, dict)):
            data = copy.deepcopy(data)
        return declared.coerce(obj, name, declared.from_primitive(obj, name, data))
    except (*COERCION_ERRORS, ovo_exception.VersionedObjectsException) as error:
        raise invalid(data, descriptions.of_field(declared)) from error


def object_loader(  # noqa: C901 - the inner loop of all reading
    declared: str | None = None, *, is_open: bool = False
) -> Load:
    """Return the function that decodes an object, with a path relative to the object.

    :param declared: the declared class of the field; None for any class.
    :param is_open: True if the field accepts a subclass.
    """
    #: The codecs, and name, version, codec and resulting version of the most recent object.
    recent: tuple[Any, ...] = (None,) * 5

    def load(parent: Any, data: Any, ctx: Any) -> Any:  # noqa: C901, PLR0912
        nonlocal recent
        codecs, name, written, codec, version = recent
        newer = None
        try:
            # The usual case of _resolve().
            is_recent = (
                type(data) is dict
                and data[NAME] == name
                and data[VERSION] == written
                and data[NAMESPACE_KEY] == NAMESPACE
                and ctx.codecs is codecs
            )
        except KeyError:
            is_recent = False
        if not is_recent:
            codec, version, newer = _resolve(data, ctx, declared, is_open=is_open)
            if not codec.is_direct:
                if ctx.for_oslo:
                    # The class reads itself.
                    if parent is None:
                        raise invalid(data, "a class of os-vif")
                    return parent.obj_from_primitive(data, ctx.context)
                return _load_foreign(data, codec, version, newer, ctx)
            if newer is None:
                recent = ctx.codecs, data[NAME], data[VERSION], codec, version
        fields = data.get(DATA)
        if type(fields) is not dict and not isinstance(fields, dict):
            raise invalid(fields, "an object with the fields", below("", DATA))
        try:
            obj = codec.load(fields, ctx)
        except exception.SerializationError as error:
            if ctx.collects:
                raise _with_errors_of_changes(error, data, codec) from None
            raise
        state = obj.__dict__
        state["VERSION"] = version
        if CHANGES in data:
            names = data[CHANGES]
            recent_names, changes = codec.recent_changes
            state[INITIAL_CHANGES] = changes if names == recent_names else _changes(names, codec)
        if codec.has_fixed_ips:
            if FIXED_IPS in state:
                obj._obj_place_addresses()
            elif FIXED_IPS in state.get(INITIAL_CHANGES, NO_NAMES):
                state[INITIAL_CHANGES] -= {FIXED_IPS}
        if newer is not None:
            _keep_version(obj, newer, ctx)
        return obj

    return load


def _keep_version(obj: Any, newer: str, ctx: Any) -> None:
    """Store the newer version of an object, which encoding writes again."""
    ctx.has_unknown = True
    kept = vars(obj).get(UNKNOWN)
    unknown.attach(obj, unknown.Unknown(FORM, newer, kept.fields if kept else {}))


def _load_foreign(
    data: dict[str, Any], codec: ClassCodec, version: str, newer: str | None, ctx: Any
) -> Any:
    """Return an object of a third party."""
    fields = data.get(DATA)
    if not isinstance(fields, dict):
        raise invalid(fields, "an object with the fields", below("", DATA))
    obj = _by_methods(data, fields, codec, version, ctx)
    if newer is not None:
        _keep_version(obj, newer, ctx)
    return obj


def _with_errors_of_changes(
    error: exception.SerializationError, data: dict[str, Any], codec: ClassCodec
) -> SeveralErrors:
    """Return the errors of the fields, and the error of the names of changes."""
    errors = [*errors_of(error)]
    try:
        _changes(data.get(CHANGES, ()), codec)
    except exception.SerializationError as found:
        errors.append(found)
    return SeveralErrors(errors)


def _resolve(
    data: Any, ctx: Any, declared: str | None, *, is_open: bool
) -> tuple[ClassCodec, str, str | None]:
    """Return the codec for a primitive, the version of the object, and a newer version or None."""
    if not isinstance(data, dict) or NAME not in data:
        raise invalid(data, f"an object with {NAME}")
    if data.get(NAMESPACE_KEY) != NAMESPACE:
        raise exception.UnknownKind(
            path=NAMESPACE_KEY,
            found=describe(data.get(NAMESPACE_KEY)),
            expected=repr(NAMESPACE),
        )
    codec: ClassCodec = ctx.codec(data[NAME], NAME)
    if declared in {None, codec.name} or (is_open and declared in codec.names):
        return _resolve_version(data.get(VERSION), codec, ctx)
    raise exception.UnknownKind(
        path=NAME,
        found=describe(data[NAME]),
        expected=with_article(declared) + (" or a kind of it" if is_open else ""),
    )


def _resolve_version(
    version: Any, codec: ClassCodec, ctx: Any
) -> tuple[ClassCodec, str, str | None]:
    """Return the codec for a version, the version of the object, and a newer version or None."""
    known = codec.cls.VERSION
    if version == known:
        return codec, known, None
    match = None
    if isinstance(version, str):
        if (older := ctx.codecs.by_version.get((codec.name, version))) is not None:
            return *older, None
        match = _NUMBER.fullmatch(version)
    if match is None or match[1] != known.partition(".")[0]:
        raise exception.UnsupportedVersion(
            path=VERSION,
            found=describe(version),
            expected=f"a version of {codec.name} that begins as {known} does",
        )
    older = codec, str(version)
    if version in codec.withdrawn:
        older = codec, known
    elif cls := next(
        (c for c in registry.candidates(codec.name)[1:] if version == c.VERSION), None
    ):
        older = ctx.data_format[cls], str(version)
    elif tuple(map(int, version.split("."))) > tuple(map(int, known.split("."))):
        if ctx.for_oslo:
            raise exception.UnsupportedVersion(
                path=VERSION, found=describe(version), expected=f"{known} or an older version"
            )
        return codec, known, version
    if len(ctx.codecs.by_version) < _MAX_CACHED:
        ctx.codecs.by_version[codec.name, str(version)] = older
    return *older, None


def _changes(names: Any, codec: ClassCodec) -> frozenset[str]:
    """Return the fields among *names*. Most objects have the same, so the sets are cached.

    :raises os_vif.exception.InvalidValue: for data without members.
    """
    try:
        key = tuple(names)
        changes = codec.changes.get(key)
        if changes is None:
            changes = codec.changeable.intersection(key)
    except TypeError:
        raise invalid(names, "an array of names", below("", CHANGES)) from None
    if len(codec.changes) < _MAX_CACHED:
        codec.changes[key] = changes
    # A single assignment, so that other threads read both or neither.
    codec.recent_changes = [*key], changes
    return changes


def _by_methods(
    data: dict[str, Any], fields: dict[str, Any], codec: ClassCodec, version: str, ctx: Any
) -> Any:
    """Return an object of a third party through the methods of the class."""
    obj = codec.load(fields, ctx)
    changes = _changes(data.get(CHANGES, ()), codec)
    if registry.defines(codec.cls, *_READING_METHODS):
        # The class reads its known fields; the unknown fields are attached afterwards.
        loaded, readable = obj, dict(data)
        readable[DATA] = {
            name: data_of
            for name, data_of in dump_object(loaded, Encoding(ctx.data_format))[DATA].items()
            if name in fields
        }
        try:
            obj = type(obj)._obj_from_primitive(ctx.context, version, readable)
        except (*COERCION_ERRORS, ovo_exception.VersionedObjectsException) as error:
            raise exception.InvalidValue(
                found=f"a primitive of {codec.name}", expected="one that its class reads"
            ) from error
        unknown.move(loaded, obj)
    else:
        obj.VERSION = version
        obj._changed_fields = set(changes & codec.fields)
        if codec.has_fixed_ips and FIXED_IPS in vars(obj):
            obj._changed_fields |= changes & {FIXED_IPS}
            obj._obj_place_addresses()
    return obj
