# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Constants of the ``ovs`` plugin, part of the public os-vif."""

from os_vif import device_names

PLUGIN_NAME = "ovs"

#: ``type`` of an Interface row for vhost-user; ovs-vswitchd is the server of the socket.
OVS_VHOSTUSER_INTERFACE_TYPE = "dpdkvhostuser"
#: ``type`` of an Interface row for vhost-user; ovs-vswitchd is the client of the socket.
OVS_VHOSTUSER_CLIENT_INTERFACE_TYPE = "dpdkvhostuserclient"
#: ``type`` of an Interface row for a DPDK device.
OVS_DPDK_INTERFACE_TYPE = "dpdk"

#: Prefix of the names of vhost-user ports.
OVS_VHOSTUSER_PREFIX = device_names.VHOST_USER

#: ``datapath_type`` of a Bridge row: the datapath of the kernel.
OVS_DATAPATH_SYSTEM = "system"
#: ``datapath_type`` of a Bridge row: the datapath in user space.
OVS_DATAPATH_NETDEV = "netdev"

#: VLAN of ports that the agent of Neutron has not configured yet.
DEAD_VLAN = 4095

#: Prefix of the names of Neutron's trunk bridges.
TRUNK_BR_PREFIX = device_names.TRUNK_BRIDGE
