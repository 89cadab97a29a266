# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Documents as protobuf messages, for ``os-vif[protobuf]``.

:class:`MessageSet` is a format of the compiled codec (:mod:`os_vif.codec.compiled`): an object is
encoded as the keyword arguments of the message class, and decoded from the fields of the message.
:mod:`.message_types` defines the messages. *Wrapper messages* surround the values of lists, dicts
and open types; no object corresponds to a wrapper message, so the unknown fields of a wrapper
message belong to the object with the field.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, NamedTuple

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields as ovo_fields

from os_vif import exception
from os_vif.codec import FieldCodec, document, field, registry, size
from os_vif.codec.compiled import ClassCodec
from os_vif.codec.members import Row
from os_vif.codec.path import describe, within
from os_vif.objects.versioning import history
from os_vif.serialization.protobuf import message_types
from os_vif.serialization.protobuf.message_types import ITEMS, NULLS, Field

FORM = document.PROTOBUF
#: The name of the unknown fields in the data of an object; no field has this name.
UNKNOWN = "protobuf:unknown"
#: The tag of the field ``major``, which every document begins with. No text begins with this byte.
MAGIC = b"\x08"
#: A message inside another message takes at least two bytes.
_BYTES_PER_MESSAGE = 2
_INT64 = 2**63
_KIND = frozenset(("kind",))


class _Runtime(NamedTuple):
    """The parts of the package protobuf."""

    descriptors: Any
    pool: Any
    message_class: Any
    decode_error: type[Exception]


@functools.cache
def _runtime() -> _Runtime:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
    except ImportError as error:
        raise RuntimeError("protobuf is not installed: install 'os-vif[protobuf]>=6.0'") from error

    def get_class_before_4_22(descriptor: Any) -> Any:
        return message_factory.MessageFactory().GetPrototype(descriptor)

    get_class = getattr(message_factory, "GetMessageClass", get_class_before_4_22)
    return _Runtime(descriptor_pb2, descriptor_pool, get_class, message.DecodeError)


class _UnknownNullError(Exception):
    """A field is null whose number is unknown."""


class Encoding(document.Encoding):
    """The state of a call of :func:`dumps`."""

    def __init__(self) -> None:
        super().__init__(FORM)
        #: The unknown fields by the identity of the data of the object.
        self.unknown: dict[int, bytes] = {}


class Decoding(document.Decoding):
    """The state of a call of :func:`loads`."""

    form = FORM
    #: True if the message has fields, or nulls, of unknown numbers.
    has_unknown = False


