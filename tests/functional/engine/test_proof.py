# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for every plan of every plugin: all of it, or nothing; and again, and again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import os_vif
from os_vif import exception, opts
from os_vif.engine import runner
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from tests.support.cases import ALL, CASES, KERNEL, PARAMS_HERE, Case
from tests.support.proofs import (
    DAEMON,
    enforced_differences,
    prove_that_a_failure_at_each_step_leaves_the_host_as_it_was,
    prove_that_a_rolled_back_unplug_leaves_the_vif_plugged,
    with_failing_step,
)

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture(
    params=[*PARAMS_HERE, *(case.param(marks=[pytest.mark.soak]) for case in KERNEL.values())]
)
def case(request, daemon) -> Iterator[Case]:
    """A host as the case has it."""
    with request.param.prepared():
        yield request.param


def test_every_plugin_has_cases():
    """Also one that was registered today."""
    assert CASES.keys() == opts.IN_TREE.keys()
    assert all(CASES.values())


def test_plug_and_unplug_again_change_nothing(case, instance):
    """Plug twice is plug; unplug twice is unplug; so is unplug without plug."""
    before = snapshot()
    if not case.loses_bridge:
        os_vif.unplug(case.vif, instance)
        assert differences(before) == []
    os_vif.plug(case.vif, instance)
    assert enforced_differences(case, instance) == []
    plugged = snapshot()
    os_vif.plug(case.vif, instance)
    assert differences(plugged) == []
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    os_vif.unplug(case.vif, instance)
    assert differences(unplugged) == []
    # The rules of a bridge that stays do, too, and so does the note of them.
    kept = ("iptables-", "ip6tables-") if case.keeps_bridge else ()
    assert [name for name in unplugged["files"] if not name.startswith(kept)] == []


def test_a_failure_at_each_step_of_plug_leaves_the_host_as_it_was(case, instance):
    """Links, addresses, routes, rules, sysctls, files; and the next plug succeeds."""
    prove_that_a_failure_at_each_step_leaves_the_host_as_it_was(case, instance)


def test_an_unplug_that_is_rolled_back_leaves_the_vif_plugged(case, instance):
    """As one is that is interrupted: what was deleted is made again, as it was."""
    prove_that_a_rolled_back_unplug_leaves_the_vif_plugged(case, instance)


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
            runner.run(with_failing_step(plan, k).going_forward(), DAEMON)
        assert "by hand:\n  ip link set dev missing" in str(info.value)
        assert differences(without_indexes(unplugged), indexes=False) == [], k


@pytest.mark.parametrize(
    "case",
    [case.param() for case in (KERNEL["ovs-own-bridge"], *ALL) if case.scenario and not case.soak],
    indirect=True,
)
def test_a_failure_at_each_step_of_plug_in_a_virtual_machine(case, instance):
    """Plug in the datapath of the kernel and on a VLAN. Soak tests do all of the above there."""
    prove_that_a_failure_at_each_step_leaves_the_host_as_it_was(case, instance)
