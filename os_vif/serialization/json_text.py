# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Strict JSON text (RFC 8259): ambiguous text is refused, such as an object with a name twice."""

from __future__ import annotations

import json
import json.encoder
import math
from typing import TYPE_CHECKING, Any, NoReturn

from os_vif import exception
from os_vif.codec.path import SeveralErrors, below
from os_vif.codec.primitive import DATA, NAME
from os_vif.codec.size import MAX_OBJECTS, refuse_count
from os_vif.escape import with_article

if TYPE_CHECKING:
    from collections.abc import Callable


def parse_first(text: str) -> tuple[Any, int]:
    """Return the plain data of the JSON at the beginning of a text, and the index of its end.

    :raises os_vif.exception.MalformedDocument: as :func:`parse`.
    """
    try:
        return _decoder.raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"invalid JSON ({error})") from None


def parse(data: str | bytes | bytearray | memoryview, *, collects: bool = False) -> Any:
    """Return the plain data of JSON text in UTF-8. A byte order mark is ignored.

    :param collects: True to raise ``SeveralErrors`` with all repeated names.
    :raises os_vif.exception.MalformedDocument: for text other than JSON (RFC 8259), for bytes
        other than UTF-8, for a name twice in an object, for too deep nesting, and for numbers
        that are not finite or too long.
    """
    if not isinstance(data, (str, bytes, bytearray, memoryview)):
        raise _malformed(with_article(type(data).__name__), "text or bytes")
    try:
        text = data if isinstance(data, str) else str(bytes(data), "utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(f"a byte at {error.start} that is not UTF-8") from None
    try:
        # RFC 8259, section 8.1: a reader may ignore a byte order mark.
        text = text.removeprefix("\ufeff")
        if len(text) > MAX_OBJECTS:
            # Refused before the objects take time and memory.
            refuse_count(text.count("{") + text.count("["))
        return _decode(text)
    except _RepeatedNameError as error:
        errors = _repeated_names(text) or [error]
        raise (SeveralErrors(errors) if collects else errors[0]) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"invalid JSON at {where} ({error.msg})") from None
    except RecursionError:
        raise _malformed("objects or arrays that nest too deeply") from None
    except ValueError as error:
        # An integer of thousands of digits.
        raise _malformed(f"a number that is too long ({error})") from None


def _decode(text: str) -> Any:
    if text.startswith("{"):
        # Faster than decode(), which finds white space by regular expressions.
        try:
            data, end = _scan_once(text, 0)
        except StopIteration:
            # decode() raises the error with the position.
            return _decoder.decode(text)
        if end == len(text) or not text[end:].strip(" \t\n\r"):
            return data
    return _decoder.decode(text)


def compose(data: Any) -> str:
    """Return plain data as compact JSON in ASCII; the order of names does not change.

    :raises os_vif.exception.InvalidValue: for a number that is not finite.
    """
    return _compose(data, _encode)


def compose_sorted(data: Any) -> str:
    """Return plain data as compact JSON in ASCII; the names of every object are sorted.

    :raises os_vif.exception.InvalidValue: for a number that is not finite.
    """
    return _compose(data, _sorting_encoder.encode)


def _compose(data: Any, encode: Callable[[Any], str]) -> str:
    try:
        return encode(data)
    except (ValueError, RecursionError) as error:
        raise exception.InvalidValue(found=f"{error}", expected="finite numbers") from None
    except TypeError as error:
        # A field type of a third party has returned data that JSON cannot express.
        raise exception.InvalidValue(found=f"{error}", expected="plain data") from None


#: The data of codecs has no cycles.
_encoder = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
_sorting_encoder = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False, sort_keys=True
)


# The encoder in C, which encode() creates anew for each call; None in a Python without the module _json.
_make_encoder = getattr(json.encoder, "c_make_encoder", None)
_encode_chunks = _make_encoder and _make_encoder(
    None,
    _encoder.default,
    json.encoder.encode_basestring_ascii,
    None,
    ":",
    ",",
    False,
    False,
    False,
)


def _encode(data: Any) -> str:
    return _encoder.encode(data) if _encode_chunks is None else "".join(_encode_chunks(data, 0))


class _RepeatedNameError(exception.MalformedDocument):
    """A name occurs twice in an object; without a path."""


class _Pairs(list[tuple[str, Any]]):
    """The names and the values of an object, with the repeated names."""


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        (name, *_) = _repeated(pairs)
        raise _RepeatedNameError(found=_occurs_twice(name), expected=_ONCE)
    return members


def _repeated(pairs: list[tuple[str, Any]]) -> list[str]:
    """Return the repeated names, in the order of the second occurrence."""
    counts: dict[str, int] = {}
    repeated: dict[str, None] = {}
    for name, _ in pairs:
        counts[name] = counts.get(name, 0) + 1
        if counts[name] > 1:
            repeated[name] = None
    return list(repeated)


def _occurs_twice(name: str) -> str:
    return f"the name {name[:60]!r} occurs twice in an object"


def _repeated_names(text: str) -> list[exception.SerializationError]:
    """Return an error with path for each repeated name; none for text with invalid JSON."""
    try:
        pending = [("", _decode_pairs(text), False)]
    except (ValueError, RecursionError, exception.SerializationError):
        return []
    errors: list[exception.SerializationError] = []
    while pending:
        path, value, is_data = pending.pop()
        members: list[tuple[str, Any, bool]] = []
        if isinstance(value, _Pairs):
            names = {name for name, _ in value}
            is_primitive = NAME in names and "apiVersion" not in names
            errors += [
                exception.MalformedDocument(
                    path=below(path, name), found=_occurs_twice(name), expected=_ONCE
                )
                for name in _repeated(value)
            ]
            for name, member in value:
                # The envelope of a primitive is no part of a path.
                inside = is_primitive and name == DATA
                is_list = is_data and name == "objects" and isinstance(member, list)
                inner = path if inside or is_list else below(path, name)
                members.append((inner, member, inside))
        elif isinstance(value, list):
            members = [(below(path, number), item, False) for number, item in enumerate(value)]
        pending += [each for each in reversed(members) if isinstance(each[1], list)]
    return errors


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _malformed("a number that is too large")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise _malformed(name)


def _malformed(found: str, expected: str = "JSON in UTF-8") -> exception.MalformedDocument:
    return exception.MalformedDocument(found=found, expected=expected)


_ONCE = "each name once"
_decoder = json.JSONDecoder(
    object_pairs_hook=_unique_names, parse_constant=_refuse_constant, parse_float=_finite_float
)
#: What raw_decode() calls: raises StopIteration for invalid JSON.
_scan_once: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once  # type: ignore[attr-defined]
#: Decodes objects as :class:`_Pairs`.
_decode_pairs = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_constant=_refuse_constant, parse_float=_finite_float
).decode
