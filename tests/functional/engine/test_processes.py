# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Processes: forked children, closed standard streams, helpers that fail, other namespaces."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import signal
import socket
import sys
import textwrap
import threading
import time
from functools import partial

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.engine import privsep_channel
from os_vif.engine.late_import import first_use
from os_vif.host.netlink import batch_delete, rtnetlink
from os_vif.host.ovsdb import server_socket
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.state import locks
from os_vif.testing import private_namespaces
from os_vif.testing.host_snapshots import ip, snapshot
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif
from vif_plug_linux_bridge import privsep

GROUP = "vif_plug_linux_bridge_privileged"
#: Seconds for a child, which may have to start a daemon.
PATIENCE = 60


def in_child(call) -> int:
    """Call a function in a forked child, and return the child's status."""
    if (child := os.fork()) == 0:
        status = 1
        try:
            call()
            status = 0
        except SystemExit as done:
            status = int(done.code or 0)
        finally:
            os._exit(status)
    return ended(child)


def ended(child: int) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


def devices() -> set[str]:
    return {link["ifname"] for link in ip("link")}


@pytest.fixture
def helper():
    """Sets the command that starts the daemon of linux_bridge."""

    def set_command(command: str) -> None:
        privsep.vif_plug.stop() if privsep.vif_plug.channel else None
        cfg.CONF.set_override("helper_command", command, group=GROUP)

    yield set_command
    cfg.CONF.clear_override("helper_command", group=GROUP)


@pytest.mark.usefixtures("daemon")
def test_a_forked_child_plugs_after_its_parent_has(instance):
    """Each has a daemon of its own; the parent's goes on."""
    os_vif.plug(bridge_vif(1), instance)
    channel = privsep.vif_plug.channel
    assert in_child(lambda: os_vif.plug(bridge_vif(2, "brq-2"), instance)) == 0
    assert {"brq-test", "brq-2"} <= devices()
    os_vif.unplug(bridge_vif(2, "brq-2"), instance)
    assert privsep.vif_plug.channel is channel


