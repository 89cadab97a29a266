# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reports of plugs and unplugs, with the real kernel and Open vSwitch."""

from __future__ import annotations

import json
import logging
import subprocess

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.operations.report import Outcome, StepState
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")

QBR, QVB, QVO = "qbr0a0b0c0d-11", "qvb0a0b0c0d-11", "qvo0a0b0c0d-11"


@pytest.fixture
def hybrid(br_int, daemon) -> objects.VIFBridge:
    """Return a VIF with a Linux bridge, a veth pair and a port of Open vSwitch."""
    return ovs_vif(objects.VIFBridge)


def states_of(report):
    """Return the state of each step by class and device."""
    return {(record.name, record.step.device): record.state for record in report.steps}


def test_a_first_plug_has_each_step_with_the_change_the_command_and_the_duration(hybrid):
    report = os_vif.apply(hybrid, INSTANCE)
    assert (report.operation, report.outcome) == ("plug", Outcome.CHANGED)
    assert (report.kind, report.plugin, report.vif_id) == ("VIFBridge", "ovs", hybrid.id)
    assert [record.step for record in report.steps] == list(os_vif.plan(hybrid, INSTANCE))
    states = states_of(report)
    assert states["EnsureOvsBridge", "br-int"] is StepState.HELD
    assert states["EnsureVeth", QVB] is StepState.CHANGED
    for record in report.steps:
        if record.state is StepState.CHANGED:
            assert record.differences, record
            assert record.undo, record
            assert report.started <= record.started <= report.started + report.seconds + 1
            assert 0 <= record.seconds <= report.seconds
    port = next(record for record in report.steps if record.name == "EnsureOvsPort")
    assert [(d.found, d.expected) for d in port.differences] == [("missing", "in br-int")]
    assert "del-port" in port.undo[0]


def test_a_second_plug_holds_and_a_repair_changes_one_step_from_to(hybrid):
    os_vif.plug(hybrid, INSTANCE)
    again = os_vif.apply(hybrid, INSTANCE)
    assert (again.outcome, again.changed) == (Outcome.HELD, 0)
    assert set(states_of(again).values()) == {StepState.HELD}

    run(f"ip link set dev {QVB} mtu 1300")
    repaired = os_vif.apply(hybrid, INSTANCE)
    (record,) = (r for r in repaired.steps if r.state is StepState.CHANGED)
    assert (record.name, record.step.device) == ("SetLink", QVB)
    assert [(d.attribute, d.found, d.expected) for d in record.differences] == [
        ("MTU", "1300", "1450")
    ]
    assert record.undo == (f"ip link set dev {QVB} mtu 1300  # if it is there",)


def test_a_change_of_a_row_has_the_value_before(hybrid, br_int):
    os_vif.plug(hybrid, INSTANCE)
    br_int.vsctl("set", "Interface", QVO, "external_ids:vm-uuid=other")
    report = os_vif.apply(hybrid, INSTANCE)
    (record,) = (r for r in report.steps if r.state is StepState.CHANGED)
    assert record.name == "EnsureOvsPort"
    assert [(d.found, d.expected) for d in record.differences] == [("other", INSTANCE.uuid)]


def test_an_unplug_has_each_removed_device_and_a_second_one_holds(hybrid):
    os_vif.plug(hybrid, INSTANCE)
    report = os_vif.apply(hybrid, INSTANCE, action="unplug")
    assert report.outcome is Outcome.CHANGED
    states = states_of(report)
    assert states["DeleteOvsPort", QVO] is StepState.CHANGED
    assert states["DeleteBridge", QBR] is StepState.CHANGED
    assert os_vif.apply(hybrid, INSTANCE, action="unplug").outcome is Outcome.HELD


def test_the_report_of_a_failed_plug_says_undone(hybrid):
    """The daemon rolls back the steps before the failed step."""
    run(f"ip link add name {QVO} type bridge")
    with pytest.raises(exception.PlugException) as raised:
        os_vif.apply(hybrid, INSTANCE)
    report = raised.value.report
    assert report.outcome is Outcome.UNDONE
    states = states_of(report)
    assert states["EnsureBridge", QBR] is StepState.UNDONE
    assert states["EnsureVeth", QVB] is StepState.FAILED
    assert states["EnsureOvsPort", QVO] is StepState.NOT_RUN
    assert report.changed == 0
    assert report.error == str(raised.value)
    assert subprocess.run(["ip", "link", "show", "dev", QBR], check=False).returncode == 1


def test_a_failure_of_open_vswitch_undoes_the_kernel_steps(hybrid, br_int):
    """The rollback is a second call of the daemon."""
    br_int.vsctl("add-bond", "br-int", "bond0", QVO, "other")
    with pytest.raises(exception.PlugException) as raised:
        os_vif.apply(hybrid, INSTANCE)
    states = states_of(raised.value.report)
    assert states["EnsureOvsPort", QVO] is StepState.FAILED
    assert states["EnsureVeth", QVB] is StepState.UNDONE
    assert raised.value.report.outcome is Outcome.UNDONE
    assert StepState.CHANGED not in states.values()


def test_plug_itself_carries_no_report_and_keeps_its_result(hybrid):
    assert os_vif.plug(hybrid, INSTANCE) is None
    assert os_vif.unplug(hybrid, INSTANCE) == ()
    run(f"ip link add name {QBR} type veth peer name other")
    with pytest.raises(exception.PlugException) as raised:
        os_vif.plug(hybrid, INSTANCE)
    assert raised.value.report is None


def test_the_report_as_data_is_json_and_as_text_has_a_line_for_each_step(hybrid):
    report = os_vif.apply(hybrid, INSTANCE)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["outcome"] == "changed"
    assert data["changed"] == report.changed
    veth = next(step for step in data["steps"] if step["step"] == "EnsureVeth")
    assert veth["fields"] == {"name": QVB, "peer": QVO, "mtu": 1450}
    assert veth["commands"][0].startswith(f"ip link add name {QVB} mtu 1450 type veth")
    assert veth["differences"][0]["from"] == "missing"
    lines = str(report).splitlines()
    assert lines[0].startswith(f"plug of VIFBridge {hybrid.id}: changed, 11 of 12 steps")
    assert "          device: missing -> a bridge" in lines


def test_log_and_report_have_the_same_steps(hybrid, caplog):
    caplog.set_level(logging.DEBUG, "os_vif.steps")
    report = os_vif.apply(hybrid, INSTANCE)
    logged = [r.getMessage().split(" ")[0] for r in caplog.records if not r.step_held]
    # The record of the VIF is no step of the plan.
    logged = [name for name in logged if name != "WriteVifRecord"]
    assert logged == [r.name for r in report.steps if r.state is StepState.CHANGED]


def test_an_unknown_action_is_refused(hybrid):
    with pytest.raises(exception.InvalidField, match="action is 'remove'; expected 'plug'"):
        os_vif.apply(hybrid, INSTANCE, action="remove")
