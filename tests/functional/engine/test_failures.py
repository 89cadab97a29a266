# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A failure never leaves half of a plan, whatever raised it; an unplug goes forward."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import logging
import subprocess
import threading
import time

import pytest

from os_vif import exception, plugin
from os_vif.engine import runner
from os_vif.host.netlink import batch_delete, rtnetlink
from os_vif.host.state.directory import StateDirectory
from os_vif.steps import DeleteLink, EnsureVeth
from os_vif.steps import plan as plans
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.daemons import DAEMON
from tests.support.ovs.bare_step import BareOvsStep

pytestmark = pytest.mark.usefixtures("daemon")

PAIR = EnsureVeth("qvb", "qvo")


class _Stop(BaseException):
    """What stops a thread, as KeyboardInterrupt and a timeout of eventlet do."""


@dataclasses.dataclass(frozen=True)
class Raises(BareOvsStep):
    """A step of Open vSwitch that fails in a way that nobody expects."""

    error: BaseException

    @property
    def device(self):
        return "odd"

    def add_operations(self, look, changes):
        raise self.error


def links() -> set[str]:
    return {link["ifname"] for link in ip("link")}


@pytest.mark.parametrize(
    "error", [IndexError("list index out of range"), KeyError("x"), RecursionError(), TypeError()]
)
def test_an_unexpected_exception_rolls_the_kernel_back(switch, error):
    """The message names the step, the exception, and what was undone."""
    before = snapshot()
    plan = Plan(PAIR, Raises(error), switch=plans.OvsdbTarget(switch.connection, 10))
    with pytest.raises(exception.StepFailed, match="Raises failed on odd: unexpected") as info:
        runner.run(plan, DAEMON)
    assert type(error).__name__ in str(info.value)
    assert "Undone: 1 changes" in str(info.value)
    assert snapshot() == before


@pytest.mark.parametrize("error", [_Stop("now"), KeyboardInterrupt(), SystemExit(1)])
def test_what_stops_a_thread_rolls_the_kernel_back_and_stays_what_it_is(switch, error, caplog):
    before = snapshot()
    plan = Plan(PAIR, Raises(error), switch=plans.OvsdbTarget(switch.connection, 10))
    with pytest.raises(type(error)):
        runner.run(plan, DAEMON)
    assert snapshot() == before
    assert "interrupted by" in caplog.text


def test_an_undo_that_raises_does_not_hide_the_first_error(switch, monkeypatch):
    """What is left is told beside it."""

    def broken(_):
        raise AttributeError("undo")

    monkeypatch.setattr(importlib.import_module(DAEMON), "undo", broken)
    plan = Plan(PAIR, Raises(ValueError("first")), switch=plans.OvsdbTarget(switch.connection, 10))
    with pytest.raises(exception.StepFailed, match=r"Raises failed on odd: .*first") as info:
        runner.run(plan, DAEMON)
    assert "still to be undone by hand:\n  ip link del" in str(info.value)


def without_row(switch) -> None:
    """As ovsdb-tool makes the database, before ``ovs-vsctl init``."""
    switch.kill("ovs-vswitchd")
    switch.kill("ovsdb-server")
    (switch._directory / "conf.db").unlink()
    switch.create_database()


@pytest.fixture
def bare(switch):
    without_row(switch)
    yield switch
    # The switch is ended as it was begun.
    switch.vsctl("--no-wait", "init")
    switch.start_daemon("ovs-vswitchd", switch.connection)


def test_a_database_without_its_row_is_not_initialised_yet(bare):
    """A plug fails with that at its deadline and leaves nothing; an unplug finds nothing."""
    before = ip("link")
    at = plans.OvsdbTarget(bare.connection, 1)
    plug = Plan(
        PAIR,
        EnsureOvsBridge("br", "netdev"),
        EnsureOvsPort("br", "qvo", qos="linux-noop"),
        switch=at,
    )
    began = time.monotonic()
    with pytest.raises(exception.StepFailed, match="not initialised yet") as info:
        runner.run(plug, DAEMON)
    assert 0.5 < time.monotonic() - began < 20
    assert "Nothing was done" in str(info.value)
    assert ip("link") == before
    assert "linux-noop" not in bare.run_program("ovsdb-client", "dump", bare.connection)
    run("ip link add qvb5a1d3c2e-0b type veth peer name qvo5a1d3c2e-0b")
    unplug = Plan(
        DeleteOvsPort("qvo5a1d3c2e-0b"),
        DeleteLink("qvo5a1d3c2e-0b", include_unmanaged=True),
        switch=at,
        forward=True,
    )
    runner.run(unplug, DAEMON)
    assert ip("link") == before