@pytest.mark.usefixtures("daemon")
def test_children_of_multiprocessing_plug(instance):
    os_vif.plug(bridge_vif(1), instance)
    context = multiprocessing.get_context("fork")
    children = [
        context.Process(target=os_vif.plug, args=(bridge_vif(n, f"brq-{n}"), instance))
        for n in (2, 3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(PATIENCE)
        assert child.exitcode == 0
    assert {"brq-test", "brq-2", "brq-3"} <= devices()


@pytest.mark.usefixtures("daemon")
def test_a_grandchild_plugs_too(instance):
    os_vif.plug(bridge_vif(1), instance)

    def child() -> None:
        os_vif.plug(bridge_vif(2, "brq-2"), instance)
        assert in_child(lambda: os_vif.plug(bridge_vif(3, "brq-3"), instance)) == 0

    assert in_child(child) == 0
    assert {"brq-2", "brq-3"} <= devices()


@pytest.mark.usefixtures("daemon")
def test_a_fork_while_threads_plug_leaves_the_child_free(instance):
    """Whatever lock a thread of the parent has at that moment."""
    stop, faults = threading.Event(), []

    def plug(number: int) -> None:
        vif = bridge_vif(number, f"brq-{number}")
        try:
            while not stop.is_set():
                os_vif.plug(vif, instance)
                os_vif.unplug(vif, instance)
        except exception.ExceptionBase as error:
            faults.append(error)

    threads = [threading.Thread(target=plug, args=(n,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(10, 14):
            vif = bridge_vif(number, f"brq-{number}")
            assert in_child(lambda vif=vif: os_vif.plug(vif, instance)) == 0
            assert f"brq-{number}" in devices()
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not faults


def test_a_fork_takes_the_locks_of_no_thread():
    """Those of the first use, of the facade, of deletions and of the daemon's start."""
    held, stop = threading.Event(), threading.Event()

    def hold() -> None:
        with batch_delete._guard, batch_delete._turn, privsep.vif_plug.start_lock:
            held.set()
            stop.wait(PATIENCE)

    def child() -> None:
        with first_use, os_vif._lock, batch_delete._guard, batch_delete._turn:
            assert privsep.vif_plug.start_lock.acquire(timeout=1)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(PATIENCE)
    group = batch_delete._GROUP
    try:
        assert in_child(child) == 0
        assert in_child(lambda: sys.exit(group == batch_delete._GROUP)) == 0
    finally:
        stop.set()
        thread.join(PATIENCE)


def test_a_fork_waits_for_who_imports_or_loads(monkeypatch):
    """A child never sees a module half imported; nor does a fork wait for ever."""
    for lock in (first_use, os_vif._lock):
        held = threading.Event()
        done = []

        def hold(lock=lock, held=held, done=done) -> None:
            with lock:
                held.set()
                time.sleep(0.2)
                done.append(True)

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(PATIENCE)

        def child(lock=lock, done=done) -> None:
            assert done
            with lock:
                pass

        assert in_child(child) == 0
        thread.join(PATIENCE)
    monkeypatch.setattr("os_vif.forking._FORK_TIMEOUT", 0.05)
    held, stop = threading.Event(), threading.Event()

    def for_ever() -> None:
        with first_use:
            held.set()
            stop.wait(PATIENCE)

    thread = threading.Thread(target=for_ever)
    thread.start()
    assert held.wait(PATIENCE)
    try:
        assert in_child(first_use.__enter__) == 0
    finally:
        stop.set()
        thread.join(PATIENCE)


def test_who_forks_with_the_lock_still_has_it():
    with first_use:

        def child() -> None:
            with first_use:
                pass
            first_use.__exit__()

        assert in_child(child) == 0


@pytest.mark.usefixtures("namespace")
def test_a_child_keeps_no_lock_of_its_parent_and_no_netlink_socket():
    """A lock ends with the parent's plan, and not with the last child."""
    mine = rtnetlink.thread_socket()
    with locks.locked("1", ["eth-x"]):
        assert locks._open_files
        assert in_child(lambda: sys.exit(len(locks._open_files))) == 0
    assert in_child(lambda: sys.exit(rtnetlink.thread_socket() is mine)) == 0
    assert mine.link("lo") is not None


def test_a_child_keeps_no_lock_of_ovsdb(switch):
    """The server drops the locks of a parent that is killed, though a child of it lives on."""
    with Ovsdb(switch.connection, 10) as ovsdb:
        ovsdb.lock("os_vif_f")
        # Earlier tests may have left idle connections in the pool.
        numbers = {s.fileno() for s in server_socket._sockets if s.fileno() != -1}
        assert numbers
        for number in numbers:
            assert in_child(partial(os.fstat, number)) != 0, "the child has the connection"


@pytest.mark.usefixtures("br_int")
def test_a_forked_child_plugs_into_open_vswitch(instance):
    def vif(number: int) -> objects.VIFBase:
        found = ovs_vif(objects.VIFBridge, bridge_name=f"qbr{number:08x}-00")
        found.id = f"{number:08x}-0000-4000-8000-000000000000"
        return found

    os_vif.plug(vif(1), instance)
    assert in_child(lambda: os_vif.plug(vif(2), instance)) == 0
    os_vif.plug(vif(3), instance)
    assert {f"qvo{n:08x}-00" for n in (1, 2, 3)} <= devices()


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)], ids=str)
def test_closed_standard_streams_stop_nobody(instance, closed):
    """Whatever descriptors the daemon's socket, its helper's and pipes would get."""

    def child() -> None:
        for number in closed:
            os.close(number)
        os_vif.plug(bridge_vif(1), instance)
        privsep.vif_plug.channel.writer.writesock.fileno() >= 3 or os._exit(2)
        os_vif.unplug(bridge_vif(1), instance)
        os_vif.plug(bridge_vif(1), instance)

    assert in_child(child) == 0
    assert "brq-test" in devices()


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("closed", [(), (0,), (0, 1, 2)], ids=str)
def test_the_helper_of_oslo_starts_with_closed_streams(instance, helper, closed):
    command = pathlib.Path(sys.executable).with_name("privsep-helper")
    helper(str(command))

    def child() -> None:
        for number in closed:
            os.close(number)
        os_vif.plug(bridge_vif(1), instance)

    assert in_child(child) == 0
    assert "brq-test" in devices()


SUDO = "sudo: a password is required"
HELPERS = {
    "sudo": (f"echo '{SUDO}' >&2; exit 1", ("ended with status 1", SUDO)),
    "printed on standard output": (
        "echo no such context; exit 3",
        ("status 3", "no such context"),
    ),
    "silent": ("exit 7", ("status 7", "It printed nothing")),
    "ends well": ("echo done", ("ended, and started no daemon", "It printed: done")),
    "signal": ("kill -9 $$", ("died of signal 9",)),
    "hangs": (
        "echo waiting; exec sleep 600",
        ("no daemon within 2 seconds", "It printed: waiting"),
    ),
    "escape": ("printf 'a\\033[2Jb\\377c\\n'; exit 1", ("a\\x1b[2Jb", "status 1")),
    "long": ("seq 1 3000; exit 1", ("3000", "status 1")),
}


@pytest.mark.short_form(3)
@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("kind", HELPERS)
def test_a_helper_that_starts_no_daemon_is_told_with_what_it_printed(
    instance, helper, monkeypatch, tmp_path, kind
):
    """The command, its words and the option, within a bound; nothing was touched."""
    script, expected = HELPERS[kind]
    path = tmp_path / "helper"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    helper(str(path))
    monkeypatch.setattr(privsep_channel, "PATIENCE", 2.0 if kind == "hangs" else 30.0)
    monkeypatch.setattr(privsep_channel, "_CONNECT_TIMEOUT", 0.5)
    before, begun = snapshot(), time.monotonic()
    with pytest.raises(exception.PlugException) as caught:
        os_vif.plug(bridge_vif(1), instance)
    assert time.monotonic() - begun < 15
    for part in (*expected, str(path), f"[{GROUP}]helper_command", "Nothing was done"):
        assert part in str(caught.value)
    assert len(str(caught.value)) < 3000
    assert snapshot() == before


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("/nowhere/helper", "cannot be run: No such file or directory"),
        ("/etc", "cannot be run: Permission denied"),
        ("sudo 'privsep-helper", "No closing quotation"),
    ],
)
def test_a_helper_that_cannot_be_run_is_told(instance, helper, command, said):
    helper(command)
    with pytest.raises(exception.PlugException, match=said) as caught:
        os_vif.plug(bridge_vif(1), instance)
    assert f"[{GROUP}]helper_command" in str(caught.value)


