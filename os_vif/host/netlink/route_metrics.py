# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The metrics of a route (``RTA_METRICS``), as words of ip-route(8) and as bytes.

The metrics of a route are a text, for example ``mtu lock 1400 hoplimit 64``, in the order of the
kernel's numbers. The values are in the units of the kernel, which ip-route(8) accepts; the output
of ip-route(8) has other units for some metrics.
"""

from __future__ import annotations

import functools
import re
import struct

from os_vif.host.netlink.codec import ATTRIBUTE, walk
from os_vif.host.netlink.messages import ROUTE

#: Words of ip-route(8) by metric, and the words of lockable metrics.
_WORDS = {
    "RTAX_MTU": "mtu",
    "RTAX_WINDOW": "window",
    "RTAX_RTT": "rtt",
    "RTAX_RTTVAR": "rttvar",
    "RTAX_SSTHRESH": "ssthresh",
    "RTAX_CWND": "cwnd",
    "RTAX_ADVMSS": "advmss",
    "RTAX_REORDERING": "reordering",
    "RTAX_HOPLIMIT": "hoplimit",
    "RTAX_INITCWND": "initcwnd",
    "RTAX_FEATURES": "features",
    "RTAX_RTO_MIN": "rto_min",
    "RTAX_INITRWND": "initrwnd",
    "RTAX_QUICKACK": "quickack",
    "RTAX_CC_ALGO": "congctl",
    "RTAX_FASTOPEN_NO_COOKIE": "fastopen_no_cookie",
}
_LOCKABLE = frozenset(
    {"mtu", "window", "rtt", "rttvar", "ssthresh", "cwnd", "advmss", "reordering", "rto_min",
     "congctl"}
)  # fmt: skip
#: The only feature in ip-route(8).
_ECN = 1
_WORD = struct.Struct("=I")
#: ``TCP_CA_NAME_MAX`` of net/tcp.h, with a zero byte.
_ALGORITHM = re.compile("[A-Za-z0-9_-]{1,15}")
#: A decimal number in the form of ``str(int)``.
_VALUE = re.compile("0|[1-9][0-9]{0,9}")
_MAX = 2**32 - 1
#: Maximal number of characters; a text with all metrics, locked, is shorter.
_LONGEST = 512


@functools.cache
def _numbers() -> dict[str, int]:
    """Return the number of each metric by its word, in the order of the numbers."""
    table = ROUTE.table.nested("RTA_METRICS")
    found = {word: table.number(name) for name, word in _WORDS.items()}
    return dict(sorted(found.items(), key=lambda item: item[1]))


@functools.cache
def _words() -> dict[int, str]:
    """Return the word of each metric by number."""
    return {number: word for word, number in _numbers().items()}


@functools.cache
def _lock() -> int:
    """Return the number of the metric with a bit for each locked metric."""
    return ROUTE.table.nested("RTA_METRICS").number("RTAX_LOCK")


def read(data: bytes) -> tuple[str, str]:
    """Return the metrics of a route as text, and the names of inexpressible metrics."""
    if not data:
        return "", ""
    found = {number: data[start:end] for number, start, end in walk(data, 0, len(data))}
    locked = _WORD.unpack(found.pop(_lock(), bytes(4)))[0]
    words: list[str] = []
    unknown: list[str] = []
    for number, value in sorted(found.items()):
        word = _words().get(number)
        shown = None if word is None else _shown(word, value)
        lock = bool(locked & 1 << number)
        if word is None or shown is None or (lock and word not in _LOCKABLE):
            unknown.append(f"metric {word or number}")
            continue
        words += [word, *(["lock"] if lock else []), shown]
    return " ".join(words), ", ".join(unknown)


def _shown(word: str, value: bytes) -> str | None:
    """Return the value of a metric as text; None if ip-route(8) cannot express the value."""
    if word == "congctl":
        name = value.rstrip(b"\0").decode(errors="replace")
        return name if _ALGORITHM.fullmatch(name) else None
    if len(value) != _WORD.size:
        return None
    (plain,) = _WORD.unpack(value)
    if word == "features":
        return "ecn" if plain == _ECN else None
    return str(plain)


def is_text(text: object) -> bool:
    """Return whether a text is a possible result of :func:`read`."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return False
    try:
        return not text or read(pack(text)) == (text, "")
    except ValueError:
        return False


def pack(text: str) -> bytes:
    """Return metrics as the payload of ``RTA_METRICS``.

    :raises ValueError: if the text is malformed.
    """
    words = iter(text.split(" ") if text else ())
    locked = 0
    values: list[tuple[int, bytes]] = []
    for word in words:
        number = _numbers().get(word)
        if number is None:
            raise ValueError(word)
        value = next(words, "")
        if value == "lock":
            locked |= 1 << number
            value = next(words, "")
        values.append((number, _packed(word, value)))
    if locked:
        values.insert(0, (_lock(), _WORD.pack(locked)))
    return b"".join(
        ATTRIBUTE.pack(ATTRIBUTE.size + len(value), number) + value + bytes(-len(value) % 4)
        for number, value in values
    )


def _packed(word: str, value: str) -> bytes:
    if word == "congctl":
        return value.encode() + b"\0"
    if word == "features":
        return _WORD.pack(_ECN if value == "ecn" else 0)
    if not _VALUE.fullmatch(value) or int(value) > _MAX:
        raise ValueError(value)
    return _WORD.pack(int(value))
