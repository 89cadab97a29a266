# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``noop`` plugin, for VIFs plugged by a vhost-user switch or by a DPU."""

from __future__ import annotations

from os_vif import objects
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps.plan import Plan


class NoOpPlugin(PluginBase[objects.VIFBase]):
    """The ``noop`` plugin: empty plans for every VIF.

    nova also uses the plugin for VIF classes that ``describe()`` does not list: ports of a DPU.
    """

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("noop", {objects.VIFVHostUser: ()})

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        return Plan()

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        return Plan()
