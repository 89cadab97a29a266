# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Previews of steps of Open vSwitch: a transaction that is prepared and never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb.table_snapshot import read_rows
from os_vif.host.ovsdb.transaction import Transaction
from os_vif.steps.ovs.step import OvsStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.steps.plan import Difference, OvsdbTarget

#: For a step: whether the step would change the database, the present differences, and the reason
#: why the step would fail, or None.
_Found = tuple[bool, "tuple[Difference, ...]", str | None]


def read(target: OvsdbTarget, steps: Sequence[Any]) -> list[_Found]:
    """Return the change of each step.

    :param steps: consecutive steps of Open vSwitch.
    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """

    def read_changes(snapshot: Snapshot) -> list[_Found]:
        transaction = Transaction[OvsStep]()
        return [_read_step(step, snapshot, transaction) for step in steps]

    return read_rows(target, read_changes, steps)


def _read_step(step: OvsStep, snapshot: Snapshot, transaction: Transaction[OvsStep]) -> _Found:
    differences = tuple(d for d in step.differences(snapshot) if not d.pending)
    try:
        undo = step.add_operations(snapshot, transaction.owned_by(step))
    except OSError as error:
        return True, differences, error.strerror or str(error)
    return bool(undo), differences if undo else (), None
