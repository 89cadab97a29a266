# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The watch reports and repairs differences between the host and plugged VIFs."""

from __future__ import annotations

import math
import os
import signal
import threading
import time

import pytest

import os_vif
from os_vif import exception
from os_vif.operations import watch
from os_vif.operations.host_events import HostEvents, open_vswitch
from os_vif.testing import daemon_kills
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.forks import forked
from tests.support.thread_vifs import vif_of
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")


class Watcher:
    """A watch of this process, with the notices in a list."""

    def __init__(self, events, **options):
        self.events, self.notices, self.checked = events, [], []
        self.watch = watch.Watch(self, events, self.notices.append, **options)

    inventory = staticmethod(os_vif.inventory)
    plan = staticmethod(os_vif.plan)
    plug = staticmethod(os_vif.plug)

    def check(self, vif, instance):
        self.checked.append(vif.id)
        return os_vif.check(vif, instance)

    def until(self, is_complete, seconds=30):
        """Watch until a condition holds."""
        end = time.monotonic() + seconds
        while not is_complete():
            assert time.monotonic() < end, self.notices
            self.watch.step(0.2)

    def quiet(self):
        """Watch until nothing is due and no event arrives."""
        self.until(self._is_idle)

    def _is_idle(self):
        before = len(self.checked)
        for _ in range(2):
            self.watch.step(0.05)
        return len(self.checked) == before and self.watch._next_due() == math.inf


@pytest.fixture
def watching(daemon):
    """Provide a function that starts a watch of the present VIFs."""
    events = []

    def start(**options):
        events.append(HostEvents(open_vswitch))
        watcher = Watcher(events[-1], **options)
        watcher.quiet()
        return watcher

    yield start
    for each in events:
        each.__exit__()


def test_a_deleted_device_is_told_and_so_is_its_return(vif, instance, watching):
    os_vif.plug(vif, instance)
    watcher = watching()
    assert watcher.notices == []
    run(f"ip link set dev {vif.bridge_name} down")
    watcher.until(lambda: watcher.notices)
    (notice,) = watcher.notices
    assert (notice.vif, notice.difference) == (vif.id, os_vif.check(vif, instance)[0])
    run(f"ip link set dev {vif.bridge_name} up")
    watcher.until(lambda: len(watcher.notices) > 1)
    assert (watcher.notices[1].vif, watcher.notices[1].difference) == (vif.id, None)


def test_an_event_checks_only_the_vifs_that_it_names(instance, watching):
    vifs = [bridge_vif(1, "brq-one"), bridge_vif(2, "brq-two")]
    for vif in vifs:
        os_vif.plug(vif, instance)
    watcher = watching()
    watcher.checked.clear()
    run("ip link set dev brq-two mtu 1300")
    watcher.until(lambda: watcher.notices)
    assert set(watcher.checked) == {vifs[1].id}
    run("ip link add name other type veth peer name far; ip link del dev other")
    watcher.checked.clear()
    watcher.quiet()
    assert watcher.checked == []


def test_new_vifs_are_watched_and_unplugged_ones_are_not_told(vif, instance, watching):
    watcher = watching()
    os_vif.plug(vif, instance)
    watcher.until(lambda: watcher.watch.vifs)
    watcher.quiet()
    os_vif.unplug(vif, instance)
    watcher.until(lambda: not watcher.watch.vifs)
    assert watcher.notices == []


def test_plugs_and_unplugs_are_no_differences(br_int, instance, watching):
    """For a bridge, a port and a hybrid plug, each twice."""
    watcher = watching()
    done = threading.Event()

    def work():
        try:
            for turn in range(6):
                vif = vif_of(0, turn)
                os_vif.plug(vif, instance)
                time.sleep(0.1)
                os_vif.unplug(vif, instance)
        finally:
            done.set()

    thread = threading.Thread(target=work)
    thread.start()
    watcher.until(done.is_set)
    thread.join()
    watcher.quiet()
    assert watcher.watch.vifs == {}
    assert [n for n in watcher.notices if n.difference and not n.difference.pending] == []


@pytest.mark.parametrize("profile", [{"create_port": True}, {}], ids=["port", "hybrid"])
def test_a_port_deleted_from_open_vswitch_is_told(br_int, instance, watching, profile):
    vif = ovs_vif(**profile) if profile else ovs_vif(os_vif.objects.VIFBridge)
    os_vif.plug(vif, instance)
    (entry,) = os_vif.inventory()
    watcher = watching()
    told = len(watcher.notices)
    br_int.vsctl("del-port", "br-int", entry.port)
    watcher.until(lambda: len(watcher.notices) > told)
    assert watcher.notices[told].vif == vif.id
    os_vif.plug(vif, instance)
    watcher.until(
        lambda: not any(not d.pending for w in watcher.watch.vifs.values() for d in w.since)
    )


def test_a_difference_is_repaired_after_its_time_and_the_owner_stays(vif, instance, watching):
    os_vif.plug(vif, instance)
    (before,) = os_vif.inventory()
    watcher = watching(repair_after=0.3)
    run(f"ip link del dev {vif.bridge_name}")
    watcher.until(lambda: watcher.watch.repairs["repaired"])
    assert os_vif.check(vif, instance) == ()
    (after,) = os_vif.inventory()
    assert (after.owner, after.since) == (before.owner, before.since)
    watcher.until(lambda: watcher.notices[-1].difference is None)


