# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Documents as protobuf, for ``os-vif[protobuf]``. :mod:`os_vif.serialization.protobuf.message_types` says how."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

from oslo_versionedobjects import base as ovo

from os_vif import exception
from os_vif.codec import document, registry, unknown
from os_vif.codec.path import describe, within
from os_vif.objects.versioning import history
from os_vif.serialization import json_text
from os_vif.serialization.protobuf import message_types
from os_vif.serialization.protobuf.message_types import Field

FORM = document.PROTOBUF
#: The name under which a message keeps what is not known of it, and of the messages that stand
#: between it and the values of its fields: no field has such a name.
UNKNOWN = "protobuf:unknown"
_LARGEST = 2**63
_SIMPLE = frozenset(("string", "bool", "int64"))
#: The tag of the first field, which is always there: no text begins so, nor does white space.
FIRST = b"\x08"


class _Runtime(NamedTuple):
    """What is needed of the package protobuf."""

    descriptors: Any
    pool: Any
    message_class: Any
    decode_error: type[Exception]


@functools.cache
def _runtime() -> _Runtime:
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory
    except ImportError as error:
        raise RuntimeError("protobuf is not installed: install os-vif[protobuf]") from error

    def old(descriptor: Any) -> Any:
        return message_factory.MessageFactory().GetPrototype(descriptor)

    make = getattr(message_factory, "GetMessageClass", old)
    return _Runtime(descriptor_pb2, descriptor_pool, make, message.DecodeError)


class Shape:
    """The messages of this release, and their fields by name and by number."""

    def __init__(self) -> None:
        runtime = _runtime()
        self.fields = message_types.messages(message_types.read_numbers())
        #: By the name that each has among others.
        self.kinds = {
            message_types.of_kind(f.name): f.type for f in self.fields[message_types.DOCUMENT]
        }
        self.lists = {n for n, cls in history.vocabulary().items() if registry.is_list(cls)}
        #: The messages for which a document has no object: a list, a table, any of several.
        self.around = self.lists | {
            name
            for name, (first, *_) in self.fields.items()
            if first.name == message_types.ITEMS or first.label == "oneof"
        }
        #: The fields of each message by name, and by number.
        self.by_name = {n: {f.name: f for f in fields} for n, fields in self.fields.items()}
        self.by_number = {n: {f.number: f for f in fields} for n, fields in self.fields.items()}
        types = runtime.descriptors.FieldDescriptorProto
        file = runtime.descriptors.FileDescriptorProto(
            name=f"os_vif/{message_types.MESSAGES}", package=message_types.PACKAGE, syntax="proto3"
        )
        for name, fields in sorted(self.fields.items()):
            _declare(file.message_type.add(name=name), fields, types)
        pool = runtime.pool.DescriptorPool()
        pool.AddSerializedFile(file.SerializeToString())
        found = pool.FindMessageTypeByName(f"{message_types.PACKAGE}.{message_types.DOCUMENT}")
        self.document = runtime.message_class(found)


@functools.cache
def shape() -> Shape:
    return Shape()


def _declare(message: Any, fields: list[Field], types: Any) -> None:
    simple = {"string": types.TYPE_STRING, "bool": types.TYPE_BOOL, "int64": types.TYPE_INT64}
    simple["uint32"] = types.TYPE_UINT32
    optional = []
    if any(field.label == "oneof" for field in fields):
        message.oneof_decl.add(name="kind")
    for field in fields:
        many = field.label in ("repeated", "map")
        added = message.field.add(
            name=message_types.of_kind(field.name) if field.label == "oneof" else field.name,
            number=field.number,
            label=types.LABEL_REPEATED if many else types.LABEL_OPTIONAL,
        )
        if field.label == "map":
            entry = message.nested_type.add(name="ItemsEntry")
            entry.options.map_entry = True
            _declare(
                entry, [Field("key", 1, "string", ""), Field("value", 2, field.type, "")], types
            )
            added.type = types.TYPE_MESSAGE
            added.type_name = f".{message_types.PACKAGE}.{message.name}.ItemsEntry"
        elif field.type in simple:
            added.type = simple[field.type]
        else:
            added.type = types.TYPE_MESSAGE
            added.type_name = f".{message_types.PACKAGE}.{field.type}"
        if field.label == "oneof":
            added.oneof_index = 0
        elif field.label == "optional" and field.type in simple:
            added.proto3_optional = True
            optional.append(added)
    for added in optional:
        added.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{added.name}")


# Writing


