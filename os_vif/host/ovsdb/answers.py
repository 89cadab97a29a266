# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the messages that an OVSDB server sends: shape, size and depth.

No other module reads a message before these checks. A message that fails a check raises
``OSError`` with ``EPROTO``; :class:`os_vif.host.ovsdb.connection.Ovsdb` turns it into an ``OvsdbError``.

Source: RFC 7047, 3.1, 4.1 and 5.
"""

from __future__ import annotations

import errno
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from os_vif.escape import abbreviated, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Bytes of one message: those of a select of about 30,000 Interfaces. As Python objects, the worst
#: message takes 40 times as much (600 MiB).
MAX_MESSAGE = 16 * 2**20
#: Depth of arrays and objects; a select of a map of UUIDs has nine.
MAX_DEPTH = 64
#: Messages after a question of which none is the answer, such as notifications and probes.
MAX_UNASKED = 10_000
#: Characters of an error of the server that an error of this library repeats.
MAX_REASON = 2_000
#: RFC 7047, 3.1: an integer has 64 bits.
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){2}")
_PAIR = 2


def malformed(what: str, found: Any) -> NoReturn:
    """Raise the error of an answer that is no OVSDB."""
    shown = abbreviated(found, 100)
    raise OSError(errno.EPROTO, f"what answers is no OVSDB: {what} is {shown}")


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser takes and JSON does not have."""
    raise ValueError(f"{name} is no number")


#: A parser of JSON; of members with one name, the last one counts, as in ovsdb-server.
DECODER = json.JSONDecoder(parse_constant=_no_constant)


def parse(data: bytes) -> dict[str, Any]:
    """Return the message that some bytes are.

    :raises OSError: if they are no JSON object.
    """
    try:
        found = DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        malformed("a message that is no UTF-8", data[max(0, error.start - 20) : error.end + 20])
    except RecursionError:
        malformed("a message that is nested too deeply", data[:100])
    except ValueError as error:
        reason = str(error)[:MAX_REASON]
        raise OSError(errno.EPROTO, f"what answers is no OVSDB: no JSON: {reason}") from error
    if not isinstance(found, dict):
        malformed("a message", found)
    return found


def message(found: dict[str, Any]) -> None:
    """Check the members that every message has."""
    number, method = found.get("id"), found.get("method")
    if not isinstance(number, int | str | None) or isinstance(number, bool):
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
    # They are sent back, which no deep value can be.
    if method == "echo" and any(isinstance(param, list | dict) for param in params):
        malformed("params", params)


def is_locked(result: Any) -> bool:
    """Return whether the answer to ``lock`` grants the lock."""
    match result:
        case {"locked": bool(locked)}:
            return locked
    malformed("the result of lock", result)


def reason_of(error: Any) -> str:
    """Return the words of an error that a server answers to a question: a text, or an object."""
    match error:
        case {"error": str(name), "details": str(details)}:
            reason = f"{name}: {details}"
        case {"error": str(name)} | str(name):
            reason = name
        case _:
            malformed("error", error)
    return text_of(reason).rstrip(".")


def text_of(said: str) -> str:
    """Return a text of the server as an error may repeat it: one line of bounded length."""
    return printable(said[:MAX_REASON])


def schema(found: Any) -> tuple[str, dict[str, frozenset[str]]]:
    """Return version, and columns by table, of the answer to ``get_schema``."""
    match found:
        case {"version": str(version), "tables": {**tables}} if _VERSION.fullmatch(version):
            return version, {str(name): _columns(table) for name, table in tables.items()}
    malformed("the schema", found)


def _columns(table: Any) -> frozenset[str]:
    match table:
        case {"columns": {**columns}}:
            return frozenset(map(str, columns))
    malformed("a table of the schema", table)


def results(operations: Sequence[dict[str, Any]], found: Any) -> list[dict[str, Any] | None]:
    """Check the results of the operations of a transaction, and return them."""
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
    name = operation["op"]
    match name:
        case "select":
            rows = None if result is None else result.get("rows")
            if isinstance(rows, list):
                columns = operation.get("columns") or _WHOLE.get(operation["table"], _UUID_ONLY)
                for row in rows:
                    _row(operation["table"], row, columns)
                return
        case "insert":
            if result is not None and _is_reference(result.get("uuid")):
                return
        case "update" | "mutate" | "delete":
            if result is not None and _is_integer(result.get("count")):
                return
        case _:
            return
    malformed(f"the result of {name}", result)


