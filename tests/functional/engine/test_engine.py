# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The engine and its privileged side: all of a plan, or nothing of it."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import DeleteBridge, EnsureBridge, SetLink, SetSysctl
from os_vif.steps.plan import Plan
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.daemons import DAEMON, daemon_pid
from tests.support.vifs import bridge_vif
from vif_plug_linux_bridge import privsep

pytestmark = pytest.mark.usefixtures("daemon")

STEPS = (
    EnsureBridge("brq-test"),
    *SetSysctl.hardening("brq-test", only_managed=False),
    SetLink("brq-test", mtu=1450),
    SetLink("brq-test", up=True),
    EnsureBridge("brq-more", ageing=0),
    SetLink("brq-more", mtu=1400, up=True),
)
#: The kernel refuses it: there is no such device.
FAILS = SetLink("missing", up=True)


@pytest.mark.short_form(4)
@pytest.mark.parametrize("k", range(len(STEPS) + 1))
def test_a_failure_at_step_k_leaves_the_host_as_it_was(k):
    """What was done before is undone, and the next run succeeds."""
    before = snapshot()
    with pytest.raises(exception.StepFailed, match="SetLink failed on missing: there is no dev"):
        runner.run(Plan(*STEPS[:k], FAILS, *STEPS[k:]), DAEMON)
    assert snapshot() == before
    runner.run(Plan(*STEPS), DAEMON)
    assert runner.check(Plan(*STEPS)) == ()


@pytest.mark.short_form(3)
@pytest.mark.parametrize("k", range(1, len(STEPS) + 1))
def test_a_failure_leaves_alone_what_was_there_before(k):
    """Undo restores settings of a bridge that somebody else made."""
    run("ip link add brq-test type bridge")
    run("ip link set brq-test mtu 1234 up")
    run("sysctl -qw net/ipv4/conf/brq-test/arp_ignore=2")
    before = snapshot()
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*STEPS[:k], FAILS), DAEMON)
    assert snapshot() == before


def test_undo_makes_a_deleted_bridge_again():
    """The bridge that a failed plan had deleted is there again, as it was."""
    runner.run(Plan(*STEPS), DAEMON)
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(DeleteBridge("brq-test"), DeleteBridge("brq-more"), FAILS), DAEMON)
    assert runner.check(Plan(*STEPS)) == ()
    data = ip("link", "show", "brq-more")[0]["linkinfo"]["info_data"]
    assert data["ageing_time"] == 0


def test_undo_does_not_take_away_what_another_has_joined():
    """A bridge that got a port meanwhile survives the undo of its creation."""
    undo = privsep.run([encode(EnsureBridge("brq-test"))])["undo"]
    run("ip link add port type veth peer name other && ip link set port master brq-test")
    assert privsep.run(undo)["error"] is None
    assert ip("link", "show", "brq-test")


def test_undo_does_not_take_away_a_namesake():
    """A bridge that was deleted and made again by somebody else is another bridge."""
    undo = privsep.run([encode(EnsureBridge("brq-test"))])["undo"]
    run("ip link del brq-test && ip link add brq-test type bridge")
    run("ip link set brq-test alias os-vif")
    assert privsep.run(undo)["error"] is None
    assert ip("link", "show", "brq-test")


def test_a_step_that_half_works_leaves_nothing_changed():
    """The kernel takes an MTU before it refuses to bring the device up."""
    run("ip link add name base type veth peer name other && ip link set dev base up")
    for name in ("q1", "q2"):
        run(f"ip link add name {name} link base type macvlan mode private")
        run(f"ip link set dev {name} address 02:00:00:00:00:01")
    run("ip link set dev q1 up")
    before = snapshot()
    with pytest.raises(exception.StepFailed, match="SetLink failed on q2"):
        runner.run(Plan(SetLink("q2", mtu=1300, up=True)), DAEMON)
    assert snapshot() == before


def test_undo_restores_values_that_no_plan_would_ask_for():
    """Whatever somebody gave the kernel, it has it again."""
    run("ip link add name brq-test type bridge forward_delay 2500")
    run("ip link set dev brq-test type bridge ageing_time 200000000")
    run("ip link set dev brq-test alias os-vif")
    pathlib.Path("/proc/sys/net/ipv4/conf/brq-test/arp_ignore").write_text("9")
    before = snapshot()
    plan = Plan(*SetSysctl.hardening("brq-test", only_managed=True), FAILS)
    with pytest.raises(exception.StepFailed):
        runner.run(plan, DAEMON)
    assert snapshot() == before
    with pytest.raises(exception.StepFailed, match="missing"):
        runner.run(Plan(DeleteBridge("brq-test"), FAILS), DAEMON)
    data = ip("link", "show", "brq-test")[0]["linkinfo"]["info_data"]
    assert (data["forward_delay"], data["ageing_time"]) == (2500, 200000000)


