# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON text, strictly: what two readers could understand differently is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from os_vif import exception


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
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _malformed(f"at {where}: {error.msg}") from None
    except RecursionError:
        raise _malformed("objects or arrays that nest too deeply") from None
    except ValueError as error:
        # An integer of thousands of digits.
        raise _malformed(f"a number that is too long ({error})") from None


def compose(data: Any) -> str:
    """Plain data as compact JSON, in ASCII; names stand in the order that they have."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def compose_sorted(data: Any) -> str:
    """The same, with the names of every object in order."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False, sort_keys=True)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _malformed(f"the name {twice[:60]!r} twice in an object")
    return found


def _constant(name: str) -> NoReturn:
    raise _malformed(name)


def _malformed(found: str, expected: str = "JSON in UTF-8") -> exception.MalformedDocument:
    return exception.MalformedDocument(found=found, expected=expected)
