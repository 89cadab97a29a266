# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""For VIFs that something else plugs: a vhost-user switch, or another host (a DPU)."""

from __future__ import annotations

from os_vif import objects
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps.plan import Plan


class NoOpPlugin(PluginBase):
    """Does nothing, for any VIF.

    nova gives it VIFs beyond those that it describes: ports that a DPU plugs.
    """

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("noop", {objects.VIFVHostUser: ()})

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        return Plan()

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        return Plan()
