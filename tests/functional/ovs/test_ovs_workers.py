# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Many at once on one switch: threads and processes, on one VIF and on VIFs that share a bridge."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import threading

import pytest

import os_vif
from os_vif import objects
from os_vif.testing.host_snapshots import differences, snapshot, without_addresses
from testbed.environments import CHECKOUT
from tests.support.cases import CASES, VFS, Case

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
#: Those that share most: devices, a bridge of their own, a bridge that the last one takes away.
SHORT = ("ovs-hybrid", "ovs-own-bridge", "ovs-trunk")
PARAMS = [
    c.param(rounds, id=f"{c}-{length}", marks=marks)
    for c in CASES["ovs"]
    for rounds, length, marks in ((2, "short", ()), (40, "long", [pytest.mark.soak]))
    if str(c) in SHORT or length == "long"
]

_PROCESS = """
import os, pathlib, sys
import os_vif
from os_vif import objects
from os_vif.host.sriov import functions
from oslo_config import cfg
from os_vif.testing import fake_card
from tests.support.cases import CASES

config, name, number, rounds = sys.argv[1:]
cfg.CONF(["--config-file", config], project="os-vif", default_config_dirs=[])
os_vif.initialize()
functions.SYS = pathlib.Path(os.environ.get(fake_card.VARIABLE, functions.SYS))
(case,) = (case for case in CASES["ovs"] if case.name == name)
instance = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
for n in range(int(rounds)):
    for action in ("plug", "unplug"):
        getattr(os_vif, action)(case.numbered(int(number)), instance)
os_vif.plug(case.numbered(int(number)), instance)
"""


def several(case: Case) -> list[objects.VIFBase]:
    return [case.numbered(number) for number in range(VFS)]


def every(action: str, case: Case) -> dict:
    """One after the other: how the host is then."""
    for vif in several(case):
        getattr(os_vif, action)(vif, INSTANCE)
    return without_addresses(snapshot())


def in_threads(case: Case, rounds: int) -> None:
    """Each VIF is plugged and unplugged by two threads, in no order."""
    errors: list[Exception] = []

    def plug_and_unplug(vif):
        try:
            for _ in range(rounds):
                os_vif.plug(vif, INSTANCE)
                os_vif.unplug(vif, INSTANCE)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is shown
            errors.append(error)

    threads = [
        threading.Thread(target=plug_and_unplug, args=(vif,))
        for vif in (*several(case), *several(case))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def in_processes(case: Case, rounds: int, config: pathlib.Path, helper: str) -> None:
    """Two for the first VIF, one for another; each has a daemon of its own."""
    config.write_text(case.configuration(helper))
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _PROCESS, config, case.name, str(number),
             str(rounds)],
            cwd=CHECKOUT, stderr=subprocess.PIPE, text=True,
        )
        for number in (0, 0, 1)
    ]  # fmt: skip
    said = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said


@pytest.mark.parametrize(("case", "rounds"), PARAMS)
def test_threads_leave_what_one_after_the_other_leaves(case, rounds):
    """No call fails; each VIF has what it has alone, and in the end nothing is left."""
    with case.prepared():
        plugged, unplugged = every("plug", case), every("unplug", case)
        in_threads(case, rounds)
        # Of two threads on one VIF, the one may have plugged after the other had unplugged.
        every("unplug", case)
        assert differences(unplugged, addresses=False) == []
        # That of a trunk is Neutron's; here a plug makes it again, without its patch ports.
        if not case.loses_bridge:
            every("plug", case)
            assert differences(plugged, addresses=False) == []


@pytest.mark.parametrize(
    ("case", "rounds"), [p for p in PARAMS if p.id == "ovs-hybrid-short" or p.id.endswith("long")]
)
def test_processes_leave_what_one_after_the_other_leaves(case, rounds, tmp_path, quick_helper):
    """The kernel's part is locked by files, that of the switch by its server."""
    with case.prepared():
        every("plug", case)
        unplugged = every("unplug", case)
        for vif in several(case)[:2]:
            os_vif.plug(vif, INSTANCE)
        plugged = without_addresses(snapshot())
        in_processes(case, rounds, tmp_path / "os-vif.conf", quick_helper)
        for vif in several(case)[:2]:
            assert [d for d in os_vif.check(vif, INSTANCE) if not d.pending] == []
        if not case.loses_bridge:
            assert differences(plugged, addresses=False) == []
        every("unplug", case)
        assert differences(unplugged, addresses=False) == []
