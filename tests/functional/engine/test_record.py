# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Who uses a bridge, and who is at work on a device: what ``/run/os-vif`` holds."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import subprocess
import sys
import threading

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import kernel, runner
from os_vif.engine.privileged import daemon
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import bridge_user_record, locks, rule_records, vf_allocations
from os_vif.host.state.directory import STATE
from os_vif.steps import AddBridgeUser, EnsureBridge, SetLink
from os_vif.steps.plan import Plan
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.host_snapshots import state_files as noted
from os_vif.testing.private_namespaces import run
from testbed.environments import CHECKOUT
from tests.support.vifs import bridge_vif
from vif_plug_linux_bridge import privsep

pytestmark = pytest.mark.usefixtures("daemon")

DAEMON = "vif_plug_linux_bridge.privsep"


def path() -> pathlib.Path:
    with rtnetlink.opened() as net:
        return STATE.path / f"bridge-{net.netns}-brq-test.json"


def names() -> list[str]:
    return [link["ifname"] for link in ip("link")]


def test_a_bridge_outlives_the_vifs_that_leave_it(vif, instance):
    """A VIF that is plugged keeps its bridge, also before its guest is there."""
    other = bridge_vif(2)
    before = snapshot()
    os_vif.plug(vif, instance)
    os_vif.plug(other, instance)
    os_vif.unplug(vif, instance)
    assert os_vif.check(other, instance) == ()
    os_vif.unplug(other, instance)
    assert snapshot() == before
    assert not path().exists()


@pytest.mark.short_form(2)
@pytest.mark.parametrize("content", ["", '{"index": '])
@pytest.mark.parametrize("plugged", [True, False])
@pytest.mark.parametrize("by", ["plug", "unplug"])
def test_a_record_that_a_killed_daemon_did_not_complete_is_removed(
    vif, instance, by, plugged, content
):
    """Whether the record itself is there already, the other VIF's say, or not."""
    other = bridge_vif(2)
    os_vif.plug(other, instance)
    if plugged:
        os_vif.plug(vif, instance)
    incomplete = path().with_name(f"{path().name}.new")
    incomplete.write_text(content)
    getattr(os_vif, by)(vif, instance)
    assert not incomplete.exists()
    os_vif.unplug(vif, instance)
    incomplete.write_text(content)
    os_vif.unplug(other, instance)
    assert not incomplete.exists()
    assert not path().exists()


def test_a_record_that_another_process_is_replacing_is_no_difference(vif, instance):
    """check holds no lock: the file beside the record may be one that will take its place."""
    os_vif.plug(vif, instance)
    beside = path().with_name(path().name + ".new")
    beside.write_text("{")
    assert os_vif.check(vif, instance) == ()
    beside.unlink()


def test_the_record_dies_with_what_it_is_about(vif, instance, caplog):
    """A bridge that was made again is another; that its record is discarded is said."""
    other = bridge_vif(2)
    os_vif.plug(vif, instance)
    os_vif.plug(other, instance)
    run("ip link del dev brq-test")
    with caplog.at_level(logging.WARNING):
        os_vif.plug(vif, instance)
    assert "-brq-test.json is about an earlier bridge brq-test" in caplog.text
    os_vif.unplug(vif, instance)
    assert names() == ["lo"]


@pytest.mark.parametrize("torn", ["", '{"index": 2, "us', "[]", '{"index": 2}', "\x00\xff"])
def test_a_damaged_record_is_said_and_the_bridge_stays(vif, instance, caplog, torn):
    """Nobody knows who else uses it. When it is gone, so is the damage."""
    os_vif.plug(vif, instance)
    path().write_text(torn)
    with caplog.at_level(logging.WARNING):
        os_vif.unplug(vif, instance)
    assert (
        "is damaged: the VIFs that use brq-test are unknown, so the bridge is kept" in caplog.text
    )
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert names() == ["lo", "brq-test"]
    run("ip link del dev brq-test")
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert names() == ["lo"]
    assert noted() == {}


def test_a_bridge_with_an_address_that_only_it_has_stays(vif, instance):
    """Somebody gave it to the host there."""
    os_vif.plug(vif, instance)
    run("ip address add 192.0.2.10/24 dev brq-test")
    os_vif.unplug(vif, instance)
    assert names() == ["lo", "brq-test"]


