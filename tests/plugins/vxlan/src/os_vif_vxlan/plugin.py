# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin that connects the VIFs of a network through VXLAN (RFC 7348)."""

from os_vif import objects, vif_fields
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps import (
    AddBridgeUser,
    DeleteBridge,
    DeleteLink,
    EnsureBridge,
    EnsureVeth,
    EnsureVxlan,
    Plan,
    RemoveBridgeUser,
    SetLink,
)

from os_vif_vxlan import options

#: Bytes of the headers of VXLAN over IPv4: Ethernet, IP, UDP and VXLAN (RFC 7348, section 5).
OVERHEAD = 50


class VxlanPlugin(PluginBase[objects.VIFBridge]):
    """A bridge for each network, with a VXLAN device to the other hosts.

    ``vif.network.vlan`` is the number of the network. The guest's end of a veth pair is for the
    hypervisor or the container engine. Bridge and tunnel stay after the last unplug, as a bridge
    with an uplink does.
    """

    CONFIG_OPTS = options.OPTIONS
    # The steps are those of os-vif, so the plugin needs no daemon of its own.
    privsep_module = "vif_plug_linux_bridge.privsep"

    def describe(self) -> objects.HostPluginInfo:
        """Return the classes of VIFs that the plugin plugs."""
        return host_info.describe("vxlan", {objects.VIFBridge: ()})

    def plan_plug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that plug a VIF."""
        vif = vif_fields.require_class(vif, objects.VIFBridge)
        bridge, host_end = vif_fields.named(vif, "bridge_name"), vif_fields.named(vif, "vif_name")
        network = vif_fields.network(vif)
        overlay, mtu = tunnel(vif), vif_fields.get(network, "mtu")
        return Plan(
            EnsureBridge(bridge),
            AddBridgeUser(bridge, vif_fields.port_id(vif)),
            EnsureVxlan(
                overlay,
                vni=self.config.first_vni + network.vlan,
                local=self.config.local,
                remote=self.config.remote,
                link=self.config.link,
            ),
            SetLink(overlay, mtu=mtu, master=bridge, up=True),
            EnsureVeth(host_end, guest_end(vif)),
            SetLink(guest_end(vif), mtu=mtu, address=vif_fields.mac(vif), up=True),
            SetLink(host_end, mtu=mtu, master=bridge, up=True),
            SetLink(bridge, up=True),
        )

    def plan_unplug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that unplug a VIF. A bridge with a tunnel stays for the next VIF."""
        bridge = vif_fields.named(vif, "bridge_name")
        return Plan(
            DeleteLink(vif_fields.named(vif, "vif_name")),
            RemoveBridgeUser(bridge, vif_fields.port_id(vif)),
            DeleteBridge(bridge, when_empty=False),
        )


def tunnel(vif: objects.VIFBridge) -> str:
    """Return the name of the VXLAN device of the VIF's network."""
    vlan = vif_fields.get(vif_fields.network(vif), "vlan")
    if not isinstance(vlan, int) or not 0 < vlan < 4095:
        raise vif_fields.invalid("vif.network.vlan", vlan or "unset", "a number from 1 to 4094")
    return f"vxlan-{vlan}"


def guest_end(vif: objects.VIFBridge) -> str:
    """Return the name of the guest's end of the veth pair."""
    return f"gst{vif_fields.port_id(vif)[:11]}"