def _row(table: str, row: Any, columns: Sequence[str]) -> None:
    if not isinstance(row, dict):
        malformed("a row", row)
    for column in columns:
        if column not in row:
            malformed(f"a row without the column {column}", row)
    for column, value in row.items():
        is_one = _KINDS.get(column, _is_value)
        if (table, column) in _OPTIONAL_STRINGS:
            is_one = _is_optional_string
        if not is_one(value):
            malformed(f"the column {abbreviated(column, 40)}", value)


# No structural pattern matching from here on: it takes four times as long, and a plug has hundreds
# of values.


def _is_integer(value: Any) -> bool:
    return type(value) is int and _MIN_INTEGER <= value <= _MAX_INTEGER


def _is_string(value: Any) -> bool:
    return type(value) is str


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _is_reference(value: Any) -> bool:
    return (
        type(value) is list
        and len(value) == _PAIR
        and value[0] == "uuid"
        and type(value[1]) is str
        and _UUID.fullmatch(value[1]) is not None
    )


def _is_atom(value: Any) -> bool:
    if isinstance(value, str | bool):
        return True
    if isinstance(value, int):
        return _MIN_INTEGER <= value <= _MAX_INTEGER
    if isinstance(value, float):
        return math.isfinite(value)
    return _is_reference(value)


def _is_a(kind: str, value: Any) -> bool:
    """Return whether a value is a set or a map: its name, and a list of its members."""
    return (
        type(value) is list and len(value) == _PAIR and value[0] == kind and type(value[1]) is list
    )


def _is_map_of(is_member: Callable[[Any], bool], value: Any) -> bool:
    return _is_a("map", value) and all(
        type(pair) is list and len(pair) == _PAIR and is_member(pair[0]) and is_member(pair[1])
        for pair in value[1]
    )


def _is_value(value: Any) -> bool:
    if _is_atom(value):
        return True
    if _is_a("set", value):
        return all(map(_is_atom, value[1]))
    return _is_map_of(_is_atom, value)


def _are_references(value: Any) -> bool:
    if _is_a("set", value):
        return all(map(_is_reference, value[1]))
    return _is_reference(value)


def _is_text_map(value: Any) -> bool:
    return _is_map_of(_is_string, value)


def _is_reference_map(value: Any) -> bool:
    return _is_map_of(_is_atom, value) and all(_is_reference(pair[1]) for pair in value[1])


def _is_optional(is_one: Callable[[Any], bool], value: Any) -> bool:
    """Return whether a value is one of a kind, or an empty set."""
    if _is_a("set", value):
        return len(value[1]) <= 1 and all(map(is_one, value[1]))
    return is_one(value)


def _is_optional_integer(value: Any) -> bool:
    return _is_optional(_is_integer, value)


def _is_optional_string(value: Any) -> bool:
    return _is_optional(_is_string, value)


_UUID_ONLY = ("_uuid",)
#: The columns of each schema that a row has for which no columns were asked, by table.
_WHOLE = {
    "Bridge": ("_uuid", "name", "ports"),
    "Port": ("_uuid", "name", "interfaces", "qos"),
    "Interface": ("_uuid", "name", "type", "options", "external_ids"),
    "Mirror": ("_uuid", "name", "select_src_port", "select_dst_port", "output_port"),
    "Flow_Sample_Collector_Set": ("_uuid", "ipfix"),
}
#: Columns that may be empty, which in other tables have one value.
_OPTIONAL_STRINGS = frozenset({("Controller", "type"), ("Flow_Table", "name")})
#: The kinds of the columns that this library uses, in any table. Others are any value.
_KINDS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("next_cfg", "cur_cfg"), _is_integer),
    **dict.fromkeys(("name", "model", "type", "datapath_type"), _is_string),
    **dict.fromkeys(("external_ids", "options", "other_config"), _is_text_map),
    **dict.fromkeys(("connected", "leader", "dpdk_initialized"), _is_boolean),
    **dict.fromkeys(("ports", "interfaces", "bridges", "qos"), _are_references),
    **dict.fromkeys(("auto_attach", "controller", "ipfix", "mirrors", "netflow"), _are_references),
    **dict.fromkeys(("output_port", "select_dst_port", "select_src_port"), _are_references),
    "sflow": _are_references,
    "flow_tables": _is_reference_map,
    **dict.fromkeys(("ofport", "mtu_request", "ifindex"), _is_optional_integer),
    "error": _is_optional_string,
    "_uuid": _is_reference,
}
