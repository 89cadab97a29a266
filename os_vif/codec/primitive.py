# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The codec of OVO primitives, the format of every release since 1.0.0: as lax as oslo.

The codec decodes the usual spelling of a value. The methods ``from_primitive`` and ``coerce`` of
the field decode each value with another spelling.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import exception as ovo_exception
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import descriptions, field, registry, unknown
from os_vif.codec.compiled import (
    CHANGED,
    INITIAL_CHANGES,
    NO_NAMES,
    ClassCodec,
    Context,
    Format,
)
from os_vif.codec.members import Row
from os_vif.codec.path import (
    COERCION_ERRORS,
    SeveralErrors,
    below,
    describe,
    errors_of,
    invalid,
    plain,
    require_name,
)
from os_vif.codec.registry import FIXED_IPS, NAMESPACE
from os_vif.codec.scalar import FieldCodec
from os_vif.codec.unknown import UNKNOWN

FORM = "ovo"
_PREFIX = f"{ovo.VersionedObject.OBJ_SERIAL_NAMESPACE}."
NAME, NAMESPACE_KEY, VERSION = f"{_PREFIX}name", f"{_PREFIX}namespace", f"{_PREFIX}version"
DATA, CHANGES = f"{_PREFIX}data", f"{_PREFIX}changes"
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
        self, context: Any = None, *, for_oslo: bool = False, collects: bool = False
    ) -> None:
        super().__init__(PRIMITIVES)
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
        return _coerced(cls.fields[name], cls(), name, None)

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
            for name in more:
                require_name(name)
            self.has_unknown = True
            unknown.attach(obj, unknown.Unknown(FORM, None, plain(more)))


class Encoding:
    """The state of a call of :func:`dump_object`.

    :param is_whole: True to write unknown fields and the addresses of release 1.8.0, with sorted
        names; False for the order of oslo.
    """

    def __init__(self, *, is_whole: bool = False) -> None:
        self.is_whole = is_whole
        #: True if a part of the primitive may have unsorted names.
        self.is_unsorted = False
        #: True if the primitive lacks unknown fields of another format.
        self.has_losses = False


def _coerced(declared: Any, obj: Any, name: str, data: Any) -> Any:
    """Return the result of the methods of a field for data.

    :raises os_vif.exception.InvalidValue: if the field refuses the data.
    """
    try:
        if isinstance(data, (list, dict)):
            data = copy.deepcopy(data)
        return declared.coerce(obj, name, declared.from_primitive(obj, name, data))
    except (*COERCION_ERRORS, ovo_exception.VersionedObjectsException) as error:
        raise invalid(data, descriptions.of_field(declared)) from error


class Primitives(Format):
    """The format of OVO primitives."""

    def row(self, cls: type[Any], name: str, declared: ovo_fields.Field[Any]) -> Row:
        if not field.has_standard_methods(declared):
            return self._by_field(name, declared)
        row = super().row(cls, name, declared)
        kind: Any = declared._type
        if row.dump_nested is None and row.leaf is None and row.load is not None:
            return self._row_of_leaves(name, declared, row, is_list=type(kind) is ovo_fields.List)
        return row

    def _by_field(self, name: str, declared: Any) -> Row:
        """Return the row of a field with methods of a third party."""
        return Row(
            None,
            None,
            lambda obj, data, _: _coerced(declared, obj, name, data),
            lambda value: declared.to_primitive(None, name, value),
        )

    def _row_of_leaves(self, name: str, declared: Any, row: Row, *, is_list: bool) -> Row:
        """Return the row of a list or a dict of scalars; oslo also accepts, for example, a tuple."""
        strict = row.load
        assert strict is not None  # noqa: S101

        def load(obj: Any, data: Any, ctx: Any) -> Any:
            if is_list and type(data) is list:
                try:
                    return strict(obj, data, ctx)
                except exception.SerializationError:
                    # The field decides, and words the error.
                    pass
            return _coerced(declared, obj, name, data)

        return row._replace(load=load)

    def leaf(
        self,
        cls: type[Any],
        name: str,
        declared: ovo_fields.Field[Any],
        codec: FieldCodec,
    ) -> Row:
        if not codec.is_native:
            return self._by_field(name, declared)
        coerce = codec.coerce

        def load(data: Any) -> Any:
            try:
                return coerce(data)
            except exception.SerializationError:
                return _coerced(declared, cls(), name, data)

        return Row(codec.coerce_identity, load, None, None if codec.is_primitive else codec.dump)

    def nested(self, codec: field.Nested) -> Row:
        declared, is_open = codec.name, codec.open_type

        def load(obj: Any, data: Any, ctx: Any) -> Any:
            return decode_object(data, ctx, declared, is_open=is_open, parent=obj)

        return Row(None, None, load, None, dump_object, is_object=True)


