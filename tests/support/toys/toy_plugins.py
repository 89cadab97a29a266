# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A correct plugin, and plugins with one fault each, for the tests of the conformance suite."""

from __future__ import annotations

import time

from os_vif import objects
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps import DeleteLink, EnsureVeth, Plan, SetLink
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from tests.support.toys import toy_steps


def vif(number: int = 1) -> objects.VIFGeneric:
    return objects.VIFGeneric(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        address=f"fa:16:3e:00:00:{number:02x}",
        plugin="toy",
        vif_name=f"tap{number:08x}",
        network=objects.Network(mtu=1450),
    )


class Sound(PluginBase):
    """A veth pair for each VIF, with a transmit queue of 77 packets."""

    privsep_module = "tests.support.toys.toy_privsep"
    queue_step = toy_steps.SetQueue

    def describe(self):
        return host_info.describe("toy", {objects.VIFGeneric: ()})

    def plan_plug(self, vif, instance_info):
        name = vif.vif_name
        return Plan(
            EnsureVeth(name, f"{name[:13]}.g"),
            self.queue_step(name, 77),
            SetLink(name, mtu=vif.network.mtu, up=True),
        )

    def plan_unplug(self, vif, instance_info):
        return Plan(DeleteLink(vif.vif_name))


class Logs(Sound):
    """A step of the plug logs a message."""

    queue_step = toy_steps.SetQueueThatLogs


class LosesUndo(Sound):
    """A step of the plug changes a device that exists before, and returns no undo step."""

    queue_step = toy_steps.SetQueueWithoutUndo

    def plan_plug(self, vif, instance_info):
        return Plan(self.queue_step("tapdeadbeef", 77), *super().plan_plug(vif, instance_info))


class LeavesDevice(Sound):
    """The unplug leaves the device."""

    def plan_unplug(self, vif, instance_info):
        return Plan(SetLink(vif.vif_name, up=False)) if _exists(vif) else Plan()


class NotIdempotent(Sound):
    """A second plug changes the device."""

    def plan_plug(self, vif, instance_info):
        packets = 78 if _exists(vif) else 77
        return Plan(*super().plan_plug(vif, instance_info), self.queue_step(vif.vif_name, packets))


class NeverClean(Sound):
    """``os_vif.check()`` finds a difference after a plug."""

    queue_step = toy_steps.SetQueueThatNeverHolds


class Lies(Sound):
    """``describe()`` lists another class than the class that the plugin plugs."""

    def describe(self):
        return host_info.describe("toy", {objects.VIFHostDevice: ()})


class PlansAct(Sound):
    """``plan_plug()`` changes the host."""

    def plan_plug(self, vif, instance_info):
        if not _exists(vif):
            run(f"ip link add {vif.vif_name} type veth peer name {vif.vif_name[:13]}.g")
        return super().plan_plug(vif, instance_info)


class WrongTypes(Sound):
    """A step has a text in a field for a number."""

    def plan_plug(self, vif, instance_info):
        return Plan(*super().plan_plug(vif, instance_info), toy_steps.SetQueue(vif.vif_name, "77"))


class Classic(PluginBase):
    """A correct plugin of the public os-vif, which overrides ``plug()`` and ``unplug()``."""

    def describe(self):
        return host_info.describe("toy", {objects.VIFGeneric: ()})

    def plug(self, vif, instance_info):
        run(f"ip link show {vif.vif_name} >/dev/null 2>&1 || {self.adding(vif)}")

    def unplug(self, vif, instance_info):
        run(f"ip link del {vif.vif_name} 2>/dev/null || true")

    @staticmethod
    def adding(vif):
        """Return a command that succeeds if another thread adds the device at the same time."""
        return (
            f"ip link add {vif.vif_name} type veth peer name {vif.vif_name}.g 2>/dev/null || true"
        )


class ClassicNotIdempotent(Classic):
    """A second plug changes the device."""

    def plug(self, vif, instance_info):
        if _exists(vif):
            run(f"ip link set {vif.vif_name} txqueuelen 78")
        super().plug(vif, instance_info)


class ClassicRace(Classic):
    """The plug fails if another thread plugs the VIF at the same time."""

    def plug(self, vif, instance_info):
        if not _exists(vif):
            time.sleep(0.2)
            run(f"ip link add {vif.vif_name} type veth peer name {vif.vif_name}.g")


def _exists(vif) -> bool:
    return any(link["ifname"] == vif.vif_name for link in ip("link"))