def dumps(obj: ovo.VersionedObject) -> bytes:
    """The document of an object as protobuf; equal objects are equal bytes.

    :raises os_vif.exception.DataLoss: for what was read in another form and is not known here.
    :raises os_vif.exception.InvalidValue: for a number beyond 64 bits.
    :raises RuntimeError: if protobuf is not installed.
    """
    return encode(document.encode(obj, FORM))


def encode(data: Mapping[str, Any]) -> bytes:
    """A document as protobuf."""
    version, kind = data["apiVersion"], data["kind"]
    major, minor = map(int, version.partition("/")[2].split("."))
    message = shape().document(major=major, minor=minor)
    fields = {name: value for name, value in data.items() if name not in {"apiVersion", "kind"}}
    inner = getattr(message, message_types.of_kind(kind))
    inner.SetInParent()
    _fill(inner, kind, fields)
    written: bytes = message.SerializeToString(deterministic=True)
    # A message in another message takes two bytes or more.
    if len(written) > 2 * json_text.MOST:
        json_text.refuse_many(data)
    return written


def _fill(message: Any, name: str, data: Mapping[str, Any]) -> None:
    fields = shape().by_name[name]
    try:
        for key, value in data.items():
            if key == UNKNOWN:
                continue
            if value is None:
                message.nulls.append(fields[key].number)
            else:
                _put(message, fields[key], value)
    except exception.SerializationError as error:
        raise within(key, error) from error.__cause__
    if UNKNOWN in data:
        rest = type(message)()
        rest.ParseFromString(bytes.fromhex(data[UNKNOWN]))
        _add(message, rest, name)
    if nulls := sorted(message.nulls):
        # Those that are not known came last.
        message.ClearField(message_types.NULLS)
        message.nulls.extend(nulls)


def _add(message: Any, rest: Any, name: str) -> None:
    """Add what is not known to a message; what stood around a value goes with the value."""
    fields = shape().by_number[name]
    for descriptor, around in rest.ListFields():
        field = fields[descriptor.number]
        if field.label == "map":
            # To merge maps would replace their items.
            for key in around.keys() & message.items.keys():
                _add(message.items[key], around[key], field.type)
            rest.ClearField(descriptor.name)
        elif field.name != message_types.NULLS:
            if message.HasField(descriptor.name):
                _add(getattr(message, descriptor.name), around, field.type)
            rest.ClearField(descriptor.name)
    message.MergeFrom(rest)


def _put(message: Any, field: Field, value: Any) -> None:
    if field.type == "int64" and not -_LARGEST <= value < _LARGEST:
        raise exception.InvalidValue(found="a huge number", expected="a whole number of 64 bits")
    if field.type in _SIMPLE:
        setattr(message, field.name, _encodable(value))
        return
    inner = getattr(message, field.name)
    inner.SetInParent()
    _put_object(inner, field.type, value)