def test_the_record_is_root_s(vif, instance):
    """Nobody else writes it, nor locks what a plan needs: who may read a file may lock it."""
    os_vif.plug(vif, instance)
    directory = STATE.path
    modes = {
        file.name: file.stat().st_mode & 0o777
        for file in (path(), directory / "lock", directory / "generation")
    }
    assert modes == {
        path().name: 0o644,
        "lock": 0o600,
        "generation": 0o644,
    }


def test_the_directory_is_made_where_it_is_missing(monkeypatch, tmp_path):
    """For root to write, and for all to read."""
    monkeypatch.setattr(STATE, "path", tmp_path / "os-vif")
    with locks.locked("1", ["a"]):
        pass
    made = (tmp_path / "os-vif").stat()
    assert (made.st_mode & 0o777, made.st_uid) == (0o755, os.geteuid())


def test_locks_and_records_follow_the_state_directory(monkeypatch, tmp_path):
    """One assignment redirects the locks, the generations and every record."""
    before = {file.name: file.lstat().st_mtime_ns for file in STATE.path.iterdir()}
    monkeypatch.setattr(STATE, "path", tmp_path / "state")
    with rtnetlink.opened() as net, locks.locked(net.netns, ["brq-test"]):
        rule_records.write_record(net, "brq-test", "iptables")
        vf_allocations.STATE.write_atomically("vf-0000:03:01.1.json", {"user": "vif-1"})
        assert vf_allocations.vfs_of("vif-1") == ["0000:03:01.1"]
        assert vf_allocations.owner_of("0000:03:01.1") == "vif-1"
        link = net.add("brq-test", "bridge", {}) or net.require("brq-test")
        bridge_user_record.write_users(net, link, bridge_user_record.Users(frozenset({"vif-1"})))
        made = {file.name.split("-")[0] for file in (tmp_path / "state").iterdir()}
    assert made == {"bridge", "generation", "lock", "rules", "vf"}
    assert str(tmp_path) in AddBridgeUser("brq-test", "vif-1").commands()[0]
    monkeypatch.undo()
    assert before == {file.name: file.lstat().st_mtime_ns for file in STATE.path.iterdir()}


def test_a_record_that_cannot_be_written_undoes_the_plug(vif, instance):
    """And says which file, and why."""
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    run("mount -t tmpfs -o ro none /run/os-vif")
    try:
        with pytest.raises(exception.PlugException, match="/run/os-vif/lock: Read-only file sys"):
            os_vif.plug(vif, instance)
    finally:
        run("umount /run/os-vif")
    assert names() == ["lo"]


def test_a_plan_waits_for_another_on_the_same_device(vif, instance):
    """In whatever process; those on other devices go on meanwhile."""
    os_vif.plug(bridge_vif(9, bridge="other"), instance)
    with rtnetlink.opened() as net:
        done = threading.Event()

        def plug():
            os_vif.plug(vif, instance)
            done.set()

        thread = threading.Thread(target=plug)
        with locks.locked(net.netns, ["brq-test"]):
            thread.start()
            os_vif.unplug(bridge_vif(9, bridge="other"), instance)
            assert not done.wait(0.3)
        thread.join()
    assert done.is_set()


def test_a_plan_that_waits_too_long_says_for_what(monkeypatch):
    """Check the text with the limit, and that the plan has done nothing."""
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", 0.25)
    with (
        rtnetlink.opened() as net,
        locks.locked(net.netns, ["brq-test"]),
        pytest.raises(
            exception.StepFailed, match=r"at work on brq-test for 0\.25 seconds"
        ) as info,
    ):
        runner.run(Plan(EnsureBridge("brq-test")), "os_vif.engine.privileged.daemon")
    assert info.value.kwargs["errno"] == 16
    assert names() == ["lo"]