def test_a_failure_says_step_device_reason_and_what_was_undone():
    """The operator reads what failed, where, why, and what was done about it."""
    with pytest.raises(exception.StepFailed) as info:
        runner.run(Plan(EnsureBridge("brq-test"), FAILS), DAEMON)
    assert info.value.kwargs["step"] == "SetLink"
    assert info.value.kwargs["device"] == "missing"
    assert info.value.kwargs["errno"] == 19
    assert "Undone: 1" in str(info.value)


@pytest.mark.parametrize("cut", [0, 1, 3, 5])
def test_plug_converges_from_any_prefix_of_its_own_steps(vif, instance, cut):
    """What was killed in the middle is completed by the next plug, or taken off by unplug."""
    before = snapshot()
    for step in tuple(os_vif.plan(vif, instance))[:cut]:
        runner.run(Plan(step), DAEMON)
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    assert snapshot() == before


@pytest.mark.parametrize("wait", [0, 0.2], ids=["at once", "later"])
def test_a_daemon_that_was_killed_is_started_again(vif, instance, wait):
    """The next call works, or says that it is unknown what was done; nothing hangs."""
    os_vif.plug(vif, instance)
    os.kill(daemon_pid(), signal.SIGKILL)
    time.sleep(wait)
    try:
        os_vif.unplug(vif, instance)
    except exception.UnplugException as error:
        assert "unknown" in str(error)  # noqa: PT017 - the request may have been on its way
        assert not wait
        os_vif.unplug(vif, instance)
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_a_daemon_that_cannot_start_is_an_error_that_says_so(vif, instance):
    """No privileges, no plug: an os-vif error, with the reason."""
    from oslo_config import cfg

    cfg.CONF.set_override("helper_command", "false", group="vif_plug_linux_bridge_privileged")
    before = snapshot()
    try:
        with pytest.raises(exception.PlugException, match="helper_command sets the command"):
            os_vif.plug(vif, instance)
    finally:
        cfg.CONF.clear_override("helper_command", group="vif_plug_linux_bridge_privileged")
    assert snapshot() == before


def test_threads_plug_one_vif_and_others_of_its_bridge(vif, instance):
    """However many plug at once, all succeed, and one bridge is there."""
    vifs = [vif] * 4 + [bridge_vif(n) for n in range(2, 6)]
    os_vif.plug(vif, instance)  # starts the daemon here, in this namespace
    os_vif.unplug(vif, instance)
    errors: list[Exception] = []

    def plug(one):
        try:
            os_vif.plug(one, instance)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
            errors.append(error)

    threads = [threading.Thread(target=plug, args=(one,)) for one in vifs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert os_vif.check(vif, instance) == ()


FORGED = [
    None,
    7,
    "EnsureBridge",
    {"EnsureBridge": {}},
    [["EnsureBridge"]],
    [["EnsureBridge", {}]],
    [["EnsureBridge", {"name": "a/b"}]],
    [["EnsureBridge", {"name": "x" * 16}]],
    [["EnsureBridge", {"name": b"brq"}]],
    [["EnsureBridge", {"name": ["brq"]}]],
    [["EnsureBridge", {"name": "brq", "forward_delay": "0; reboot"}]],
    [["EnsureBridge", {"name": "brq", "stp": 2}]],
    [["EnsureBridge", {"name": "brq", "unknown": 1}]],
    [["EnsureBridge", {1: "brq"}]],
    [["Step", {}]],
    [["SetLink", {"name": "lo", "mtu": 0}]],
    [["EnsureBridge", {"name": "br%d"}]],
    [["SetSysctl", {"name": "all", "key": "disable_ipv6", "value": 1}]],
    [["SetSysctl", {"name": "default", "key": "disable_ipv6", "value": 1}]],
    [["SetLink", {"name": "lo", "up": "no"}]],
    [["SetSysctl", {"name": "lo", "key": "../../../kernel/hostname", "value": 1}]],
    [["SetSysctl", {"name": "..", "key": "arp_ignore", "value": 1}]],
    [["SetSysctl", {"name": "lo", "key": ["arp_ignore"], "value": 1}]],
    [["os.system", {"command": "true"}]],
]


@pytest.mark.short_form(8)
@pytest.mark.parametrize("message", FORGED, ids=repr)
def test_a_forged_message_changes_nothing(message):
    """A good step before a bad one is not run either; the answer is data."""
    before = snapshot()
    good = [encode(EnsureBridge("brq-test"))]
    for messages in (message, good + message if isinstance(message, list) else message):
        answer = privsep.run(messages)
        assert answer["error"]["step"] == "message"
        assert not answer["undo"]
    assert snapshot() == before


#: What msgpack can bring to the daemon.
_DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from(
        ["EnsureBridge", "SetLink", "SetSysctl", "DeleteBridge", "name", "lo", "key"]
    ),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.just("name"), children, max_size=4)
    ),
    max_leaves=12,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(messages=st.lists(st.lists(_DATA, max_size=3), min_size=1, max_size=3) | _DATA)
def test_the_daemon_answers_whatever_comes_with_data(messages):
    """It never raises, and never dies."""
    answer = privsep.run(messages)
    assert set(answer) == {"undo", "applied", "error", "refused"}
    # Data that happens to be a valid message is taken back.
    assert privsep.run(answer["undo"])["error"] is None
