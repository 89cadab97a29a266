# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The host as the gateway of pods: addresses on the Linux bridge, and forwarding."""

from __future__ import annotations

import os
import pathlib
from unittest import mock

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.engine import runner
from os_vif.host.state import directory
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.testing.conformance_checks import with_failing_step
from os_vif.testing.conformance_run import disable_kill, kill_before_step
from os_vif.testing.host_snapshots import (
    ip,
    snapshot,
    state_files,
    without_addresses,
    without_indexes,
)
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import (
    POD,
    new_pod,
    pod_bridge_vif,
    pod_ovs_vif,
    send_datagram,
    subnet,
)

pytestmark = pytest.mark.usefixtures("daemon")
GATEWAY = ("10.7.0.1/24",)
FORWARDING = pathlib.Path("/proc/sys/net/ipv4/conf")


def read(name):
    return int((FORWARDING / name).read_text())


def sandbox_of(netns, addresses=GATEWAY):
    return Sandbox(netns, "eth0", default_gateway=True, bridge_addresses=addresses)


def bridge_addresses(bridge="brpod"):
    return {
        f"{each['local']}/{each['prefixlen']}"
        for link in ip("address")
        if link["ifname"] == bridge
        for each in link["addr_info"]
        if each["scope"] == "global"
    }


def test_a_pod_reaches_another_network_through_the_host():
    vif = pod_bridge_vif(1)
    with new_pod() as netns, new_pod() as outside:
        name = outside.rpartition("/")[2]
        run(f"ip link add up0 up type veth peer name eth0 netns {name}")
        run("ip address add 192.0.2.1/24 dev up0")
        run(f"ip -n {name} address add 192.0.2.2/24 dev eth0")
        run(f"ip -n {name} link set eth0 up")
        run(f"ip -n {name} route add 10.7.0.0/24 via 192.0.2.1")
        os_vif.plug_pod(vif, POD, sandbox_of(netns))
        assert os_vif.check_pod(vif, POD, sandbox_of(netns)) == ()
        send_datagram(netns, outside, "192.0.2.2")
        run("ip address delete 10.7.0.1/24 dev brpod")
        run("sysctl -qw net.ipv4.ip_forward=0")
        differences = os_vif.check_pod(vif, POD, sandbox_of(netns))
        assert {each.attribute for each in differences} == {
            "address 10.7.0.1/24",
            "net.ipv4.ip_forward",
        }
        os_vif.plug_pod(vif, POD, sandbox_of(netns))
        assert os_vif.check_pod(vif, POD, sandbox_of(netns)) == ()
        assert os_vif.unplug_pod(vif, POD, Sandbox(netns, "eth0")) == ()
        assert sorted(link["ifname"] for link in ip("link")) == ["lo", "up0"]
        assert state_files() == {}


def test_the_addresses_stay_until_the_last_pod_ends():
    first, second = pod_bridge_vif(1), pod_bridge_vif(2)
    with new_pod() as one, new_pod() as two:
        os_vif.plug_pod(first, POD, sandbox_of(one))
        os_vif.plug_pod(second, POD, sandbox_of(two))
        (remaining,) = os_vif.unplug_pod(first, POD, Sandbox(one, "eth0"))
        assert "10.7.0.1" not in remaining
        assert bridge_addresses() == set(GATEWAY)
        # An address of the operator keeps the bridge.
        run("ip address add 10.8.0.1/24 dev brpod")
        (remaining,) = os_vif.unplug_pod(second, POD, Sandbox(two, "eth0"))
        assert "10.8.0.1" in remaining
        os_vif.plug_pod(second, POD, sandbox_of(two))
        run("ip address delete 10.8.0.1/24 dev brpod")
        assert os_vif.unplug_pod(second, POD, Sandbox(two, "eth0")) == ()
        assert bridge_addresses() == set()
        assert state_files() == {}


