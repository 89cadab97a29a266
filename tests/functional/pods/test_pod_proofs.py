# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Proofs about the plans of pods: a failure, a kill or the end of the namespace at each step."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from unittest import mock

import pytest

import os_vif
from os_vif import Sandbox, exception, objects
from os_vif.engine import runner
from os_vif.operations.pod_plugging.pod_operations import PRIVSEP_MODULE
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Plan
from os_vif.testing.conformance_checks import with_failing_step
from os_vif.testing.conformance_run import disable_kill, kill_before_step
from os_vif.testing.host_snapshots import changes, snapshot, without_addresses, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.pod_cases import (
    POD,
    entered,
    macvlan_vif,
    new_pod,
    pod_bridge_vif,
    pod_hybrid_vif,
    pod_ovs_vif,
    subnet,
)

#: The distance of the steps with a failure. The long form tries each step.
STRIDES = pytest.mark.parametrize(
    "stride", [5, pytest.param(1, id="each-step", marks=pytest.mark.soak)]
)
DUAL = (
    subnet("10.7.0.0/24", "10.7.0.5", gateway="10.7.0.1", routes=(("10.99.0.0/16", "10.7.0.7"),)),
    subnet("2001:db8:7::/64", "2001:db8:7::5", gateway="2001:db8:7::1"),
)


@dataclasses.dataclass(frozen=True)
class PodCase:
    """A VIF of a pod."""

    name: str
    vif: Callable[[], objects.VIFBase]
    #: Whether the VIF is on Open vSwitch.
    is_switched: bool = False

    def __str__(self) -> str:
        return self.name


CASES = [
    PodCase("bridge", lambda: pod_bridge_vif(1, *DUAL)),
    PodCase("ovs", lambda: pod_ovs_vif(1), is_switched=True),
    PodCase("macvlan", lambda: macvlan_vif(1)),
    # The steps are those of the bridge and of Open vSwitch.
    pytest.param(
        PodCase("hybrid", lambda: pod_hybrid_vif(1), is_switched=True), marks=pytest.mark.soak
    ),
]


@pytest.fixture(params=CASES, ids=str)
def case(request, configured) -> PodCase:
    request.getfixturevalue("br_int" if request.param.is_switched else "daemon")
    run("ip link add ovlink0 mtu 1450 type veth peer name ovlink1")
    configured("pod_link", "ovlink0", "os_vif")
    return request.param


@contextlib.contextmanager
def prepared_pod() -> Iterator[Sandbox]:
    """Provide a pod whose loopback device keeps its address when set down."""
    with new_pod() as netns:
        for state in ("up", "down"):
            run(f"ip -n {netns.rpartition('/')[2]} link set lo {state}")
        yield Sandbox(netns, "eth0", default_gateway=True)


def state_of(sandbox: Sandbox) -> dict:
    """Return the state of the host and of a pod."""
    host = without_indexes(snapshot())
    with entered(sandbox.netns):
        return {"host": host, "pod": without_indexes(snapshot())}


def require_state(wanted: dict, sandbox: Sandbox) -> None:
    """Check the state of host and pod, once the kernel is idle."""
    for _ in range(100):
        found = changes(wanted, state_of(sandbox))
        if not found:
            return
        time.sleep(0.02)
    raise AssertionError(found)


@STRIDES
def test_a_failure_at_each_step_leaves_host_and_pod_as_they_were(case, stride):
    vif = case.vif()
    with prepared_pod() as sandbox:
        before = state_of(sandbox)
        plan = os_vif.plan_pod(vif, POD, sandbox)
        # The failure after the last step rolls all steps back.
        for k in range(len(plan), -1, -stride):
            with pytest.raises(exception.StepFailed, match="missing") as info:
                runner.run(with_failing_step(plan, k), PRIVSEP_MODULE)
            assert "by hand" not in str(info.value)
            require_state(before, sandbox)
        os_vif.plug_pod(vif, POD, sandbox)
        assert os_vif.check_pod(vif, POD, sandbox) == ()


