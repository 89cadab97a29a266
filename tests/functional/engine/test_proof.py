# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for every plan of every plugin: all of it, or nothing; and again, and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import os_vif
from os_vif import exception, opts
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from testbed.namespaces import differs, snapshot, without_indexes
from tests.support.cases import CASES, KERNEL, PARAMS, Case

pytestmark = pytest.mark.usefixtures("daemon")

DAEMON = "vif_plug_linux_bridge.privsep"
#: The kernel refuses it: there is no such device.
FAILS = SetLink("missing", up=True)


@pytest.fixture(
    params=[*PARAMS, *(case.param(marks=[pytest.mark.soak]) for case in KERNEL.values())]
)
def case(request, daemon) -> Iterator[Case]:
    """A host as the case has it."""
    with request.param.prepared():
        yield request.param


def test_every_plugin_has_cases():
    """Also one that was registered today."""
    assert CASES.keys() == opts.IN_TREE.keys()
    assert all(CASES.values())


def faults(case, instance):
    """What of a plugged VIF does not hold, but for what waits for a hypervisor."""
    return [d for d in os_vif.check(case.vif, instance) if not d.pending]


def cut(plan: Plan, k: int) -> Plan:
    """The plan with a step that fails at that place."""
    return Plan(*plan.steps[:k], FAILS, *plan.steps[k:], switch=plan.switch)


def test_plug_and_unplug_again_change_nothing(case, instance):
    """Plug twice is plug; unplug twice is unplug; so is unplug without plug."""
    before = snapshot()
    if not case.loses_bridge:
        os_vif.unplug(case.vif, instance)
        assert differs(before) == []
    os_vif.plug(case.vif, instance)
    assert faults(case, instance) == []
    plugged = snapshot()
    os_vif.plug(case.vif, instance)
    assert differs(plugged) == []
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    os_vif.unplug(case.vif, instance)
    assert differs(unplugged) == []
    # The rules of a bridge that stays do, too, and so does the note of them.
    kept = ("iptables-", "ip6tables-") if case.keeps_bridge else ()
    assert [name for name in unplugged["files"] if not name.startswith(kept)] == []


def test_a_failure_at_each_step_of_plug_leaves_the_host_as_it_was(case, instance):
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


def test_an_unplug_that_is_rolled_back_leaves_the_vif_plugged(case, instance):
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


def test_a_refusal_at_each_step_of_unplug_stops_none_of_the_others(case, instance):
    """The VIF is gone as after any unplug, and the error names the step that was refused."""
    os_vif.plug(case.vif, instance)
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    plan = os_vif.plan(case.vif, instance, unplug=True)
    for k in range(len(plan) + 1):
        os_vif.plug(case.vif, instance)
        # What there is to unplug, the plan has looked at.
        plan = os_vif.plan(case.vif, instance, unplug=True)
        with pytest.raises(exception.StepFailed, match="SetLink failed on missing") as info:
            runner.run(cut(plan, k).going_forward(), DAEMON)
        assert "by hand:\n  ip link set dev missing" in str(info.value)
        assert differs(without_indexes(unplugged), indexes=False) == [], k


@pytest.mark.parametrize("case", [KERNEL["ovs-own-bridge"].param()], indirect=True)
def test_a_failure_at_each_step_of_plug_in_the_kernel_s_datapath(case, instance):
    """The short form of what soak does there with each case, also when it is unplugged."""
    test_a_failure_at_each_step_of_plug_leaves_the_host_as_it_was(case, instance)
