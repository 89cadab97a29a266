# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Losses of an object that is written for an older reader, by field path."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from oslo_versionedobjects import base as ovo

from os_vif.codec.path import below
from os_vif.codec.registry import FIXED_IPS
from os_vif.codec.unknown import Loss


def losses(obj: ovo.VersionedObject, primitive: dict[str, Any]) -> tuple[Loss, ...]:
    """What of ``obj`` is not there when ``primitive``, made from it, is read again here.

    Release 1.8.0 has addresses in another place, so they are not lost. A default of a constructor,
    such as no MTU, is not lost.
    """
    from os_vif.objects.base import VersionedObject  # it imports this

    reader = type(obj) if hasattr(type(obj), "obj_from_primitive") else VersionedObject
    back = reader.obj_from_primitive(copy.deepcopy(primitive))
    return tuple(_compare(obj, back, "", []))


def _compare(before: Any, after: Any, path: str, moved: list[Any]) -> Iterator[Loss]:
    """Yield the values of ``before`` that ``after`` lacks.

    :param moved: the addresses that the VIF around it has beside its fields.
    """
    if isinstance(before, ovo.VersionedObject):
        if not isinstance(after, ovo.VersionedObject):
            yield Loss(path, f"{before.obj_name()} becomes {after!r}")
            return
        yield from _compare_objects(before, after, path, moved)
    elif isinstance(before, list) and _holds_objects(before):
        for n, item in enumerate(before):
            if n < len(after):
                yield from _compare(item, after[n], below(path, n), moved)
            else:
                yield Loss(below(path, n), "left out")
    elif isinstance(before, dict) and _holds_objects(before.values()):
        for key in before:
            if key in after:
                yield from _compare(before[key], after[key], below(path, key), moved)
            else:
                yield Loss(below(path, key), "left out")
    elif before != after:
        yield Loss(path, f"{before!r} becomes {after!r}")


def _holds_objects(values: Any) -> bool:
    return any(isinstance(value, ovo.VersionedObject) for value in values)


def _compare_objects(
    before: ovo.VersionedObject, after: ovo.VersionedObject, path: str, moved: list[Any]
) -> Iterator[Loss]:
    if before.obj_name() != after.obj_name():
        yield Loss(path, f"{before.obj_name()} becomes {after.obj_name()}")
    moved = moved + _addresses(vars(after).get(FIXED_IPS))
    listing = list(before.fields) == ["objects"]
    for name in sorted(before.fields):
        if not before.obj_attr_is_set(name):
            continue
        inner = path if listing else below(path, name)
        value = getattr(before, name)
        there = getattr(after, name) if name in after else None
        if moved and name == "ips" and _addresses(value):
            yield from _missing(_addresses(value), moved + _addresses(there), inner)
        elif name not in after:
            yield Loss(inner, "left out")
        else:
            yield from _compare(value, there, inner, moved)
    if own := _addresses(vars(before).get(FIXED_IPS)):
        yield from _missing(own, moved + list(_in_subnets(after)), below(path, FIXED_IPS))


def _missing(addresses: list[Any], there: list[Any], path: str) -> Iterator[Loss]:
    for n, address in enumerate(addresses):
        if address not in there:
            yield Loss(below(path, n), "left out")


def _addresses(listing: Any) -> list[Any]:
    """What the members of a list of addresses say, which may be unset or anything else."""
    if not isinstance(listing, ovo.ObjectListBase) or "objects" not in listing:
        return []
    return [
        tuple(getattr(ip, name) if name in ip else None for name in ("address", "floating_ips"))
        for ip in listing.objects
    ]


def _in_subnets(vif: Any) -> Iterator[Any]:
    network = vif.network if "network" in vif else None
    listing = network.subnets if network is not None and "subnets" in network else None
    for subnet in listing.objects if listing is not None and "objects" in listing else ():
        yield from _addresses(subnet.ips if "ips" in subnet else None)
