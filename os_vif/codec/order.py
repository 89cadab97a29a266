# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The order of names in the objects of a document."""

from __future__ import annotations

from typing import Any


def in_order(data: Any) -> Any:
    """Return a copy in which every object has ``apiVersion`` and ``kind`` first, the rest sorted.

    The order is that of objects of unknown content, too.
    """
    if isinstance(data, dict):
        return {name: in_order(value) for name, value in sorted(data.items(), key=rank)}
    return [in_order(item) for item in data] if isinstance(data, list) else data


def rank(item: tuple[str, Any]) -> tuple[bool, bool, str]:
    """Return the sort key of a member of an object."""
    name, _ = item
    return name != "apiVersion", name != "kind", name