def test_repeated_calls_change_nothing(case):
    vif = case.vif()
    with prepared_pod() as sandbox:
        before = state_of(sandbox)
        os_vif.unplug_pod(vif, POD, sandbox)
        require_state(before, sandbox)
        first = os_vif.plug_pod(vif, POD, sandbox)
        plugged = state_of(sandbox)
        assert os_vif.plug_pod(vif, POD, sandbox) == first
        require_state(plugged, sandbox)
        os_vif.unplug_pod(vif, POD, sandbox)
        unplugged = state_of(sandbox)
        os_vif.unplug_pod(vif, POD, sandbox)
        require_state(unplugged, sandbox)
        os_vif.unplug_pod(vif, POD, Sandbox(None, "eth0"))
        assert without_pod_loopback(unplugged) == without_pod_loopback(before)


def without_pod_loopback(state: dict) -> dict:
    """Return a state without the loopback device of the pod, which no unplug sets down."""
    return {"host": state["host"], "pod": [n["ifname"] for n in state["pod"]["links"]]}


@pytest.mark.parametrize("case", CASES[2:3], indirect=True, ids=str)
def test_an_interrupted_unplug_leaves_the_pod_plugged(case):
    """Not so with a veth pair: the kernel has deleted the half in the pod."""
    vif = case.vif()
    with prepared_pod() as sandbox:
        os_vif.plug_pod(vif, POD, sandbox)
        plugged = state_of(sandbox)
        steps = os_vif.plan_pod(vif, POD, sandbox, "unplug").steps
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(with_failing_step(Plan(*steps), len(steps)), PRIVSEP_MODULE)
        assert "by hand" not in str(info.value)
        require_state(plugged, sandbox)


@STRIDES
@pytest.mark.parametrize(
    "by",
    [
        "both",
        pytest.param("plug", marks=pytest.mark.soak),
        pytest.param("unplug", marks=pytest.mark.soak),
    ],
)
def test_a_daemon_killed_before_any_step(case, by, stride):
    vif = case.vif()
    with mock.patch.dict(os.environ), prepared_pod() as sandbox:
        steps = sum(isinstance(s, KernelStep) for s in os_vif.plan_pod(vif, POD, sandbox)) + 1
        before = without_pod_loopback(state_of(sandbox))
        for turn, k in enumerate(range((2 + (by == "unplug")) % stride, steps, stride)):
            kill_before_step(k)
            with pytest.raises(exception.PlugException, match="unknown"):
                os_vif.plug_pod(vif, POD, sandbox)
            disable_kill()
            if by == "plug" or (by == "both" and turn % 2 == 0):
                os_vif.plug_pod(vif, POD, sandbox)
                assert os_vif.check_pod(vif, POD, sandbox) == ()
            os_vif.unplug_pod(vif, POD, sandbox)
            assert without_pod_loopback(state_of(sandbox)) == before


@STRIDES
def test_a_namespace_that_ends_before_any_step(case, stride):
    """The plug fails or succeeds; nothing is left on the host after an unplug without netns."""
    vif = case.vif()
    before = without_addresses(snapshot())
    with prepared_pod() as sandbox:
        count = len(os_vif.plan_pod(vif, POD, sandbox))
    for k in range(2 % stride, count, stride):
        with prepared_pod() as sandbox:
            plan = os_vif.plan_pod(vif, POD, sandbox)
            runner.run(Plan(*plan.steps[:k], switch=plan.switch), PRIVSEP_MODULE)
            run(f"ip netns del {sandbox.netns.rpartition('/')[2]}")
            with pytest.raises(exception.StepFailed, match="does not exist"):
                runner.run(plan, PRIVSEP_MODULE)
            os_vif.unplug_pod(vif, POD, sandbox)
            for _ in range(100):
                # The kernel ends a namespace after the last descriptor is closed.
                found = changes(before, without_addresses(snapshot()))
                if not found:
                    break
                time.sleep(0.02)
            assert found == []
