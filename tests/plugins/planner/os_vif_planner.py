# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin written for os-vif 6, which returns plans."""

from os_vif import exception, objects
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps import DeleteLink, EnsureVeth, SetLink
from os_vif.steps.plan import Plan


class PlannerPlugin(PluginBase):
    """A veth pair for each VIF; the guest uses the second device."""

    privsep_module = "vif_plug_linux_bridge.privsep"

    def describe(self):
        return host_info.describe("planner", {objects.VIFGeneric: ()})

    def plan_plug(self, vif, instance_info):
        if "vif_name" not in vif:
            raise exception.InvalidField(field="vif.vif_name", found="unset", expected="a name")
        name, peer, mtu = vif.vif_name, f"{vif.vif_name[:13]}.g", vif.network.mtu
        return Plan(
            EnsureVeth(name, peer),
            SetLink(name, mtu=mtu, up=True),
            SetLink(peer, mtu=mtu, up=True, address=vif.address),
        )

    def plan_unplug(self, vif, instance_info):
        return Plan(DeleteLink(vif.vif_name))
