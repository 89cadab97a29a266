# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plans of plugged VIFs, each with the rows from which the plan was made and found to hold.

A plan depends on the VIF, the options, rows of Open vSwitch, and the names of devices. A plan that
was found to hold is remembered with the rows. The next plug of an equal VIF with equal options needs
neither a new plan nor a comparison with the rows, if the rows are equal: the results would be equal.
The devices and the record of the VIF are compared for every plug.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

    from os_vif.engine.memos.known_rows import KnownRows
    from os_vif.engine.ovs.ovs_existing_ports import ExistingPorts
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import OvsdbTarget, Plan

#: The number of remembered plans of a plugin: more than a large host has VIFs. A plan takes about
#: 10 kB.
_MAX_PLANS = 2048


class KnownPlan(NamedTuple):
    """A plan whose steps of Open vSwitch hold with certain rows."""

    plan: Plan
    switch: OvsdbTarget
    #: The steps for the kernel.
    kernel_steps: tuple[KernelStep, ...]
    #: The steps for the record of the VIF.
    records: tuple[KernelStep, ...]
    #: The devices of ``kernel_steps`` that the daemon locks.
    devices: frozenset[str]
    #: The rows from which the plan was made, and with which the plan was compared.
    rows: KnownRows
    #: The ports in the rows.
    ports: ExistingPorts


class PlanMemo:
    """The remembered plan of a VIF with certain contents and options, if there is one."""

    def __init__(self) -> None:
        #: Replaced as a whole, so that several threads may plug the same VIF.
        self.known: KnownPlan | None = None


class PlanMemos:
    """The memos of a plugin, by everything that a plan depends on apart from the host.

    Several threads may call the methods at a time. There is no lock, which a fork would copy. A
    forked child keeps the memos: a memo has no connection.
    """

    def __init__(self) -> None:
        self._memos: dict[Hashable, PlanMemo] = {}

    def get(self, inputs: Hashable) -> PlanMemo:
        """Return the memo for inputs of a plan. The oldest memo is dropped if there are too many."""
        memo = self._memos.get(inputs)
        if memo is None:
            memo = self._memos.setdefault(inputs, PlanMemo())
            if len(self._memos) > _MAX_PLANS:
                # A copy, because other threads may add memos during an iteration.
                self._memos.pop(list(self._memos)[0], None)  # noqa: RUF015 - see above
        return memo
