# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs and checks steps of Open vSwitch within a plan: transactions, waits and rollbacks in order.

Consecutive steps are a transaction. ovs-vswitchd applies a transaction while later steps of the
plan run, unless a step requires a wait (:class:`os_vif.steps.ovs.step.Wait`).
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from os_vif.engine.failure import StepFailure
from os_vif.engine.ovs import ovs_transaction
from os_vif.steps.ovs.port import OWNER_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from os_vif.engine.executor import Progress
    from os_vif.engine.ovs.ovs_existing_ports import ExistingPorts
    from os_vif.engine.ovs.ovs_transaction import CommittedTransaction, Session
    from os_vif.host.ovsdb.transaction import Pairs
    from os_vif.steps.ovs.step import OvsStep
    from os_vif.steps.plan import Difference, OvsdbTarget, Plan

LOG = logging.getLogger(__name__)


class OvsExecutor:
    """Runs steps of Open vSwitch through the connection of a plan.

    :param switch: the database.
    :param session: the connection, with the rows that were read when the plan began.
    :param forward: whether to go on when ovs-vswitchd is late, as an unplug does.
    :param port_ids: ``external_ids`` for each new port of a VIF.
    """

    def __init__(
        self, switch: OvsdbTarget, session: Session, *, forward: bool, port_ids: Pairs = ()
    ) -> None:
        self._port_ids = port_ids
        self._wait = switch.wait
        self._session = session
        self._forward = forward
        #: The existing ports. The open ones have not been checked for a deleted device yet, or had
        #: none.
        self._ports: ExistingPorts = session.ports
        #: The steps of ports without a device that ovs-vswitchd could open.
        self._closed: list[OvsStep] = [*session.ports.closed]
        #: The transactions that ovs-vswitchd may not have applied yet.
        self._pending: list[CommittedTransaction] = []

    @contextlib.contextmanager
    def idle(self) -> Iterator[None]:
        """Exclude the duration of the block from the timeout of Open vSwitch."""
        with self._session.ovsdb.time_excluded():
            yield

    def run(self, steps: Sequence[OvsStep], progress: Progress) -> None:
        """Commit consecutive steps, and wait for ovs-vswitchd if a step requires that."""
        # The rows read when the plan began are current until the first change.
        snapshot = None if progress.has_changes else self._session.snapshot
        committed = ovs_transaction.commit(
            self._session.ovsdb, steps, snapshot, progress.records, port_ids=self._port_ids
        )
        progress.remaining += committed.remaining_bridges
        progress.undo.append(committed.roll_back)
        if self._wait or committed.always_waits:
            self._pending.append(committed)
        if committed.waits_before_next_step:
            self.finish()

    def finish(self) -> None:
        """Wait until ovs-vswitchd has applied all transactions of the plan.

        A forward plan does not fail when ovs-vswitchd is late: a warning is logged.

        :raises StepFailure: for the first step that ovs-vswitchd could not apply.
        """
        self._wait_for_vswitchd(self._pending)

    def _wait_for_vswitchd(self, transactions: list[CommittedTransaction]) -> None:
        """Wait for transactions, and remove each transaction from the list."""
        while transactions:
            committed = transactions.pop(0)
            try:
                committed.wait_for_vswitchd()
            except StepFailure as failure:
                if not self._forward or not committed.timed_out:
                    raise
                # ovs-vswitchd applies the content of the database later.
                LOG.warning(
                    "The database of Open vSwitch has the deletion of %s; ovs-vswitchd has not "
                    "applied it yet: %s", failure.device, failure.reason,
                )  # fmt: skip
                committed.start_rollback_deadline()
                for other in transactions:
                    LOG.warning(
                        "ovs-vswitchd has not applied the deletion of %s either", other.devices
                    )
                transactions.clear()

    def reopen_devices(self, progress: Progress) -> bool:
        """Delete and insert again the ports for which ovs-vswitchd holds a deleted device.

        ovs-vswitchd matches ports by name, and opens another device of the same name only after
        the deletion of the port. Two transactions are needed.

        :returns: whether ports were inserted again.
        """
        ovsdb = self._session.ovsdb
        names = self._ports.with_stale_device()
        if not names:
            return False
        self._ports = self._ports.without(names)
        deleted = ovs_transaction.commit(ovsdb, ovs_transaction.steps_to_delete(ovsdb, names))
        if not progress.has_changes:
            # The device may be missing, and be created by the plan.
            self._closed += deleted.undo
        progress.undo.append(deleted.roll_back)
        self._wait_for_vswitchd([deleted])
        self._wait_for_vswitchd([ovs_transaction.commit(ovsdb, deleted.undo)])
        return True

    def open_new_devices(self, progress: Progress) -> bool:
        """Wait until ovs-vswitchd has opened the devices that the plan created for existing ports.

        ovs-vswitchd opens such a device as soon as the kernel tells of it, sets the flag
        ``IFF_PROMISC``, and thereby can undo a change of ``IFF_UP``: it reads all flags, and writes
        all flags.

        :returns: whether there may have been such a device.
        """
        is_needed = self._wait and self._closed and progress.has_device_changes
        if not is_needed or self._forward:
            return False
        self._wait_for_vswitchd(
            [ovs_transaction.commit_unchanged(self._session.ovsdb, self._closed)]
        )
        return True


@contextlib.contextmanager
def connected(switch: OvsdbTarget, plan: Plan) -> Iterator[OvsExecutor]:
    """Connect to the database of a plan, and lock the ports of the plan, for the block.

    :raises StepFailure: if the database cannot be read; then nothing was done.
    """
    with ovs_transaction.open_session(switch, plan) as session:
        ids = () if plan.record is None else ((OWNER_ID, plan.record.owner),)
        yield OvsExecutor(switch, session, forward=plan.forward, port_ids=ids)


class OvsChecker:
    """Checks steps of Open vSwitch."""

    def __init__(self, switch: OvsdbTarget) -> None:
        self._switch = switch

    def check(self, steps: Sequence[OvsStep]) -> list[Difference]:
        """Return the differences of steps. Changes nothing.

        :raises StepFailure: if the database cannot be read.
        """
        return ovs_transaction.differences(self._switch, steps)
