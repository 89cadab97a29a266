# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Losses in the downgrade of objects of third parties, by field path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from os_vif.codec.path import below
from os_vif.codec.primitive import DATA, NAME
from os_vif.codec.registry import FIXED_IPS
from os_vif.codec.unknown import Loss


def between(before: dict[str, Any], after: dict[str, Any]) -> tuple[Loss, ...]:
    """Return the values in the primitive *before* without a value in the primitive *after*.

    Release 1.8.0 has addresses in another place, so the moved addresses are not lost.
    """
    return tuple(_compare(before, after, "", []))


def _compare(before: Any, after: Any, path: str, moved: list[Any]) -> Iterator[Loss]:
    """Yield the losses at *path*.

    :param moved: the addresses in the attribute ``fixed_ips`` of the enclosing VIF.
    """
    if _is_primitive(before) and _is_primitive(after):
        yield from _compare_objects(before, after, path, moved)
    elif isinstance(before, list) and isinstance(after, list):
        for number, item in enumerate(before):
            if number < len(after):
                yield from _compare(item, after[number], below(path, number), moved)
            else:
                yield Loss(below(path, number), "left out")
    elif isinstance(before, dict) and isinstance(after, dict):
        for name, value in sorted(before.items()):
            if name in after:
                yield from _compare(value, after[name], below(path, name), moved)
            else:
                yield Loss(below(path, name), "left out")
    elif before != after:
        yield Loss(path, f"{before!r} becomes {after!r}")


def _is_primitive(data: Any) -> bool:
    return isinstance(data, dict) and DATA in data


def _compare_objects(
    before: dict[str, Any], after: dict[str, Any], path: str, moved: list[Any]
) -> Iterator[Loss]:
    if before[NAME] != after[NAME]:
        yield Loss(path, f"{before[NAME]} becomes {after[NAME]}")
    moved = moved + _addresses(after[DATA].get(FIXED_IPS))
    is_list = list(before[DATA]) == ["objects"]
    for name, value in sorted(before[DATA].items()):
        inner = path if is_list else below(path, name)
        if moved and name == "ips" and _addresses(value):
            there = moved + _addresses(after[DATA].get(name))
            for number, address in enumerate(_addresses(value)):
                if address not in there:
                    yield Loss(below(inner, number), "left out")
        elif name not in after[DATA]:
            yield Loss(inner, "left out")
        else:
            yield from _compare(value, after[DATA][name], inner, moved)


def _addresses(listing: Any) -> list[Any]:
    """Return the addresses in the primitive of a list, with the floating addresses of each."""
    if not _is_primitive(listing):
        return []
    objects = listing[DATA].get("objects", ())
    return [
        tuple(item[DATA].get(name) for name in ("address", "floating_ips"))
        for item in objects
        if _is_primitive(item)
    ]
