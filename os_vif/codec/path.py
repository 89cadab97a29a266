# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Paths of fields, for example ``network.subnets[1].cidr``, and errors with paths.

A codec raises an error with the path inside the value. Each enclosing codec prepends a part while
the error unwinds (:func:`within`), so decoding without errors builds no paths.
"""

from __future__ import annotations

import math
import re
from typing import Any

from os_vif import exception
from os_vif.codec.size import refuse_many
from os_vif.escape import with_article

#: The maximum number of levels in unknown data. Known fields nest at most nine levels.
MAX_DEPTH = 32
#: The maximum length of a string in an error message.
_MAX_SHOWN = 60
#: Python converts only smaller integers to decimal text.
INTEGER_LIMIT = 10**4300
#: A name without quotes in a path.
_PLAIN_NAME = re.compile(r"\w[\w.:/-]{0,63}", re.ASCII)
_MAX_NAME = 64

#: The exceptions of field types, and of classes, for invalid values.
COERCION_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
)


def below(path: str, part: str | int) -> str:
    """Return the path of the member *part* of the value at *path*, as a short line."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    if _PLAIN_NAME.fullmatch(str(part)):
        return joined(path, part)
    return f"{path}[{part!r}]" if len(part) <= _MAX_NAME else f"{path}[{part[:40]!r}…]"


def joined(path: str, inner: str) -> str:
    """Return the path *inner*, which is relative to the value at *path*, as a whole path."""
    return f"{path}.{inner}" if path and inner[:1] not in {"", "["} else path + inner


def describe(data: Any) -> str:
    """Return a short description of *data* for the "found" part of an error."""
    if isinstance(data, str):
        return (
            repr(data) if len(data) <= _MAX_SHOWN else f"{data[:40]!r}… ({len(data)} characters)"
        )
    if data is None or isinstance(data, bool):
        return {None: "null", True: "true", False: "false"}[data]
    if isinstance(data, dict):
        return "an object"
    if isinstance(data, list):
        return "an array"
    if isinstance(data, int):
        return repr(data) if abs(data) < 10**30 else "a huge number"
    return repr(data) if isinstance(data, float) else with_article(type(data).__name__)


def invalid(data: Any, expected: str, path: str = "") -> exception.InvalidValue:
    """Return the error for *data* in a place where a value as *expected* describes is required."""
    return exception.InvalidValue(path=path, found=describe(data), expected=expected)


class SeveralErrors(exception.SerializationError):
    """All errors of a value, for :func:`os_vif.serialization.validate`."""

    def __init__(self, errors: list[exception.SerializationError]) -> None:
        self.errors = errors
        super().__init__(str(errors[0]))


def errors_of(error: exception.SerializationError) -> list[exception.SerializationError]:
    """Return the single errors in *error*."""
    return error.errors if isinstance(error, SeveralErrors) else [error]


def within(part: str | int, error: exception.SerializationError) -> exception.SerializationError:
    """Return *error* with the path relative to the enclosing value of the member *part*."""
    if isinstance(error, SeveralErrors):
        return SeveralErrors([within(part, single) for single in error.errors])
    path = joined(below("", part), error.path)
    outer = type(error)(path=path, found=error.found, expected=error.expected)
    outer.__cause__ = error.__cause__
    return outer


def plain(data: Any, *, collects: bool = False) -> Any:
    """Return a copy of *data*, which JSON can express.

    :param collects: True to raise :class:`SeveralErrors`, not only the first error.
    :raises os_vif.exception.InvalidValue: for data without an expression in JSON.
    :raises os_vif.exception.MalformedDocument: for more than :data:`MAX_DEPTH` levels, or too many
        objects and arrays.
    """
    # A list that contains another list twice, at each of many levels, would take forever.
    refuse_many(data)
    return _copy_plain(data, 0, collects=collects)


def _copy_plain(data: Any, depth: int, *, collects: bool) -> Any:
    if isinstance(data, (dict, list)):
        return _copy_members(data, depth, collects=collects)
    if data is None or isinstance(data, (str, bool)):
        return data
    if isinstance(data, int):
        if not -INTEGER_LIMIT < data < INTEGER_LIMIT:
            raise invalid(data, "a whole number")
        return int(data)
    if not isinstance(data, float) or not math.isfinite(data):
        raise invalid(data, "plain data")
    return data


def _copy_members(data: dict[Any, Any] | list[Any], depth: int, *, collects: bool) -> Any:
    if data and depth >= MAX_DEPTH:
        raise exception.MalformedDocument(
            found="more below it", expected=f"at most {MAX_DEPTH} levels"
        )
    members = data.items() if isinstance(data, dict) else enumerate(data)
    copies = {}
    errors: list[exception.SerializationError] = []
    for part, member in members:
        if isinstance(data, dict) and not isinstance(part, str):
            errors.append(invalid(part, "a string as each name"))
        else:
            try:
                copies[part] = _copy_plain(member, depth + 1, collects=collects)
            except exception.SerializationError as error:
                errors += errors_of(within(part, error))
        if errors and not collects:
            raise errors[0] from errors[0].__cause__
    if errors:
        raise SeveralErrors(errors)
    return copies if isinstance(data, dict) else list(copies.values())
