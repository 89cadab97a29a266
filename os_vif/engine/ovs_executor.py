# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs and checks steps of Open vSwitch within a plan: transactions, waits and rollbacks in order.

Consecutive steps are one transaction. ovs-vswitchd carries out a transaction while later steps of
the plan run, unless a step has to be carried out before the next one.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from os_vif.engine import ovs
from os_vif.engine.failure import StepFailure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.engine.executor import Progress
    from os_vif.engine.ovs import Committed, Session
    from os_vif.steps.ovs.rows import OvsStep
    from os_vif.steps.plan import Difference, OvsdbTarget, Plan

LOG = logging.getLogger(__name__)


class OvsExecutor:
    """Runs steps of Open vSwitch through the connection of a plan.

    :param switch: the database.
    :param session: the connection, with the rows that were read when the plan began.
    :param forward: whether to go on when ovs-vswitchd is late, as an unplug does.
    """

    def __init__(self, switch: OvsdbTarget, session: Session, *, forward: bool) -> None:
        self._wait = switch.wait
        self._session = session
        self._forward = forward
        #: The transactions that ovs-vswitchd may be carrying out.
        self._unsettled: list[Committed] = []

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """Exclude the duration of the block from the timeout of Open vSwitch."""
        with self._session.ovsdb.idle():
            yield

    def run(self, steps: Sequence[OvsStep], progress: Progress) -> None:
        """Commit consecutive steps, and wait for ovs-vswitchd if a step requires that."""
        # The rows that were read when the plan began are current until the first change.
        snapshot = None if progress.has_changes else self._session.look
        committed = ovs.commit(self._session.ovsdb, steps, snapshot)
        progress.remaining += committed.left
        progress.undo.append(committed.take_back)
        if self._wait or any(step.settles for step in steps):
            self._unsettled.append(committed)
        if not all(step.lingers for step in steps):
            self.finish()

    def finish(self) -> None:
        """Wait until ovs-vswitchd has carried out all transactions of the plan.

        A forward plan does not fail when ovs-vswitchd is late: a warning is logged.

        :raises StepFailure: for the first step that ovs-vswitchd could not carry out.
        """
        self._settle(self._unsettled)

    def _settle(self, transactions: list[Committed]) -> None:
        while transactions:
            committed = transactions.pop(0)
            try:
                committed.settle()
            except StepFailure as failure:
                if not self._forward or not committed.late:
                    raise
                # ovs-vswitchd carries out the present content of the database later.
                LOG.warning(
                    "The database of Open vSwitch has the deletion of %s; ovs-vswitchd has not "
                    "carried it out yet: %s", failure.device, failure.reason,
                )  # fmt: skip
                committed.go_on()
                for other in transactions:
                    LOG.warning("Nor that of %s", other.devices)
                transactions.clear()

    def reopen_devices(self, progress: Progress) -> bool:
        """Delete and insert again the ports whose device ovs-vswitchd has open, but is gone.

        ovs-vswitchd matches ports by name, and opens another device of the same name only after it
        has seen the port deleted. This takes two transactions.

        :returns: whether ports were inserted again.
        """
        session = self._session
        names = session.held.lost()
        if not names:
            return False
        session.held = session.held.without(names)
        removals = ovs.removals(session.ovsdb, names)
        removed = ovs.commit(session.ovsdb, removals)
        progress.undo.append(removed.take_back)
        self._settle([removed])
        self._settle([ovs.commit(session.ovsdb, removed.undo)])
        return True


@contextlib.contextmanager
def connected(switch: OvsdbTarget, plan: Plan) -> Iterator[OvsExecutor]:
    """Connect to the database of a plan, and lock the ports of the plan, for the block.

    :raises StepFailure: if the database cannot be read; then nothing was done.
    """
    with ovs.opened(switch, plan) as session:
        yield OvsExecutor(switch, session, forward=plan.forward)


class OvsChecker:
    """Checks steps of Open vSwitch."""

    def __init__(self, switch: OvsdbTarget) -> None:
        self._switch = switch

    def check(self, steps: Sequence[OvsStep]) -> list[Difference]:
        """Return the differences of steps. Changes nothing.

        :raises StepFailure: if the database cannot be read.
        """
        return ovs.differences(self._switch, steps)
