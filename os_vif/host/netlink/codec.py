# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The netlink codec: packers and unpackers, compiled from the message classes of pyroute2.

A :class:`Table` represents a class such as ``ifinfmsg``. Any attribute of the class can be used
by name, also a nested attribute. pyroute2 is loaded, and an attribute compiled, at first use.
pyroute2 takes 50 µs to encode a message and 200 µs to decode a message; the compiled functions
take a tenth (``python -m benchmarks.codec``).

Values are numbers, text, bytes, mappings for structures and nested attributes, lists for arrays.
A class of pyroute2 with its own encoder and decoder is used as the class is (``fallback``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FunctionType
from typing import Any

from os_vif.host.netlink import pyroute2_import, supplement, uapi
from os_vif.host.netlink.atoms import ATOMS, RAW, Codec, Structure, array, number
from os_vif.host.netlink.fallback import through_pyroute2

#: The headers of a message and of an attribute (RFC 3549).
HEADER, ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
#: The bits of the number in the type of an attribute, without ``NLA_F_*``.
TYPE_MASK = 0x3FFF
#: Attributes with a class according to a neighbouring attribute. The class of an attribute with a
#: function in pyroute2 depends on the family in the header of the message otherwise.
_SELECTORS: Mapping[str, tuple[str, ...]] = {
    "IFLA_INFO_DATA": ("IFLA_INFO_KIND",),
    "IFLA_INFO_SLAVE_DATA": ("IFLA_INFO_SLAVE_KIND", "IFLA_INFO_KIND"),
    "RTA_ENCAP": ("RTA_ENCAP_TYPE",),
}
#: Methods of pyroute2 which only convert names of flags; flags are numbers here.
_CONVERSIONS = frozenset({"ifinfbase.encode", "ifinfmsg.decode", "nlflags.encode"})
_METHODS = ("encode", "decode", "ft_encode", "ft_decode", "setvalue", "getvalue")


def walk(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield the number, the start and the end of the payload of each attribute."""
    unpack_from, last = ATTRIBUTE.unpack_from, end - ATTRIBUTE.size
    while at <= last:
        length, kind = unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return
        yield kind & TYPE_MASK, at + ATTRIBUTE.size, at + length
        at += (length + 3) & ~3


class Attributes(Mapping[str, Any]):
    """Attributes by name, decoded on access.

    Of a repeated attribute the last value counts, as in the kernel; :meth:`all` returns every value.
    """

    __slots__ = ("_data", "_end", "_family", "_places", "_start", "_table")

    def __init__(
        self, table: Table, data: bytes, start: int = 0, family: int = 0, end: int | None = None
    ) -> None:
        self._table, self._data, self._start, self._family = table, data, start, family
        self._end = len(data) if end is None else end
        self._places: dict[int, tuple[int, int]] | None = None

    def _find(self) -> dict[int, tuple[int, int]]:
        """Return the start and the end of each attribute by number."""
        found = self._places
        if found is None:
            found = self._places = {}
            # The loop of walk() without the calls: most links have nested attributes.
            at, last, unpack_from = self._start, self._end - 4, ATTRIBUTE.unpack_from
            while at <= last:
                length, kind = unpack_from(self._data, at)
                if length < 4:  # noqa: PLR2004 - the size of the header
                    break
                found[kind & TYPE_MASK] = at + 4, at + length
                at += (length + 3) & ~3
        return found

    def _decode(self, name: str, place: tuple[int, int]) -> Any:
        table, (start, end) = self._table, place
        decode = table.decoders.get(name) or table.decoder(name, self, self._family)
        return decode(self._data[start:end])

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of an attribute, or *default* if the attribute is absent."""
        table = self._table
        number = table.numbers.get(name)
        place = self._find().get(table.number(name) if number is None else number)
        return default if place is None else self._decode(name, place)

    def __getitem__(self, name: str) -> Any:
        if name not in self._table.numbers:
            raise KeyError(name)
        place = self._find().get(self._table.numbers[name])
        if place is None:
            raise KeyError(name)
        return self._decode(name, place)

    def all(self, name: str) -> list[Any]:
        """Return each value of an attribute."""
        wanted = self._table.number(name)
        return [
            self._decode(name, (start, end))
            for kind, start, end in walk(self._data, self._start, self._end)
            if kind == wanted
        ]

    def fields(self) -> dict[str, Any]:
        """Return the fields of the structure before the attributes."""
        header = self._table.header
        return {} if header is None else header.decode(self._data)

    @property
    def payload(self) -> bytes:
        """The packed attributes."""
        return self._data[self._start : self._end]

    def unknown(self) -> list[int]:
        """Return the numbers of the attributes without a name."""
        return [kind for kind in self._find() if kind not in self._table.names]

    def __iter__(self) -> Iterator[str]:
        names = self._table.names
        return (names[kind] for kind in self._find() if kind in names)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


class _Encoders(dict[str, tuple[int, Callable[[Any], bytes] | None]]):
    """Number and encoder of each attribute, compiled at first use."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._table = table

    def __missing__(self, name: str) -> tuple[int, Callable[[Any], bytes] | None]:
        self[name] = entry = self._table.compile_encoder(name)
        return entry


class Table:
    """The attributes of a class of pyroute2, and the structure before the attributes."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self._types: dict[str, tuple[str, int]] = {}
        self.numbers: dict[str, int] = {}
        found = list(entries(cls))
        added = supplement.ATTRIBUTES.get(cls.__name__, {})
        found += [(kind, name, type_, 0) for name, (kind, type_) in added.items()]
        for kind, name, type_, flags in found:
            if name not in self.numbers:
                self.numbers[name] = kind
                self._types[name] = supplement.TYPES.get(name, type_), flags
        #: Of two names of a number, the first name is used for reading.
        self.names = {kind: name for name, kind in reversed(self.numbers.items())}
        self.header = Structure(tuple(cls.fields)) if cls.fields else None
        self._codecs: dict[str, Codec | None] = {}
        #: Decoders that have been used, of attributes without a choice.
        self.decoders: dict[str, Callable[[bytes], Any]] = {}
        self._chosen: dict[tuple[str, Any], Codec] = {}
        self.encoders = _Encoders(self)

    def number(self, name: str) -> int:
        """Return the number of an attribute; raise LookupError for an unknown name."""
        try:
            return self.numbers[name]
        except KeyError:
            text = f"{self.cls.__name__} has no attribute {name}"
            raise LookupError(text) from None

    def compile_encoder(self, name: str) -> tuple[int, Callable[[Any], bytes] | None]:
        """Return the number with flags, and the encoder; None if :meth:`choose` returns the encoder."""
        kind = self.number(name)
        codec = self._codec(name)
        flags = self._types[name][1]
        if codec is None or isinstance(getattr(codec.encode, "__self__", None), Nest):
            flags |= uapi.NLA_F_NESTED
        return kind | flags, None if codec is None else codec.encode

    def decoder(
        self, name: str, siblings: Mapping[str, Any], family: int
    ) -> Callable[[bytes], Any]:
        """Return the decoder of an attribute."""
        codec = self._codec(name)
        if codec is None:
            return self.choose(name, siblings, family).decode
        self.decoders[name] = codec.decode
        return codec.decode

    def choose(self, name: str, siblings: Mapping[str, Any], family: int) -> Codec:
        """Return the codec of an attribute with a class according to the neighbouring attributes.

        :param siblings: the attributes of the same nest.
        :param family: the family in the header of the message.
        """
        selected = {other: siblings.get(other) for other in _SELECTORS.get(name, ())}
        key = name, (*selected.values(), family)
        if key not in self._chosen:
            # The function is a method of the message.
            message = self.cls()
            message["family"] = family
            message["attrs"] = [(n, value) for n, value in selected.items() if value is not None]
            type_, _ = self._types[name]
            try:
                cls = getattr(self.cls, type_.lstrip("*"))(message)
            except KeyError:
                cls = message.hex
            self._chosen[key] = _compile(cls, None, many=type_.startswith("*"))
        return self._chosen[key]

    def _codec(self, name: str) -> Codec | None:
        """Return the codec of an attribute; None if :meth:`choose` returns the codec."""
        if name not in self._codecs:
            type_, _ = self._types[name]
            plain, _, rest = type_.partition("(")
            bare = plain.lstrip("*").partition("|")[0].strip()
            many = plain.startswith("*")
            cls = self.cls if bare in ("recursive", "nested") else _attribute_class(self.cls, bare)
            if isinstance(cls, FunctionType):
                self._codecs[name] = None
            else:
                init = rest.rstrip(")") or None
                self._codecs[name] = _compile(cls, init, many=many)
        return self._codecs[name]

    def nested(self, name: str) -> Table:
        """Return the table of the attributes within an attribute."""
        nest = getattr(self._codec(name), "encode", None)
        return nest.__self__.table  # type: ignore[union-attr, no-any-return]

    def pack(self, attributes: Mapping[str, Any], family: int = 0) -> bytes:
        """Return attributes as bytes. A value of None leaves the attribute out."""
        parts: list[bytes] = []
        encoders, pack_header = self.encoders, ATTRIBUTE.pack
        for name, value in attributes.items():
            if value is not None:
                kind, encode = encoders[name]
                if encode is None:
                    encode = self.choose(name, attributes, family).encode
                data = encode(value)
                parts += pack_header(4 + len(data), kind), data, bytes(-len(data) % 4)
        return b"".join(parts)


class Nest:
    """The codec of attributes within an attribute, maybe after a structure."""

    def __init__(self, cls: Any) -> None:
        self.cls = cls
        self._compiled: Table | None = None

    @property
    def table(self) -> Table:
        if self._compiled is None:
            self._compiled = Table(self.cls)
        return self._compiled

    def encode(self, values: Mapping[str, Any] | bytes) -> bytes:
        """Return the payload; bytes are a payload already."""
        if isinstance(values, bytes):
            return values
        table = self.table
        if table.header is None:
            return table.pack(values)
        fields = values.keys() & table.header.names
        header = table.header.encode({name: values[name] for name in fields})
        attributes = {n: v for n, v in values.items() if n not in fields} if fields else values
        return header + bytes(-len(header) % 4) + table.pack(attributes)

    def decode(self, data: bytes) -> Attributes:
        header = self.table.header
        return Attributes(self.table, data, 0 if header is None else (header.size + 3) & ~3)


def entries(cls: Any) -> Iterator[tuple[int, str, str, int]]:
    """Yield number, name, type and flags of each attribute of a class."""
    for place, entry in enumerate(cls.nla_map):
        *first, last = entry
        flags = last if isinstance(last, int) else 0
        rest = first if isinstance(last, int) else [*first, last]
        kind, name, type_ = rest if isinstance(rest[0], int) else (place, *rest)
        yield kind, name, type_, flags


def _attribute_class(cls: Any, name: str) -> Any:
    """Return the class of a type, in the message's class or among the base types of pyroute2."""
    found = getattr(cls, name, None)
    if found is None:
        found = getattr(pyroute2_import.load("pyroute2.netlink").nlmsg_atoms, name)
    return found


def _compile(cls: Any, init: str | None, *, many: bool) -> Codec:
    if many:
        return _many(cls)
    if cls.__name__ == "array":
        return _array_of(init or "")
    if cls.__name__ in ATOMS:
        return ATOMS[cls.__name__]
    codec: Codec | None = None
    if _is_standard(cls):
        codec = _nest(cls) if cls.nla_map else _payload(cls)
    return codec or through_pyroute2(cls, init)


def _nest(cls: Any) -> Codec | None:
    """Return the codec of a class with attributes; None if pyroute2 computes the names."""
    if isinstance(cls.nla_map, dict):
        return None
    nest = Nest(cls)
    return Codec(nest.encode, nest.decode)


def _payload(cls: Any) -> Codec | None:
    """Return the codec of a class without attributes; None if the size depends on the value."""
    forms = dict(cls.fields)
    if not forms or forms == {"value": "s"}:
        return RAW
    if list(forms) == ["value"]:
        names = {text: value for value, text in cls.value_map.items() if text is not None}
        return number(forms["value"], names)
    try:
        structure = Structure(tuple(cls.fields))
    except (ValueError, TypeError, AttributeError, struct.error):
        # A field without a fixed size, with a class as format, or with an invalid format.
        return None
    return Codec(structure.encode, structure.decode)


def _array_of(type_: str) -> Codec:
    atoms = pyroute2_import.load("pyroute2.netlink").nlmsg_atoms
    known = getattr(atoms, type_, None)
    return array(known.fields[0][1] if known is not None else type_)


def _is_standard(cls: Any) -> bool:
    """Return whether a class inherits the encoder and the decoder of pyroute2's base classes."""
    if cls.__name__ in supplement.PLAIN_STRUCTURES or not hasattr(cls, "encode"):
        return True
    if any(base.__name__ == "nla_base_struct" for base in cls.__mro__):
        return False
    for name in _METHODS:
        method = getattr(cls, name, None)
        base, _, _ = getattr(method, "__qualname__", "").rpartition(".")
        of_pyroute2 = getattr(method, "__module__", "") == "pyroute2.netlink" and "." not in base
        if method is not None and not of_pyroute2 and method.__qualname__ not in _CONVERSIONS:
            return False
    return True


def _many(cls: Any) -> Codec:
    """Return the codec of a list. Each value has an attribute header with the place as number."""
    if getattr(cls, "cell_header", None) is not None:
        return _cells(cls)
    one = _compile(cls, None, many=False)

    def encode(values: Iterable[Any]) -> bytes:
        parts: list[bytes] = []
        for place, value in enumerate(values, 1):
            data = one.encode(value)
            parts += ATTRIBUTE.pack(4 + len(data), place), data, bytes(-len(data) % 4)
        return b"".join(parts)

    def decode(data: bytes) -> list[Any]:
        return [one.decode(data[start:end]) for _, start, end in walk(data, 0, len(data))]

    return Codec(encode, decode)


def _cells(cls: Any) -> Codec:
    """Return the codec of a list of structures with a length field (``struct rtnexthop``)."""
    header = Structure((*cls.cell_header, *cls.fields))
    ((length, _),) = cls.cell_header
    table = Table(cls)

    def encode(values: Iterable[Mapping[str, Any]]) -> bytes:
        parts: list[bytes] = []
        for value in values:
            fields = {name: value[name] for name in header.names if name in value}
            data = table.pack({n: item for n, item in value.items() if n not in fields})
            parts += header.encode(fields | {length: header.size + len(data)}), data
        return b"".join(parts)

    def decode(data: bytes) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        at = 0
        while at + header.size <= len(data):
            fields = header.decode(data, at)
            size = fields.pop(length)
            if size < header.size:
                break
            attributes = Attributes(table, data[at : at + size], header.size)
            found.append(fields | dict(attributes))
            at += (size + 3) & ~3
        return found

    return Codec(encode, decode)
