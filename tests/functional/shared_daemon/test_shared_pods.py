# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Pods with the shared daemon, which enters their namespaces with ``--pods`` only."""

from __future__ import annotations

import subprocess
import sys

import pytest

import os_vif
from os_vif import Sandbox, exception
from os_vif.cmd.host.serve_privileged import PODS
from os_vif.testing.host_snapshots import changes, snapshot, without_addresses
from tests.support.daemons import CONTEXTS
from tests.support.pod_cases import POD, new_pod, pod_bridge_vif, pod_ip


def test_a_pod_is_plugged_and_unplugged_without_a_private_daemon(daemon):
    daemon.modules = (PODS,)
    daemon.start()
    vif, before = pod_bridge_vif(1), without_addresses(snapshot())
    command = ["unshare", "-n", sys.executable, "-c", "print(flush=True); input()"]
    with new_pod() as named, subprocess.Popen(command, stdin=-1, stdout=-1) as process:
        process.stdout.readline()
        for netns in (named, f"/proc/{process.pid}/ns/net"):
            sandbox = Sandbox(netns, "eth0")
            os_vif.plug_pod(vif, POD, sandbox)
            assert os_vif.check_pod(vif, POD, sandbox) == ()
            os_vif.unplug_pod(vif, POD, sandbox)
            assert [link["ifname"] for link in pod_ip(netns, "link")] == ["lo"]
        process.stdin.close()
    assert changes(before, without_addresses(snapshot())) == []
    assert [context.channel for context in CONTEXTS] == [None] * len(CONTEXTS)


def test_a_shared_daemon_serves_no_pods_by_itself(running):
    with new_pod() as netns, pytest.raises(exception.PlugException, match="pod_privsep") as info:
        os_vif.plug_pod(pod_bridge_vif(1), POD, Sandbox(netns, "eth0"))
    assert "not the privsep_module of an installed plugin" in str(info.value)
