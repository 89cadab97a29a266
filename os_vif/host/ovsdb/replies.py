# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of the messages from a server: shape, size and depth.

No other module reads a message before the checks. A failed check raises ``OSError`` with
``EPROTO``, from which :class:`os_vif.host.ovsdb.request_channel.RequestChannel` makes an ``OvsdbError``.

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

#: Size limit of a message in bytes: enough for a select of about 30,000 Interfaces. The Python
#: objects of the worst message take 40 times as much memory (600 MiB).
MAX_MESSAGE = 16 * 2**20
#: Limit of the depth of arrays and objects. A select of a map of UUIDs has nine levels.
MAX_DEPTH = 64
#: Number of messages between a request and the answer, such as notifications and probes.
MAX_UNSOLICITED = 10_000
#: Number of characters of a server's error in an error of this library.
MAX_REASON = 2_000
#: RFC 7047, 3.1: an integer has 64 bits.
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){2}")
_PAIR = 2


def malformed(what: str, found: Any) -> NoReturn:
    """Raise the error for a malformed answer."""
    shown = abbreviated(found, 100)
    raise OSError(errno.EPROTO, f"the answer is no OVSDB: {what} is {shown}")


def _no_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser accepts and JSON does not have."""
    raise ValueError(f"{name} is no number")


#: A parser of JSON. The last of several members of a name counts, as in ovsdb-server.
DECODER = json.JSONDecoder(parse_constant=_no_constant)


def parse(data: bytes) -> dict[str, Any]:
    """Decode a message.

    :raises OSError: ``EPROTO`` if the bytes are no JSON object.
    """
    try:
        found = DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        malformed("a message that is no UTF-8", data[max(0, error.start - 20) : error.end + 20])
    except RecursionError:
        malformed("a message that is nested too deeply", data[:100])
    except ValueError as error:
        reason = str(error)[:MAX_REASON]
        raise OSError(errno.EPROTO, f"the answer is no OVSDB: no JSON: {reason}") from error
    if not isinstance(found, dict):
        malformed("a message", found)
    return found


def message(found: dict[str, Any]) -> None:
    """Check the members of a message."""
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
    # The parameters of a probe are sent back; json.dumps() fails on deep values.
    if method == "echo" and any(isinstance(param, list | dict) for param in params):
        malformed("params", params)


def is_locked(result: Any) -> bool:
    """Return whether the answer to ``lock`` grants the lock."""
    match result:
        case {"locked": bool(locked)}:
            return locked
    malformed("the result of lock", result)


def reason_of(error: Any) -> str:
    """Return the text of the ``error`` member of an answer, which is a string or an object."""
    match error:
        case {"error": str(name), "details": str(details)}:
            reason = f"{name}: {details}"
        case {"error": str(name)} | str(name):
            reason = name
        case _:
            malformed("error", error)
    return text_of(reason).rstrip(".")


def text_of(said: str) -> str:
    """Return a text of the server as a single line of bounded length, for an error."""
    return printable(said[:MAX_REASON])


def schema(found: Any) -> tuple[str, dict[str, frozenset[str]]]:
    """Return version, and columns by table, from the answer to ``get_schema``."""
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
    kinds = _KINDS_BY_TABLE.get(table, _KINDS)
    for column, value in row.items():
        if not kinds.get(column, _is_value)(value):
            malformed(f"the column {abbreviated(column, 40)}", value)


# The functions below have no structural pattern matching, which takes four times as long: a plug
# has hundreds of values.


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
    kind = type(value)
    if kind is str or kind is bool:
        return True
    if kind is int:
        return bool(_MIN_INTEGER <= value <= _MAX_INTEGER)
    if kind is float:
        return math.isfinite(value)
    return _is_reference(value)


def _is_a(kind: str, value: Any) -> bool:
    """Return whether a value is a set or a map: the kind, and a list of members."""
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


def _is_optional(is_kind: Callable[[Any], bool], value: Any) -> bool:
    """Return whether a value has a kind, or is an empty set."""
    if _is_a("set", value):
        return len(value[1]) <= 1 and all(map(is_kind, value[1]))
    return is_kind(value)


def _is_optional_integer(value: Any) -> bool:
    return _is_optional(_is_integer, value)


def _is_optional_string(value: Any) -> bool:
    return _is_optional(_is_string, value)


_UUID_ONLY = ("_uuid",)
#: The required columns of a row selected without a list of columns, by table.
_WHOLE = {
    "Bridge": ("_uuid", "name", "ports"),
    "Port": ("_uuid", "name", "interfaces", "qos"),
    "Interface": ("_uuid", "name", "type", "options", "external_ids"),
    "Mirror": ("_uuid", "name", "select_src_port", "select_dst_port", "output_port"),
    "Flow_Sample_Collector_Set": ("_uuid", "ipfix"),
}
#: The kinds of the columns that this library reads, in all tables. Further columns may have any
#: value.
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
#: The same, for tables with an optional column whose name is a required column of another table.
_KINDS_BY_TABLE = {
    "Controller": {**_KINDS, "type": _is_optional_string},
    "Flow_Table": {**_KINDS, "name": _is_optional_string},
}
