# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Values, rows and operations in the JSON notation of RFC 7047, 5.1 and 5.2."""

from __future__ import annotations

from typing import Any

#: An operation of a transaction.
Operation = dict[str, Any]
#: A row of a table: values by column.
Row = dict[str, Any]
#: A reference to a row: ``["uuid", UUID]``, or ``["named-uuid", NAME]`` for a row that the same
#: transaction inserts.
Reference = list[str]


def values(value: Any) -> list[Any]:
    """Return the members of a column with a set. A set of one member may be written as an atom."""
    match value:
        case ["set", list(members)]:
            return members
        case _:
            return [value]


def mapping(value: Any) -> dict[str, str]:
    """Return the pairs of a column with a map."""
    return dict(value[1])


def ref(row: Row) -> Reference:
    """Return the reference to a row."""
    reference: Reference = row["_uuid"]
    return reference