PRIMITIVES = Primitives()


# Decoding


def decode_object(
    data: Any,
    ctx: Any,
    declared: str | None = None,
    *,
    is_open: bool = False,
    parent: Any = None,
) -> Any:
    """Return the object of an OVO primitive.

    :param declared: the declared class of the field.
    :param is_open: True if the field accepts a subclass.
    :param parent: the object with the field.
    :raises os_vif.exception.SerializationError: with a path relative to the object.
    """
    name = data.get(NAME) if type(data) is dict else None
    codec = ctx.codecs.get(name) if type(name) is str else None
    if (
        codec is None
        or (name != declared and declared is not None)
        or data.get(NAMESPACE_KEY) != NAMESPACE
    ):
        codec = _class_of(data, ctx, declared, is_open=is_open)
    version, newer = data.get(VERSION), None
    if version != codec.cls.VERSION:
        codec, version, newer = _resolve_version(data, codec, ctx)
    elif not codec.is_direct and ctx.for_oslo:
        return _by_oslo(data, ctx, parent)
    fields = data.get(DATA)
    if type(fields) is not dict and not isinstance(fields, dict):
        raise invalid(fields, "an object with the fields", below("", DATA))
    if not codec.is_direct:
        if ctx.for_oslo:
            return _by_oslo(data, ctx, parent)
        obj = _by_methods(data, fields, codec, version, ctx)
    else:
        obj = _load_fields(data, fields, codec, ctx) if ctx.collects else codec.load(fields, ctx)
        state = obj.__dict__
        state["VERSION"] = version
        if CHANGES in data:
            state[INITIAL_CHANGES] = _changes(data[CHANGES], codec)
        if FIXED_IPS in state and FIXED_IPS not in codec.fields:
            obj._obj_place_addresses(is_changed=FIXED_IPS in data.get(CHANGES, ()))
    if newer is not None:
        ctx.has_unknown = True
        kept = vars(obj).get(UNKNOWN)
        unknown.attach(obj, unknown.Unknown(FORM, newer, kept.fields if kept else {}))
    return obj


def _load_fields(data: dict[str, Any], fields: dict[str, Any], codec: ClassCodec, ctx: Any) -> Any:
    """Return the object with the fields, or raise all errors, in the names of changes, too."""
    try:
        return codec.load(fields, ctx)
    except exception.SerializationError as error:
        errors = [*errors_of(error)]
        try:
            _changes(data.get(CHANGES, ()), codec)
        except exception.SerializationError as found:
            errors.append(found)
        raise SeveralErrors(errors) from None


def _class_of(data: Any, ctx: Any, declared: str | None, *, is_open: bool) -> ClassCodec:
    if (type(data) is not dict and not isinstance(data, dict)) or NAME not in data:
        raise invalid(data, f"an object with {NAME}")
    if data.get(NAMESPACE_KEY) != NAMESPACE:
        raise exception.UnknownKind(
            path=NAMESPACE_KEY,
            found=describe(data.get(NAMESPACE_KEY)),
            expected=repr(NAMESPACE),
        )
    codec: ClassCodec = ctx.codec(data[NAME], NAME)
    if declared in {None, codec.name} or (is_open and declared in codec.names):
        return codec
    raise exception.UnknownKind(
        path=NAME,
        found=describe(data[NAME]),
        expected=f"a {declared}" + (" or a kind of it" if is_open else ""),
    )


