# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The metrics of a route (``RTA_METRICS``), as words of ip-route(8) and as bytes.

A route's metrics are one text such as ``mtu lock 1400 hoplimit 64``, in the order of the kernel's
numbers. The values are the kernel's own, which ip-route(8) takes too: it shows some of them in
other units.
"""

from __future__ import annotations

import re
import struct

from os_vif.host.netlink import codec

#: ``RTAX_*`` of linux/rtnetlink.h, as ip-route(8) names them.
_NAMES = {
    2: "mtu",
    3: "window",
    4: "rtt",
    5: "rttvar",
    6: "ssthresh",
    7: "cwnd",
    8: "advmss",
    9: "reordering",
    10: "hoplimit",
    11: "initcwnd",
    12: "features",
    13: "rto_min",
    14: "initrwnd",
    15: "quickack",
    16: "congctl",
    17: "fastopen_no_cookie",
}
_NUMBERS = {name: number for number, name in _NAMES.items()}
_LOCK, _FEATURES, _CONGESTION_CONTROL = 1, 12, 16
#: The metrics that ip-route(8) can lock.
_LOCKABLE = frozenset({2, 3, 4, 5, 6, 7, 8, 9, 13, 16})
#: The only feature that ip-route(8) knows.
_ECN = 1
_WORD = struct.Struct("=I")
#: ``TCP_CA_NAME_MAX`` of net/tcp.h, with a zero byte.
_ALGORITHM = re.compile("[A-Za-z0-9_-]{1,15}")
#: A number as Python writes it.
_VALUE = re.compile("0|[1-9][0-9]{0,9}")
_MAX = 2**32 - 1
#: Characters: all metrics, each locked, have fewer.
_LONGEST = 512


def read(data: bytes) -> tuple[str, str]:
    """Return the metrics of a route as text, and what the text cannot express; either is empty."""
    found: dict[int, bytes] = {}
    at = 0
    while at + codec.ATTRIBUTE.size <= len(data):
        length, number = codec.ATTRIBUTE.unpack_from(data, at)
        if length < codec.ATTRIBUTE.size:
            break
        found[number] = data[at + codec.ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    locked = _WORD.unpack(found.pop(_LOCK, bytes(4)))[0]
    words: list[str] = []
    unknown: list[str] = []
    for number, value in sorted(found.items()):
        lock = bool(locked & 1 << number)
        shown = _shown(number, value)
        if number not in _NAMES or shown is None or (lock and number not in _LOCKABLE):
            unknown.append(f"metric {_NAMES.get(number, number)}")
            continue
        words += [_NAMES[number], *(["lock"] if lock else []), shown]
    return " ".join(words), ", ".join(unknown)


def _shown(number: int, value: bytes) -> str | None:
    if number == _CONGESTION_CONTROL:
        name = value.rstrip(b"\0").decode(errors="replace")
        return name if _ALGORITHM.fullmatch(name) else None
    if len(value) != _WORD.size:
        return None
    (plain,) = _WORD.unpack(value)
    if number == _FEATURES:
        return "ecn" if plain == _ECN else None
    return str(plain)


def is_text(text: object) -> bool:
    """Return whether a text is what :func:`read` may return."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return False
    try:
        return read(pack(text)) == (text, "")
    except ValueError:
        return False


def pack(text: str) -> bytes:
    """Return metrics as the bytes of ``RTA_METRICS``.

    :raises ValueError: for a text that has another form.
    """
    words = iter(text.split(" ") if text else ())
    locked = 0
    values: list[tuple[int, bytes]] = []
    for word in words:
        number = _NUMBERS.get(word)
        if number is None:
            raise ValueError(word)
        value = next(words, "")
        if value == "lock":
            locked |= 1 << number
            value = next(words, "")
        values.append((number, _packed(number, value)))
    if locked:
        values.insert(0, (_LOCK, _WORD.pack(locked)))
    return b"".join(
        codec.ATTRIBUTE.pack(codec.ATTRIBUTE.size + len(value), number)
        + value
        + bytes(-len(value) % 4)
        for number, value in values
    )


def _packed(number: int, value: str) -> bytes:
    if number == _CONGESTION_CONTROL:
        return value.encode() + b"\0"
    if number == _FEATURES:
        return _WORD.pack(_ECN if value == "ecn" else 0)
    if not _VALUE.fullmatch(value) or int(value) > _MAX:
        raise ValueError(value)
    return _WORD.pack(int(value))