@pytest.mark.parametrize("first", [True, False], ids=["before", "during"])
def test_a_vif_that_lost_its_device_to_another_is_not_repaired(br_int, instance, watching, first):
    """Plug another VIF on the device, before or during the watch."""
    one, other = (ovs_vif(create_port=True, create_tap=True) for _ in range(2))
    other.id = other.port_profile.interface_id = "bbbbbbbb-0000-4000-8000-000000000000"
    os_vif.plug(one, instance)
    if first:
        os_vif.plug(other, instance)
    watcher = watching(repair_after=0.1)
    if not first:
        os_vif.plug(other, instance)
    watcher.until(lambda: ("ovs", other.id) in watcher.watch.vifs)
    watcher.quiet()
    assert watcher.watch.vifs["ovs", one.id].entry.state == "left over"
    assert watcher.watch.repairs == {"repaired": 0, "failed": 0}
    assert os_vif.check(other, instance) == ()


def test_a_repair_that_fails_is_repeated(instance, watching, monkeypatch):
    vif = bridge_vif(1)
    os_vif.plug(vif, instance)
    watcher = watching(repair_after=0.1)
    attempts = []

    def plug(*arguments):
        attempts.append(arguments)
        if len(attempts) == 1:
            raise exception.PlugException("the bridge is busy")
        os_vif.plug(*arguments)

    monkeypatch.setattr(watcher, "plug", plug, raising=False)
    run(f"ip link del dev {vif.bridge_name}")
    watcher.until(lambda: watcher.watch.repairs == {"repaired": 1, "failed": 1})
    assert os_vif.check(vif, instance) == ()


def test_without_repair_nothing_is_changed(vif, instance, watching):
    os_vif.plug(vif, instance)
    watcher = watching()
    run(f"ip link del dev {vif.bridge_name}")
    watcher.until(lambda: watcher.notices)
    watcher.quiet()
    assert os_vif.check(vif, instance) != ()


def test_lost_notifications_lead_to_a_look_at_all_vifs(vif, instance, watching, monkeypatch):
    os_vif.plug(vif, instance)
    watcher = watching()
    links = watcher.events._links
    links._socket.setsockopt(1, 33, 2048)  # SO_RCVBUFFORCE
    run(
        "for n in $(seq 60); do ip link add name d$n type bridge; done; "
        f"ip link set dev {vif.bridge_name} down"
    )
    watcher.until(lambda: watcher.notices)
    assert watcher.notices[0].vif == vif.id


def test_a_restarted_database_is_told_and_watched_again(br_int, instance, watching):
    vif = ovs_vif(create_port=True)
    os_vif.plug(vif, instance)
    watcher = watching()
    told = len(watcher.notices)
    br_int.kill("ovsdb-server")
    watcher.until(lambda: len(watcher.notices) > told)
    fault = watcher.notices[told]
    assert (fault.vif, fault.difference.attribute) == (None, "connection to Open vSwitch")
    br_int.start_server()
    watcher.until(lambda: any(n.vif is None and n.difference is None for n in watcher.notices))
    watcher.quiet()
    count = len(watcher.notices)
    (entry,) = os_vif.inventory()
    br_int.vsctl("del-port", "br-int", entry.port)
    watcher.until(lambda: len(watcher.notices) > count)


def kill_in_repair(vif, instance, watching, step) -> bool:
    """Kill a watch before a step of its repair; check that the next watch completes the repair.

    A privileged daemon kills the watch before the step, and leaves the lock as in a plug.

    :returns: whether the repair has such a step.
    """
    os_vif.plug(vif, instance)
    run(f"ip link del dev {vif.bridge_name}")

    def repair():
        # The forked process starts a daemon of its own.
        os.environ[daemon_kills.VARIABLE] = f"{step}:{os.getpid()}"
        with HostEvents(open_vswitch) as events:
            watcher = Watcher(events, repair_after=0.01)
            watcher.until(lambda: watcher.watch.repairs["repaired"])

    done = forked(repair, b"")
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    watcher = watching(repair_after=0.01)
    watcher.until(lambda: os_vif.check(vif, instance) == ())
    os_vif.unplug(vif, instance)
    assert os_vif.inventory() == ()
    return done.returncode != 0


@pytest.mark.parametrize("step", [0, 2, 5])
def test_a_watch_killed_in_a_repair_is_completed_by_the_next_one(
    vif, instance, watching, step, monkeypatch
):
    monkeypatch.setattr(watch, "_LOCK_PATIENCE", 0.2)
    assert kill_in_repair(vif, instance, watching, step)


@pytest.mark.soak
def test_a_watch_killed_before_each_step_of_a_repair_is_completed_by_the_next_one(
    vif, instance, watching, monkeypatch
):
    monkeypatch.setattr(watch, "_LOCK_PATIENCE", 0.2)
    step = 0
    while kill_in_repair(vif, instance, watching, step):
        step += 1
    assert step > 5


def test_a_refresh_is_a_change_without_an_event(watching):
    changes = []
    watcher = watching(on_change=lambda: changes.append(1), refresh=0.05)
    before = len(changes)

    def stop():
        changes.append(1)
        if len(changes) > before + 3:
            watcher.events.stop()

    watcher.watch._on_change = stop
    watcher.watch.run()
    assert len(changes) > before + 3


def test_a_stop_ends_the_wait(watching):
    watcher = watching()
    watcher.events.stop()
    watcher.watch.run()
    assert watcher.events.is_stopped
