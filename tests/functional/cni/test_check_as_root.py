# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""CHECK reads the host and the pod in the process of the CNI daemon, which runs as root."""

from __future__ import annotations

import errno
import pathlib

import pytest

from os_vif.engine.failure import StepFailure
from os_vif.engine.kernel import KernelExecutor
from os_vif.engine.privileged.root_checker import RootChecker
from os_vif.host.netlink import rtnetlink
from os_vif.steps import SetLink
from os_vif.testing.private_namespaces import run

#: The network namespace of the current thread.
NETNS = pathlib.Path("/proc/thread-self/ns/net")


@pytest.fixture
def plugged(quick_runtime, network):
    """Return a runtime with a plugged pod, and the configuration of CHECK."""
    result = quick_runtime.call("ADD", network).result
    return quick_runtime, network | {"prevResult": result}


def test_check_calls_no_privileged_daemon(plugged, monkeypatch):
    runtime, configuration = plugged

    def refuse(self, steps):
        raise AssertionError(f"a call for {steps}")

    monkeypatch.setattr(KernelExecutor, "check", refuse)
    runtime.call("CHECK", configuration).succeeded()
    run(f"nsenter --net={runtime.netns} ip address flush dev eth0")
    error = runtime.call("CHECK", configuration).error
    assert "address 10.77.0.2/24 is missing" in error["details"]


def test_check_leaves_the_thread_in_its_namespace(plugged, monkeypatch):
    """Also if the namespace of the pod ends, and if a condition cannot be read."""
    runtime, configuration = plugged
    own = NETNS.stat().st_ino
    found = []
    check = RootChecker.check

    def noting(self, steps):
        try:
            return check(self, steps)
        finally:
            found.append(NETNS.stat().st_ino)

    monkeypatch.setattr(RootChecker, "check", noting)
    runtime.call("CHECK", configuration).succeeded()
    run(f"nsenter --net={runtime.netns} ip link delete eth0")
    assert runtime.call("CHECK", configuration).code != 0
    run(f"ip netns delete {runtime.netns.rpartition('/')[2]}")
    assert runtime.call("CHECK", configuration).code != 0
    assert found == [own] * 3


class Unreadable(SetLink):
    """A step whose condition cannot be read."""

    def differences(self, net):
        raise OSError(errno.EPERM, "not permitted")


class OtherChecker:
    """The checker of another process, which fails."""

    def check(self, steps):
        raise StepFailure(type(steps[0]).__name__, steps[0].device, "from the other process")


def test_another_checker_reads_or_reports_what_this_process_cannot_read():
    with pytest.raises(StepFailure, match="from the other process"):
        RootChecker(OtherChecker()).check([Unreadable("lo", up=True)])


def test_a_thread_shares_a_socket_within_a_block_only():
    with rtnetlink.opened() as private:
        assert private is not rtnetlink.thread_socket()
    with rtnetlink.sharing_thread_socket():
        for _ in range(2):
            with rtnetlink.opened() as shared:
                assert shared is rtnetlink.thread_socket()
                assert shared.link("lo") is not None
    with rtnetlink.opened() as private:
        assert private is not rtnetlink.thread_socket()
