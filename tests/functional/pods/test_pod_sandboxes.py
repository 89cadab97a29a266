# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A VIF in one sandbox and then in another; and files that are no namespaces."""

from __future__ import annotations

import os

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.engine import runner
from os_vif.host.netlink import rtnetlink
from os_vif.host.netlink.alternative_names import read_alternative_names
from os_vif.host.netlink.rtnetlink import CREATING_GROUP
from os_vif.host.state import vif_records
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_veth import is_of_other_sandbox
from os_vif.testing.conformance_checks import with_failing_step
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import (
    POD,
    macvlan_vif,
    new_pod,
    pod_bridge_vif,
    pod_hybrid_vif,
    pod_ip,
    pod_ovs_vif,
)

pytestmark = pytest.mark.usefixtures("prepared")


@pytest.fixture
def prepared(request):
    """Provide a privileged daemon, and Open vSwitch for a test with a VIF on Open vSwitch."""
    parameters = getattr(request.node, "callspec", None)
    is_switched = parameters and parameters.params.get("make_vif") in SWITCHED
    request.getfixturevalue("br_int" if is_switched else "daemon")


#: The functions for VIFs on Open vSwitch.
SWITCHED = (pod_ovs_vif, pod_hybrid_vif)


@pytest.mark.parametrize("make_vif", [pod_bridge_vif, pod_ovs_vif])
def test_a_late_unplug_of_the_earlier_sandbox_leaves_the_vif_alone(make_vif):
    vif = make_vif(1)
    with new_pod() as later:
        with new_pod() as earlier:
            os_vif.plug_pod(vif, POD, Sandbox(earlier, "eth0"))
            os_vif.plug_pod(vif, POD, Sandbox(later, "eth0"))
            plugged = snapshot()
            assert os_vif.unplug_pod(vif, POD, Sandbox(earlier, "eth0")) == ()
            assert len(os_vif.plan_pod(vif, POD, Sandbox(earlier, "eth0"), "unplug")) == 0
        # The earlier sandbox has ended.
        os_vif.unplug_pod(vif, POD, Sandbox(earlier, "eth0"))
        assert snapshot() == plugged
        assert os_vif.check_pod(vif, POD, Sandbox(later, "eth0")) == ()
        with rtnetlink.opened() as net:
            assert vif_records.has_record(net, vif.id)
        os_vif.unplug_pod(vif, POD, Sandbox(later, "eth0"))
        assert vif.vif_name not in {link["ifname"] for link in ip("link")}


def test_an_unplug_of_another_interface_leaves_the_vif_alone():
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "net1"))
        assert os_vif.check_pod(vif, POD, Sandbox(netns, "eth0")) == ()


def test_an_unplug_of_another_vif_leaves_a_macvlan_device_alone(configured):
    run("ip link add ovlink0 mtu 1450 type veth peer name ovlink1")
    configured("pod_link", "ovlink0", "os_vif")
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0")
        os_vif.plug_pod(macvlan_vif(1), POD, sandbox)
        os_vif.unplug_pod(macvlan_vif(2), POD, sandbox)
        assert os_vif.check_pod(macvlan_vif(1), POD, sandbox) == ()


def test_a_replaced_pair_is_reported_after_a_failure():
    vif = pod_bridge_vif(1)
    with new_pod() as earlier, new_pod() as later:
        os_vif.plug_pod(vif, POD, Sandbox(earlier, "eth0"))
        plan = os_vif.plan_pod(vif, POD, Sandbox(later, "eth0"))
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(with_failing_step(plan, len(plan)), PRIVSEP_MODULE)
        assert "veth pair into an earlier sandbox, deleted" in str(info.value)
        assert [link["ifname"] for link in pod_ip(later, "link")] == ["lo"]


def test_a_leftover_of_a_killed_plug_without_a_tag_is_removed():
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        name = netns.rpartition("/")[2]
        run(f"ip link add {vif.vif_name} type veth peer name eth0 netns {name}")
        run(f"ip link set {vif.vif_name} group {CREATING_GROUP}")
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "eth0"))
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]


