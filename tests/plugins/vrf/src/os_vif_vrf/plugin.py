# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin that routes each VIF in a VRF (virtual routing and forwarding) of the host."""

from os_vif import objects, vif_fields
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.steps import DeleteLink, EnsureVeth, EnsureVrf, Plan, SetLink

from os_vif_vrf import options
from os_vif_vrf.steps import EnsureGateway


class VrfPlugin(PluginBase[objects.VIFGeneric]):
    """A veth pair for each VIF, whose end on the host is in the VRF of the network.

    ``vif.network.bridge`` is the name of the VRF, and the option ``tables`` has its routing table.
    The end on the host has the addresses of the gateways. The VRF stays after the last unplug:
    routes of an operator may be in the table.
    """

    CONFIG_OPTS = options.OPTIONS
    privsep_module = "os_vif_vrf.privsep"

    def describe(self) -> objects.HostPluginInfo:
        """Return the classes of VIFs that the plugin plugs."""
        return host_info.describe("vrf", {objects.VIFGeneric: ()})

    def plan_plug(self, vif: objects.VIFGeneric, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that plug a VIF."""
        vif = vif_fields.require_class(vif, objects.VIFGeneric)
        host_end, vrf = vif_fields.named(vif, "vif_name"), vif_fields.network_bridge(vif)
        network = vif_fields.network(vif)
        mtu = vif_fields.get(network, "mtu")
        return Plan(
            EnsureVrf(vrf, table=self._table(vrf)),
            SetLink(vrf, up=True),
            EnsureVeth(host_end, guest_end(vif)),
            SetLink(guest_end(vif), mtu=mtu, address=vif_fields.mac(vif), up=True),
            SetLink(host_end, mtu=mtu, master=vrf, up=True),
            *(EnsureGateway(host_end, gateway) for gateway in gateways(network)),
        )

    def plan_unplug(self, vif: objects.VIFGeneric, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that unplug a VIF."""
        return Plan(DeleteLink(vif_fields.named(vif, "vif_name")))

    def _table(self, vrf: str) -> int:
        """Return the routing table of a VRF."""
        table = self.config.tables.get(vrf)
        if table is None or not table.isdecimal():
            expected = "the number of a routing table for each VRF"
            raise vif_fields.invalid(
                "[os_vif_vrf]tables",
                f"{vrf}:{table}" if table else f"no entry for {vrf}",
                expected,
            )
        return int(table)


def guest_end(vif: objects.VIFGeneric) -> str:
    """Return the name of the guest's end of the veth pair."""
    return f"gst{vif_fields.port_id(vif)[:11]}"


def gateways(network: objects.Network) -> list[str]:
    """Return the addresses of the gateways, with the prefix lengths of the subnets."""
    subnets = vif_fields.get(network, "subnets")
    return [
        f"{subnet.gateway}/{subnet.cidr.prefixlen}"
        for subnet in (subnets.objects if subnets else ())
        if vif_fields.get(subnet, "gateway") and vif_fields.get(subnet, "cidr")
    ]