def _resolve_version(
    data: dict[str, Any], codec: ClassCodec, ctx: Any
) -> tuple[ClassCodec, str, str | None]:
    """Return the codec for a version, the version of the object, and a newer version or None."""
    version, known = data.get(VERSION), codec.cls.VERSION
    match = _NUMBER.fullmatch(version) if isinstance(version, str) else None
    if match is None or match[1] != known.partition(".")[0]:
        raise exception.UnsupportedVersion(
            path=VERSION,
            found=describe(version),
            expected=f"a version of {codec.name} that begins as {known} does",
        )
    version = str(version)
    if version in codec.withdrawn:
        return codec, known, None
    for cls in registry.candidates(codec.name)[1:]:
        if version == cls.VERSION:
            return PRIMITIVES[cls], version, None
    if tuple(map(int, version.split("."))) <= tuple(map(int, known.split("."))):
        return codec, version, None
    if ctx.for_oslo:
        raise exception.UnsupportedVersion(
            path=VERSION, found=describe(version), expected=f"{known} or an older version"
        )
    return codec, known, version


def _changes(names: Any, codec: ClassCodec) -> frozenset[str]:
    try:
        return codec.changes[tuple(names)]
    except (KeyError, TypeError):
        pass
    try:
        return codec.load_changes(names)
    except TypeError:
        raise invalid(names, "an array of names", below("", CHANGES)) from None


def _by_oslo(data: dict[str, Any], ctx: Any, parent: Any) -> Any:
    """Return an object of a third party through ``obj_from_primitive`` of the parent."""
    if parent is None:
        raise invalid(data, "a class of os-vif")
    return parent.obj_from_primitive(data, ctx.context)


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
            for name, data_of in dump_object(loaded, Encoding())[DATA].items()
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
        if FIXED_IPS in vars(obj) and FIXED_IPS not in codec.fields:
            obj._obj_place_addresses(is_changed=FIXED_IPS in data.get(CHANGES, ()))
    return obj


def decode(
    primitive: Any, context: Any = None, *, for_oslo: bool = False, collects: bool = False
) -> tuple[Any, bool]:
    """Return the object of an OVO primitive, and True for unknown fields in the object.

    :raises os_vif.exception.SerializationError: naming the path of the field.
    """
    ctx = Decoding(context, for_oslo=for_oslo, collects=collects)
    return decode_object(primitive, ctx), ctx.has_unknown


# Encoding


def dump_object(obj: Any, ctx: Encoding) -> dict[str, Any]:
    """Return the OVO primitive of an object."""
    return _dump(obj, ctx)[0]


