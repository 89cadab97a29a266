# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON text, strictly: what two readers could understand differently is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from os_vif import exception
from os_vif.codec.order import in_order

__all__ = [
    "MOST",
    "compose",
    "compose_sorted",
    "in_order",
    "parse",
    "refuse_count",
    "refuse_huge",
    "refuse_many",
]

#: The most objects and arrays in one text, or in one object that is read or written. The VIFs of
#: a host with a thousand pods have fewer, and reading so many takes seconds.
MOST = 100_000


def refuse_huge(data: Any) -> None:
    """Refuse text with more than :data:`MOST` opening brackets.

    :raises os_vif.exception.MalformedDocument: for such text, before it takes time or memory.
    """
    if not isinstance(data, (str, bytes, bytearray)) or len(data) <= MOST:
        return
    found = data.count("{") + data.count("[") if isinstance(data, str) else 0
    if not isinstance(data, str):
        found = data.count(b"{") + data.count(b"[")
    if found > MOST:
        raise _too_many()


def refuse_many(data: Any) -> None:
    """Refuse plain data with more than :data:`MOST` objects and arrays.

    :raises os_vif.exception.MalformedDocument: for such data.
    """
    waiting = [data]
    found = 0
    while waiting:
        inner = waiting.pop()
        members = inner.values() if isinstance(inner, dict) else inner
        if isinstance(members, str) or not isinstance(inner, (dict, list, tuple)):
            continue
        found += 1
        if found > MOST:
            raise _too_many()
        waiting += [item for item in members if isinstance(item, (dict, list, tuple))]


def refuse_count(count: int) -> None:
    """Refuse a written object with more than :data:`MOST` objects and arrays.

    :raises os_vif.exception.MalformedDocument: for a larger count.
    """
    if count > MOST:
        raise _too_many()


def _too_many() -> exception.MalformedDocument:
    return _malformed("too many objects and arrays", f"at most {MOST:,} in one document")


def parse(data: str | bytes | bytearray | memoryview) -> Any:
    """The plain data of JSON text.

    :raises os_vif.exception.MalformedDocument: for what is no JSON (RFC 8259) in UTF-8, for a
        name that stands twice in an object, for nesting and numbers without end.
    """
    if not isinstance(data, (str, bytes, bytearray, memoryview)):
        raise _malformed(f"a {type(data).__name__}", "text or bytes")
    try:
        text = data if isinstance(data, str) else str(bytes(data), "utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"a byte at {error.start} that is no UTF-8") from None
    try:
        # RFC 8259, section 8.1: a reader may ignore a byte order mark.
        text = text.removeprefix("\ufeff")
        refuse_huge(text)
        return _decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"at {where}: {error.msg}") from None
    except RecursionError:
        raise _malformed("objects or arrays that nest too deeply") from None
    except ValueError as error:
        # An integer of thousands of digits.
        raise _malformed(f"a number that is too long ({error})") from None


def compose(data: Any) -> str:
    """Plain data as compact JSON, in ASCII; names stand in the order that they have.

    :raises os_vif.exception.InvalidValue: for a number that no reader would take.
    """
    return _compose(data, _encoder)


def compose_sorted(data: Any) -> str:
    """Return plain data as compact JSON in ASCII; the names of every object are sorted."""
    return _compose(data, _sorting_encoder)


def _compose(data: Any, encoder: json.JSONEncoder) -> str:
    try:
        return encoder.encode(data)
    except (ValueError, RecursionError) as error:
        raise exception.InvalidValue(found=f"{error}", expected="finite numbers") from None


#: The data of codecs has no cycles.
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
_sorting_encoder = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False, sort_keys=True
)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _malformed(f"the name {_first_twice(pairs)[:60]!r} twice in an object")
    return found


def _first_twice(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    return name


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _malformed("a number that is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise _malformed(name)


def _malformed(found: str, expected: str = "JSON in UTF-8") -> exception.MalformedDocument:
    return exception.MalformedDocument(found=found, expected=expected)


_decode = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
).decode
