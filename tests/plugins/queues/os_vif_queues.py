# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin with a step of its own."""

from os_vif_queues_steps import SetQueueLength
from oslo_config import cfg

from os_vif import objects
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps import DeleteLink, EnsureVeth, Plan, SetLink


class QueuesPlugin(PluginBase):
    """A veth pair for each VIF, with a transmit queue of a configured length."""

    CONFIG_OPTS = (cfg.IntOpt("packets", default=123, min=0, help="Length of the queue."),)
    privsep_module = "os_vif_queues_privsep"

    def describe(self):
        return host_info.describe("queues", {objects.VIFGeneric: ()})

    def plan_plug(self, vif, instance_info):
        name, mtu = vif.vif_name, vif.network.mtu
        return Plan(
            EnsureVeth(name, f"{name[:13]}.g"),
            SetQueueLength(name, self.config.packets),
            SetLink(name, mtu=mtu, up=True),
        )

    def plan_unplug(self, vif, instance_info):
        return Plan(DeleteLink(vif.vif_name))
