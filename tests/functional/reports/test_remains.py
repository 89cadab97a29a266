# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reports of operations that leave something on the host: the kernel refuses, or a rollback fails."""

from __future__ import annotations

import dataclasses
import importlib

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine import runner, step_records
from os_vif.operations.report import Outcome, StepState
from os_vif.steps import EnsureBridge, EnsureVeth, SetLink
from os_vif.steps import plan as plans
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.daemons import DAEMON
from tests.support.ovs.bare_step import BareOvsStep

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
QVO = "qvo0a0b0c0d-11"
PAIR = EnsureVeth("qvb", "qvo")


@dataclasses.dataclass(frozen=True)
class Interrupted(BareOvsStep):
    """A step that ends with KeyboardInterrupt, or with an error."""

    stops: bool

    @property
    def device(self):
        return "odd"

    def add_operations(self, snapshot, transaction):
        raise KeyboardInterrupt if self.stops else OSError(16, "busy")


def states_of(plan):
    """Run a plan that fails; return the states of the steps."""
    with step_records.recording() as records, pytest.raises(BaseException):  # noqa: B017, PT011
        runner.run(plan, DAEMON)
    assert [record.step for record in records] == list(plan)
    return [record.state for record in records]


def test_an_unplug_that_the_kernel_refuses_a_step_reports_the_step_as_left(br_int, daemon):
    """The kernel has a loopback device that it does not delete, whatever its name."""
    vif = ovs_vif(objects.VIFBridge)
    os_vif.plug(vif, INSTANCE)
    run(
        f"ip link del dev {QVO}\nip link set dev lo down\nip link set dev lo name {QVO}\n"
        f"ip link set dev {QVO} alias os-vif"
    )
    with pytest.raises(exception.UnplugException) as raised:
        os_vif.apply(vif, INSTANCE, action="unplug")
    report = raised.value.report
    assert report.outcome is Outcome.LEFT
    states = {(record.name, record.step.device): record.state for record in report.steps}
    assert states["DeleteLink", QVO] is StepState.LEFT
    assert states["DeleteOvsPort", QVO] is StepState.CHANGED
    assert states["DeleteBridge", "qbr0a0b0c0d-11"] is StepState.CHANGED
    left = next(record for record in report.steps if record.state is StepState.LEFT)
    assert left.differences[0].expected == "gone"


def test_a_change_whose_rollback_fails_is_left_and_the_others_are_undone(
    switch, daemon, monkeypatch
):
    module = importlib.import_module(DAEMON)
    undo = module.undo

    def undo_but_the_bridge(messages):
        answer = undo([message for message in messages if message[0] != "DeleteBridge"])
        return answer | {"not_undone": ["ip link del dev brq-test  # busy"]}

    monkeypatch.setattr(module, "undo", undo_but_the_bridge)
    at = plans.OvsdbTarget(switch.connection, 10)
    plan = Plan(EnsureBridge("brq-test"), PAIR, Interrupted(stops=False), switch=at)
    bridge, veth, failed = states_of(plan)
    assert bridge is StepState.LEFT
    assert veth is StepState.UNDONE
    assert failed is StepState.FAILED


def test_steps_that_were_interrupted_may_remain(switch, daemon):
    """What they had done is unknown; the steps before them are undone."""
    before = snapshot()
    at = plans.OvsdbTarget(switch.connection, 10)
    plan = Plan(PAIR, Interrupted(stops=True), SetLink("qvb", up=True), switch=at)
    assert states_of(plan) == [StepState.UNDONE, StepState.LEFT, StepState.NOT_RUN]
    assert snapshot() == before


def test_a_daemon_that_dies_leaves_steps_that_may_remain(namespace, daemon, monkeypatch):
    def dies(messages):
        raise ConnectionResetError("the daemon has died")

    monkeypatch.setattr(importlib.import_module(DAEMON), "run", dies)
    assert states_of(Plan(PAIR)) == [StepState.LEFT]
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_the_report_costs_no_differences_without_a_caller(namespace, daemon, monkeypatch):
    """plug() reads no differences for a report that nobody receives."""
    counted = []
    original = SetLink.differences
    monkeypatch.setattr(
        SetLink, "differences", lambda step, net: counted.append(step) or original(step, net)
    )
    plan = Plan(EnsureBridge("brq-test"), SetLink("brq-test", up=True))
    runner.run(plan, DAEMON)
    # The first step does not hold, so that no other step is read.
    assert counted == []
    with step_records.recording():
        runner.run(plan, DAEMON)
    assert counted
