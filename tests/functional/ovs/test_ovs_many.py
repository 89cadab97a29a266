# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Many at once: processes and threads on one switch, and a host full of VIFs."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures

import pytest

import os_vif
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from testbed.environments import CHECKOUT
from testbed.ovs_kinds import BRIDGE, KINDS, vif
from testbed.raw_switch import RawSwitch
from tests.support.cases import configured
from tests.support.daemons import daemon_pid, descriptors
from tests.support.ovs.worker import INSTANCE
from tests.support.requirements import require_tun

THREADS = 8


@contextlib.contextmanager
def agent(connection: str) -> Iterator[RawSwitch]:
    """Changes the rows that a plug makes, as the agent of Neutron does, and ports of its own."""
    raw = RawSwitch(connection)
    stop, failed = threading.Event(), []

    def work() -> None:
        chance = random.Random(7)  # noqa: S311 - no secret
        with contextlib.closing(RawSwitch(connection)) as switch:
            for number in itertools.count():
                if stop.wait(0.005):
                    return
                name = f"agent-{number % 5}"
                if name in switch.ports():
                    switch.delete(BRIDGE, name)
                else:
                    switch.add(BRIDGE, name, type="internal")
                wired = sorted(port for port in switch.ports() if port.startswith(("tap", "qvo")))
                for port in chance.sample(wired, min(3, len(wired))):
                    switch.set("Port", port, tag=number % 4000 + 1)
                    switch.put("Port", port, "other_config", segmentation_id=str(number))
                    switch.put("Interface", port, "external_ids", agent=str(number))
                switch.put("Bridge", BRIDGE, "other_config", seen=str(number))

    def guarded() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - it is shown
            failed.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield raw
    finally:
        stop.set()
        thread.join()
        raw.close()
    assert failed == []


@pytest.mark.parametrize(
    ("kinds", "count", "threads", "seconds"),
    [
        pytest.param(["tap", "hybrid"], 4, 2, 0, id="short"),
        pytest.param([*KINDS], 50, THREADS, 120, id="long", marks=pytest.mark.soak),
    ],
)
def test_processes_and_threads_share_a_switch_with_an_agent(
    br_int, kinds, count, threads, seconds
):
    """A process for each way to plug: no call fails, all is plugged, nothing is left."""
    require_tun()
    before = without_indexes(snapshot())
    first = {kind: number * count for number, kind in enumerate(kinds)}
    program = [sys.executable, "-W", "ignore", "-m", "tests.support.ovs.worker"]
    with agent(br_int.connection):
        processes = [
            subprocess.Popen(
                [*program, br_int.connection, kind, *map(str, (n, n + count, threads, seconds))],
                cwd=CHECKOUT,
                stderr=subprocess.PIPE,
                text=True,
            )
            for kind, n in first.items()
        ]
        said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    for name in kinds:
        kind = KINDS[name]
        vifs = [vif(kind, first[name] + number) for number in range(count)]
        with configured(**kind.options):
            for one in vifs:
                assert [d for d in os_vif.check(one, INSTANCE) if not d.pending] == []
        for one in vifs:
            os_vif.unplug(one, INSTANCE)
    # What the agent has made is its own.
    with contextlib.closing(RawSwitch(br_int.connection)) as raw:
        for name in [name for name in raw.ports() if name.startswith("agent-")]:
            raw.delete(BRIDGE, name)
        raw.set("Bridge", BRIDGE, other_config=["map", []])
    assert differences(before, indexes=False) == []


def resident(pid: int | str) -> int:
    """Bytes of memory of a process."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        pytest.param("hybrid", 24, id="short"),
        pytest.param("hybrid", 1000, id="long", marks=pytest.mark.soak),
        pytest.param("tap", 1000, id="long-tap", marks=pytest.mark.soak),
    ],
)
def test_a_host_full_of_vifs(br_int, kind, count):
    """All are plugged and right, all go; neither the caller nor the daemon has grown by them."""
    require_tun()
    vifs = [vif(KINDS[kind], number) for number in range(count)]

    def all_of(call) -> None:
        with futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda one: call(one, INSTANCE), vifs))

    def plugged_and_gone() -> None:
        all_of(os_vif.plug)
        assert [d for one in vifs for d in os_vif.check(one, INSTANCE)] == []
        # As when nova-compute starts.
        all_of(os_vif.plug)
        all_of(os_vif.unplug)

    before = without_indexes(snapshot())
    # The first ones bring modules, threads and their sockets.
    vifs, rest = vifs[:24], vifs
    for _ in range(2):
        plugged_and_gone()
    pid, vifs = daemon_pid("ovs"), rest
    opened, memory = (descriptors("self"), descriptors(pid)), (resident("self"), resident(pid))
    plugged_and_gone()
    assert descriptors("self") <= opened[0]
    # A thread of its pool may have been started only since.
    assert descriptors(pid) <= opened[1] + max(THREADS, os.cpu_count() or 1)
    grown = [resident(who) - was for who, was in zip(("self", pid), memory, strict=True)]
    # No more than the descriptions of the VIFs, which the test itself keeps, and the allocator.
    assert max(grown) < 16 * 2**20
    assert len([link for link in ip("link") if link["ifname"].startswith("tap")]) == 0
    assert differences(before, indexes=False) == []
