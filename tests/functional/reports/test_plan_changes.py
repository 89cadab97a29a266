# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plan as a difference: the steps that would change the host now."""

from __future__ import annotations

import json

import pytest

import os_vif
from os_vif import objects
from os_vif.operations.plan_changes import Change
from os_vif.operations.report import StepState
from os_vif.testing.host_snapshots import snapshot
from os_vif.testing.private_namespaces import run
from tests.support.cases import CASES, Case, ovs_vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
SHORT = ("bare", "rules", "uplink", "ovs-hybrid", "ovs-own-bridge", "ovs-trunk")
#: Steps of a created device, which may have the value of the step from the kernel.
DEFAULTS = ("SetSysctl", "SetBridgeAddress")
#: A VLAN device of the plan, which the kernel sets up when the device below is set up
#: (vlan_device_event of net/8021q/vlan.c).
VLAN = "vlan100"
PARAMS = [
    case.param(marks=() if case.name in SHORT else [pytest.mark.soak])
    for plugin in ("linux_bridge", "ovs")
    for case in CASES[plugin]
    if not case.soak
]


@pytest.mark.parametrize("case", PARAMS)
def test_the_changes_of_the_plan_are_those_of_the_report(case: Case, daemon):
    """For a first and a second plug, and a first and a second unplug."""
    with case.prepared():
        for action in ("plug", "plug", "unplug", "unplug"):
            before = snapshot()
            changes = os_vif.preview(case.vif, INSTANCE, unplug=action == "unplug")
            assert snapshot() == before
            report = os_vif.apply(case.vif, INSTANCE, action)
            assert [p.step for p in changes.steps] == [r.step for r in report.steps]
            for planned, record in zip(changes.steps, report.steps, strict=True):
                may_hold = record.name in DEFAULTS or record.step.device == VLAN
                if planned.change is Change.CHANGES and may_hold:
                    continue
                held = record.state is StepState.HELD
                assert (planned.change is Change.HOLDS) == held, (action, planned, record)
                assert planned.change is not Change.UNKNOWN


def test_each_kind_of_change_has_its_mark(br_int, daemon):
    vif = ovs_vif(objects.VIFBridge)

    def marks(**options):
        return {
            (type(p.step).__name__, p.step.device): p.change
            for p in os_vif.preview(vif, INSTANCE, **options).steps
        }

    first = marks()
    assert first["EnsureBridge", "qbr0a0b0c0d-11"] is Change.MAKES
    assert first["SetLink", "qvb0a0b0c0d-11"] is Change.CHANGES
    assert first["EnsureOvsBridge", "br-int"] is Change.HOLDS
    assert first["EnsureOvsPort", "qvo0a0b0c0d-11"] is Change.MAKES
    os_vif.plug(vif, INSTANCE)
    assert set(marks().values()) == {Change.HOLDS}
    removed = marks(unplug=True)
    assert removed["DeleteOvsPort", "qvo0a0b0c0d-11"] is Change.REMOVES
    assert removed["DeleteBridge", "qbr0a0b0c0d-11"] is Change.REMOVES


def test_a_bridge_that_another_vif_uses_is_not_removed(daemon, vif):
    """The plan of the last VIF removes the bridge."""
    other = objects.VIFBase.obj_from_primitive(vif.obj_to_primitive())
    other.id, other.vif_name = "20000000-0000-4000-8000-000000000000", "tap20000000-00"
    os_vif.plug(vif, INSTANCE)
    os_vif.plug(other, INSTANCE)

    def deletion():
        steps = os_vif.preview(vif, INSTANCE, unplug=True).steps
        return next(p.change for p in steps if type(p.step).__name__ == "DeleteBridge")

    assert deletion() is Change.HOLDS
    os_vif.unplug(other, INSTANCE)
    assert deletion() is Change.REMOVES


def test_a_switch_that_cannot_be_read_makes_its_steps_unknown(namespace, daemon, ovs_options):
    ovs_options(ovsdb_connection="unix:/nonexistent/db.sock", ovs_vsctl_timeout=1)
    changes = os_vif.preview(ovs_vif(objects.VIFBridge), INSTANCE)
    unknown = [p for p in changes.steps if p.change is Change.UNKNOWN]
    assert {type(p.step).__name__ for p in unknown} == {"EnsureOvsBridge", "EnsureOvsPort"}
    (reason,) = changes.reasons()
    assert "/nonexistent/db.sock" in reason


def test_the_command_prints_only_changes_and_a_summary(
    namespace, vif_json, quick_commands, os_vif
):
    done = os_vif("plan", vif_json)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "+ EnsureBridge brq-test: device missing -> a bridge"
    assert done.stdout.splitlines()[-1] == "6 steps: 2 to make, 4 to change; 0 held already"
    os_vif("plug", vif_json)
    assert os_vif("plan", vif_json).stdout == "6 steps: nothing to do\n"
    run("ip link set dev brq-test mtu 1300")
    assert os_vif("plan", vif_json).stdout.splitlines() == [
        "~ SetLink brq-test: MTU 1300 -> 1450",
        "6 steps: 1 to change; 5 held already",
    ]
    whole = os_vif("plan", "--all", vif_json).stdout.splitlines()
    assert len(whole) == 7
    assert "= EnsureBridge brq-test" in whole
    assert "- DeleteBridge brq-test" in os_vif("plan", "--unplug", vif_json).stdout


def test_the_command_prints_typed_steps_as_json_and_commands_as_a_script(
    namespace, vif_json, quick_commands, os_vif
):  # fmt: skip
    data = json.loads(os_vif("plan", "-f", "json", vif_json).stdout)
    assert data["summary"] == {"makes": 2, "changes": 4, "removes": 0, "holds": 0, "unknown": 0}
    link = data["steps"][-1]
    assert (link["change"], link["step"], link["fields"]["mtu"]) == ("~", "SetLink", 1450)
    assert link["commands"] == ["ip link set dev brq-test mtu 1450 up"]
    script = os_vif("plan", "-f", "sh", vif_json).stdout
    assert script.splitlines() == [c for step in data["steps"] for c in step["commands"]]