class MessageSet(document.Documents):
    """The messages of this release, and the compiled codecs of their classes."""

    # Fields are written in the order of their numbers, so the names need no sorting.
    sort = staticmethod(lambda data: data)

    def __init__(self) -> None:
        super().__init__()
        runtime = _runtime()
        vocabulary = history.vocabulary()
        messages = message_types.numbered_messages(message_types.read_numbers())
        #: The names of fields by message and number, and the numbers by message and name.
        self.names = {n: {f.number: f.name for f in fields} for n, fields in messages.items()}
        self._numbers = {n: {f.name: f.number for f in fields} for n, fields in messages.items()}
        #: The names of classes by field of ``Document`` or of the message of an open type.
        self._kinds = {message_types.oneof_field(name): name for name in vocabulary}
        self._wrappers = messages.keys() - vocabulary.keys() - {message_types.DOCUMENT}
        self._wrappers |= {name for name, cls in vocabulary.items() if registry.is_list(cls)}
        file = runtime.descriptors.FileDescriptorProto(
            name=f"os_vif/{message_types.MESSAGES}", package=message_types.PACKAGE, syntax="proto3"
        )
        for name, fields in sorted(messages.items()):
            _declare(file.message_type.add(name=name), fields, runtime.descriptors)
        pool = runtime.pool.DescriptorPool()
        pool.AddSerializedFile(file.SerializeToString())
        self._classes = {
            name: runtime.message_class(
                pool.FindMessageTypeByName(f"{message_types.PACKAGE}.{name}")
            )
            for name in messages
        }
        self.document = self._classes[message_types.DOCUMENT]

    # Compiling

    def row(self, cls: type[Any], name: str, declared: ovo_fields.Field[Any]) -> Row:
        row = super().row(cls, name, declared)
        codec = field.compile_field(cls, name, declared)
        if isinstance(codec, field.Array):
            return _list_row(row)
        return self._map_row(row, codec.item) if isinstance(codec, field.Map) else row

    def _map_row(self, row: Row, item: FieldCodec) -> Row:
        load, dump, message_class = row.load, row.dump_nested, item.proto_type()

        def load_map(obj: Any, message: Any, ctx: Any) -> Any:
            items = message.items
            return load(obj, {key: items[key] for key in sorted(items)}, ctx)  # type: ignore[misc]

        def dump_map(value: Any, ctx: Any) -> dict[str, Any]:
            items = dump(value, ctx)  # type: ignore[misc]
            if message_class in self._classes:
                # protobuf 4 does not accept the keyword arguments of messages in maps.
                items = {n: self.build(message_class, data, ctx) for n, data in items.items()}
            return {ITEMS: items}

        return Row(None, None, load_map, None, dump_map)

    def nested(self, codec: field.Nested) -> Row:
        if codec.open_type:
            return Row(None, None, self.load_open, None, self._dump_open)
        return Row(None, None, self._closed_loader(codec.name), None, self._dump_closed)

    # Encoding

    def _dump_open(self, obj: Any, ctx: Any) -> dict[str, Any]:
        return {message_types.oneof_field(obj.obj_name()): super()._dump_open(obj, ctx)}

    def _dump_closed(self, obj: Any, ctx: Any) -> Any:
        data = super()._dump_closed(obj, ctx)
        return {"objects": data} if self[type(obj)].is_list else data

    def dump(self, obj: Any, codec: ClassCodec, data: dict[str, Any], ctx: Any) -> dict[str, Any]:
        """Return the keyword arguments of the message of an object.

        :raises os_vif.exception.UnknownKind: for a class without message.
        """
        numbers = self._numbers.get(codec.name)
        if numbers is None:
            raise exception.UnknownKind(
                found=codec.name, expected="a class of os-vif, which has a protobuf message"
            )
        data = super().dump(obj, codec, data, ctx)
        data.pop("kind", None)
        if UNKNOWN in data:
            ctx.unknown[id(data)] = bytes.fromhex(data.pop(UNKNOWN))
        if None in data.values():
            nulls = [name for name, value in data.items() if value is None]
            for name in nulls:
                del data[name]
            data[NULLS] = sorted(numbers[name] for name in nulls)
        return data

    def build(self, name: str, data: dict[str, Any], ctx: Encoding) -> Any:
        """Return the message with keyword arguments, and with unknown fields."""
        message = self._classes[name](**data)
        if ctx.unknown:
            _restore_unknown(message, data, ctx.unknown)
        return message

    # Decoding

    def fields(self, message: Any, name: str, ctx: Decoding) -> dict[str, Any]:
        """Return the fields of the message of a class by name; unknown fields are one more name.

        :raises _UnknownNullError: if a null has an unknown number and ``ctx.has_unknown`` is False.
        """
        names = self.names[name]
        data = {names[descriptor.number]: value for descriptor, value in message.ListFields()}
        if NULLS in data:
            nulls = data.pop(NULLS)
            if not ctx.has_unknown and not names.keys() >= set(nulls):
                raise _UnknownNullError
            data = {names[number]: None for number in nulls if number in names} | data
        if ctx.has_unknown:
            rest = _unknown_of(message, self._wrappers).SerializeToString(deterministic=True)
            if rest:
                data[UNKNOWN] = rest.hex()
        return data

    def load_open(self, _: Any, message: Any, ctx: Decoding) -> Any:
        """Return the object in a message with a field for each of several classes."""
        name = message.WhichOneof("kind")
        codec = ctx.codec(self._kinds[name] if name else None, "kind")
        return codec.load(self.fields(getattr(message, name), codec.name, ctx), ctx, _KIND)

    def _closed_loader(self, name: str) -> Callable[[Any, Any, Any], Any]:
        def load(_: Any, message: Any, ctx: Decoding) -> Any:
            codec = ctx.codecs.get(name) or ctx.codec(name)
            data = self.fields(message, name, ctx)
            if codec.is_list:
                # The unknown fields of a list object belong to the object with the field.
                data = {"objects": data.get("objects", message.objects)}
                if data["objects"] is None:
                    return ctx.null(codec.cls, "objects")
            return codec.load(data, ctx)

        return load


@functools.cache
def message_set() -> MessageSet:
    """Return the messages of this release.

    :raises RuntimeError: if protobuf is not installed.
    """
    return MessageSet()


