# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Encoders and decoders of the payload of netlink attributes, by the type names of pyroute2."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from socket import AF_INET, inet_ntoa, inet_pton
from typing import Any, NamedTuple

#: Bytes of an IPv4 address.
_IPV4_SIZE = 4


class Codec(NamedTuple):
    """The encoder and the decoder of the payload of an attribute."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _encode_text(text: str) -> bytes:
    # A name of the kernel is bytes in any encoding.
    return text.encode(errors="surrogateescape")


def _encode_terminated(text: str) -> bytes:
    return text.encode(errors="surrogateescape") + b"\0"


def _decode_text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="surrogateescape")


def _encode_address(text: str) -> bytes:
    return ip_address(text).packed if ":" in text else inet_pton(AF_INET, text)


def _decode_address(data: bytes) -> str:
    # inet_ntop() writes some IPv6 addresses in another form than ip_address().
    return inet_ntoa(data) if len(data) == _IPV4_SIZE else str(ip_address(data))


def _encode_mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _decode_mac(data: bytes) -> str:
    return data.hex(":")


def _encode_link_layer(text: str) -> bytes:
    """Return the bytes of a MAC address or, for a tunnel, of an IP address."""
    try:
        return ip_address(text).packed
    except ValueError:
        return _encode_mac(text)


def _decode_link_layer(data: bytes) -> str:
    return str(ip_address(data)) if len(data) in (4, 16) else data.hex(":")


def _encode_flag(value: object) -> bytes:
    del value
    return b""


def _decode_flag(data: bytes) -> bool:
    del data
    return True


RAW = Codec(bytes, bytes)
TEXT = Codec(_encode_terminated, _decode_text)
_IP = Codec(_encode_address, _decode_address)

#: By the names of the classes in ``pyroute2.netlink.nlmsg_atoms``. :func:`number` compiles the
#: number types from the formats in pyroute2.
ATOMS: Mapping[str, Codec] = {
    "none": RAW,
    "hex": RAW,
    "cdata": RAW,
    "flag": Codec(_encode_flag, _decode_flag),
    "string": Codec(_encode_text, _decode_text),
    "asciiz": TEXT,
    "ipaddr": _IP,
    "ip4addr": _IP,
    "ip6addr": _IP,
    # The length of the address tells the family.
    "target": _IP,
    "l2addr": Codec(_encode_mac, _decode_mac),
    "lladdr": Codec(_encode_link_layer, _decode_link_layer),
}


def number(form: str, names: Mapping[str, int] | None = None) -> Codec:
    """Return the codec of a number.

    :param form: the format of :mod:`struct`.
    :param names: values by name, which the encoder accepts too.
    """
    packer = struct.Struct(form if form[0] in "<>=" else f"={form}")
    pack, unpack_from = packer.pack, packer.unpack_from

    def decode(data: bytes) -> Any:
        return unpack_from(data)[0]

    if not names:
        return Codec(pack, decode)

    def encode(value: Any) -> bytes:
        return pack(names[value] if isinstance(value, str) else value)

    return Codec(encode, decode)


def array(form: str) -> Codec:
    """Return the codec of a sequence of numbers without headers."""
    form = form if form[0] in "<>=" else f"={form}"
    size = struct.calcsize(form)

    def encode(values: Any) -> bytes:
        return b"".join(struct.pack(form, value) for value in values)

    def decode(data: bytes) -> list[Any]:
        whole = data[: len(data) - len(data) % size]
        return [value for (value,) in struct.iter_unpack(form, whole)]

    return Codec(encode, decode)


class Structure:
    """A C structure, as a mapping of the fields.

    No padding is added between fields: pyroute2 lists padding as a field. The padding of C at the
    end is added, because the kernel compares the length with ``sizeof``.
    """

    def __init__(self, fields: tuple[tuple[str, str], ...]) -> None:
        """Raise ValueError for a field without a fixed size."""
        form = "="
        #: The default of each field.
        self._defaults: dict[str, Any] = {}
        self._big: dict[str, str] = {}
        largest = 1
        for name, given in fields:
            bare = given.lstrip("<>=")
            count, kind = bare[:-1], bare[-1]
            if kind == "s" and not count:
                raise ValueError(name)
            if kind == "x":
                form += bare
                continue
            size = struct.calcsize(f"={kind}")
            largest = max(largest, size)
            # An array of bytes is a value of type bytes.
            text = kind in "Bs" and bool(count)
            big = given[0] == ">" and size > 1
            if big:
                self._big[name] = given
            form += f"{count or size}s" if text or big else bare
            self._defaults[name] = b"" if text else 0
        padding = -struct.calcsize(form) % largest
        self._packer = struct.Struct(f"{form}{padding}x")
        self._reader = struct.Struct(form)
        #: Returns the values as packed, for a structure without big-endian fields.
        self.unpack = self._reader.unpack_from
        self.size = self._packer.size
        self.names = tuple(self._defaults)
        self._empty = bytes(self.size)

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the structure as bytes; raise LookupError for an unknown field."""
        if not values:
            return self._empty
        # The dictionary keeps the order of the fields.
        found = {**self._defaults, **values}
        if len(found) != len(self._defaults):
            unknown = ", ".join(sorted(values.keys() - self._defaults.keys()))
            text = f"the structure has no field {unknown}"
            raise LookupError(text)
        for name, form in self._big.items():
            found[name] = struct.pack(form, found[name])
        return self._packer.pack(*found.values())

    def decode(self, data: bytes, at: int = 0) -> dict[str, Any]:
        """Return the fields; raise struct.error if the data are too short."""
        found = dict(zip(self.names, self._reader.unpack_from(data, at), strict=True))
        for name, form in self._big.items():
            (found[name],) = struct.unpack(form, found[name])
        return found
