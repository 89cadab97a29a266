# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The split of a batch finds the plans that fail alone, and carries out all other plans once."""

from __future__ import annotations

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st

from os_vif import exception
from os_vif.engine import batch_runner
from os_vif.engine.batch_runner import Job, conflict_keys, merge, run_many
from os_vif.steps import (
    DeleteLink,
    DeleteOvsPort,
    EnsureAddress,
    EnsureBridge,
    EnsureOvsPort,
    OvsdbTarget,
    SetLink,
)
from os_vif.steps.plan import Plan

SWITCH = OvsdbTarget("unix:/run/db.sock")


@dataclasses.dataclass
class Host:
    """A host on which some devices cannot be set up: a plan is applied as a whole or not at all."""

    bad: set[str]
    #: True if an error names the device.
    names_device: bool = True
    common: bool = False
    done: list[str] = dataclasses.field(default_factory=list)
    calls: int = 0

    def run(self, plan, module, records):
        self.calls += 1
        failing = [step.device for step in plan if step.device in self.bad]
        if failing and not plan.forward:
            raise self.error(failing)
        self.done += [step.device for step in plan if step.device not in self.bad]
        if failing:
            raise self.error(failing)
        return ()

    def error(self, failing):
        device = failing[0] if self.names_device else "a device"
        return exception.StepFailed(
            step="SetLink", device=device, reason="no", aftermath="", common=self.common
        )


def jobs_for(count, *, forward=False):
    plans = [Plan(SetLink(f"tap{number}", up=True)) for number in range(count)]
    return [Job(plan.going_forward() if forward else plan, None) for plan in plans]


@given(
    count=st.integers(0, 40),
    bad=st.sets(st.integers(0, 39)),
    names_device=st.booleans(),
    forward=st.booleans(),
)
def test_the_culprits_are_the_plans_that_fail_alone(count, bad, names_device, forward):
    host = Host({f"tap{number}" for number in bad}, names_device)
    jobs = jobs_for(count, forward=forward)
    run_many(jobs, host.run)
    failed = {number for number, job in enumerate(jobs) if job.error is not None}
    assert failed == {number for number in bad if number < count}
    assert set(host.done) == {f"tap{n}" for n in range(count) if n not in bad}
    if not forward:
        assert len(host.done) == count - len(failed)
    # Each culprit costs two calls for each halving of the batch, at most.
    assert host.calls <= 1 + 2 * len(failed) * (count.bit_length() + batch_runner._BLAMED)


def test_a_failure_of_the_host_is_the_error_of_all_plans_after_one_call():
    host = Host({"tap3"}, common=True)
    jobs = jobs_for(9)
    run_many(jobs, host.run)
    assert host.calls == 1
    assert [str(job.error) for job in jobs] == [str(jobs[0].error)] * 9
    assert len({id(job.error) for job in jobs}) == 9


def test_a_batch_is_run_in_chunks_of_plans_and_of_steps(monkeypatch):
    monkeypatch.setattr(batch_runner, "MAX_PLANS", 4)
    host = Host(set())
    run_many(jobs_for(9), host.run)
    assert host.calls == 3
    monkeypatch.setattr(batch_runner, "MAX_STEPS", 2)
    run_many(jobs_for(9), host.run)
    assert host.calls == 3 + 5


@given(st.lists(st.lists(st.sampled_from(["kernel", "ovs"]), max_size=6), min_size=1, max_size=8))
def test_a_merged_plan_keeps_the_order_of_each_plan_in_few_phases(shapes):
    plans = [
        Plan(
            *(
                SetLink(f"k{number}x{at}", up=True)
                if kind == "kernel"
                else EnsureOvsPort("br", f"o{number}x{at}")
                for at, kind in enumerate(shape)
            ),
            switch=SWITCH,
        )
        for number, shape in enumerate(shapes)
    ]
    merged = list(merge(plans))
    for plan in plans:
        assert [step for step in merged if step in plan.steps] == list(plan.steps)
    assert len(merged) == sum(map(len, plans))
    groups = 1 + sum(a.executor != b.executor for a, b in itertools.pairwise(merged))
    most = max(1 + sum(a != b for a, b in itertools.pairwise(shape)) for shape in shapes)
    assert groups <= most + 1


def test_plans_about_a_port_or_about_moved_addresses_are_not_merged():
    assert conflict_keys(Plan(EnsureOvsPort("br", "p"), switch=SWITCH)) == {("port", "p")}
    assert conflict_keys(Plan(DeleteOvsPort("p"), switch=SWITCH)) == {("port", "p")}
    assert conflict_keys(Plan(EnsureAddress("br", "192.0.2.1/24"))) == {("device", "br")}
    assert (
        conflict_keys(Plan(EnsureBridge("br"), SetLink("br", up=True), DeleteLink("x"))) == set()
    )