def _declare(message: Any, fields: Iterable[Field], descriptors: Any) -> None:
    """Add the declarations of fields to the descriptor of a message."""
    types = descriptors.FieldDescriptorProto
    simple = {
        "string": types.TYPE_STRING,
        "bool": types.TYPE_BOOL,
        "int64": types.TYPE_INT64,
        "uint32": types.TYPE_UINT32,
    }
    optional = []
    for declared in fields:
        many = declared.label in ("repeated", "map")
        added = message.field.add(
            name=declared.field_name,
            number=declared.number,
            label=types.LABEL_REPEATED if many else types.LABEL_OPTIONAL,
        )
        type_name = declared.type
        if declared.label == "map":
            entry = message.nested_type.add(name="ItemsEntry")
            entry.options.map_entry = True
            members = [Field("key", 1, "string", ""), Field("value", 2, declared.type, "")]
            _declare(entry, members, descriptors)
            type_name = f"{message.name}.ItemsEntry"
        added.type = simple.get(type_name, types.TYPE_MESSAGE)
        if type_name not in simple:
            added.type_name = f".{message_types.PACKAGE}.{type_name}"
        if declared.label == "oneof":
            if not message.oneof_decl:
                message.oneof_decl.add(name="kind")
            added.oneof_index = 0
        elif declared.label == "optional" and type_name in simple:
            added.proto3_optional = True
            optional.append(added)
    for added in optional:
        added.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{added.name}")


def _list_row(row: Row) -> Row:
    load, dump, dump_nested = row.load, row.dump, row.dump_nested

    def load_list(obj: Any, message: Any, ctx: Any) -> Any:
        return load(obj, list(message.items), ctx)  # type: ignore[misc]

    if dump_nested is None:
        return Row(None, None, load_list, lambda value: {ITEMS: dump(value)})  # type: ignore[misc]
    return Row(None, None, load_list, None, lambda value, ctx: {ITEMS: dump_nested(value, ctx)})


def _restore_unknown(message: Any, data: dict[str, Any], unknown: dict[int, bytes]) -> None:
    """Add unknown fields to a message and to the messages in the fields.

    :param data: the keyword arguments of the message.
    :param unknown: the unknown fields by identity of the keyword arguments.
    """
    for name, value in data.items():
        if isinstance(value, dict) and not hasattr(getattr(message, name), "keys"):
            _restore_unknown(getattr(message, name), value, unknown)
        elif isinstance(value, list):
            for inner, item in zip(getattr(message, name), value, strict=True):
                if isinstance(item, dict):
                    _restore_unknown(inner, item, unknown)
    # The identity of data of a map is free after the map is built.
    if (raw := unknown.pop(id(data), None)) is not None:
        rest = type(message)()
        rest.ParseFromString(raw)
        _merge(message, rest)


def _merge(message: Any, rest: Any) -> None:
    """Add unknown fields to a message.

    Unknown fields of a wrapper message are omitted if the field is no longer set.
    """
    for descriptor, value in rest.ListFields():
        if descriptor.name == NULLS:
            continue
        if hasattr(value, "keys"):
            # MergeFrom would replace the items of a map.
            for key in value.keys() & message.items.keys():
                _merge(message.items[key], value[key])
        elif message.HasField(descriptor.name):
            _merge(getattr(message, descriptor.name), value)
        rest.ClearField(descriptor.name)
    message.MergeFrom(rest)
    if nulls := sorted(getattr(message, NULLS, ())):
        message.ClearField(NULLS)
        message.nulls.extend(nulls)


def dumps(obj: ovo.VersionedObject) -> bytes:
    """Return the document of an object as protobuf; equal objects give equal bytes.

    :raises os_vif.exception.DataLoss: for unknown fields of another format.
    :raises os_vif.exception.InvalidValue: for a number of more than 64 bits, for a string that
        UTF-8 cannot encode, and for a value without an expression in a document.
    :raises os_vif.exception.UnknownKind: for an object of a class of another project.
    :raises RuntimeError: if protobuf is not installed.
    """
    messages, ctx = message_set(), Encoding()
    try:
        data = messages.dump_whole(obj, {"kind": obj.obj_name()}, ctx)
        head = {"major": document.MAJOR, "minor": ctx.minor}
        fields = head | {message_types.oneof_field(obj.obj_name()): data}
        message = messages.build(message_types.DOCUMENT, fields, ctx)
        written: bytes = message.SerializeToString(deterministic=True)
    except ValueError:
        _refuse_unencodable(document.encode(obj, FORM))
        raise
    if len(written) > _BYTES_PER_MESSAGE * size.MAX_OBJECTS:
        size.refuse_many(document.encode(obj, FORM))
    return written


