# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The device of a virtual function in a pod, and back on the host with name, MAC address and MTU.

A veth device stands for the network device of the virtual function; tests/vm uses a real card.
"""

from __future__ import annotations

import pytest

import os_vif
from os_vif import Sandbox, exception, objects
from os_vif.engine import runner
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.testing.conformance_checks import with_failing_step
from os_vif.testing.fake_card import Sysfs
from os_vif.testing.host_snapshots import changes, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import POD, entered, network_of, new_pod, pod_ip, subnet

PF, VF = "0000:03:00.0", "0000:03:00.2"


@pytest.fixture
def vf(namespace, tmp_path, monkeypatch):
    """Provide a card with a virtual function, whose device is ovvf0."""
    run("ip link add ovpf0 type veth peer name ovpf1")
    run("ip link add ovvf0 address 52:54:00:00:00:01 type veth peer name ovvf1")
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.physical(PF, "ovpf0", [VF])
    sysfs.below(VF, "ovvf0")
    sysfs.shown(monkeypatch)


@pytest.fixture
def vif(vf, daemon) -> objects.VIFHostDevice:
    return objects.VIFHostDevice(
        id="00000001-0000-4000-8000-000000000009",
        address="fa:16:3e:00:09:01",
        plugin="noop",
        dev_type="ethernet",
        dev_address=VF,
        network=network_of(subnet("10.6.0.0/24", "10.6.0.5"), mtu=1400),
    )


def host() -> dict:
    return without_indexes(snapshot())


def test_a_virtual_function_goes_into_the_pod_and_comes_back(vif):
    before = host()
    with new_pod() as netns:
        sandbox = Sandbox(netns, "net1")
        result = os_vif.plug_pod(vif, POD, sandbox)
        assert result.pci_id == VF
        assert result.device_info == {
            "type": "pci", "version": "1.1.0", "pci": {"pci-address": VF}
        }  # fmt: skip
        (net1,) = pod_ip(netns, "link", "show", "net1")
        assert (net1["address"], net1["mtu"]) == (vif.address, 1400)
        assert [link["ifname"] for link in ip("link") if link["ifname"] == "ovvf0"] == []
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        assert os_vif.plug_pod(vif, POD, sandbox) == result
        os_vif.unplug_pod(vif, POD, sandbox)
        assert changes(before, host()) == []
        os_vif.unplug_pod(vif, POD, sandbox)
        assert changes(before, host()) == []


def test_a_collection_brings_the_device_back(vif):
    """The record names the pod."""
    before = host()
    with new_pod() as netns:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "net1"))
        report = os_vif.collect(lambda _: False, older_than=0, observations=1, pending=True)
        assert [each.outcome for each in report.results] == ["removed"]
        assert changes(before, host()) == []
        assert os_vif.inventory() == ()


def test_a_failure_at_each_step_brings_the_device_back(vif):
    before = host()
    with new_pod() as netns:
        sandbox = Sandbox(netns, "net1")
        plan = os_vif.plan_pod(vif, POD, sandbox)
        for k in range(len(plan) + 1):
            with pytest.raises(exception.StepFailed, match="missing") as info:
                runner.run(with_failing_step(plan, k), PRIVSEP_MODULE)
            assert "by hand" not in str(info.value)
            assert changes(before, host()) == []


def test_an_interrupted_unplug_leaves_the_device_in_the_pod(vif):
    with new_pod() as netns:
        sandbox = Sandbox(netns, "net1")
        os_vif.plug_pod(vif, POD, sandbox)
        with entered(netns):
            plugged = without_indexes(snapshot())
        plan = os_vif.plan_pod(vif, POD, sandbox, "unplug")
        with pytest.raises(exception.StepFailed, match="missing"):
            runner.run(with_failing_step(plan, len(plan)), PRIVSEP_MODULE)
        with entered(netns):
            assert changes(plugged, without_indexes(snapshot())) == []
        assert os_vif.check_pod(vif, POD, sandbox) == ()


def test_a_device_that_the_kernel_has_returned_gets_its_name_back(vif):
    """A veth device does not return when the namespace ends, so the test moves the device."""
    before = host()
    with new_pod() as netns:
        sandbox = Sandbox(netns, "net1")
        os_vif.plug_pod(vif, POD, sandbox)
        move_here(netns)
    os_vif.unplug_pod(vif, POD, sandbox)
    assert changes(before, host()) == []


def move_here(netns: str) -> None:
    """Move net1 from a pod to this namespace, under the name that sysfs shows."""
    name = netns.rpartition("/")[2]
    here = f"/run/netns/{name}-own"
    run(f"touch {here} && mount --bind /proc/self/ns/net {here}")
    try:
        run(f"ip -n {name} link set net1 netns {name}-own name ovvf0")
    finally:
        run(f"umount {here} && rm {here}")


def test_a_pod_cannot_choose_the_device_that_comes_back(vif):
    """Neither by the name nor by alternative names of a device of its own."""
    before = host()
    with new_pod() as netns:
        name = netns.rpartition("/")[2]
        run(f"ip -n {name} link add net1 type bridge")
        run(f"ip -n {name} link property add dev net1 altname os-vif-was-eth7")
        run(f"ip -n {name} link property add dev net1 altname os-vif-had-9-020000000009-1500")
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "net1"))
        assert changes(before, host()) == []
        assert "net1" in {link["ifname"] for link in pod_ip(netns, "link")}


def test_a_device_that_the_pod_has_renamed_comes_back(vif):
    before = host()
    with new_pod() as netns:
        name = netns.rpartition("/")[2]
        sandbox = Sandbox(netns, "net1")
        os_vif.plug_pod(vif, POD, sandbox)
        run(f"ip -n {name} link set net1 down")
        run(f"ip -n {name} link set net1 name hidden address 52:54:00:00:00:99")
        run(f"ip -n {name} link add net1 type bridge")
        os_vif.unplug_pod(vif, POD, sandbox)
        assert changes(before, host()) == []
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo", "net1"]


def test_an_unplug_of_another_sandbox_leaves_the_device_in_the_pod(vif):
    with new_pod() as netns, new_pod() as other:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "net1"))
        os_vif.unplug_pod(vif, POD, Sandbox(other, "net1"))
        os_vif.unplug_pod(vif, POD, Sandbox("/run/netns/ov-ended", "net1"))
        assert os_vif.check_pod(vif, POD, Sandbox(netns, "net1")) == ()
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "net1"))


def test_a_device_stays_in_the_pod_while_another_has_its_name(vif):
    with new_pod() as netns:
        sandbox = Sandbox(netns, "net1")
        os_vif.plug_pod(vif, POD, sandbox)
        run("ip link add ovvf0 type bridge")
        with pytest.raises(exception.UnplugException, match="another device of the host"):
            os_vif.unplug_pod(vif, POD, sandbox)
        assert "net1" in {link["ifname"] for link in pod_ip(netns, "link")}
        run("ip link del ovvf0")
        os_vif.unplug_pod(vif, POD, sandbox)
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]
