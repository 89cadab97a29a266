# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Recognizes the plan of a correctly plugged VIF, which needs no lock and no change.

The rows of Open vSwitch are from a single request, and the devices were not changed while being
read. Another running plan of the same VIF, which may be rolled back, is recognized by the ports:
ovs-vswitchd has not opened the ports yet. The VIF is then plugged with locks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from os_vif.engine.ovs.ovs_existing_ports import find_existing_ports
from os_vif.escape import described_error
from os_vif.host.ovsdb import table_snapshot
from os_vif.host.ovsdb.query import ROOT
from os_vif.host.ovsdb.transaction import Transaction
from os_vif.steps.ovs.port import OWNER_ID, EnsureOvsPort
from os_vif.steps.ovs.step import OvsStep
from os_vif.steps.ovs.vswitchd import has_seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.engine.kernel import KernelExecutor
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import Pairs
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)


def is_plugged(plan: Plan, kernel: KernelExecutor, records: Sequence[KernelStep]) -> bool:
    """Return whether all steps of the plan of a plug hold, as read without locks.

    False if unknown: if the rows of Open vSwitch were not read when the plan was made, if the host
    cannot be read, or if the plan changes devices after ports.

    :param records: the steps for the records of the VIFs of the plan.
    """
    if plan.forward or plan.switch is None:
        return False
    snapshot = table_snapshot.shared_snapshot(plan.switch)
    if snapshot is None:
        return False
    steps: list[Any] = list(plan)
    first = next((n for n, step in enumerate(steps) if isinstance(step, OvsStep)), len(steps))
    before, rest = steps[:first], steps[first:]
    if not all(isinstance(step, OvsStep) for step in rest):
        return False
    ids = () if plan.record is None else ((OWNER_ID, plan.record.owner),)
    try:
        return _is_switched(rest, snapshot, ids) and kernel.holds([*before, *records])
    except Exception as error:  # noqa: BLE001 - the run of the plan reports the error
        LOG.debug("Cannot tell whether a plan holds: %s", described_error(error))
        return False


def _is_switched(steps: Sequence[OvsStep], snapshot: Snapshot, port_ids: Pairs) -> bool:
    """Return whether steps of Open vSwitch make no change, and ovs-vswitchd has applied the steps.

    :param port_ids: ``external_ids`` for each new port of a VIF.
    """
    snapshot.prefetch(steps, [ROOT])
    if snapshot.row(ROOT) is None:
        return False
    transaction = Transaction[OvsStep](port_ids)
    for step in steps:
        step.add_operations(snapshot, transaction.owned_by(step))
        if transaction or step.vswitchd_error(snapshot) is not None:
            return False
        if isinstance(step, EnsureOvsPort):
            interface = snapshot.interface(step.name)
            if interface is None or not has_seen(interface):
                return False
    return not find_existing_ports(snapshot, steps).with_stale_device()
