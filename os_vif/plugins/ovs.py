# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Open vSwitch. Its place is kept here: it describes its VIFs, and cannot plug them yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception, objects, opts
from os_vif.objects import host_info
from os_vif.plugin import PluginBase

if TYPE_CHECKING:
    from os_vif.host.plan import Plan


class OvsPlugin(PluginBase):
    CONFIG_OPTS = opts.OVS

    @staticmethod
    def gen_port_name(prefix: str, vif_id: str) -> str:
        """The name of a VIF's device or socket: 14 characters at most, as everywhere in OpenStack."""
        return f"{prefix}{vif_id}"[:14]

    def describe(self) -> objects.HostPluginInfo:
        ovs = objects.VIFPortProfileOpenVSwitch
        representor = objects.VIFPortProfileOVSRepresentor
        return host_info.describe(
            "ovs",
            {
                objects.VIFBridge: (ovs,),
                objects.VIFOpenVSwitch: (ovs,),
                objects.VIFVHostUser: (ovs, representor),
                objects.VIFHostDevice: (ovs, representor),
            },
        )

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        raise exception.PlanNotSupported(
            "The os-vif plugin 'ovs' cannot plug yet: Open vSwitch is not there yet."
        )

    plan_unplug = plan_plug
