# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The demo with pods: both ends of a VIF in one plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import os_vif
from os_vif import Sandbox, objects
from os_vif.cmd.demo import demo_vifs
from os_vif.cmd.demo.console import ADDRESSES, INSTANCE, DemoError, unplugged_on_error
from os_vif.testing.guests import Guest

if TYPE_CHECKING:
    from os_vif.cmd.demo.console import Console

_BRIDGE = "brq-pods"
_MTU = 1400


def _vif(number: int, address: str) -> objects.VIFBridge:
    """Return a VIF of a pod on the Linux bridge of the demo, with an address."""
    subnet = objects.Subnet(
        cidr="192.0.2.0/24",
        gateway="192.0.2.254",
        ips=objects.FixedIPList(objects=[objects.FixedIP(address=address)]),
    )
    return demo_vifs.bridge_vif(number, f"tappods-{number}", _BRIDGE, _MTU, subnet)


VIFS = (_vif(5, ADDRESSES[0]), _vif(6, ADDRESSES[1]))


def show(console: Console) -> None:
    """Plug two pods, ping, check, and unplug.

    :raises DemoError: if a check fails.
    :raises os_vif.exception.ExceptionBase: if a VIF cannot be plugged or unplugged.
    :raises OSError: if a pod cannot be started, or does not answer.
    """
    console.section("Plug two pods: the ports on the host, and the interfaces in the pods")
    with Guest() as first, Guest() as second, unplugged_on_error(VIFS):
        sandboxes = [
            Sandbox(f"/proc/{pod.pid}/ns/net", "eth0", default_gateway=True)
            for pod in (first, second)
        ]
        for vif, sandbox in zip(VIFS, sandboxes, strict=True):
            result = os_vif.plug_pod(vif, INSTANCE, sandbox)
            address, route = result.addresses[0], result.routes[-1]
            console.write(
                f"{result.host_name} leads to {result.name} of a pod: {address.address}, "
                f"default route via {route.gateway}, MTU {result.mtu}"
            )
            if differences := os_vif.check_pod(vif, INSTANCE, sandbox):
                raise DemoError(f"after the plug: {differences[0]}")
        console.write(f"The first pod pings the second: {first.ping(ADDRESSES[1])}")
        for vif, sandbox in zip(VIFS, sandboxes, strict=True):
            os_vif.unplug_pod(vif, INSTANCE, sandbox)
            console.write(f"unplugged {vif.vif_name}")
