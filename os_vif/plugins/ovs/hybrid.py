# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plug a ``VIFBridge``: a Linux bridge with Neutron's rules, and a veth pair to Open vSwitch.

The guest's device is in the Linux bridge ``qbr…``. The half ``qvb…`` of the veth pair is in the
Linux bridge, and the half ``qvo…`` is the port of Open vSwitch.
"""

from __future__ import annotations

from collections.abc import Mapping

from os_vif import vif_fields
from os_vif.device_names import HYBRID_BRIDGE, HYBRID_BRIDGE_HALF, HYBRID_PORT_HALF
from os_vif.plugins.ovs import common_steps, context
from os_vif.plugins.ovs.context import VifContext
from os_vif.steps import (
    DeleteBridge,
    DeleteLink,
    EnsureBridge,
    EnsureOvsPort,
    EnsureVeth,
    Plan,
    SetLink,
    SetSysctl,
)

SOURCES: Mapping[str, str] = context.SOURCES


def plan(vif: VifContext) -> Plan:
    """Return the steps that plug a VIF."""
    if vif_fields.get(vif.profile, "create_tap"):
        vif.methods.warn("create_tap is ignored: a VIFBridge has its tap device on a Linux bridge")
    qbr = vif_fields.named(vif.vif, "bridge_name")
    qvb, qvo = vif.device_name(HYBRID_BRIDGE_HALF), vif.device_name(HYBRID_PORT_HALF)
    bridge, datapath, mtu = vif.bridge, vif.datapath(), vif.mtu
    return vif.plan(
        # The bridge would keep wrong ports for the MAC addresses of a guest that migrates
        # (LP 1715317).
        EnsureBridge(qbr, ageing=0),
        *SetSysctl.hardening(qbr, only_managed=False),
        EnsureVeth(qvb, qvo, mtu=mtu),
        SetSysctl(qvb, "disable_ipv6", 1),
        SetSysctl(qvo, "disable_ipv6", 1),
        SetLink(qbr, up=True),
        SetLink(qvb, mtu=mtu, promiscuous=True, master=qbr, up=True),
        SetLink(qvo, mtu=mtu, promiscuous=True, up=True),
        common_steps.ensure_bridge(vif, datapath),
        EnsureOvsPort(
            bridge,
            qvo,
            external_ids=vif.ids,
            isolated=vif.isolated,
            qos=vif.qos(datapath),
            must_open=True,
        ),
    )


def unplan(vif: VifContext) -> Plan:
    """Return the steps that unplug a VIF."""
    qvo, qvb = vif.device_name(HYBRID_PORT_HALF), vif.device_name(HYBRID_BRIDGE_HALF)
    qbr = vif_fields.named(vif.vif, "bridge_name")
    return vif.plan(
        *common_steps.delete_ports(vif, qvo),
        DeleteLink(qvo, include_unmanaged=True),
        # The kernel deletes the peer too, unless the halves are of two different pairs.
        DeleteLink(qvb, include_unmanaged=True),
        DeleteBridge(qbr, include_unmanaged=qbr.startswith(HYBRID_BRIDGE)),
    )
