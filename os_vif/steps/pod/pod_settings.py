# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The settings of a device in a pod, as steps that give a device the settings again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.steps.ip import addresses, device_routes
from os_vif.steps.ip.sysctl import SetSysctl, read_parameter
from os_vif.steps.link.set_link import SetLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.kernel_step import KernelStep


def read_settings(inside: Netlink, link: Link) -> list[KernelStep]:
    """Return the steps for the state, addresses and routes of a device in a pod.

    The calling thread must be in the network namespace of the pod.
    """
    held = addresses.read_addresses(inside, link)
    connected = addresses.connected_networks(held)
    ipv6 = read_parameter(link.name, "ipv6", "disable_ipv6")
    return [
        *([] if ipv6 is None else [SetSysctl(link.name, "disable_ipv6", ipv6)]),
        SetLink(link.name, address=link.address, mtu=link.mtu, up=link.up),
        *held,
        *device_routes.read_routes(inside, link, connected).given,
    ]