def test_ipv6_needs_a_host_that_forwards():
    vif = pod_bridge_vif(1, subnet("2001:db8:7::/64", "2001:db8:7::5", gateway="2001:db8:7::1"))
    with new_pod() as netns:
        sandbox = sandbox_of(netns, ("2001:db8:7::1/64",))
        with pytest.raises(exception.PlugException, match=r"net\.ipv6\.conf\.all\.forwarding=1"):
            os_vif.plug_pod(vif, POD, sandbox)
        run("sysctl -qw net.ipv6.conf.all.forwarding=1")
        for _ in range(2):
            os_vif.plug_pod(vif, POD, sandbox)
            assert os_vif.check_pod(vif, POD, sandbox) == ()
        assert "2001:db8:7::1/64" in bridge_addresses()
        os_vif.unplug_pod(vif, POD, sandbox)
        assert state_files() == {}


def test_a_failure_at_each_step_restores_addresses_and_forwarding():
    """The kernel sets parameters of all devices with ``net.ipv4.ip_forward``."""
    vif = pod_bridge_vif(1)
    run("ip link add forwards type bridge")
    run("sysctl -qw net.ipv4.conf.forwards.forwarding=1 net.ipv4.conf.all.accept_redirects=0")
    with new_pod() as netns:
        before = without_indexes(snapshot())
        plan = os_vif.plan_pod(vif, POD, sandbox_of(netns))
        steps = [type(step).__name__ for step in plan]
        for k in (steps.index("EnableForwarding"), len(plan)):
            for number in (k, k + 1)[: len(plan) + 1 - k]:
                with pytest.raises(exception.StepFailed, match="missing") as info:
                    runner.run(with_failing_step(plan, number), PRIVSEP_MODULE)
                assert "by hand" not in str(info.value)
                assert without_indexes(snapshot()) == before
                assert state_files() == {}
                found = ("all/forwarding", "default/forwarding", "all/accept_redirects")
                assert [read(name) for name in found] == [0, 0, 0]
                assert read("forwards/forwarding") == 1


@pytest.mark.parametrize("step", ["EnsureBridgeGateway", "EnableForwarding"])
def test_a_daemon_killed_before_a_step(step):
    vif = pod_bridge_vif(1)
    before = without_addresses(snapshot())
    with mock.patch.dict(os.environ), new_pod() as netns:
        steps = [type(each).__name__ for each in os_vif.plan_pod(vif, POD, sandbox_of(netns))]
        kill_before_step(steps.index(step))
        with pytest.raises(exception.PlugException, match="unknown"):
            os_vif.plug_pod(vif, POD, sandbox_of(netns))
        disable_kill()
        os_vif.unplug_pod(vif, POD, sandbox_of(netns))
        assert without_addresses(snapshot()) == before
        assert state_files() == {}


@pytest.mark.parametrize(
    ("prepare", "addresses", "expected"),
    [
        ("ip link add brpod type bridge", GATEWAY, "os-vif did not create brpod"),
        ("", ("1.2.3.4/1",), "larger than /8"),
        (
            "ip link add up0 up type veth peer name up1 && ip address add 10.7.0.9/16 dev up0",
            GATEWAY,
            "overlaps 10.7.0.9/16 of up0",
        ),
        ("", ("10.7.0.1",), "sandbox.bridge_addresses"),
    ],
    ids=["bridge of another program", "large network", "network of the host", "no prefix"],
)
def test_addresses_that_the_host_cannot_have(prepare, addresses, expected):
    if prepare:
        for command in prepare.split(" && "):
            run(command)
    before = without_indexes(snapshot())
    with new_pod() as netns:
        with pytest.raises(exception.PlugException, match=expected):
            os_vif.plug_pod(pod_bridge_vif(1), POD, sandbox_of(netns, addresses))
        assert without_indexes(snapshot()) == before
        assert not list(pathlib.Path(directory.STATE.path).glob("bridge-*"))


def test_a_bridge_of_another_program_with_the_address_is_used():
    run("ip link add brpod type bridge")
    run("ip address add 10.7.0.1/24 dev brpod")
    run("sysctl -qw net.ipv4.ip_forward=1")
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        os_vif.plug_pod(vif, POD, sandbox_of(netns))
        os_vif.unplug_pod(vif, POD, sandbox_of(netns))
    assert bridge_addresses() == set(GATEWAY)


def test_a_vif_without_a_linux_bridge_of_os_vif_is_refused():
    with new_pod() as netns, pytest.raises(exception.PlanException, match="bridge_addresses"):
        os_vif.plan_pod(pod_ovs_vif(1), POD, sandbox_of(netns))
