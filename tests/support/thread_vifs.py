# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs for several threads with plugs at the same time."""

from __future__ import annotations

from os_vif import objects
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif


def vif_of(thread: int, turn: int) -> objects.VIFBase:
    """Return a VIF of a thread: in turn a shared bridge, a port, and a hybrid plug."""
    number = 0x40 + thread * 3 + turn % 3
    match turn % 3:
        case 0:
            return bridge_vif(number, f"brq-{thread % 2}")
        case 1:
            vif = ovs_vif(create_port=True)
        case _:
            vif = ovs_vif(objects.VIFBridge)
            vif.bridge_name = f"qbr{number:08x}-11"
    vif.id = f"{number:08x}-1111-4222-8333-444455556666"
    vif.vif_name = f"tap{number:08x}-11"
    vif.port_profile.interface_id = vif.id
    return vif
