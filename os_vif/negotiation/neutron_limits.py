# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The sizes of Neutron's database columns for JSON.

Neutron refuses a longer text only after the request, with HTTP 400 or an error of the database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from os_vif import exception

#: The largest JSON text, in characters, by attribute: of port bindings, then of agents.
COLUMN_LIMITS: Mapping[str, int] = {
    "vif_details": 4095,
    "profile": 4095,
    "configurations": 4095,
    "resource_versions": 8191,
}


def json_size(value: Any, path: str = "") -> int:
    """Return the number of characters of a value as Neutron writes JSON into the database.

    :raises os_vif.exception.InvalidBinding: for a value that JSON cannot express.
    """
    try:
        return len(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as error:
        raise exception.InvalidBinding(
            path=path, found=str(error), expected="a value that JSON can express"
        ) from error


def require_fits_column(attribute: str, value: Mapping[str, Any], path: str | None = None) -> None:
    """Raise InvalidBinding if a value is too large for the database column of an attribute.

    :param attribute: a key of :data:`COLUMN_LIMITS`.
    :param value: the whole value of the attribute.
    :param path: the path of the value for the error; the attribute by default.
    :raises os_vif.exception.InvalidBinding: with the size of the value, and of the largest members.
    """
    limit, size = COLUMN_LIMITS[attribute], json_size(value, path or attribute)
    if size <= limit:
        return
    sizes = {str(name): json_size(member) for name, member in value.items()}
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:3]
    listed = ", ".join(f"{name} has {sizes[name]}" for name in largest)
    raise exception.InvalidBinding(
        path=path or attribute,
        found=f"{size} characters of JSON ({listed})",
        expected=f"at most {limit} characters, the size of Neutron's column",
    )
