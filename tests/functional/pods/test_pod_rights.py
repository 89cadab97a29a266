# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Namespaces that the daemon for pods enters: those of the caller's pods, and no others."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import os_vif
from os_vif import Sandbox
from os_vif.plugins import pod_privsep
from os_vif.sandbox import identity_of
from os_vif.steps import SetLink, wire
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_upper_links import DeletePodLink
from testbed.namespaces import run
from tests.support.forks import forked
from tests.support.pod_cases import POD, pod_bridge_vif, pod_ip

pytestmark = pytest.mark.usefixtures("daemon")


def test_a_forked_child_hands_the_namespace_to_its_own_daemon():
    """As the workers of kuryr-daemon do, for the namespace of a process."""
    vif = pod_bridge_vif(1)
    command = ["unshare", "-n", sys.executable, "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        sandbox = Sandbox(f"/proc/{process.pid}/ns/net", "eth0")
        os_vif.plug_pod(vif, POD, sandbox)
        os_vif.unplug_pod(vif, POD, sandbox)

        def plug() -> None:
            os_vif.plug_pod(vif, POD, sandbox)

        done = forked(plug, b"")
        assert (done.returncode, done.stderr) == (0, b"")
        assert [link["ifname"] for link in pod_ip(sandbox.netns, "link")] == ["lo", "eth0"]
        os_vif.unplug_pod(vif, POD, sandbox)
        process.stdin.close()


OWN = "/proc/thread-self/ns/net"
OF_HOST = "is the network namespace of the host"


def test_a_comparison_reads_no_device_of_the_host():
    run("ip link add eth9 alias os-vif mtu 1400 type bridge")
    identity = identity_of(os.stat(OWN))  # noqa: PTH116 - as the library
    answer = pod_privsep.check([wire.encode(InPod.of(OWN, identity, SetLink("eth9", mtu=1500)))])
    assert not answer["differences"]
    assert OF_HOST in answer["error"]["reason"]


def test_a_refused_namespace_is_not_entered_to_see_whether_a_step_holds():
    """Otherwise the answer would tell which devices the namespace has."""
    step = DeletePodLink("eth9", OWN, identity_of(os.stat(OWN)))  # noqa: PTH116 - as the library
    error = pod_privsep.run([wire.encode(step)])["error"]
    assert OF_HOST in error["reason"]
