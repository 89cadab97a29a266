# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The plugin of os_vif_before.py with plans in place of commands."""

from os_vif import objects, vif_fields
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps import (
    AddBridgeUser,
    DeleteBridge,
    DeleteLink,
    EnsureBridge,
    EnsureTap,
    RemoveBridgeUser,
    SetLink,
)
from os_vif.steps.plan import Plan


class SegmentPlugin(PluginBase[objects.VIFBridge]):
    """A bridge with a tap device for each guest."""

    privsep_module = "vif_plug_linux_bridge.privsep"

    def describe(self):
        return host_info.describe("segment", {objects.VIFBridge: ()})

    def plan_plug(self, vif, instance_info):
        vif_fields.require_class(vif, objects.VIFBridge)
        bridge = vif_fields.named(vif, "bridge_name")
        tap = vif_fields.named(vif, "vif_name")
        return Plan(
            EnsureBridge(bridge),
            AddBridgeUser(bridge, vif_fields.port_id(vif)),
            EnsureTap(tap),
            SetLink(tap, master=bridge, mtu=1400, up=True),
            SetLink(bridge, up=True),
        )

    def plan_unplug(self, vif, instance_info):
        return Plan(
            DeleteLink(vif.vif_name, include_unmanaged=True),
            RemoveBridgeUser(vif.bridge_name, vif.id),
            DeleteBridge(vif.bridge_name),
        )
