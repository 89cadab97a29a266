# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps on Open vSwitch that several ways of plugging have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception, vif_fields
from os_vif.device_names import TRUNK_BRIDGE
from os_vif.host.ovsdb import lookups
from os_vif.steps import (
    DeleteOvsBridge,
    DeleteOvsPort,
    EnsureOvsBridge,
    validate,
)

if TYPE_CHECKING:
    from os_vif.plugins.ovs.context import VifContext
    from os_vif.steps.ovs.step import OvsStep


def ensure_bridge(vif: VifContext, datapath: str) -> EnsureOvsBridge:
    """Return the step for the bridge of a VIF's network. A present bridge keeps the datapath.

    :raises os_vif.exception.InvalidField: for a name that only a bridge in user space may have.
    """
    name = vif.bridge
    if not validate.is_long(name):
        return EnsureOvsBridge(name, datapath)
    try:
        present = lookups.datapath_type(vif.target, name)
    except exception.OvsdbUnreachable:
        # A dry run needs no switch; a plug reports the error at its first step.
        present = None
    found = datapath if present is None else present
    if not lookups.is_userspace(found):
        said = f"{name!r}, for a bridge of datapath_type {found or 'system'}"
        expected = f"{validate.DEVICE_NAME}; {validate.USER_SPACE}"
        raise vif_fields.invalid("vif.network.bridge", said, expected)
    return EnsureOvsBridge(name, found)


def delete_ports(vif: VifContext, *ports: str, wait: bool = False) -> tuple[OvsStep, ...]:
    """Return the steps that delete ports of a VIF, and the bridge of the VIF's trunk.

    :param wait: also wait for ovs-vswitchd, before the next step of the plan runs.
    """
    network = vif_fields.get(vif.vif, "network")
    bridge = vif_fields.get(network, "bridge") if network is not None else None
    trunk = (DeleteOvsBridge(bridge),) if bridge and bridge.startswith(TRUNK_BRIDGE) else ()
    return (*(DeleteOvsPort(port, wait=wait) for port in ports), *trunk)
