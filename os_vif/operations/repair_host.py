# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Repair of VIFs of the inventory: a second plug of each VIF with a difference."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.engine import recording
from os_vif.operations.plugged import Plugged, State

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterable, Iterator

    from os_vif import objects


@dataclasses.dataclass(frozen=True)
class Repair:
    """The result of a repair."""

    entry: Plugged
    #: The error of the plug, which has rolled back; None after a success.
    error: exception.ExceptionBase | None = None


def repairable(entries: Iterable[Plugged]) -> tuple[Plugged, ...]:
    """Return the entries with differences."""
    return tuple(entry for entry in entries if entry.state is State.DIFFERS)


def repair(
    entries: Iterable[Plugged],
    plug: Callable[[objects.VIFBase, objects.InstanceInfo], None],
) -> Iterator[Repair]:
    """Plug VIFs again, and yield each result. The recorded owner stays.

    :param plug: :func:`os_vif.plug`.
    """
    for entry in entries:
        try:
            with by_operator():
                plug(entry.vif, entry.instance)
        except exception.ExceptionBase as error:
            yield Repair(entry, error)
        else:
            yield Repair(entry)


def by_operator() -> contextlib.AbstractContextManager[None]:
    """Return a context for plugs by an operator: a VIF with a record keeps the recorded owner."""
    return recording.keeping_owner()
