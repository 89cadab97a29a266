# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Whoever is killed, between whichever steps: the next plug and the next unplug end well."""

from __future__ import annotations

import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
from unittest import mock

import pytest
from oslo_config import cfg
from oslo_serialization import jsonutils

import os_vif
from os_vif import exception, objects
from os_vif.testing import conformance
from os_vif.testing.conformance_run import CaseRun, kill_positions
from os_vif.testing.host_snapshots import changes, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import private_namespace, run
from os_vif.testing.quick_daemons import stop_daemons, use_helper
from tests.support.cases import ALL, KERNEL, Case
from tests.support.daemons import daemon_pid
from tests.support.forks import forked
from vif_plug_linux_bridge import privsep

pytestmark = pytest.mark.usefixtures("rights")

#: Of the long matrix tools/test.sh runs these.
SHORT = ("bare", "uplink-with-addresses-and-rules", "ovs-hybrid")
#: What makes nothing in the kernel asks no daemon.
BY_DAEMON = [
    case
    for case in ALL
    if case.vif.plugin in ("linux_bridge", "sriov")
    or case.tun
    or case.keeps_device
    or isinstance(case.vif, objects.VIFBridge)
]
#: It kills at each fourth step of a long plan, and tox -e soak at each of all.
STRIDES = [
    *(c.param(1 if c.name == "bare" else 4) for c in ALL if c.name in SHORT),
    *(c.param(1, id=f"{c}-each-step", marks=[pytest.mark.soak]) for c in BY_DAEMON),
]
#: With the kernel's datapath, in soak tests only.
IN_KERNEL = [
    KERNEL[case.name].param(2 if case.tun else 4, id=f"{case}-kernel", marks=[pytest.mark.soak])
    for case in BY_DAEMON
    if case.name in KERNEL
]
INSTANCE = objects.InstanceInfo(name="guest")


@pytest.fixture(autouse=True)
def _sound(quick_helper):
    cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
    os_vif.initialize(reset=True)
    with use_helper(quick_helper), mock.patch.dict(os.environ):
        yield


@pytest.mark.parametrize(
    ("steps", "stride", "expected"),
    [(2, 4, [1]), (1, 4, [0]), (4, 4, [3]), (9, 4, [3, 7]), (3, 1, [0, 1, 2])],
)
def test_a_plan_of_any_length_has_a_step_to_be_killed_before(steps, stride, expected):
    assert list(kill_positions(steps, stride)) == expected


@pytest.mark.short_form
@pytest.mark.parametrize("action", ["plug", "unplug"])
@pytest.mark.parametrize(("case", "stride"), STRIDES)
def test_a_daemon_killed_between_any_two_steps(case, stride, action):
    """The next plug completes the operation, and so does the next unplug."""
    check = f"kills in {action}"
    report = conformance(case.vif.plugin, [case], checks=[check], stride=stride)
    report.raise_for_failures()


@pytest.mark.parametrize(("case", "stride"), IN_KERNEL)
def test_a_daemon_killed_while_it_plugs_for_the_kernel_s_datapath(case, stride):
    """In a virtual machine each one takes long: not between any two steps, but between some."""
    report = conformance(case.vif.plugin, [case], checks=["kills in plug"], stride=stride)
    report.raise_for_failures()


def run_of(case: Case) -> CaseRun:
    return CaseRun(os_vif._plugin(case.vif.plugin), case)


_CALLER = """
import os, pathlib, sys
import os_vif
from os_vif import objects
from os_vif.host.sriov import functions
from oslo_config import cfg
from oslo_serialization import jsonutils

cfg.CONF(
    ["--config-file", sys.argv[1]], project="os-vif", default_config_dirs=[]
)
os_vif.initialize()
functions.SYS = pathlib.Path(os.environ.get("OS_VIF_TEST_SYSFS", functions.SYS))
vif = objects.base.VersionedObject.obj_from_primitive(jsonutils.loads(sys.stdin.read()))
os_vif.plug(vif, objects.InstanceInfo(name="guest"))
"""
#: It is killed by its daemon.
_KILLED = (
    """
import os, sys
from os_vif.testing import daemon_kills

os.environ[daemon_kills.VARIABLE] = f"{sys.argv[2]}:{os.getpid()}"
"""
    + _CALLER
)


