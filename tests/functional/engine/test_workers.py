# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Many at once: threads and processes, on one VIF and on VIFs that share a bridge."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

import os_vif
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from testbed.environments import CHECKOUT
from tests.support.cases import ALL
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon", "quick_commands")

#: The case that moves most.
CASE = next(case for case in ALL if case.name == "uplink-with-addresses-and-rules")

_PROCESS = """
import sys
import os_vif
from os_vif import objects
from oslo_config import cfg
from tests.support.cases import ALL
from tests.support.vifs import bridge_vif

cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
os_vif.initialize()
number, rounds = int(sys.argv[1]), int(sys.argv[2])
instance = objects.InstanceInfo(name="guest")
if number:
    vif = bridge_vif(number)
else:
    (vif,) = (case.vif for case in ALL if case.name == "uplink-with-addresses-and-rules")
for _ in range(rounds):
    os_vif.plug(vif, instance)
    differences = os_vif.check(vif, instance)
    # Of its own it sees no less than it has made.
    assert not number or differences == (), differences
    if number:
        os_vif.unplug(vif, instance)
os_vif.plug(vif, instance)
"""


def together(numbers, rounds: int) -> None:
    """Run processes at the same time, each with its own daemon."""
    program = [sys.executable, "-W", "ignore", "-c", _PROCESS]
    processes = [
        subprocess.Popen(
            [*program, str(number), str(rounds)],
            cwd=CHECKOUT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in numbers
    ]
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said


def test_two_processes_plug_one_vif(instance):
    """Both succeed, and the host is as after one plug."""
    with CASE.prepared():
        together([0, 0], rounds=3)
    together_plugged = snapshot()
    os_vif.plug(CASE.vif, instance)
    assert differences(together_plugged) == []
    assert os_vif.check(CASE.vif, instance) == ()


def test_two_threads_plug_and_unplug_one_vif(vif, instance):
    """Whatever the order: no call fails, and at the end it is one or the other."""
    before = without_indexes(snapshot())
    os_vif.plug(vif, instance)  # starts the daemon here, in this namespace
    errors: list[Exception] = []

    def work(call):
        for _ in range(20):
            try:
                call(vif, instance)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
                errors.append(error)

    threads = [threading.Thread(target=work, args=(c,)) for c in (os_vif.plug, os_vif.unplug)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    assert differences(before, indexes=False) == []


@pytest.mark.parametrize(
    ("workers", "rounds"),
    [
        pytest.param(4, 5, id="short"),
        pytest.param(12, 200, id="long", marks=pytest.mark.soak),
    ],
)
def test_workers_plug_vifs_of_one_bridge(instance, workers, rounds):
    """None takes from another the bridge that it has just plugged into."""
    before = snapshot()
    numbers = range(1, workers + 1)
    together(numbers, rounds)
    for number in numbers:
        assert os_vif.check(bridge_vif(number), instance) == ()
    for number in numbers:
        assert "brq-test" in [link["ifname"] for link in ip("link")]
        os_vif.unplug(bridge_vif(number), instance)
    assert differences(before) == []
