# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Compares the plans of many plugs with a single view of the host.

The block of :func:`os_vif.host.ovsdb.table_snapshot.shared_tables` and of
:func:`os_vif.host.netlink.link_table.shared_links` has the view. The view was read without locks: a plan
whose devices another plan changes meanwhile does not count as held.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.engine import recording, unchanged
from os_vif.engine.ovs.ovs_existing_ports import ExistingPorts
from os_vif.escape import described_error
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb import table_snapshot
from os_vif.host.ovsdb.snapshot import noting_queries
from os_vif.host.state import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from os_vif.engine.memos.plan_memo import KnownPlan, PlanMemo
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.host.ovsdb.query import Query
    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class Candidate:
    """The plan of a plug, which may hold."""

    plan: Plan
    #: Remembers the plan if the plan holds.
    memo: PlanMemo | None = None
    #: The remembered plan, if *plan* is the remembered plan and the rows are equal.
    known: KnownPlan | None = None
    #: The queries of the plan, if *plan* was made in this block.
    noted: dict[Query, None] = dataclasses.field(default_factory=dict)


def make_candidate(memo: PlanMemo | None, make_plan: Callable[[], Plan]) -> Candidate:
    """Return the plan of a memo if the plan would be made again; otherwise make the plan.

    :param make_plan: makes the plan, with the record of the VIF.
    """
    if memo is not None and (known := memo.known) is not None and _has_equal_rows(known):
        return Candidate(known.plan, memo, known)
    with noting_queries({}) as noted:
        return Candidate(make_plan(), memo, None, noted)


def _has_equal_rows(known: KnownPlan) -> bool:
    """Return whether the rows of a remembered plan are the rows of the block."""
    try:
        snapshot = table_snapshot.shared_snapshot(known.switch)
        return snapshot is not None and known.rows.are_in(snapshot)
    except exception.OvsdbError as error:
        LOG.debug("Cannot compare the rows of a plan: %s", described_error(error))
        return False


class BatchComparison:
    """The comparison of plans with the view of the block, from before the first read of a device."""

    def __init__(self) -> None:
        self._generations = locks.read_all_generations()

    def find_held(self, candidates: Sequence[Candidate]) -> list[bool]:
        """Return for each plan whether all steps hold. The plans that hold are remembered."""
        found: list[KnownPlan | None] = []
        for candidate in candidates:
            with noting_queries(candidate.noted):
                found.append(candidate.known or _known_plan(candidate))
        rows = tuple(row for known in found if known is not None for row in known.ports.rows)
        stale = set(ExistingPorts(rows).with_stale_device())
        try:
            with rtnetlink.opened() as net:
                held = [
                    known is not None
                    and stale.isdisjoint(step.device for step in known.plan if stale)
                    and unchanged.devices_hold(known, net)
                    for known in found
                ]
                are_current = self._are_current(found, net)
        except OSError as error:
            LOG.debug("Cannot compare devices with plans: %s", described_error(error))
            return [False] * len(candidates)
        result = [all(each) for each in zip(held, are_current, strict=True)]
        for candidate, known, holds in zip(candidates, found, result, strict=True):
            if holds and candidate.memo is not None:
                candidate.memo.known = known
        return result

    def _are_current(self, plans: Sequence[KnownPlan | None], net: Netlink) -> list[bool]:
        """Return for each plan whether no other plan has changed the devices since the first read."""
        generations = locks.read_all_generations()
        if generations == self._generations and locks.has_no_writer(generations):
            return [True] * len(plans)
        return [
            known is not None
            and locks.are_unchanged(net.netns, known.devices, self._generations, generations)
            for known in plans
        ]


def _known_plan(candidate: Candidate) -> KnownPlan | None:
    """Return a plan with the rows, if the steps of Open vSwitch hold; None if unknown."""
    record = recording.step_for(candidate.plan)
    return unchanged.find_known_plan(
        candidate.plan, () if record is None else (record,), candidate.noted
    )