def _dump(  # noqa: C901, PLR0912 - the inner loop of all writing
    obj: Any, ctx: Encoding
) -> tuple[dict[str, Any], bool]:
    """Return the primitive of an object, and True if the object or a nested object has changed."""
    codec = PRIMITIVES[type(obj)]
    if not codec.is_direct:
        return _dump_by_methods(obj, ctx)
    state = obj.__dict__
    names = state.get(CHANGED)
    if names is None:
        names = state.get(INITIAL_CHANGES, NO_NAMES)
    data: dict[str, Any] = {}
    changed = []
    is_changed = False
    dumpers = codec.sorted_dumpers if ctx.is_whole else codec.dumpers
    for name, attribute, dump, dump_nested, is_object in dumpers:
        if attribute not in state:
            continue
        value = state[attribute]
        if value is None:
            pass
        elif dump is not None:
            value = dump(value)
        elif is_object:
            value, is_changed_within = _dump(value, ctx)
            if is_changed_within:
                is_changed = True
                if name not in names:
                    changed.append(name)
        elif dump_nested is not None:
            value = dump_nested(value, ctx)
        data[name] = value
        if name in names:
            changed.append(name)
    is_changed = is_changed or not codec.fields.isdisjoint(names)
    if not ctx.is_whole:
        primitive = {
            NAME: codec.name,
            NAMESPACE_KEY: NAMESPACE,
            VERSION: obj.VERSION,
            DATA: data,
        }
        if changed:
            primitive[CHANGES] = sorted(changed)
        return primitive, is_changed
    primitive = {CHANGES: changed} if changed else {}
    primitive[DATA] = data
    primitive[NAME] = codec.name
    primitive[NAMESPACE_KEY] = NAMESPACE
    primitive[VERSION] = obj.VERSION
    if UNKNOWN in state or FIXED_IPS in state:
        primitive = _extended(obj, state, primitive, ctx)
    return primitive, is_changed


def _dump_by_methods(obj: Any, ctx: Encoding) -> tuple[dict[str, Any], bool]:
    ctx.is_unsorted = True
    primitive = obj.obj_to_primitive()
    if ctx.is_whole:
        _add_unknown(obj, primitive, ctx)
    is_object = isinstance(obj, ovo.VersionedObject)
    return primitive, is_object and bool(obj.obj_what_changed())


def _add_unknown(value: Any, primitive: Any, ctx: Encoding) -> None:
    """Add the unknown fields in *value* to the primitive of a third party."""
    if isinstance(value, ovo.VersionedObject):
        primitive.update(_extended(value, vars(value), primitive, ctx))
        for name, inner in unknown.contents(value):
            _add_unknown(inner, primitive[DATA][name], ctx)
    elif isinstance(value, list):
        for item, inner in zip(value, primitive, strict=True):
            _add_unknown(item, inner, ctx)
    elif isinstance(value, dict):
        for key, item in value.items():
            _add_unknown(item, primitive[key], ctx)


def _extended(
    obj: Any, state: dict[str, Any], primitive: dict[str, Any], ctx: Encoding
) -> dict[str, Any]:
    """Return a primitive with unknown fields, and with the addresses of release 1.8.0."""
    data = primitive[DATA]
    kept = state.get(UNKNOWN)
    if kept is not None and kept.form != FORM:
        ctx.has_losses = ctx.has_losses or bool(kept.fields)
    elif kept is not None:
        data |= copy.deepcopy(kept.fields)
        if kept.version:
            primitive[VERSION] = kept.version
    addresses = state.get(FIXED_IPS)
    if isinstance(addresses, ovo.VersionedObject):
        # Readers of other releases ignore the addresses.
        data[FIXED_IPS] = dump_object(addresses, ctx)
        changed = changed_fields(obj, data, primitive.get(CHANGES, ()))
        if changed:
            primitive[CHANGES] = changed
    ctx.is_unsorted = True
    return primitive


def changed_fields(obj: ovo.VersionedObject, data: Any, changed: Any) -> list[str]:
    """Return the sorted names of changed fields: the names in *changed* and *data*.

    The result includes names of changed nested data for which *obj* has no field.
    """
    moved = {
        name
        for name in data.keys() - obj.fields.keys()
        if isinstance(data[name], dict) and CHANGES in data[name]
    }
    return sorted(moved.union(name for name in changed if name in data))


def encode(obj: ovo.VersionedObject) -> dict[str, Any]:
    """Return the OVO primitive of an object in the versions of its classes."""
    return dump_object(obj, Encoding())


def encode_whole(obj: ovo.VersionedObject) -> tuple[dict[str, Any], Encoding]:
    """Return the OVO primitive with unknown fields, and the state of the call."""
    ctx = Encoding(is_whole=True)
    return dump_object(obj, ctx), ctx