def test_a_lock_goes_with_the_process_that_held_it(vif, instance):
    """However it ends."""
    program = (
        "import os, signal\nfrom os_vif.host.netlink import rtnetlink\nfrom os_vif.host.state import locks\n"
        "with rtnetlink.opened() as net, locks.locked(net.netns, ['brq-test']):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=False, cwd=CHECKOUT)
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()


def test_what_holds_is_seen_without_the_daemon(vif, instance, monkeypatch):
    """No call, no right; unless a plan is at work on the device, or was killed at it."""
    os_vif.plug(vif, instance)
    calls = []
    monkeypatch.setattr(
        kernel,
        "_call",
        lambda *_: calls.append(1) or {"error": None, "undo": [], "applied": [], "refused": []},
    )
    os_vif.plug(vif, instance)
    assert not calls
    with rtnetlink.opened() as net:
        with locks.locked(net.netns, ["brq-test"]):
            os_vif.plug(vif, instance)
        assert len(calls) == 1
        os_vif.plug(vif, instance)
        assert len(calls) == 1
        with pytest.raises(KeyError), locks.locked(net.netns, ["brq-test"]):
            raise KeyError
        os_vif.plug(vif, instance)
        assert len(calls) == 2
        # Whoever is next sets that right.
        with locks.locked(net.netns, ["brq-test"]):
            pass
        os_vif.plug(vif, instance)
        assert len(calls) == 2


def test_a_plan_that_ran_during_a_look_spoils_it():
    """It may have undone what was seen."""
    with rtnetlink.opened() as net:
        with locks.locked(net.netns, ["a", "b"]):
            assert locks.read_generations(net.netns, ["a"]) is None
        before = locks.read_generations(net.netns, ["a", "b"])
        assert before == locks.read_generations(net.netns, ["a", "b"])
        with locks.locked(net.netns, ["b"]):
            pass
        assert before != locks.read_generations(net.netns, ["a", "b"])


def test_many_devices_are_locked_in_one_order():
    """Two that want the same ones the other way round do not wait for each other for ever."""
    with rtnetlink.opened() as net:

        def work(devices):
            for _ in range(50):
                with locks.locked(net.netns, devices):
                    pass

        one, other = ["a", "b", "c"], ["c", "b", "a"]
        threads = [threading.Thread(target=work, args=(d,)) for d in (one, other) * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert not any(thread.is_alive() for thread in threads)


def test_a_user_has_no_part_in_a_bridge_of_others(vif, instance):
    """It stays anyway, so nothing is noted."""
    run("ip link add name brq-test type bridge")
    os_vif.plug(vif, instance)
    assert noted() == {}


def test_joining_is_undone_with_the_rest():
    """A plan that fails leaves no user behind."""
    plan = [EnsureBridge("brq-test"), AddBridgeUser("brq-test", "a"), SetLink("none", up=True)]
    assert privsep.run([encode(step) for step in plan])["error"]["undone"] == 2
    assert noted() == {}
    assert daemon.run is not privsep.run


def test_numbers_that_do_not_fit_are_an_error_and_leave_the_others_at_rest(tmp_path, monkeypatch):
    """On a full file system, the file with the numbers grows by a page with a new device."""
    run(f"mount -t tmpfs -o size=12k tmpfs {tmp_path}")
    try:
        monkeypatch.setattr(STATE, "path", tmp_path)
        (first,) = locks._slot_offsets("n", ["a"])
        other = next(
            name
            for name in map(str, range(10_000))
            if next(iter(locks._slot_offsets("n", [name]))) > first + 8192
        )
        with locks.locked("n", ["a"]):
            pass
        before = locks.read_generations("n", ["a"])
        (tmp_path / "fill").write_bytes(b"x" * 8192)
        with (
            pytest.raises(OSError, match=f"cannot write {tmp_path}/generation"),
            locks.locked("n", ["a", other]),
        ):
            raise AssertionError
        assert locks.read_generations("n", ["a"]) == before
        (tmp_path / "fill").unlink()
        with locks.locked("n", ["a", other]):
            assert locks.read_generations("n", ["a"]) is None
        assert locks.read_generations("n", ["a", other]) is not None
    finally:
        run(f"umount {tmp_path}")


@pytest.mark.parametrize("step", ["AddBridgeUser", "EnsureForwardingRules"])
def test_a_full_run_fails_a_plug_and_nothing_of_it_is_left(vif, instance, step):
    """The record of users and the note of rules, in a /run/os-vif without a free page."""
    vif.has_traffic_filtering = step == "AddBridgeUser"
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    before = snapshot()
    fill = STATE.path / "fill"
    # Other tests have left locks and records there.
    free = 65536
    there = os.statvfs(STATE.path)
    size = (there.f_blocks - there.f_bfree) * there.f_frsize + free
    run(f"mount -o remount,size={size} {STATE.path}")
    try:
        with contextlib.suppress(OSError):
            fill.write_bytes(b"x" * 2 * free)
        with pytest.raises(exception.PlugException, match="No space left") as info:
            os_vif.plug(vif, instance)
        assert "the old content is kept" in str(info.value)
        assert snapshot() == before
    finally:
        fill.unlink()
        run(f"mount -o remount,size=50% {STATE.path}")
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