def test_the_daemon_tells_nothing_about_other_files(tmp_path):
    """Not even whether a file exists; and it opens no other file, such as a FIFO."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    texts = set()
    for path in ("/etc/shadow", "/etc/no-such-file", "/etc/passwd/x", str(fifo), "/dev/ptmx"):
        step = InPod.of(path, "4:1", SetLink("lo", up=True))
        with pytest.raises(exception.StepFailed) as info:
            runner.run(Plan(step), PRIVSEP_MODULE)
        texts.add(str(info.value).replace(path, "PATH"))
    (text,) = texts
    assert "the network namespace PATH does not exist, or is not the one of the pod" in text


@pytest.mark.parametrize("make_vif", [pod_bridge_vif, pod_ovs_vif, pod_hybrid_vif])
def test_a_device_of_another_program_is_not_deleted(make_vif):
    """Such as the tap device of a virtual machine; also with the name of a VIF's device."""
    vif = make_vif(1)
    for kind in ("veth peer name far", "bridge"):
        run(f"ip link add {vif.vif_name} type {kind}")
        before = snapshot()
        with new_pod() as netns:
            sandbox = Sandbox(netns, "eth0")
            with pytest.raises(exception.PlugException, match=vif.vif_name):
                os_vif.plug_pod(vif, POD, sandbox)
            assert os_vif.unplug_pod(vif, POD, sandbox) == ()
        assert os_vif.unplug_pod(vif, POD, Sandbox(None, "eth0")) == ()
        assert snapshot() == before
        run(f"ip link delete {vif.vif_name}")


def test_a_second_interface_does_not_take_the_first_away():
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        with pytest.raises(exception.PlugException, match="whose peer is eth0"):
            os_vif.plug_pod(vif, POD, Sandbox(netns, "eth1"))
        assert os_vif.check_pod(vif, POD, Sandbox(netns, "eth0")) == ()
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "eth0"))


def test_a_pair_that_the_kernel_has_just_deleted_is_of_no_other_sandbox():
    """The kernel deletes the devices of an ended namespace between two reads of an unplug."""
    vif = pod_bridge_vif(1)
    with new_pod() as netns, rtnetlink.opened() as net:
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        link = net.require(vif.vif_name)
        assert is_of_other_sandbox(net, link, netns, "1:1", "eth0")
        net.delete(link)
        assert read_alternative_names(net, link) == []
        assert not is_of_other_sandbox(net, link, netns, "1:1", "eth0")
        os_vif.unplug_pod(vif, POD, Sandbox(netns, "eth0"))


#: ``NETNSA_NSID_NOT_ASSIGNED``: the number of a namespace that is being ended.
_ENDING = -1


def _await_ending(net, name):
    """Wait until the namespace of a peer is being ended; return whether the device still exists."""
    while (link := net.link(name)) is not None and link.lower_netns != _ENDING:
        pass
    return link is not None


@pytest.mark.short_form(2)
@pytest.mark.parametrize("call", ["unplug", "unplug without a path", "plug", "collect"])
def test_calls_while_the_namespace_is_being_ended(call):
    """The state lasts milliseconds and is not always seen; the calls succeed in every state."""
    vif = pod_bridge_vif(1)
    for _ in range(4):
        with new_pod() as later, new_pod() as netns, rtnetlink.opened() as net:
            os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
            run(f"ip netns del {netns.rpartition('/')[2]}")
            is_seen = _await_ending(net, vif.vif_name)
            match call:
                case "plug":
                    os_vif.plug_pod(vif, POD, Sandbox(later, "eth0"))
                    assert os_vif.check_pod(vif, POD, Sandbox(later, "eth0")) == ()
                    os_vif.unplug_pod(vif, POD, Sandbox(later, "eth0"))
                case "collect":
                    owner = os_vif.inventory()[0].owner
                    report = os_vif.collect(
                        lambda _: False, owner=owner, older_than=0, observations=1
                    )
                    assert (report.errors, report.failed) == ((), ())
                case _:
                    path = None if call.endswith("path") else netns
                    assert os_vif.unplug_pod(vif, POD, Sandbox(path, "eth0")) == ()
            assert {link["ifname"] for link in ip("link")} & {vif.vif_name, "brpod"} == set()
            assert not vif_records.has_record(net, vif.id)
            if is_seen:
                return
