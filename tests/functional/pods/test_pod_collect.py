# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Collection of the VIFs of pods: the record names the pod, and the device of the pod ends too."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

import os_vif
from os_vif import Sandbox
from os_vif.operations.collect import CollectOutcome
from os_vif.testing.host_snapshots import snapshot
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import POD, macvlan_vif, new_pod, pod_bridge_vif, pod_ip

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def uplink(daemon, configured):
    """Provide the link interface of macvlan devices."""
    run("ip link add ovlink0 mtu 1450 type veth peer name ovlink1")
    run("ip link set ovlink0 up")
    configured("pod_link", "ovlink0", "os_vif")


def collect():
    return os_vif.collect(lambda _: False, older_than=0, observations=1, pending=True)


def device_names(netns):
    return [link["ifname"] for link in pod_ip(netns, "link")]


@pytest.mark.usefixtures("uplink")
def test_a_collection_removes_the_devices_in_the_pods():
    before = snapshot()
    with new_pod() as one, new_pod() as two:
        for number, netns in ((1, one), (2, two)):
            os_vif.plug_pod(macvlan_vif(number), POD, Sandbox(netns, "eth0"))
        os_vif.plug_pod(pod_bridge_vif(3), POD, Sandbox(two, "eth1"))
        report = collect()
        assert [each.outcome for each in report.results] == [CollectOutcome.REMOVED] * 3
        assert device_names(one) == device_names(two) == ["lo"]
        assert collect().results == ()
    assert snapshot() == before


@pytest.mark.usefixtures("uplink")
def test_a_collection_after_the_end_of_the_pod():
    with new_pod() as netns:
        os_vif.plug_pod(macvlan_vif(1), POD, Sandbox(netns, "eth0"))
    with new_pod(pathlib.Path(netns).name):
        assert [each.outcome for each in collect().results] == [CollectOutcome.REMOVED]
    assert collect().results == ()


@pytest.mark.usefixtures("uplink")
def test_a_collection_finds_the_pod_by_its_processes():
    """As after a runtime that has removed the file of the namespace, and not the processes."""
    with new_pod() as netns:
        os_vif.plug_pod(macvlan_vif(1), POD, Sandbox(netns, "eth0"))
        command = ["nsenter", f"--net={netns}", sys.executable, "-c", "print(flush=True); input()"]
        with subprocess.Popen(command, stdin=-1, stdout=-1) as process:
            process.stdout.readline()
            run(f"ip netns del {pathlib.Path(netns).name}")
            assert [each.outcome for each in collect().results] == [CollectOutcome.REMOVED]
            assert device_names(f"/proc/{process.pid}/ns/net") == ["lo"]
            process.stdin.close()


@pytest.mark.usefixtures("uplink")
def test_a_failed_removal_in_the_pod_keeps_the_record(monkeypatch):
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0")
        os_vif.plug_pod(macvlan_vif(1), POD, sandbox)
        with monkeypatch.context() as patch:
            patch.setattr(os_vif, "unplug_pod", _refuse)
            assert [each.outcome for each in collect().results] == [CollectOutcome.FAILED]
        assert [each.id for each in os_vif.inventory()] == [macvlan_vif(1).id]
        # A repair on the host keeps the pod of the record, and unplug_pod() finds the pod there.
        os_vif.plug(macvlan_vif(1), POD)
        os_vif.unplug_pod(macvlan_vif(1), POD, Sandbox(None, "eth0"))
        assert device_names(netns) == ["lo"]
        assert os_vif.inventory() == ()


def _refuse(vif, *_):
    raise os_vif.exception.UnplugException(vif=vif, err="the namespace cannot be opened")
