# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The bridge of Open vSwitch that a VIF's network names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception, objects
from os_vif.engine import ovs
from os_vif.plugins import vif_fields
from os_vif.steps import validate
from os_vif.steps.ovs.ports import EnsureOvsBridge
from os_vif.steps.ovs.rows import is_user_space

if TYPE_CHECKING:
    from os_vif.steps.plan import OvsdbTarget


def ensured(vif: objects.VIFBase, switch: OvsdbTarget, datapath: str) -> EnsureOvsBridge:
    """Return the step for the bridge of a VIF's network; one that is there keeps its datapath.

    :raises os_vif.exception.InvalidField: for a name that only a bridge in user space may have.
    """
    name = vif_fields.network_bridge(vif)
    if not validate.is_long(name):
        return EnsureOvsBridge(name, datapath)
    try:
        there = ovs.datapath_type(switch, name)
    except exception.OvsdbUnreachable:
        # A dry run needs no switch, and a plug tells it.
        there = None
    found = datapath if there is None else there
    if not is_user_space(found):
        said = f"{name!r}, for a bridge of datapath_type {found or 'system'}"
        expected = f"{validate.DEVICE_NAME}; {validate.USER_SPACE}"
        raise vif_fields.invalid("vif.network.bridge", said, expected)
    return EnsureOvsBridge(name, found)
