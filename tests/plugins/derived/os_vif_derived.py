# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugins that use vif_plug_ovs of os-vif 5.x as an API: a derived class, and a caller."""

from oslo_config import cfg

from os_vif import objects, plugin
from os_vif.internal.ip.api import ip
from vif_plug_linux_bridge import linux_bridge
from vif_plug_linux_bridge import linux_net as bridges
from vif_plug_ovs import constants, exception, linux_net, ovs
from vif_plug_ovs.ovsdb import ovsdb_lib


def describe(name, *kinds):
    return objects.host_info.HostPluginInfo(
        plugin_name=name,
        vif_info=[
            objects.host_info.HostVIFInfo(
                vif_object_name=kind.__name__, min_version="1.0", max_version="1.0"
            )
            for kind in kinds
        ],
    )


class CardPlugin(ovs.OvsPlugin):
    """A card with representors of virtual functions, derived from the plugin for Open vSwitch."""

    def describe(self):
        return describe("card", objects.vif.VIFHostDevice, objects.vif.VIFOpenVSwitch)

    def plug(self, vif, instance_info):
        if not isinstance(vif, objects.vif.VIFHostDevice):
            super().plug(vif, instance_info)
            return
        representor = self._representor(vif)
        self.ovsdb.ensure_ovs_bridge(vif.network.bridge, self._get_vif_datapath_type(vif))
        linux_net.set_interface_state(representor, "up")
        self._create_vif_port(vif, representor, instance_info)

    def unplug(self, vif, instance_info):
        if not isinstance(vif, objects.vif.VIFHostDevice):
            super().unplug(vif, instance_info)
            return
        representor = self._representor(vif)
        self.ovsdb.delete_ovs_vif_port(vif.network.bridge, representor, delete_netdev=False)
        linux_net.set_interface_state(representor, "down")

    def _representor(self, vif):
        if not hasattr(vif, "port_profile"):
            raise exception.MissingPortProfile
        if not isinstance(vif.port_profile, objects.vif.VIFPortProfileOpenVSwitch):
            raise exception.WrongPortProfile(profile=type(vif.port_profile).__name__)
        address = vif.dev_address
        number = linux_net.get_vf_num_by_pci_address(address)
        uplink = linux_net.get_ifname_by_pci_address(address, pf_interface=True, switchdev=True)
        return linux_net.get_representor_port(uplink, number)


class SocketPlugin(plugin.PluginBase):
    """A device for each vhost-user socket: in a switch, behind a bridge, or in a bridge."""

    def __init__(self, config):
        super().__init__(config)
        self.ovs = self._options("socket_ovs", ovs.OvsPlugin.CONFIG_OPTS)
        self.bridge = self._options("socket_bridge", linux_bridge.LinuxBridgePlugin.CONFIG_OPTS)
        self.ovsdb = ovsdb_lib.BaseOVS(self.ovs)

    def _options(self, group, options):
        cfg.CONF.register_opts(options, group=group)
        return getattr(cfg.CONF, group)

    def describe(self):
        return describe("socket", objects.vif.VIFVHostUser)

    def plug(self, vif, instance_info):
        profile, mtu = vif.port_profile, vif.network.mtu or self.ovs.network_device_mtu
        if not ip.exists(vif.vif_name):
            ip.add(vif.vif_name, "tuntap", mode="tap")
            ip.set(vif.vif_name, mtu=mtu, state="up", check_exit_code=[0, 2, 254])
        if isinstance(profile, objects.vif.VIFPortProfileFPBridge):
            bridges.ensure_bridge(
                bridge=profile.bridge_name, interface=vif.vif_name, filtering=False, mtu=mtu
            )
            return
        if not profile.hybrid_plug:
            self.ovsdb.ensure_ovs_bridge(profile.bridge_name, constants.OVS_DATAPATH_SYSTEM)
            self._create_port(vif, vif.vif_name, instance_info, mtu)
            return
        inner, outer = ovs.OvsPlugin.get_veth_pair_names(vif)
        linux_net.ensure_bridge(profile.bridge_name)
        linux_net.add_bridge_port(profile.bridge_name, vif.vif_name)
        if not ip.exists(outer):
            linux_net.create_veth_pair(inner, outer, mtu)
            linux_net.add_bridge_port(profile.bridge_name, inner)
            self.ovsdb.ensure_ovs_bridge(vif.network.bridge, constants.OVS_DATAPATH_SYSTEM)
            self._create_port(vif, outer, instance_info, mtu, tag=constants.DEAD_VLAN)
        else:
            linux_net.set_device_mtu(outer, mtu)

    def _create_port(self, vif, name, instance_info, mtu, **more):
        self.ovsdb.create_ovs_vif_port(
            vif.network.bridge,
            name,
            vif.port_profile.interface_id,
            vif.address,
            instance_info.uuid,
            mtu,
            **more,
        )

    def unplug(self, vif, instance_info):
        profile = vif.port_profile
        if isinstance(profile, objects.vif.VIFPortProfileFPOpenVSwitch):
            if profile.hybrid_plug:
                inner, outer = ovs.OvsPlugin.get_veth_pair_names(vif)
                linux_net.delete_bridge(profile.bridge_name, inner)
                self.ovsdb.delete_ovs_vif_port(vif.network.bridge, outer)
            else:
                self.ovsdb.delete_ovs_vif_port(
                    vif.network.bridge, vif.vif_name, delete_netdev=False
                )
        if ip.exists(vif.vif_name):
            ip.delete(vif.vif_name)
