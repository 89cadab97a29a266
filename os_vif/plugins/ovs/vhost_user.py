# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plug a ``VIFVHostUser``: the guest shares memory with a switch in user space (DPDK).

The host has no network device for the VIF. The port of Open vSwitch names the socket.
"""

from __future__ import annotations

from collections.abc import Mapping

from os_vif import vif_fields
from os_vif.device_names import VHOST_USER
from os_vif.plugins.ovs import common_steps, context
from os_vif.plugins.ovs.context import VifContext
from os_vif.steps import EnsureOvsPort, Plan

#: ``type`` of an Interface row, by the mode of QEMU: client or server of the socket.
_TYPES = {"client": "dpdkvhostuser", "server": "dpdkvhostuserclient"}

SOURCES: Mapping[str, str] = {**context.SOURCES, "options": "vif.path"}


def plan(vif: VifContext) -> Plan:
    """Return the steps that plug a VIF."""
    mode = vif_fields.get(vif.vif, "mode")
    if mode not in _TYPES:
        raise vif_fields.invalid("vif.mode", mode or "unset", "client or server")
    options: tuple[tuple[str, str], ...] = ()
    if mode == "server":
        path = vif_fields.get(vif.vif, "path")
        if not path:
            raise vif_fields.invalid("vif.path", "unset", "the path of a socket")
        options = (("vhost-server-path", path),)
    return vif.plan(
        common_steps.ensure_bridge(vif, vif.datapath(context.NETDEV)),
        EnsureOvsPort(
            vif.bridge,
            vif.device_name(VHOST_USER),
            _TYPES[mode],
            external_ids=vif.ids,
            options=options,
            # ovs-vswitchd allocates the port's memory for the MTU at creation (LP 1959586).
            mtu_request=vif.mtu,
            isolated=vif.isolated,
            must_open=True,
        ),
    )


def unplan(vif: VifContext) -> Plan:
    """Return the steps that unplug a VIF."""
    return vif.plan(*common_steps.delete_ports(vif, vif.device_name(VHOST_USER)))