def test_a_database_that_is_initialised_meanwhile_is_waited_for(bare):
    timer = threading.Timer(1, lambda: bare.vsctl("--no-wait", "init"))
    timer.start()
    at = plans.OvsdbTarget(bare.connection, 30, wait=False)
    runner.run(Plan(PAIR, EnsureOvsBridge("br"), EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    timer.join()
    assert bare.vsctl("port-to-br", "qvo").strip() == "br"


def test_an_unplug_goes_forward_when_vswitchd_is_late(switch, caplog):
    """The deletion stays, the kernel's devices go, and a warning says what is not carried out."""
    switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
    before = snapshot()
    at = plans.OvsdbTarget(switch.connection, 20)
    runner.run(Plan(PAIR, EnsureOvsPort("br", "qvo", qos="linux-noop"), switch=at), DAEMON)
    late = dataclasses.replace(at, timeout=1)
    unplug = Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=late, forward=True)
    with switch.standing_still("ovs-vswitchd"), caplog.at_level(logging.WARNING):
        runner.run(unplug, DAEMON)
        assert "qvo" not in switch.vsctl("--no-wait", "list-ports", "br")
        assert "qvo" not in links()
    assert "the deletion of qvo; ovs-vswitchd has not applied it yet" in caplog.text
    runner.run(unplug, DAEMON)
    assert differences(before) == []


def test_an_unplug_goes_forward_without_a_vswitchd(switch):
    switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
    at = plans.OvsdbTarget(switch.connection, 20)
    runner.run(Plan(PAIR, EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    switch.kill("ovs-vswitchd")
    late = dataclasses.replace(at, timeout=1)
    runner.run(Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=late, forward=True), DAEMON)
    assert "qvo" not in switch.vsctl("--no-wait", "list-ports", "br")
    assert "qvo" not in links()
    switch.start_daemon("ovs-vswitchd", switch.connection)


def test_an_unplug_without_a_database_fails_and_nothing_is_half_done(switch):
    switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
    at = plans.OvsdbTarget(switch.connection, 20)
    runner.run(Plan(PAIR, EnsureOvsPort("br", "qvo"), switch=at), DAEMON)
    switch.kill("ovsdb-server")
    before = ip("link")
    unplug = Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=at, forward=True)
    with pytest.raises(exception.StepFailed, match="Nothing was done"):
        runner.run(unplug, DAEMON)
    assert {link["ifname"] for link in before} == links()
    switch.start_server()


def test_a_refused_row_is_blamed_on_its_step(switch):
    """An Interface of that name is in a bond: the server refuses the transaction as a whole."""
    bridge = ["add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev"]
    switch.vsctl("--no-wait", *bridge, "--", "add-bond", "br", "bond", "qvo", "other")
    at = plans.OvsdbTarget(switch.connection, 10)
    began = time.monotonic()
    with pytest.raises(exception.StepFailed, match="EnsureOvsPort failed on qvo") as info:
        runner.run(
            Plan(PAIR, EnsureOvsBridge("br"), EnsureOvsPort("br", "qvo"), switch=at), DAEMON
        )
    assert time.monotonic() - began < 5
    assert "Undone: 1 changes" in str(info.value)
    assert not {"qvb", "qvo"} & links()


@pytest.mark.parametrize("refused", [0, 1, 2])
def test_a_refused_deletion_is_blamed_on_its_device(refused):
    """Deletions are carried out together; loopback is the one that cannot be deleted."""
    run("ip tuntap add d0 mode tap\nip tuntap add d1 mode tap")
    names = ["d0", "d1"]
    names.insert(refused, "lo")
    with rtnetlink.opened() as net:
        going = [net.require(name) for name in names]
        with pytest.raises(OSError, match="not supported") as info:
            batch_delete.delete(net, going)
    assert info.value.filename == "lo"
    assert {"d0", "d1"} <= links()


def test_a_record_that_does_not_fit_keeps_its_old_content(tmp_path):
    """A short write() is noticed, on a real file system that is nearly full."""
    run(f"mount -t tmpfs -o size=8k tmpfs {tmp_path}")
    try:
        state = StateDirectory(tmp_path)
        path = tmp_path / "bridge.json"
        state.write_atomically(path.name, {"users": ["a"]})
        before = path.read_bytes()
        with pytest.raises(OSError, match="old content is kept") as info:
            state.write_atomically(path.name, {"users": ["b" * 100] * 100})
        assert info.value.errno == errno.ENOSPC
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == ["bridge.json"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_plugin_without_all_entry_points_is_refused_when_it_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "half_privsep.py").write_text("def run(messages): ...\n")
    monkeypatch.syspath_prepend(tmp_path)

    class Half(plugin.PluginBase):
        privsep_module = "half_privsep"

        def describe(self): ...
        def plan_plug(self, vif, instance_info): ...
        def plan_unplug(self, vif, instance_info): ...

    with pytest.raises(TypeError, match=r"half_privsep.*Half, has no undo, check; expected"):
        Half.load("half")
