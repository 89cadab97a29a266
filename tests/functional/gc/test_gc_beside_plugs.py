# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Collections while other threads plug and unplug, and collections that are killed."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import signal
import threading
import time

import pytest
from oslo_config import cfg

import os_vif
from os_vif import objects
from os_vif.operations.collect import collection
from os_vif.testing import daemon_kills
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from tests.support.forks import forked
from tests.support.thread_vifs import vif_of
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

THREADS = 8
NOW = {"older_than": 0, "observations": 1, "pending": True}


def keep_nothing(_):
    return False


@pytest.fixture
def owned():
    """Provide a function that sets the owner of the next plugs."""
    yield lambda name: cfg.CONF.set_override("owner", name, group="os_vif")
    cfg.CONF.clear_override("owner", group="os_vif")


def plug_until(end: float, thread: int, failures: list[str]) -> int:
    """Plug and unplug VIFs of a thread, and check that each VIF stays in between."""
    instance = objects.InstanceInfo(name=f"guest{thread}")
    turn = 0
    while time.monotonic() < end or turn < 3:
        vif = vif_of(thread, turn)
        os_vif.plug(vif, instance)
        time.sleep(0.02)
        found = [d for d in os_vif.check(vif, instance) if not d.pending]
        if found:
            failures.append(f"{vif.id}: {found}")
        os_vif.unplug(vif, instance)
        turn += 1
    return turn


def run_beside(seconds: float, collect) -> list:
    """Call *collect* repeatedly while threads plug; return the reports."""
    end = time.monotonic() + seconds
    failures: list[str] = []
    reports = []
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        turns = [pool.submit(plug_until, end, thread, failures) for thread in range(THREADS)]
        while not all(turn.done() for turn in turns):
            reports.append(collect())
        assert sum(turn.result() for turn in turns) >= THREADS
    assert failures == []
    return reports


@pytest.mark.parametrize(
    "seconds", [pytest.param(3, id="short"), pytest.param(120, id="long", marks=pytest.mark.soak)]
)
@pytest.mark.parametrize("rule", ["owner", "grace"])
def test_a_collection_takes_no_vif_of_threads_that_plug(br_int, ovs_options, owned, seconds, rule):
    """The VIFs of the threads belong to another owner, or are in their grace period."""
    # Eight threads share ovs-vswitchd, on a machine that may be busy.
    ovs_options(ovs_vsctl_timeout=120)
    before = without_indexes(snapshot())
    owned("nova-compute")
    stale = [bridge_vif(n, "brq-stale") for n in range(1, 9)]
    for vif in stale:
        os_vif.plug(vif, objects.InstanceInfo(name="gone"))
    owned("kuryr-daemon")
    grace = {"owner": ("nova-compute", "kuryr-daemon"), "older_than": 3600, "pending": True}
    rules = {"owner": "nova-compute", **NOW} if rule == "owner" else grace
    reports = run_beside(seconds, lambda: os_vif.collect(keep_nothing, **rules))
    removed = {result.entry.id for report in reports for result in report.removed}
    # A bridge without users between two plugs is removed, as by the unplug of the last user.
    bridges = {name for name in removed if name.startswith("brq-")}
    assert removed - bridges == ({vif.id for vif in stale} if rule == "owner" else set())
    os_vif.collect(keep_nothing, owner="nova-compute", **NOW)
    os_vif.collect(keep_nothing, owner="nova-compute", **NOW)
    assert os_vif.inventory() == ()
    assert differences(before, indexes=False) == []


def test_a_vif_that_is_plugged_again_meanwhile_is_never_taken(br_int):
    """The keep list is older than the plugs: VIFs are stale for the collection, and come again."""
    instance = objects.InstanceInfo(name="guest")
    vifs = [vif_of(0, n) for n in range(3)]
    for vif in vifs:
        os_vif.plug(vif, instance)
    plugged = threading.Event()

    def plug_again(_):
        # The keep list is asked after the inventory: the inventory is old.
        if not plugged.is_set():
            plugged.set()
            for vif in vifs:
                os_vif.unplug(vif, instance)
                os_vif.plug(vif, instance)
        return False

    report = os_vif.collect(plug_again, **NOW)
    assert {str(result.outcome) for result in report.results} == {"changed"}
    for vif in vifs:
        assert [d for d in os_vif.check(vif, instance) if not d.pending] == []


def kill_after(number: int) -> None:
    """Kill this process in the *number*-th unplug of a collection, before or after the call."""
    calls = 0
    unplug_many = os_vif.unplug_many
    collection.MAX_BATCH = 1

    def counting(*arguments):
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        result = unplug_many(*arguments)
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    os_vif.unplug_many = counting


@pytest.mark.short_form(2)
@pytest.mark.parametrize("number", [1, 2, 4, 5])
def test_a_killed_collection_is_completed_by_the_next_one(br_int, number):
    before = without_indexes(snapshot())
    vifs = [vif_of(0, n) for n in range(3)]
    for vif in vifs:
        os_vif.plug(vif, objects.InstanceInfo(name="guest"))

    def collect_partly():
        kill_after(number)
        os_vif.collect(keep_nothing, **NOW)

    assert forked(collect_partly, b"").returncode == -signal.SIGKILL
    left = len(os_vif.inventory())
    assert left == len(vifs) - number // 2
    report = os_vif.collect(keep_nothing, **NOW)
    assert len(report.removed) == left
    assert os_vif.inventory() == ()
    assert differences(before, indexes=False) == []


@pytest.mark.parametrize(
    "stride", [pytest.param(4, id="short"), pytest.param(1, id="each", marks=pytest.mark.soak)]
)
def test_a_collection_killed_before_any_step_is_completed_by_the_next_one(br_int, stride):
    """A privileged daemon kills the collection before a step of its own."""
    before = without_indexes(snapshot())
    vifs = [vif_of(0, n) for n in range(3)]
    killed = 0
    for step in itertools.count(0, stride):
        for vif in vifs:
            os_vif.plug(vif, objects.InstanceInfo(name="guest"))

        def collect(step=step):
            # The forked process starts daemons of its own.
            os.environ[daemon_kills.VARIABLE] = f"{step}:{os.getpid()}"
            os_vif.collect(keep_nothing, **NOW)

        code = forked(collect, b"").returncode
        assert code in (0, -signal.SIGKILL)
        os_vif.collect(keep_nothing, unowned=True, **NOW)
        assert os_vif.inventory() == ()
        assert differences(before, indexes=False) == [], step
        if code == 0:
            # No daemon has so many steps.
            break
        killed += 1
    assert killed
