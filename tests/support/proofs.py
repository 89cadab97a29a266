# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Proofs about any VIF on its host: what a failure at each step leaves."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from testbed.namespaces import differs, snapshot, without_indexes

DAEMON = "vif_plug_linux_bridge.privsep"


#: The kernel refuses it: there is no such device.
FAILS = SetLink("missing", up=True)


def cut(plan: Plan, k: int) -> Plan:
    """The plan with a step that fails at that place."""
    return Plan(*plan.steps[:k], FAILS, *plan.steps[k:], switch=plan.switch)


def faults(case, instance):
    """What of a plugged VIF does not hold, but for what waits for a hypervisor."""
    return [d for d in os_vif.check(case.vif, instance) if not d.pending]


def prove_that_a_failure_at_each_step_leaves_the_host_as_it_was(case, instance):
    """Links, addresses, routes, rules, sysctls, files; and the next plug succeeds."""
    before = snapshot()
    plan = os_vif.plan(case.vif, instance)
    for k in range(len(plan) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(cut(plan, k), DAEMON)
        assert "by hand" not in str(info.value)
        assert differs(without_indexes(before), indexes=False) == [], plan.steps[k - 1]
    os_vif.plug(case.vif, instance)
    assert faults(case, instance) == []


def prove_that_a_rolled_back_unplug_leaves_the_vif_plugged(case, instance):
    """As one is that is interrupted: what was deleted is made again, as it was."""
    before = snapshot()
    os_vif.plug(case.vif, instance)
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    os_vif.plug(case.vif, instance)
    plugged = snapshot()
    plan = os_vif.plan(case.vif, instance, unplug=True)
    for k in range(len(plan) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(cut(plan, k), DAEMON)
        assert "by hand" not in str(info.value)
        assert differs(without_indexes(plugged), indexes=False) == [], plan.steps[k - 1]
    os_vif.unplug(case.vif, instance)
    assert differs(without_indexes(unplugged), indexes=False) == []
    if not (case.keeps_bridge or case.loses_bridge or case.keeps_device):
        assert unplugged == before
