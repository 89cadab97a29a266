# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The end and the restart of the daemon: no plug fails for a restart, and a kill is told."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
import time

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.engine.shared_calls import shared_protocol as protocol
from os_vif.testing.conformance_run import CaseRun
from os_vif.testing.host_snapshots import changes, ip, snapshot, without_addresses
from os_vif.testing.private_namespaces import private_namespace
from os_vif.testing.quick_daemons import use_helper
from tests.support.cases import ALL
from tests.support.shared_daemon.daemon_callers import MODULE, Caller, locked_state, netns
from tests.support.shared_daemon.shared_daemons import FRIEND, Call
from tests.support.vifs import bridge_vif

INSTANCE = objects.InstanceInfo(name="guest")
CASES = {case.name: case for case in ALL}
KILLED = [case.param() for case in ALL if case.vif.plugin == "linux_bridge" and not case.soak]


def plug_often(number: int, rounds: int) -> list[str]:
    """Plug and unplug a VIF many times; return the errors."""
    errors = []
    vif = bridge_vif(number, f"brq-{number}")
    for _ in range(rounds):
        for function in (os_vif.plug, os_vif.unplug):
            try:
                function(vif, INSTANCE)
            except exception.ExceptionBase as error:
                errors.append(str(error))
    return errors


def test_eight_processes_plug_through_one_daemon(running):
    before = without_addresses(snapshot())
    calls = [Call(lambda n=n: plug_often(n, 10), FRIEND) for n in range(1, 9)]
    assert [call.result() for call in calls] == [[]] * 8
    assert changes(before, without_addresses(snapshot())) == []
    assert running.stop() == 0
    assert not pathlib.Path(running.path).exists()


def check_restarts(daemon, restarts: int, rounds: int) -> None:
    """Restart the daemon while eight processes plug; expect no failure."""
    calls = [Call(lambda n=n: plug_often(n, rounds), FRIEND) for n in range(1, 9)]
    for _ in range(restarts):
        time.sleep(0.1)
        assert daemon.stop() == 0
        daemon.start()
    assert [call.result() for call in calls] == [[]] * 8
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_no_plug_fails_while_the_daemon_restarts_under_load(running):
    check_restarts(running, 3, 15)


@pytest.mark.soak
def test_no_plug_fails_in_many_restarts_under_load(running):
    check_restarts(running, 30, 300)


def test_a_caller_waits_for_a_daemon_that_is_not_there_yet(daemon):
    call = Call(lambda: plug_often(1, 1), FRIEND)
    time.sleep(0.2)
    daemon.start()
    assert call.result() == []


def test_sigterm_finishes_the_call_that_runs_and_refuses_those_that_wait(daemon):
    daemon.limits = daemon.limits._replace(threads=2)
    daemon.start()
    os_vif.plug(bridge_vif(1), INSTANCE)
    message = [
        protocol.CALL, MODULE, "run", netns(), [[["SetLink", {"name": "brq-test", "mtu": 1400}]]],
    ]  # fmt: skip
    with Caller(daemon) as runs, Caller(daemon) as waits, Caller(daemon) as idle:
        with locked_state():
            runs.send(message)
            assert runs.receive() == [protocol.STARTED]
            waits.send(message)
            # The call of the other connection has been read.
            with Caller(daemon):
                pass
            os.kill(daemon.pid, signal.SIGTERM)
            assert waits.receive()[:2] == [protocol.REFUSED, protocol.RETRY]
            assert waits.receive() is None
            assert idle.receive() is None
            assert not pathlib.Path(daemon.path).exists()
        assert runs.receive()[:2] == [protocol.ANSWER, None]
    assert daemon.exit_code() == 0
    assert ip("link", "show", "brq-test")[0]["mtu"] == 1400


def test_a_killed_daemon_leaves_a_socket_that_the_next_daemon_replaces(running):
    os_vif.plug(bridge_vif(1), INSTANCE)
    assert running.stop(signal.SIGKILL) == -signal.SIGKILL
    assert pathlib.Path(running.path).exists()
    running.start()
    os_vif.unplug(bridge_vif(1), INSTANCE)
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_a_second_daemon_does_not_take_the_socket(running):
    first, running.pid = running.pid, 0
    running.start(wait=False)
    assert running.exit_code() == 1
    assert "another process listens" in running.log.read_text()
    running.pid = first
    assert plug_often(1, 1) == []


def test_a_stopped_daemon_does_not_delete_the_socket_of_another(running, tmp_path):
    """An operator has moved the socket away, and started another daemon."""
    pathlib.Path(running.path).rename(tmp_path / "moved")
    first, running.pid = running.pid, 0
    running.start()
    os.kill(first, signal.SIGTERM)
    os.waitpid(first, 0)
    assert plug_often(1, 1) == []


