# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Kill a privileged daemon between two steps, and repeat the plug or unplug."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Plan
from os_vif.testing import daemon_kills
from os_vif.testing.host_snapshots import changes, snapshot, without_addresses
from os_vif.testing.private_namespaces import private_namespace
from os_vif.testing.quick_daemons import stop_daemons
from tests.support.cases import Case

INSTANCE = objects.InstanceInfo(name="guest")


def disable_kill() -> None:
    """Start the next daemons without a kill."""
    stop_daemons()
    os.environ.pop(daemon_kills.VARIABLE, None)


def kill_before_step(k: int) -> None:
    """Make the next daemon kill itself before step *k*."""
    stop_daemons()
    os.environ[daemon_kills.VARIABLE] = f"{k}:0"


def kernel_steps(plan: Plan) -> int:
    """Return the number of steps in the daemon, with the step for the record of the VIF."""
    return sum(isinstance(step, KernelStep) for step in plan) + 1


def has_record(vif: objects.VIFBase) -> bool:
    """Return whether the VIF has a record, whole or incomplete."""
    with rtnetlink.opened() as net:
        return vif_records.has_record(net, vif.id)


class Host:
    """A case, with snapshots of the host: before, plugged, and unplugged."""

    def __init__(self, case: Case) -> None:
        self.case, self.vif = case, case.vif
        with private_namespace(), case.prepared():
            self.before = self.now()
            self.steps = kernel_steps(os_vif.plan(self.vif, INSTANCE))
            os_vif.plug(self.vif, INSTANCE)
            self.plugged = self.now()
            self.unplug_steps = kernel_steps(os_vif.plan(self.vif, INSTANCE, unplug=True))
            unplug = os_vif.apply(self.vif, INSTANCE, action="unplug")
            #: Whether an unplug calls the daemon only to delete the record, because all steps hold.
            self.only_record_in_unplug = not unplug.changed
            if self.only_record_in_unplug:
                self.unplug_steps = 1
            self.unplugged = self.now()
            stop_daemons()

    @staticmethod
    def now() -> dict:
        return without_addresses(snapshot())

    @contextlib.contextmanager
    def expect_killed_unplug(self, outcome: str) -> Iterator[None]:
        """Expect that the unplug inside the block fails with *outcome*, a regular expression.

        An unplug that only deletes the record succeeds with a warning, and the record remains.
        """
        if self.only_record_in_unplug:
            yield
            assert has_record(self.vif)
            return
        with pytest.raises(exception.UnplugException, match=outcome):
            yield

    def _unset(self, state: dict) -> dict:
        """Return the state without the settings that a plug changes and no unplug restores."""
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
        """Check that another plug, or an unplug, completes the interrupted operation."""
        ends = [self.plugged]
        if by == "plug":
            os_vif.plug(self.vif, INSTANCE)
            assert [d for d in os_vif.check(self.vif, INSTANCE) if not d.pending] == []
            assert has_record(self.vif)
        else:
            os_vif.unplug(self.vif, INSTANCE)
            assert not has_record(self.vif)
            # A bridge that already had an uplink keeps the uplink after any unplug.
            ends = [self.unplugged, self.before]
            if self.case.keeps_device:
                # The bridge has the settings of the interrupted plug.
                ends = [self._unset(end) for end in ends]
        for _ in range(50):
            now = self._unset(self.now()) if by == "unplug" else self.now()
            ways = [changes(end, now) for end in ends]
            if [] in ways:
                return
            # The kernel changes IPv6 addresses after the reply.
            time.sleep(0.02)
        if by == "unplug" and self.case.name in ("bridge-of-others", "vlan"):
            # The bridge stays with the progress of the interrupted plug: its MTU and rules are
            # from either state, and a VLAN device in the bridge may be down. The next plug
            # completes the bridge.
            assert self.case.name != "vlan" or all("flags" in w or "state" in w for w in ways[0])
            assert changes(self.before, self.unplugged)
            os_vif.plug(self.vif, INSTANCE)
            assert [d for d in os_vif.check(self.vif, INSTANCE) if not d.pending] == []
            for _ in range(50):
                if not (found := changes(self.plugged, self.now())):
                    return
                time.sleep(0.02)
            raise AssertionError(found)
        raise AssertionError(ways)


def kill_positions(steps: int, stride: int) -> range:
    """Return the steps before which to kill: the last step of each stride, at least a single
    step.
    """
    stride = min(stride, steps)
    return range(stride - 1, steps, stride)


def check_kills_in_plug(case: Case, by: str, *, stride: int = 1) -> None:
    """Kill the daemon in a plug, before the last step of each stride."""
    host = Host(case)
    assert host.steps
    for k in kill_positions(host.steps, stride):
        with private_namespace(), case.prepared():
            kill_before_step(k)
            with pytest.raises(exception.PlugException, match="unknown"):
                os_vif.plug(case.vif, INSTANCE)
            disable_kill()
            host.must_converge(by)
            stop_daemons()