def _encodable(value: Any) -> Any:
    """Return a value that protobuf can hold.

    :raises os_vif.exception.InvalidValue: for a string with half of a surrogate pair, which JSON
        can hold and UTF-8 cannot.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise exception.InvalidValue(
                found=describe(value), expected="a string that UTF-8 can encode"
            ) from None
    return value


def _put_object(message: Any, name: str, value: Any) -> None:
    first = shape().fields[name][0]
    if name in shape().lists:
        try:
            _fill(message, name, {"objects": value})
        except exception.SerializationError as error:
            # The array is the list object.
            path = error.path.removeprefix("objects")
            raise exception.InvalidValue(
                path=path, found=error.found, expected=error.expected
            ) from error.__cause__
    elif first.label == "map":
        for key, item in value.items():
            _encodable(key)
            try:
                _put_object(message.items[key], first.type, item)
            except exception.SerializationError as error:
                raise within(key, error) from error.__cause__
    elif first.label == "oneof":
        inner = getattr(message, message_types.of_kind(value["kind"]))
        inner.SetInParent()
        rest = {key: item for key, item in value.items() if key != "kind"}
        _fill(inner, value["kind"], rest)
    elif first.name != message_types.ITEMS:
        _fill(message, name, value)
    else:
        _put_items(message, first.type, value)


def _put_items(message: Any, kind: str, value: Any) -> None:
    is_simple = kind in _SIMPLE
    for number, item in enumerate(value):
        try:
            if is_simple:
                message.items.append(_encodable(item))
            else:
                _put_object(message.items.add(), kind, item)
        except exception.SerializationError as error:
            raise within(number, error) from error.__cause__


# Reading


def loads(data: bytes) -> Any:
    """The object of a document in protobuf.

    :raises os_vif.exception.SerializationError: naming the path of what is wrong.
    :raises RuntimeError: if protobuf is not installed.
    """
    obj, is_newer = document.decode(decode(data))
    if is_newer:
        for _, found in unknown.within(obj):
            found.form = FORM
    return obj


def decode(data: bytes) -> dict[str, Any]:
    """The document in protobuf; what is unknown of a message is one more name in it.

    :raises os_vif.exception.MalformedDocument: if it is none.
    """
    message = shape().document()
    try:
        message.ParseFromString(data)
    except (_runtime().decode_error, UnicodeDecodeError):
        raise _malformed("bytes that are no message") from None
    _refuse_many(message, len(data))
    if _rest(message, message_types.DOCUMENT).ByteSize():
        raise _malformed("more than a version and an object of a kind that is known here")
    kind = shape().kinds.get(message.WhichOneof("kind"))
    head = {"apiVersion": f"{document.GROUP}/{message.major}.{message.minor}", "kind": kind}
    if not kind:
        return head
    inner = getattr(message, message_types.of_kind(kind))
    if not _has_unknown(inner):
        try:
            return head | _found(inner, kind, is_known=True)
        except _UnknownNullError:
            # A newer release has fields that are null.
            pass
    return head | _found(inner, kind)


class _UnknownNullError(Exception):
    """A field is null whose number is unknown here."""


def _has_unknown(message: Any) -> bool:
    """Return True if a message has fields of unknown numbers, at any depth."""
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != message.ByteSize())


def _refuse_many(message: Any, size: int) -> None:
    """Refuse a message with more messages in it than a document may have objects."""
    # A message in another takes two bytes or more.
    if size <= 2 * json_text.MOST:
        return
    waiting = [message]
    found = 0
    while waiting:
        found += 1
        for descriptor, value in waiting.pop().ListFields():
            if descriptor.message_type is None:
                continue
            inner = [value]
            if descriptor.label == descriptor.LABEL_REPEATED:
                is_map = descriptor.message_type.GetOptions().map_entry
                inner = [value[key] for key in value] if is_map else list(value)
            waiting += inner
        if found + len(waiting) > json_text.MOST:
            raise exception.MalformedDocument(
                found="too many messages", expected=f"at most {json_text.MOST:,} in one document"
            )


def _malformed(found: str) -> exception.MalformedDocument:
    return exception.MalformedDocument(
        found=found, expected=f"a document of {document.API_VERSION} in protobuf"
    )


def _found(message: Any, name: str, *, is_known: bool = False) -> dict[str, Any]:
    """Return the data of the message of a class.

    :param is_known: True for a message without fields of unknown numbers.
    :raises _UnknownNullError: if such a message has a null of an unknown number.
    """
    fields = shape().by_number[name]
    data: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        field = fields[descriptor.number]
        if field.type in _SIMPLE:
            data[field.name] = value
        elif field.name != message_types.NULLS:
            data[field.name] = _object(value, field.type, is_known=is_known)
        else:
            data |= {fields[n].name: None for n in value if n in fields}
            if is_known and not fields.keys() >= set(value):
                raise _UnknownNullError
    if is_known:
        return data
    if rest := _rest(message, name).SerializeToString(deterministic=True):
        data[UNKNOWN] = rest.hex()
    return data


def _rest(message: Any, name: str) -> Any:
    """What a newer release wrote into a message, and into those around the values of its fields."""
    fields = shape().by_number[name]
    rest = type(message)()
    rest.CopyFrom(message)
    for descriptor, value in message.ListFields():
        field = fields[descriptor.number]
        rest.ClearField(descriptor.name)
        if field.name == message_types.NULLS:
            rest.nulls.extend(n for n in value if n not in fields)
        elif field.label == "map":
            for key in value:
                if (around := _rest(value[key], field.type)).ByteSize():
                    rest.items[key].CopyFrom(around)
        elif (
            field.label == "optional"
            and field.type in shape().around
            and (around := _rest(value, field.type)).ByteSize()
        ):
            getattr(rest, descriptor.name).CopyFrom(around)
    return rest


def _object(message: Any, name: str, *, is_known: bool) -> Any:
    first = shape().fields[name][0]
    if name in shape().lists:
        return _found(message, name, is_known=is_known).get("objects", [])
    if first.label == "map":
        items = message.items
        return {k: _object(items[k], first.type, is_known=is_known) for k in sorted(items)}
    if first.label == "oneof":
        kind = message.WhichOneof("kind")
        return {"kind": kind and shape().kinds[kind]} | (
            _found(getattr(message, kind), shape().kinds[kind], is_known=is_known) if kind else {}
        )
    if first.name != message_types.ITEMS:
        return _found(message, name, is_known=is_known)
    if first.type in _SIMPLE:
        return list(message.items)
    return [_object(item, first.type, is_known=is_known) for item in message.items]
