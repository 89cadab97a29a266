# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Namespaces that were used again, missing rights, names that are taken, and the policy of the daemon."""

from __future__ import annotations

import concurrent.futures
import copy
import errno
import os
import pickle
import subprocess
import sys
from unittest import mock

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.engine import runner
from os_vif.engine.privileged import daemon as privileged
from os_vif.engine.privileged import policy
from os_vif.host.netlink import pod_namespaces, rtnetlink
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.plugins import pod_privsep
from os_vif.sandbox import identity_of
from os_vif.steps import EnsureAddress, EnsureRoute, SetLink, wire
from os_vif.steps.plan import Plan
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_upper_links import EnsurePodMacvlan
from os_vif.testing.host_snapshots import differences, snapshot
from os_vif.testing.private_namespaces import run
from os_vif.testing.quick_daemons import use_helper
from tests.support.daemons import DAEMON, context_pid, descriptors
from tests.support.forks import forked
from tests.support.pod_cases import POD, new_pod, pod_bridge_vif, pod_ip, subnet

pytestmark = pytest.mark.usefixtures("daemon")


def in_pod(netns: str, inner) -> InPod:
    return InPod.of(netns, identity_of(os.stat(netns)), inner)  # noqa: PTH116 - as the library


def test_a_name_that_was_used_again_is_an_error():
    """The kernel uses the inode of an ended namespace again, unless the Sandbox refers to it."""
    for number in range(8):
        name = f"ov-again-{os.getpid()}-{number}"
        with new_pod(name) as netns:
            sandbox = Sandbox(netns, "eth0")
        before = snapshot()
        with new_pod(name):
            with pytest.raises(exception.PlugException, match="used again"):
                os_vif.plug_pod(pod_bridge_vif(1), POD, sandbox)
            assert differences(before) == []
            # The removal is best effort.
            assert os_vif.unplug_pod(pod_bridge_vif(1), POD, sandbox) == ()


def test_a_sandbox_can_be_copied_and_sent():
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0")
        for same in (
            copy.copy(sandbox),
            copy.deepcopy(sandbox),
            pickle.loads(pickle.dumps(sandbox)),  # noqa: S301 - our own data
        ):
            assert (same, same.identity) == (sandbox, sandbox.identity)
            del same
        os_vif.plug_pod(pod_bridge_vif(1), POD, sandbox)
        os_vif.unplug_pod(pod_bridge_vif(1), POD, sandbox)


def test_an_unplug_fails_without_descriptors(monkeypatch):
    """A namespace that cannot be opened has not gone: the pod keeps the interface."""
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        sandbox = Sandbox(netns, "eth0")
        os_vif.plug_pod(vif, POD, sandbox)
        with monkeypatch.context() as patch:
            full = OSError(errno.EMFILE, "Too many open files")
            patch.setattr(pod_namespaces, "open_namespace", mock.Mock(side_effect=full))
            with pytest.raises(exception.UnplugException, match="Too many open files"):
                os_vif.unplug_pod(vif, POD, sandbox)
        assert os_vif.check_pod(vif, POD, sandbox) == ()
        os_vif.unplug_pod(vif, POD, sandbox)


def test_a_process_that_has_ended_is_an_error():
    with subprocess.Popen(["unshare", "-n", sys.executable, "-c", "input()"], stdin=-1) as process:
        sandbox = Sandbox(f"/proc/{process.pid}/ns/net", "eth0")
        process.stdin.close()
    with pytest.raises(exception.PlugException, match="does not exist"):
        os_vif.plug_pod(pod_bridge_vif(1), POD, sandbox)


def test_the_namespace_of_a_process_with_all_capabilities():
    """The daemon may not open the file in /proc: the caller hands the descriptor over."""
    vif = pod_bridge_vif(1)
    command = ["unshare", "-n", sys.executable, "-c", "print(flush=True); input()"]
    counts = []
    for _ in range(3):
        with subprocess.Popen(command, stdin=-1, stdout=-1) as process:
            process.stdout.readline()
            sandbox = Sandbox(f"/proc/{process.pid}/ns/net", "eth0", default_gateway=True)
            result = os_vif.plug_pod(vif, POD, sandbox)
            assert os_vif.plug_pod(vif, POD, sandbox) == result
            assert os_vif.check_pod(vif, POD, sandbox) == ()
            assert [a["ifname"] for a in pod_ip(sandbox.netns, "address")] == ["lo", "eth0"]
            os_vif.unplug_pod(vif, POD, sandbox)
            assert [a["ifname"] for a in pod_ip(sandbox.netns, "address")] == ["lo"]
            process.stdin.close()
        os_vif.unplug_pod(vif, POD, sandbox)
        counts.append(descriptors(context_pid(pod_privsep.vif_plug.pypath)))
    # No namespace stays open. A thread of the daemon opens a socket at its first call.
    assert counts[-1] <= counts[0] + 8


