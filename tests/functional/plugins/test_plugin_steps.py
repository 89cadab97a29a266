# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin with a step of its own, installed by pip, with a privileged daemon of its own."""

from __future__ import annotations

import pytest

from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run

PLUG = 'os_vif.plug(vif("queues"), INSTANCE)'
UNPLUG = 'os_vif.unplug(vif("queues"), INSTANCE)'
CHECK = 'print(*os_vif.check(vif("queues"), INSTANCE), sep="\\n")'
#: The kernel refuses such an MTU of a veth device: the last step of the plan fails.
PLUG_BADLY = """
    error = error_of(os_vif.plug, vif("queues", mtu=70000), INSTANCE)
    assert type(error.__cause__) is exception.StepFailed
    assert error.__cause__.kwargs["step"] == "SetLink"
    print(error)
"""
DIRECTLY = """
import errno
import os_vif_queues_privsep as own
from os_vif_queues_steps import SetQueueLength
from os_vif.steps.wire import encode
"""

pytestmark = pytest.mark.usefixtures("namespace")


def queue_length(name: str = "tap-1") -> int:
    return ip("link", "show", name)[0]["txqlen"]


def test_the_plan_is_plugged_checked_and_unplugged(program):
    """Each in a process of its own."""
    before = snapshot()
    program(PLUG)
    assert queue_length() == 123
    plugged = snapshot()
    program(PLUG)
    assert differences(plugged) == []
    assert program(CHECK).strip() == ""
    run("ip link set dev tap-1 txqueuelen 9")
    assert program(CHECK).strip() == "tap-1: queue length is 9, should be 123"
    program(PLUG)
    assert differences(plugged) == []
    program(UNPLUG)
    assert differences(before) == []


def test_the_plan_shows_the_command_of_the_step(program):
    told = program('print(os_vif.plan(vif("queues"), INSTANCE))')
    assert "ip link set dev tap-1 txqueuelen 123" in told.splitlines()


def test_a_failed_plug_leaves_nothing(program):
    before = snapshot()
    told = program(PLUG_BADLY)
    assert "Undone: 2 changes before it" in told
    assert differences(before) == []


def test_a_failed_plug_restores_the_earlier_length(program):
    program(PLUG)
    run("ip link set dev tap-1 txqueuelen 9")
    before = snapshot()
    assert "Undone: 1 changes before it" in program(PLUG_BADLY)
    assert differences(before) == []
    assert queue_length() == 9


def test_the_caller_has_the_daemon_undo_the_step(program):
    """As after a failure of Open vSwitch later in a plan."""
    run("ip link add name tap-1 type veth peer name far; ip link set dev tap-1 alias os-vif")
    before = snapshot()
    program(
        DIRECTLY
        + """
answer = own.run([encode(SetQueueLength("tap-1", 7))])
assert answer["error"] is None, answer
answer = own.undo(answer["undo"])
assert (answer["undone"], list(answer["not_undone"])) == (1, []), answer
"""
    )
    assert differences(before) == []


def test_the_step_decides_on_each_device(program):
    """The rule of the step refuses the host's devices, and the daemon changes nothing."""
    run("ip link add name eth0 type veth peer name far")
    before = snapshot()
    program(
        DIRECTLY
        + """
answer = own.run([encode(SetQueueLength("eth0", 7))])
assert answer["error"]["errno"] == errno.EPERM, answer
assert "the device does not belong to a VIF" in answer["error"]["reason"]
"""
    )
    assert differences(before) == []


def test_our_daemons_accept_no_step_of_a_plugin(program):
    """Neither the daemon, nor the engine of the caller."""
    run("ip link add name tap-1 type veth peer name far; ip link set dev tap-1 alias os-vif")
    before = snapshot()
    program("""
        from os_vif import engine
        from os_vif.steps import Plan
        from os_vif.steps.wire import encode
        from os_vif_queues_steps import SetQueueLength
        import importlib
        step = SetQueueLength("tap-1", 7)
        for path in ("vif_plug_linux_bridge.privsep", "vif_plug_ovs.privsep",
                     "os_vif.plugins.sriov_privsep"):
            answer = importlib.import_module(path).run([encode(step)])
            assert "'SetQueueLength'" in answer["error"]["reason"], answer
            assert "expected a step out of" in answer["error"]["reason"]
            error = error_of(engine.run, Plan(step), path)
            assert type(error) is exception.StepFailed
            assert f"the daemon of {path} does not accept the step" in str(error)
    """)
    assert differences(before) == []
