# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The daemon for pods enters no network namespace of the host, not even for a comparison."""

from __future__ import annotations

import os

import pytest

from os_vif.plugins import pod_privsep
from os_vif.sandbox import identity_of
from os_vif.steps import SetLink, wire
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_upper_links import DeletePodLink
from os_vif.testing.private_namespaces import run

pytestmark = pytest.mark.usefixtures("daemon")


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
