# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Recognizes the plan of a correctly plugged VIF, which needs no lock and no change.

The rows of Open vSwitch are from a single request, and the devices were not changed while being
read. Another running plan of the same VIF, which may be rolled back, is recognized by the ports:
ovs-vswitchd has not opened the ports yet. The VIF is then plugged with locks.

A plan that holds is remembered in a memo (:mod:`os_vif.engine.memos.plan_memo`), so that the next plug
of the VIF compares the rows alone, instead of making the plan.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.engine import step_records
from os_vif.engine.memos.known_rows import KnownRows
from os_vif.engine.memos.plan_memo import KnownPlan
from os_vif.engine.ovs.ovs_existing_ports import find_existing_ports
from os_vif.escape import described_error
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb import table_snapshot
from os_vif.host.ovsdb.query import ROOT
from os_vif.host.ovsdb.snapshot import noting_queries
from os_vif.host.ovsdb.transaction import Transaction
from os_vif.host.state import locks
from os_vif.steps.ovs.port import OWNER_ID, EnsureOvsPort
from os_vif.steps.ovs.step import OvsStep
from os_vif.steps.ovs.vswitchd import has_seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from os_vif.engine.kernel import KernelExecutor
    from os_vif.engine.memos.plan_memo import PlanMemo
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.host.ovsdb.connection import Ovsdb
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import Pairs
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)


def is_plugged(
    plan: Plan,
    kernel: KernelExecutor,
    records: Sequence[KernelStep],
    memo: PlanMemo | None = None,
) -> bool:
    """Return whether all steps of the plan of a plug hold, as read without locks.

    False if unknown: outside of a block of :mod:`os_vif.host.ovsdb.table_snapshot`, if the host
    cannot be read, or if the plan changes devices after ports.

    :param records: the steps for the records of the VIFs of the plan.
    :param memo: remembers the plan of a VIF if all steps hold. The plan was made in the same block of
        :func:`os_vif.host.ovsdb.snapshot.noting_queries`.
    """
    with noting_queries() as noted:
        known = find_known_plan(plan, records, noted)
    if known is None:
        return False
    try:
        if known.ports.with_stale_device() or not kernel.holds([*known.kernel_steps, *records]):
            return False
    except Exception as error:  # noqa: BLE001 - the run of the plan reports the error
        LOG.debug("Cannot tell whether a plan holds: %s", described_error(error))
        return False
    if memo is not None:
        memo.known = known
    return True


def find_known_plan(
    plan: Plan, records: Sequence[KernelStep], noted: Mapping[Query, None]
) -> KnownPlan | None:
    """Return a plan with the rows of the block, if all steps of Open vSwitch hold.

    None if unknown, as for :func:`is_plugged`.

    :param noted: the queries of the plan. The calling block of
        :func:`os_vif.host.ovsdb.snapshot.noting_queries` adds the queries of this call.
    """
    if plan.forward or plan.switch is None:
        return None
    steps: list[Any] = list(plan)
    first = next((n for n, step in enumerate(steps) if isinstance(step, OvsStep)), len(steps))
    before, rest = steps[:first], steps[first:]
    if not all(isinstance(step, OvsStep) for step in rest):
        return None
    ids = () if plan.record is None else ((OWNER_ID, plan.record.owner),)
    try:
        snapshot = table_snapshot.shared_snapshot(plan.switch, rest)
        if snapshot is None or not _is_switched(rest, snapshot, ids):
            return None
        ports, rows = find_existing_ports(snapshot, rest), KnownRows(noted, snapshot)
    except Exception as error:  # noqa: BLE001 - the run of the plan reports the error
        LOG.debug("Cannot tell whether a plan holds: %s", described_error(error))
        return None
    devices = frozenset(device for step in before if step.is_counted for device in step.devices)
    return KnownPlan(plan, plan.switch, tuple(before), tuple(records), devices, rows, ports)


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
    return True


def still_holds(memo: PlanMemo) -> bool:
    """Return whether the plan of a memo would be made again, and holds.

    The rows, the devices and the record of the VIF are read now. False if there is no plan, or if the
    host cannot be read; the plan is then made again. The call is in a block of
    :func:`os_vif.host.ovsdb.table_snapshot.shared_rows`.
    """
    known = memo.known
    if known is None:
        return False
    try:
        ovsdb = table_snapshot.shared_connection(known.switch)
        if ovsdb is None or not known.rows.request(ovsdb):
            return False
        # The devices are read while ovsdb-server answers.
        if known.ports.with_stale_device() or not _hold_now(known, ovsdb):
            return False
    except (OSError, exception.OvsdbError) as error:
        LOG.debug("Cannot tell whether a plan still holds: %s", described_error(error))
        return False
    step_records.report_held(known.plan)
    return True


def _hold_now(known: KnownPlan, ovsdb: Ovsdb) -> bool:
    """Return whether all steps of a plan hold, read without a running plan.

    :param ovsdb: the connection, with a request for the rows of the plan.
    """
    with rtnetlink.opened() as uncached, uncached.cached() as net:
        if not known.devices:
            return devices_hold(known, net) and known.rows.are_in_answer(ovsdb)
        generations = locks.read_generations(net.netns, known.devices)
        return (
            generations is not None
            and devices_hold(known, net)
            and known.rows.are_in_answer(ovsdb)
            and locks.read_generations(net.netns, known.devices) == generations
        )


def devices_hold(known: KnownPlan, net: Netlink) -> bool:
    """Return whether the steps of the kernel and of the record hold.

    No device of the steps may have the name as an alternative name: plugins refuse such a device, or
    make another plan.
    """
    for name in known.devices:
        link = net.resolve(name)
        if link is not None and link.name != name:
            return False
    return all(step.holds(net) for step in (*known.kernel_steps, *known.records))
