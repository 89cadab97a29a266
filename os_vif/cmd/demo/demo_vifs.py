# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The VIFs of the demo on a Linux bridge."""

from __future__ import annotations

from os_vif import objects


def bridge_vif(
    number: int, name: str, bridge: str, mtu: int, subnet: objects.Subnet | None = None
) -> objects.VIFBridge:
    """Return a VIF of the plugin ``linux_bridge``.

    :param number: one digit, of the id and the MAC address.
    :param name: the name of the device.
    :param bridge: the name of the bridge, which the plug creates.
    :param mtu: MTU of the network in bytes.
    :param subnet: the subnet with the address; None for a network without subnets.
    """
    network = objects.Network(
        id="a0000000-0000-4000-8000-000000000000",
        bridge=bridge,
        label="demo",
        mtu=mtu,
        should_provide_bridge=True,
    )
    if subnet is not None:
        network.subnets = objects.SubnetList(objects=[subnet])
    return objects.VIFBridge(
        id=f"{number}0000000-0000-4000-8000-000000000000",
        address=f"fa:16:3e:00:00:0{number}",
        plugin="linux_bridge",
        vif_name=name,
        bridge_name=bridge,
        has_traffic_filtering=True,
        network=network,
    )