#: What a program does that connects as a daemon does. A program that waits ends with its caller's
#: end of the connection, so that the test leaves no process behind.
CONNECTS = {
    "silent": ("wait()", "did not answer within 2 seconds"),
    "closes": ("s.close()", "ended before it answered"),
    "nonsense": ("s.send(b'\\xc1' * 64); wait()", "ended before it answered"),
    "no list": ("s.send(b'\\x01'); wait()", "ended before it answered"),
    "resets": ("s.setsockopt(1, 13, b'\\1\\0\\0\\0' * 2); s.close()", "ended before it answered"),
}


@pytest.mark.short_form(2)
@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("kind", CONNECTS)
def test_what_connects_and_is_no_daemon_is_told(instance, helper, monkeypatch, tmp_path, kind):
    script, said = CONNECTS[kind]
    path = tmp_path / "helper.py"
    path.write_text(
        textwrap.dedent("""\
        import os, signal, socket, sys
        s = socket.socket(socket.AF_UNIX)
        s.connect(sys.argv[-1])
        def wait():
            signal.alarm(60)
            while s.recv(4096):
                pass
        if os.fork() == 0:
        """)
        + f"    {script}\n"
    )
    helper(f"{sys.executable} -I -S {path}")
    monkeypatch.setattr(privsep_channel, "PATIENCE", 2.0)
    with pytest.raises(exception.PlugException, match=said) as caught:
        os_vif.plug(bridge_vif(1), instance)
    assert f"[{GROUP}]helper_command" in str(caught.value)


@pytest.mark.usefixtures("daemon")
def test_threads_that_wait_for_one_start_share_its_failure(instance, helper, monkeypatch):
    """A helper that hangs costs its time once, and not once for each thread."""
    helper("sleep 600")
    monkeypatch.setattr(privsep_channel, "PATIENCE", 2.0)
    faults = []

    def plug(number: int) -> None:
        try:
            os_vif.plug(bridge_vif(number), instance)
        except exception.PlugException as error:
            faults.append(str(error))

    threads = [threading.Thread(target=plug, args=(n,)) for n in range(1, 6)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(faults) == 5
    assert time.monotonic() - begun < 9


@pytest.mark.usefixtures("daemon")
def test_a_daemon_in_another_network_namespace_is_refused(instance):
    """Nothing is touched there or here; the plug is done where both are."""
    os_vif.plug(bridge_vif(1), instance)
    there = snapshot()
    with private_namespaces.private_namespace():
        before = snapshot()
        for call in (os_vif.plug, os_vif.unplug):
            # With nothing here, there is nothing to unplug.
            if call is os_vif.plug:
                with pytest.raises(exception.PlugException, match="network namespace") as caught:
                    call(bridge_vif(2), instance)
                assert "helper_command" in str(caught.value)
                assert "Nothing was done" in str(caught.value)
        assert snapshot() == before
    assert snapshot() == there
    os_vif.unplug(bridge_vif(1), instance)


@pytest.mark.usefixtures("br_int")
def test_a_daemon_in_another_namespace_is_known_before_the_switch_is_touched(
    br_int, instance, tmp_path
):
    vif = ovs_vif(objects.VIFBridge)
    os_vif.plug(vif, instance)
    port = "qvo" + vif.id[:11]
    with private_namespaces.private_namespace():
        private_namespaces.run(f"ip link add {port} type veth")
        with pytest.raises(exception.UnplugException, match="network namespace"):
            os_vif.unplug(vif, instance)
        assert port in devices()
    assert port in br_int.vsctl("list-ports", "br-int")
    os_vif.unplug(vif, instance)
    assert port not in br_int.vsctl("list-ports", "br-int")


@pytest.mark.usefixtures("daemon")
def test_a_socket_gets_no_number_of_a_standard_stream():
    def child() -> None:
        for number in (0, 1, 2):
            os.close(number)
        from os_vif.host.sockets import above_standard_streams

        with above_standard_streams(socket.socket()) as moved:
            os._exit(0 if moved.fileno() >= 3 else 1)

    assert in_child(child) == 0
