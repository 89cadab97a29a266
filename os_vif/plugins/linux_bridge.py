# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A Linux bridge on the host, which the hypervisor puts the guest's tap device in.

With Neutron the agent makes the bridge (``should_provide_bridge`` is false), and there is
nothing to do here.
"""

from __future__ import annotations

import logging

from os_vif import exception, objects, opts
from os_vif.host import validate
from os_vif.host.links import DeleteBridge, EnsureBridge, SetLink
from os_vif.host.plan import Plan
from os_vif.host.sysctl import Sysctl
from os_vif.objects import host_info
from os_vif.plugin import PluginBase

LOG = logging.getLogger(__name__)


class LinuxBridgePlugin(PluginBase):
    CONFIG_OPTS = opts.LINUX_BRIDGE
    privsep_module = "vif_plug_linux_bridge.privsep"

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("linux_bridge", {objects.VIFBridge: ()})

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """The bridge exists, is up, and does not connect the host itself to the guests."""
        bridge = self._bridge(vif)
        if bridge is None:
            return Plan()
        if "has_traffic_filtering" not in vif or not vif.has_traffic_filtering:
            LOG.warning("%s: no forwarding rules are made for it; os-vif cannot yet", bridge)
        return Plan(
            EnsureBridge(bridge, forward_delay=0, stp=False, multicast_snooping=False),
            *Sysctl.hardening(bridge, only_ours=True),
            SetLink(bridge, mtu=self._mtu(vif), up=True),
        )

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """The bridge is gone, if it is ours and no other VIF is in it."""
        bridge = self._bridge(vif)
        return Plan() if bridge is None else Plan(DeleteBridge(bridge))

    def _bridge(self, vif: objects.VIFBase) -> str | None:
        """The name of the bridge that is ours to make; None if somebody else makes it."""
        network = self._network(vif)
        if network.multi_host or not network.should_provide_bridge:
            return None
        if network.should_provide_vlan:
            raise _invalid("vif.network.should_provide_vlan", "true", "false: a bridge, no VLAN")
        if "bridge_interface" in network and network.bridge_interface:
            raise _invalid(
                "vif.network.bridge_interface",
                repr(network.bridge_interface),
                "none: this release makes bridges without an uplink only",
            )
        if not isinstance(vif, objects.VIFBridge):
            raise _invalid("vif", f"a {vif.obj_name()}", "a VIFBridge")
        if "bridge_name" not in vif:
            raise _invalid("vif.bridge_name", "unset", "the name of a bridge")
        if not validate.is_device_name(vif.bridge_name):
            raise _invalid("vif.bridge_name", repr(vif.bridge_name), validate.DEVICE_NAME)
        return vif.bridge_name

    def _network(self, vif: objects.VIFBase) -> objects.Network:
        if "network" not in vif or vif.network is None:
            raise _invalid("vif.network", "unset", "a Network")
        return vif.network

    def _mtu(self, vif: objects.VIFBase) -> int:
        mtu = self._network(vif).mtu
        field = "vif.network.mtu"
        if not mtu:
            mtu = self.config.network_device_mtu
            field = "[os_vif_linux_bridge]network_device_mtu"
        if not validate.is_mtu(mtu):
            raise _invalid(field, mtu, validate.MTU)
        return mtu


def _invalid(field: str, found: object, expected: str) -> exception.InvalidField:
    return exception.InvalidField(field=field, found=found, expected=expected)
