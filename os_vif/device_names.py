# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Prefixes of the names of network devices, ports and bridges of VIFs.

The prefixes are defined only here. Nova, Neutron and the public os-vif have
given the names since their first releases: running guests have devices with the names, so the
values never change. The module imports no other module of os-vif.
"""

from __future__ import annotations

#: A Linux bridge of a single VIF, between the guest's device and Open vSwitch (hybrid plug).
HYBRID_BRIDGE = "qbr"
#: The half of a veth pair in the Linux bridge of a hybrid plug.
HYBRID_BRIDGE_HALF = "qvb"
#: The half of a veth pair in Open vSwitch of a hybrid plug.
HYBRID_PORT_HALF = "qvo"
#: A tap device.
TAP = "tap"
#: A tap device of nova's instances without Neutron.
NIC = "nic"
#: A vhost-user port of Open vSwitch, and the name of the socket of the port.
VHOST_USER = "vhu"
#: A DPDK port of Open vSwitch for the representor of a virtual function.
DPDK_REPRESENTOR = "vfr"
#: A bridge of Open vSwitch of a single VIF (option ``per_port_bridge``).
PER_PORT_BRIDGE = "pb"
#: The patch port in the bridge of a single VIF.
PER_PORT_PATCH = "pbp"
#: The patch port in the integration bridge, peer of ``PER_PORT_PATCH``.
INTEGRATION_PATCH = "ibp"
#: A bridge of Open vSwitch of a single trunk of Neutron.
TRUNK_BRIDGE = "tbr-"

#: Names of the devices of a single VIF: the prefix, then the first characters of the VIF's id.
VIF_DEVICES = (
    HYBRID_BRIDGE,
    HYBRID_BRIDGE_HALF,
    HYBRID_PORT_HALF,
    TAP,
    NIC,
    VHOST_USER,
    DPDK_REPRESENTOR,
    PER_PORT_BRIDGE,
)
#: Bridges of Open vSwitch of a single VIF or a single trunk; os-vif deletes no other bridge.
DELETABLE_OVS_BRIDGES = (TRUNK_BRIDGE, PER_PORT_BRIDGE)
#: Length of the name of a VIF's device in characters, everywhere in OpenStack.
MAX_LENGTH = 14