@pytest.mark.short_form
@pytest.mark.parametrize("by", ["plug", "unplug"])
@pytest.mark.parametrize(("case", "stride"), STRIDES)
def test_a_caller_killed_between_any_two_steps_of_plug(case, stride, by, tmp_path, quick_helper):
    """Its daemon ends what it had begun; whoever comes next waits for that, and converges."""
    case_run = run_of(case)
    reference = case_run.reference
    for k in range(0, reference.plug_steps, stride):
        with private_namespace(), case.prepared():
            done = call(_KILLED, case, k, tmp_path / "os-vif.conf", quick_helper)
            assert done.returncode == -signal.SIGKILL, done.stderr
            case_run.converge(by, f"the caller was killed at {k}")
            stop_daemons()


def noticed(channel) -> None:
    """The thread that reads the daemon's answers has seen that it is gone."""
    deadline = time.monotonic() + 10
    while channel is not None and channel.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def call(
    program: str, case: Case, k: int, config: pathlib.Path, helper: str
) -> subprocess.CompletedProcess:
    """Run a caller in a process of its own, with the configuration of this one."""
    config.write_text(case.configuration(helper))

    def main() -> None:
        sys.argv[1:] = [str(config), str(k)]
        exec(program, {})  # noqa: S102 - it is above

    return forked(main, jsonutils.dump_as_bytes(case.vif.obj_to_primitive()))


#: It is killed before what it asks of the database.
_ASKER = (
    """
import os, signal, sys
from os_vif.host.ovsdb import connection

asked, real = 0, connection.Ovsdb._call

def asks(*arguments):
    global asked
    if asked == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    asked += 1
    return real(*arguments)

connection.Ovsdb._call = asks
"""
    + _CALLER
)


@pytest.mark.short_form(1)
@pytest.mark.parametrize("by", ["plug", "unplug"])
@pytest.mark.parametrize(
    "case",
    [
        c.param(marks=() if c.name == "ovs-hybrid" else [pytest.mark.soak])
        for c in ALL
        if c.vif.plugin == "ovs"
    ],
)
def test_a_caller_killed_before_anything_that_it_asks_of_the_switch(
    case, by, tmp_path, quick_helper
):
    """Also between the transaction and the wait for vswitchd; its lock goes with it."""
    case_run = run_of(case)
    _ = case_run.reference
    k = 0
    while True:
        with private_namespace(), case.prepared():
            done = call(_ASKER, case, k, tmp_path / "os-vif.conf", quick_helper)
            assert done.returncode in (0, -signal.SIGKILL), done.stderr
            case_run.converge(by, f"the caller was killed before step {k + 1}")
            stop_daemons()
        if done.returncode == 0:
            break
        k += 1
    assert k > 1


@pytest.mark.parametrize(
    "rounds", [pytest.param(8, id="short"), pytest.param(200, marks=pytest.mark.soak, id="long")]
)
def test_a_daemon_killed_at_any_moment(rounds):
    """Also in the middle of a step; what is left is plugged again, or unplugged, without rest."""
    (case,) = (case for case in ALL if case.name == "uplink-with-addresses-and-rules")
    case_run = run_of(case)
    _ = case_run.reference
    # Not for secrets: any moments will do, and the same ones again.
    moments = random.Random(2)  # noqa: S311
    for n in range(rounds):
        with private_namespace(), case.prepared():
            os_vif.check(case.vif, INSTANCE)  # starts the daemon
            # A plug that finds it dead before it asks anything starts another.
            killed = privsep.vif_plug.channel
            moment = moments.uniform(0, 0.03)
            killer = threading.Timer(moment, os.kill, (daemon_pid(), signal.SIGKILL))
            killer.start()
            try:
                os_vif.plug(case.vif, INSTANCE)
            except exception.PlugException as error:
                assert "unknown" in str(error)  # noqa: PT017 - it may be too late to fail
            killer.join()
            noticed(killed)
            case_run.converge(("plug", "unplug")[n % 2], f"the daemon was killed in round {n}")
            stop_daemons()


def test_what_was_made_and_not_yet_marked_is_known_again(daemon):
    """Between its making and its mark a device has a group that nobody else uses."""
    case = next(case for case in ALL if case.name == "bare")
    before = without_indexes(snapshot())
    for by in ("plug", "unplug"):
        run("ip link add name brq-test group 1869837926 type bridge")
        getattr(os_vif, by)(case.vif, INSTANCE)
        if by == "plug":
            assert os_vif.check(case.vif, INSTANCE) == ()
            (bridge,) = ip("link", "show", "brq-test")
            assert (bridge["ifalias"], bridge["group"]) == ("os-vif", "default")
            os_vif.unplug(case.vif, INSTANCE)
        assert changes(before, without_indexes(snapshot())) == []
