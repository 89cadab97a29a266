# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs for a bridge."""

from __future__ import annotations

from os_vif import objects


def bridge_vif(number: int, bridge: str = "brq-test", mtu: int = 1450) -> objects.VIFBridge:
    return objects.VIFBridge(
        id=f"{number:08x}-0000-4000-8000-000000000000",
        address=f"fa:16:3e:00:00:{number:02x}",
        plugin="linux_bridge",
        vif_name=f"tap{number:08x}",
        bridge_name=bridge,
        # No rules are created for the VIF, as with Neutron.
        has_traffic_filtering=True,
        network=objects.Network(bridge=bridge, mtu=mtu, should_provide_bridge=True),
    )
