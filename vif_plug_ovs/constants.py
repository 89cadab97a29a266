# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names that other programs import from here."""

PLUGIN_NAME = "ovs"

#: ``type`` of an Interface row: Open vSwitch, or QEMU, opens the vhost-user socket.
OVS_VHOSTUSER_INTERFACE_TYPE = "dpdkvhostuser"
OVS_VHOSTUSER_CLIENT_INTERFACE_TYPE = "dpdkvhostuserclient"
OVS_DPDK_INTERFACE_TYPE = "dpdk"

OVS_VHOSTUSER_PREFIX = "vhu"

#: ``datapath_type`` of a Bridge row: in the kernel, or in user space.
OVS_DATAPATH_SYSTEM = "system"
OVS_DATAPATH_NETDEV = "netdev"

#: The VLAN in which Neutron keeps ports that it has not wired yet.
DEAD_VLAN = 4095

TRUNK_BR_PREFIX = "tbr-"