def _refuse_unencodable(data: Any) -> None:
    """Refuse values of a document that protobuf cannot encode.

    :raises os_vif.exception.InvalidValue: for a number of more than 64 bits, and for a string with
        half of a surrogate pair, which JSON can express and UTF-8 cannot.
    """
    if isinstance(data, int) and not -_INT64 <= data < _INT64:
        raise exception.InvalidValue(found="a huge number", expected="a whole number of 64 bits")
    if isinstance(data, str) and any("\ud800" <= letter <= "\udfff" for letter in data):
        raise exception.InvalidValue(
            found=describe(data), expected="a string that UTF-8 can encode"
        )
    if isinstance(data, (dict, list)):
        for part, value in data.items() if isinstance(data, dict) else enumerate(data):
            _refuse_unencodable(part)
            try:
                _refuse_unencodable(value)
            except exception.SerializationError as error:
                raise within(part, error) from None


def loads(data: bytes, *, collects: bool = False) -> Any:
    """Return the object of a document in protobuf.

    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: with the path of the field.
    :raises RuntimeError: if protobuf is not installed.
    """
    messages = message_set()
    message = messages.document()
    try:
        message.ParseFromString(data)
    except (_runtime().decode_error, UnicodeDecodeError):
        raise _malformed("bytes that are not a message") from None
    if len(data) > _BYTES_PER_MESSAGE * size.MAX_OBJECTS:
        _refuse_many(message)
    has_unknown = _has_unknown(message)
    if has_unknown and _unknown_of(message).ByteSize():
        raise _malformed("fields besides a version and an object of a known class")
    newer = document.newer_minor(f"{document.GROUP}/{message.major}.{message.minor}")
    ctx = Decoding(newer, collects=collects, data_format=messages)
    ctx.has_unknown = has_unknown
    try:
        return messages.load_open(None, message, ctx)
    except _UnknownNullError:
        ctx.has_unknown = True
        return messages.load_open(None, message, ctx)


def _malformed(found: str) -> exception.MalformedDocument:
    return exception.MalformedDocument(
        found=found, expected=f"a document of {document.API_VERSION} in protobuf"
    )


def _has_unknown(message: Any) -> bool:
    """Return True if a message has fields of unknown numbers, at any depth."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != message.ByteSize())


def _unknown_of(message: Any, wrappers: Container[str] = ()) -> Any:
    """Return the unknown fields of a message, and of the wrapper messages in the fields.

    :param wrappers: the names of wrapper messages.
    """
    rest = type(message)()
    rest.CopyFrom(message)
    known = message.DESCRIPTOR.fields_by_number
    for descriptor, value in message.ListFields():
        rest.ClearField(descriptor.name)
        if descriptor.name == NULLS:
            rest.nulls.extend(number for number in value if number not in known)
        elif hasattr(value, "keys"):
            for key in value:
                if (inner := _unknown_of(value[key], wrappers)).ByteSize():
                    rest.items[key].CopyFrom(inner)
        elif (
            hasattr(value, "ListFields")
            and value.DESCRIPTOR.name in wrappers
            and (inner := _unknown_of(value, wrappers)).ByteSize()
        ):
            getattr(rest, descriptor.name).CopyFrom(inner)
    return rest


def _refuse_many(message: Any) -> None:
    """Refuse a message with more inner messages than a document may have objects.

    :raises os_vif.exception.MalformedDocument: for such a message.
    """
    remaining = [message]
    count = 0
    while remaining:
        count += 1
        remaining += _inner_messages(remaining.pop())
        if count + len(remaining) > size.MAX_OBJECTS:
            raise exception.MalformedDocument(
                found="too many messages",
                expected=f"at most {size.MAX_OBJECTS:,} in one document",
            )


def _inner_messages(message: Any) -> Iterator[Any]:
    """Yield the messages in the fields of a message."""
    for descriptor, value in message.ListFields():
        if hasattr(value, "ListFields"):
            yield value
        elif descriptor.message_type is not None:
            yield from value.values() if hasattr(value, "values") else value
