# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The limit on the number of objects and arrays in data that is read or written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from os_vif import exception

#: The maximum number of objects and arrays in a text, and in an object that is read or written.
#: The VIFs of a host with a thousand pods have fewer; to read so many takes seconds.
MAX_OBJECTS = 100_000

#: Returns the object of plain data, and True if the object may have unknown fields.
Decoder = Callable[..., tuple[Any, bool]]


def refuse_many(data: Any) -> None:
    """Refuse plain data with more than :data:`MAX_OBJECTS` objects and arrays.

    :raises os_vif.exception.MalformedDocument: for larger data.
    """
    waiting = [data]
    count = 0
    while waiting:
        inner = waiting.pop()
        if not isinstance(inner, (dict, list, tuple)):
            continue
        count += 1
        if count > MAX_OBJECTS:
            refuse_count(count)
        members = inner.values() if isinstance(inner, dict) else inner
        waiting += [item for item in members if isinstance(item, (dict, list, tuple))]


def refuse_count(count: int) -> None:
    """Refuse more than :data:`MAX_OBJECTS` objects and arrays.

    :raises os_vif.exception.MalformedDocument: for a larger count.
    """
    if count > MAX_OBJECTS:
        raise exception.MalformedDocument(
            found="too many objects and arrays",
            expected=f"at most {MAX_OBJECTS:,} in one document",
        )


def decode_limited(decoder: Decoder, data: Any, *, collects: bool = False) -> Any:
    """Return the object of plain data; unknown fields and invalid data have a limit on the size.

    :param decoder: ``decode`` of :mod:`os_vif.codec.document` or :mod:`os_vif.codec.primitive`.
    :param collects: True to raise ``os_vif.codec.path.SeveralErrors``, which has all errors.
    :raises os_vif.exception.SerializationError: with the path of the field.
    """
    try:
        obj, has_unknown = decoder(data, collects=collects)
    except exception.SerializationError:
        refuse_many(data)
        raise
    if has_unknown:
        refuse_many(data)
    return obj