def test_a_forked_child_hands_the_namespace_to_its_own_daemon():
    vif = pod_bridge_vif(1)
    command = ["unshare", "-n", sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        sandbox = Sandbox(f"/proc/{process.pid}/ns/net", "eth0")

        def plug_and_unplug() -> None:
            os_vif.plug_pod(vif, POD, sandbox)
            assert os_vif.check_pod(vif, POD, sandbox) == ()
            os_vif.unplug_pod(vif, POD, sandbox)

        plug_and_unplug()
        done = forked(plug_and_unplug, b"")
        assert done.returncode == 0, done.stderr
        process.stdin.close()


#: A path, and the text of the error.
NO_PODS = (
    ("/run/netns/ov-missing", "does not exist"),
    ("/etc/passwd", "no network namespace"),
    ("/proc/self/ns/mnt", "no network namespace"),
    ("/dev/ptmx", "no network namespace"),
    ("/proc/thread-self/ns/net", "network namespace of the host"),
)


def test_a_path_that_names_no_pod():
    before = snapshot()
    for netns, text in NO_PODS:
        with pytest.raises(exception.PlugException, match=text):
            os_vif.plug_pod(pod_bridge_vif(1), POD, Sandbox(netns, "eth0"))
    assert differences(before) == []


def test_an_argument_that_is_no_usable_sandbox():
    for sandbox in (Sandbox("run/x", "eth0"), Sandbox(None, "eth0"), "/run/x"):
        with pytest.raises(exception.InvalidField, match="sandbox"):
            os_vif.plug_pod(pod_bridge_vif(1), POD, sandbox)
    for name in ("lo", "", "a/b", "sixteen-bytes-xx"):
        with pytest.raises(exception.InvalidField, match="ifname"):
            os_vif.unplug_pod(pod_bridge_vif(1), POD, Sandbox(None, name))


def test_an_interface_of_the_runtime_is_not_replaced():
    with new_pod() as netns:
        run(f"ip -n {netns.rpartition('/')[2]} link add eth0 type bridge")
        before = snapshot()
        with pytest.raises(exception.PlugException, match="has a device eth0 already"):
            os_vif.plug_pod(pod_bridge_vif(1), POD, Sandbox(netns, "eth0"))
        assert differences(before) == []
        os_vif.unplug_pod(pod_bridge_vif(1), POD, Sandbox(netns, "eth0"))
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo", "eth0"]


def test_the_pair_of_an_earlier_sandbox_is_replaced():
    vif = pod_bridge_vif(1)
    with new_pod() as earlier, new_pod() as later:
        os_vif.plug_pod(vif, POD, Sandbox(earlier, "eth0"))
        os_vif.plug_pod(vif, POD, Sandbox(later, "eth0"))
        assert [link["ifname"] for link in pod_ip(earlier, "link")] == ["lo"]
        assert os_vif.check_pod(vif, POD, Sandbox(later, "eth0")) == ()


def test_the_error_names_the_step_without_the_right(tmp_path, quick_helper):
    config = tmp_path / "os-vif.conf"
    config.write_text("[os_vif_pod_privileged]\ncapabilities = CAP_NET_ADMIN\n")
    before = snapshot()
    with (
        use_helper(f"{quick_helper} --config-file {config}"),
        new_pod() as netns,
        pytest.raises(exception.PlugException) as info,
    ):
        os_vif.plug_pod(pod_bridge_vif(1), POD, Sandbox(netns, "eth0"))
    assert "EnsurePodVeth failed" in str(info.value)
    assert "entering takes CAP_SYS_ADMIN" in str(info.value)
    assert differences(before) == []


def test_the_daemons_of_nova_accept_no_step_of_a_pod():
    with new_pod() as netns:
        plan = Plan(in_pod(netns, SetLink("lo", up=True)))
        with pytest.raises(exception.StepFailed, match="does not accept the step"):
            runner.run(plan, DAEMON)


#: A step, and the text of the error.
REFUSED_STEPS = (
    (SetLink("eth9", up=True), "not of os-vif"),
    (EnsureAddress("eth9", "192.0.2.1/24"), "not of os-vif"),
    (SetLink("lo", mtu=1280), "loopback"),
    (EnsureAddress("lo", "192.0.2.1/24"), "loopback"),
)


def test_the_daemon_changes_only_the_devices_of_vifs_in_a_pod():
    with new_pod() as netns:
        run(f"ip -n {netns.rpartition('/')[2]} link add eth9 type bridge")
        for inner, text in REFUSED_STEPS:
            with pytest.raises(exception.StepFailed, match=text):
                runner.run(Plan(in_pod(netns, inner)), PRIVSEP_MODULE)


def test_root_restricts_the_devices_below_those_of_pods(tmp_path, monkeypatch):
    """The file /etc/os-vif/uplinks; the functions of the daemon run in this process."""
    monkeypatch.setattr(policy, "UPLINKS", tmp_path / "uplinks")
    policy.UPLINKS.write_text("eth8\n")
    run("ip link add eth9 type veth peer name far9")
    with new_pod() as netns, rtnetlink.opened() as net:
        monkeypatch.setitem(vars(rtnetlink._per_thread), "netlink", net)
        step = EnsurePodMacvlan("eth0", netns, identity_of(os.stat(netns)), "eth9")  # noqa: PTH116
        registry = pod_privsep.vif_plug.registry
        error = privileged.run([wire.encode(step)], registry)["error"]
        assert "does not name it" in error["reason"]
        policy.UPLINKS.write_text("eth9\n")
        assert privileged.run([wire.encode(step)], registry)["error"] is None
        assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo", "eth0"]


def test_the_daemon_does_not_take_the_host_for_a_pod():
    run("ip link add eth9 alias os-vif type bridge")
    plan = Plan(in_pod("/proc/thread-self/ns/net", EnsureAddress("eth9", "192.0.2.1/24")))
    for call in (runner.run, runner.check):
        with pytest.raises(exception.StepFailed, match="network namespace of the host"):
            call(plan, PRIVSEP_MODULE)


def test_a_step_in_a_pod_replaces_no_route_of_another_device():
    vif = pod_bridge_vif(1)
    with new_pod() as netns:
        name = netns.rpartition("/")[2]
        run(f"ip -n {name} link add ext0 type bridge; ip -n {name} link set ext0 up")
        run(f"ip -n {name} address add 192.0.2.5/24 dev ext0")
        run(f"ip -n {name} route add default via 192.0.2.1")
        os_vif.plug_pod(vif, POD, Sandbox(netns, "eth0"))
        route = EnsureRoute("eth0", "0.0.0.0/0", "10.7.0.1", replaces="ext0")
        with pytest.raises(exception.StepFailed, match="replaces no route"):
            runner.run(Plan(in_pod(netns, route)), PRIVSEP_MODULE)
        (default,) = pod_ip(netns, "route", "show", "default")
        assert default["gateway"] == "192.0.2.1"


#: Arguments of InPod.
WRONG_STEPS = (
    ("eth0", "/run/netns/x", "4:1", "RenameLink", (("to", "eth1"),)),
    ("eth0", "/run/netns/x", "4:1", "SetLink", (("mtu", "1500"),)),
    ("eth0", "/run/netns/x", "4:1", "SetLink", (("color", "red"),)),
    ("eth0", "/run/netns/x", "4:1", "SetLink", "mtu"),
    ("eth0", "x", "4:1", "SetLink", (("up", True),)),
    ("eth0", "/run/netns/x", "4", "SetLink", (("up", True),)),
)


def test_wrong_steps_are_refused_at_construction():
    for arguments in WRONG_STEPS:
        with pytest.raises(exception.InvalidStep):
            InPod(*arguments)


def test_ipv6_is_on_only_where_a_subnet_has_it():
    vif = pod_bridge_vif(1, subnet("10.7.0.0/24", "10.7.0.5"))
    six = pod_bridge_vif(2, subnet("2001:db8::/64", "2001:db8::5", gateway="2001:db8::1"))
    with new_pod() as four_only, new_pod() as with_six:
        for given, netns in ((vif, four_only), (six, with_six)):
            os_vif.plug_pod(given, POD, Sandbox(netns, "eth0", default_gateway=True))
        found = pod_ip(four_only, "address", "show", "eth0")[0]["addr_info"]
        assert [a["family"] for a in found] == ["inet"]
        (default,) = pod_ip(with_six, "-6", "route", "show", "default")
        assert default["gateway"] == "2001:db8::1"


def test_pods_at_the_same_time_leave_nothing():
    """Eight threads plug and unplug pods; the daemon keeps no descriptor."""
    before = snapshot()

    def plug_and_unplug(number: int) -> None:
        vif = pod_bridge_vif(number)
        with new_pod() as netns:
            sandbox = Sandbox(netns, "eth0", default_gateway=True)
            os_vif.plug_pod(vif, POD, sandbox)
            assert os_vif.check_pod(vif, POD, sandbox) == ()
            os_vif.unplug_pod(vif, POD, sandbox)

    numbers = iter(range(1, 100))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(plug_and_unplug, [next(numbers) for _ in range(8)]))
        first = descriptors(pid := context_pid(pod_privsep.vif_plug.pypath))
        list(pool.map(plug_and_unplug, [next(numbers) for _ in range(8)]))
    # Each thread of the daemon has a socket.
    assert descriptors(pid) <= first + 8
    assert differences(before) == []