def kill_at_each_step(daemon, helper: str, name: str, action: str, by: str, stride: int) -> None:
    """Kill the daemon before steps of a plug or unplug, and complete by the next daemon.

    The daemon is killed after the start of a call: the error says that the outcome is unknown. The
    end is the same as with private daemons.
    """
    case = CASES[name]
    cfg.CONF.clear_override("privileged_socket", group="os_vif")
    run = CaseRun(os_vif._plugin(case.vif.plugin), case)
    with use_helper(helper):
        reference = run.reference
    cfg.CONF.set_override("privileged_socket", daemon.path, group="os_vif")
    steps = reference.plug_steps if action == "plug" else reference.unplug_steps
    failure = exception.PlugException if action == "plug" else exception.UnplugException
    outcome = pytest.raises(failure, match=r"ended during the call of run.*unknown")
    if action == "unplug" and reference.deletes_only_record:
        # The unplug succeeds with a warning.
        outcome = contextlib.nullcontext()
    for k in range(min(stride, steps) - 1, steps, stride):
        with private_namespace(), case.prepared():
            if action == "unplug":
                daemon.start()
                run.plug()
                daemon.stop()
            daemon.start_killing(k)
            with outcome:
                run.plug() if action == "plug" else run.unplug()
            assert daemon.exit_code() == -signal.SIGKILL
            daemon.start()
            run.converge(by, f"the daemon was killed before step {k + 1} of {action}")
            daemon.stop()


@pytest.mark.parametrize(
    ("action", "by"), [("plug", "plug"), ("plug", "unplug"), ("unplug", "unplug")]
)
def test_after_a_kill_at_a_step_the_next_daemon_converges(daemon, quick_helper, action, by):
    kill_at_each_step(daemon, quick_helper, "uplink-with-addresses-and-rules", action, by, 9)


@pytest.mark.soak
@pytest.mark.parametrize("by", ["plug", "unplug"])
@pytest.mark.parametrize("action", ["plug", "unplug"])
@pytest.mark.parametrize("case", KILLED)
def test_after_a_kill_at_each_step_the_next_daemon_converges(
    daemon, quick_helper, case, action, by
):
    kill_at_each_step(daemon, quick_helper, case.name, action, by, 1)


def test_a_daemon_that_hangs_fails_a_call_at_the_deadline_and_never_starts_the_call(running):
    """The caller has withdrawn the call."""
    os_vif.plug(bridge_vif(1), INSTANCE)
    cfg.CONF.set_override("privileged_socket_timeout", 0.3, group="os_vif")
    os.kill(running.pid, signal.SIGSTOP)
    before = snapshot()
    for number in (2, 3):
        # By the connection that is open, and by another one.
        with pytest.raises(
            exception.PlugException, match=r"within 0\.3 seconds.*Nothing was done"
        ):
            os_vif.plug(bridge_vif(number, "brq-other"), INSTANCE)
    os.kill(running.pid, signal.SIGCONT)
    cfg.CONF.set_override("privileged_socket_timeout", 20.0, group="os_vif")
    assert running.wait().pid == running.pid
    assert changes(before, snapshot()) == []
    assert plug_often(4, 1) == []


def test_a_killed_daemon_fails_no_call_that_has_not_started(daemon):
    """Calls that wait in the daemon are repeated at the next daemon."""
    daemon.limits = daemon.limits._replace(threads=2)
    daemon.start()
    os_vif.plug(bridge_vif(1), INSTANCE)
    errors: list[BaseException] = []
    started = threading.Event()

    def unplug() -> None:
        started.set()
        try:
            os_vif.unplug(bridge_vif(1), INSTANCE)
        except exception.ExceptionBase as error:
            errors.append(error)

    with Caller(daemon) as runs, locked_state():
        runs.send([
            protocol.CALL, MODULE, "run", netns(),
            [[["SetLink", {"name": "brq-test", "mtu": 1400}]]],
        ])  # fmt: skip
        assert runs.receive() == [protocol.STARTED]
        thread = threading.Thread(target=unplug)
        thread.start()
        started.wait()
        time.sleep(0.2)
        daemon.stop(signal.SIGKILL)
    daemon.start()
    thread.join()
    assert errors == []
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_a_lost_check_is_repeated(daemon):
    """Reading changes nothing."""
    vif = bridge_vif(1)
    vif.has_traffic_filtering = False
    daemon.start()
    os_vif.plug(vif, INSTANCE)
    with locked_state():
        assert os_vif.check(vif, INSTANCE) == ()
    daemon.stop(signal.SIGKILL)
    daemon.start()
    assert os_vif.check(vif, INSTANCE) == ()
    os_vif.unplug(vif, INSTANCE)
    cfg.CONF.set_override("privileged_socket_timeout", 0.1, group="os_vif")
    daemon.stop()
    with pytest.raises(exception.PlugException, match="no shared privileged daemon answered"):
        os_vif.plug(vif, INSTANCE)
