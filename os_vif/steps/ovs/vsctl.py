# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rows in the notation of ovs-vsctl(8)."""

from __future__ import annotations

import json
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb.notation import values

if TYPE_CHECKING:
    from os_vif.host.ovsdb.notation import Row


def assignments(row: Row) -> str:
    """Return the columns of a row as arguments of ``ovs-vsctl set`` or ``create``."""
    words: list[str] = []
    for column, value in row.items():
        match value:
            case ["map", pairs]:
                words += [f"{column}:{_atom(key)}={_atom(member)}" for key, member in pairs]
            case _:
                members = [_atom(member) for member in values(value)]
                text = members[0] if len(members) == 1 else f"[{','.join(members)}]"
                words.append(f"{column}={text}")
    return " ".join(quote(word) for word in words)


def _atom(value: Any) -> str:
    """Return an atom as ovs-vsctl parses the atom."""
    match value:
        case ["uuid" | "named-uuid", str(name)]:
            return name
        case str() if value.replace("-", "").replace("_", "").isalnum() and value.isascii():
            return value
        case _:
            return json.dumps(value)
