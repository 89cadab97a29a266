# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of what a server of OVSDB answers: shape, size and depth.

Source: RFC 7047, 4.1 and 5.2.
"""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any, NoReturn

from os_vif.escape import abbreviated

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Bytes of one message; depth of its arrays and objects; messages that nobody asked for.
MAX_MESSAGE, MAX_DEPTH, MAX_UNASKED = 64 * 2**20, 64, 10_000


def malformed(what: str, found: Any) -> NoReturn:
    """Raise the error of an answer that is no OVSDB."""
    shown = abbreviated(found, 100)
    raise OSError(errno.EPROTO, f"what answers is no OVSDB: {what} is {shown}")


def parse(data: bytes) -> dict[str, Any]:
    """Return the message in some bytes.

    :raises OSError: if there is none.
    """
    try:
        message = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise OSError(errno.EPROTO, f"what came is no JSON: {error}") from error
    if not isinstance(message, dict):
        raise OSError(errno.EPROTO, "what came is no message")
    return message


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def message(found: dict[str, Any]) -> None:
    """Check the members of a message that every message has."""
    number, method = found.get("id"), found.get("method")
    if not isinstance(number, int | str | None):
        malformed("id", number)
    if method is None:
        if "id" not in found or ("result" not in found and found.get("error") is None):
            malformed("a message", found)
        return
    if not isinstance(method, str):
        malformed("method", method)
    params = found.get("params")
    if not isinstance(params, list):
        malformed("params", params)
    if method in ("locked", "stolen") and not all(isinstance(name, str) for name in params):
        malformed("params", params)


def is_locked(result: Any) -> bool:
    """Return what the answer to ``lock`` says."""
    match result:
        case {"locked": bool(locked)}:
            return locked
    malformed("the result of lock", result)


def results(operations: Sequence[dict[str, Any]], found: Any) -> list[dict[str, Any] | None]:
    """Check the results of a transaction."""
    if not isinstance(found, list) or not all(isinstance(r, dict | None) for r in found):
        malformed("the result", found)
    for result in found:
        if result and "error" in result:
            if not isinstance(result["error"], str):
                malformed("error", result["error"])
            if not isinstance(result.get("details", ""), str | None):
                malformed("details", result["details"])
            return found
    if len(found) != len(operations):
        malformed(f"the result of {len(operations)} operations", found)
    for operation, result in zip(operations, found, strict=True):
        _result(operation, result)
    return found


def _result(operation: dict[str, Any], result: dict[str, Any] | None) -> None:
    match operation["op"], result:
        case "select", {"rows": list(rows)}:
            columns = operation.get("columns") or ("_uuid",)
            for row in rows:
                _row(row, columns)
        case "insert", {"uuid": ["uuid", str()]}:
            pass
        case (("update" | "mutate" | "delete"), {"count": int()}):
            pass
        case (("select" | "insert" | "update" | "mutate" | "delete"), _):
            malformed(f"the result of {operation['op']}", result)


def _row(row: Any, columns: Sequence[str]) -> None:
    if not isinstance(row, dict):
        malformed("a row", row)
    for column in columns:
        if column not in row:
            malformed(f"a row without the column {column}", row)
    for column, value in row.items():
        if not _fits(column, value):
            malformed(f"the column {column}", value)


def _fits(column: str, value: Any) -> bool:
    is_right = _KINDS.get(column, _is_value)
    return is_right(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_map(value: Any) -> bool:
    match value:
        case ["map", list()]:
            return _is_value(value)
    return False


def _are_references(value: Any) -> bool:
    match value:
        case ["set", list(members)]:
            return all(map(_is_reference, members))
    return _is_reference(value)


def _is_reference(value: Any) -> bool:
    match value:
        case ["uuid", str()]:
            return True
    return False


def _is_atom(value: Any) -> bool:
    return isinstance(value, str | int | float) or _is_reference(value)


def _is_value(value: Any) -> bool:
    match value:
        case ["set", list(members)]:
            return all(map(_is_atom, members))
        case ["map", list(pairs)]:
            return all(
                isinstance(pair, list) and len(pair) == 2 and all(map(_is_atom, pair))  # noqa: PLR2004
                for pair in pairs
            )
    return _is_atom(value)


#: What a column is whose value this library uses as such, in whatever table; others are any value.
_KINDS = {
    **dict.fromkeys(("next_cfg", "cur_cfg"), _is_integer),
    **dict.fromkeys(("name", "model", "type", "datapath_type"), _is_string),
    **dict.fromkeys(("external_ids", "options", "other_config"), _is_map),
    **dict.fromkeys(("connected", "leader", "dpdk_initialized"), _is_boolean),
    **dict.fromkeys(("ports", "interfaces", "bridges", "qos"), _are_references),
    "_uuid": _is_reference,
}
