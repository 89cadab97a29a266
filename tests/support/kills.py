# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A privileged daemon that is killed between two steps, and the plug or unplug after it."""

from __future__ import annotations

import os
import time

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Plan
from testbed.namespaces import changes, private, snapshot, without_addresses
from tests.support import faulty_helper
from tests.support.cases import Case
from tests.support.daemons import stop_daemon

INSTANCE = objects.InstanceInfo(name="guest")


def sound() -> None:
    """The next daemon kills nobody."""
    stop_daemon()
    os.environ.pop(faulty_helper.VARIABLE, None)


def faulty(k: int) -> None:
    """The next daemon kills itself before its step k."""
    stop_daemon()
    os.environ[faulty_helper.VARIABLE] = f"{k}:0"


def kernel_steps(plan: Plan) -> int:
    return sum(isinstance(step, KernelStep) for step in plan)


class Host:
    """A case, and how its host looks: before, plugged, and unplugged."""

    def __init__(self, case: Case) -> None:
        self.case, self.vif = case, case.vif
        with private(), case.prepared():
            self.before = self.now()
            self.steps = kernel_steps(os_vif.plan(self.vif, INSTANCE))
            os_vif.plug(self.vif, INSTANCE)
            self.plugged = self.now()
            self.unplug_steps = kernel_steps(os_vif.plan(self.vif, INSTANCE, unplug=True))
            os_vif.unplug(self.vif, INSTANCE)
            self.unplugged = self.now()
            stop_daemon()

    @staticmethod
    def now() -> dict:
        return without_addresses(snapshot())

    def _unset(self, state: dict) -> dict:
        """Without the settings of a device that a plug makes and no unplug undoes."""
        kept = self.case.keeps_device
        links = [
            {
                k: v
                for k, v in link.items()
                if link["ifname"] != kept or k not in ("mtu", "linkinfo")
            }
            for link in state["links"]
        ]
        sysctls = {k: v for k, v in state["sysctls"].items() if f"/{kept}/" not in k}
        return state | {"links": links, "sysctls": sysctls}

    def must_converge(self, by: str) -> None:
        """By another plug, or by an unplug."""
        ends = [self.plugged]
        if by == "plug":
            os_vif.plug(self.vif, INSTANCE)
            assert [d for d in os_vif.check(self.vif, INSTANCE) if not d.pending] == []
        else:
            os_vif.unplug(self.vif, INSTANCE)
            # What had an uplink already keeps it, as after any unplug.
            ends = [self.unplugged, self.before]
            if self.case.keeps_device:
                # It has what that plug had come to.
                ends = [self._unset(end) for end in ends]
        for _ in range(50):
            now = self._unset(self.now()) if by == "unplug" else self.now()
            ways = [changes(end, now) for end in ends]
            if [] in ways:
                return
            # The kernel works on IPv6 addresses after it has answered.
            time.sleep(0.02)
        if by == "unplug" and self.case.name in ("bridge-of-others", "vlan"):
            # It stays, with what a plug had come to: its MTU and its rules are from one end or
            # the other; a VLAN that is in its bridge may be down. The next plug completes it.
            assert self.case.name != "vlan" or all("flags" in w or "state" in w for w in ways[0])
            assert changes(self.before, self.unplugged)
            os_vif.plug(self.vif, INSTANCE)
            assert os_vif.check(self.vif, INSTANCE) == ()
            assert changes(self.plugged, self.now()) == []
            return
        raise AssertionError(ways)


def places(steps: int, stride: int) -> range:
    """Return before which of so many steps to kill: the last of each stride, once at least."""
    stride = min(stride, steps)
    return range(stride - 1, steps, stride)


def killed_in_plug(case: Case, by: str, *, stride: int = 1) -> None:
    """Before the last of each so many steps."""
    host = Host(case)
    assert host.steps
    for k in places(host.steps, stride):
        with private(), case.prepared():
            faulty(k)
            with pytest.raises(exception.PlugException, match="unknown"):
                os_vif.plug(case.vif, INSTANCE)
            sound()
            host.must_converge(by)
            stop_daemon()
