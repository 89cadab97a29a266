# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Proofs about a VIF on its host: a failure at each step leaves no trace."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes

DAEMON = "vif_plug_linux_bridge.privsep"


#: A failing step: the device does not exist.
FAILS = SetLink("missing", up=True)


def with_failing_step(plan: Plan, k: int) -> Plan:
    """Return the plan with a failing step at position *k*."""
    return Plan(*plan.steps[:k], FAILS, *plan.steps[k:], switch=plan.switch)


def enforced_differences(case, instance):
    """Return the differences of a plugged VIF, without pending differences."""
    return [d for d in os_vif.check(case.vif, instance) if not d.pending]


def prove_that_a_failure_at_each_step_leaves_the_host_as_it_was(case, instance):
    """Compare links, addresses, routes, rules, sysctls and files; then check that a plug
    succeeds.
    """
    before = snapshot()
    plan = os_vif.plan(case.vif, instance)
    for k in range(len(plan) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(with_failing_step(plan, k), DAEMON)
        assert "by hand" not in str(info.value)
        assert differences(without_indexes(before), indexes=False) == [], plan.steps[k - 1]
    os_vif.plug(case.vif, instance)
    assert enforced_differences(case, instance) == []


def prove_that_a_rolled_back_unplug_leaves_the_vif_plugged(case, instance):
    """Check that the rollback of an interrupted unplug restores all deleted devices and
    settings.
    """
    before = snapshot()
    os_vif.plug(case.vif, instance)
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    os_vif.plug(case.vif, instance)
    plugged = snapshot()
    plan = os_vif.plan(case.vif, instance, unplug=True)
    for k in range(len(plan) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(with_failing_step(plan, k), DAEMON)
        assert "by hand" not in str(info.value)
        assert differences(without_indexes(plugged), indexes=False) == [], plan.steps[k - 1]
    os_vif.unplug(case.vif, instance)
    assert differences(without_indexes(unplugged), indexes=False) == []
    if not (case.keeps_bridge or case.loses_bridge or case.keeps_device):
        assert unplugged == before
