# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""JSON patches (RFC 6902) between two versions of a stored object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from os_vif.serialization import json_text, storage

__all__ = ["json_patch"]


def json_patch(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return a patch that makes *after* of *before*; empty if the two are equal.

    Before each ``replace`` and ``remove`` the patch has a ``test`` of the old value: a server
    refuses the patch if another program changed the value since the object was read. A VIF is
    replaced as a whole.
    """
    return list(_operations("", before, after))


def _operations(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    is_object = isinstance(before, dict) and isinstance(after, dict)
    if not is_object or storage.is_vif_payload(before) or storage.is_vif_payload(after):
        if json_text.compose_sorted(before) != json_text.compose_sorted(after):
            yield {"op": "test", "path": path, "value": before}
            yield {"op": "replace", "path": path, "value": after}
        return
    for name in before:
        inner = f"{path}/{_escape(name)}"
        if name in after:
            yield from _operations(inner, before[name], after[name])
        else:
            yield {"op": "test", "path": inner, "value": before[name]}
            yield {"op": "remove", "path": inner}
    for name in after:
        if name not in before:
            yield {"op": "add", "path": f"{path}/{_escape(name)}", "value": after[name]}


def _escape(name: str) -> str:
    """Return a name as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
