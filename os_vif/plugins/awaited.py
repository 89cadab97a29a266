# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps of the hypervisor for a VIF: the argument ``awaits`` of a plan, which only ``check`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception, vif_fields
from os_vif.host import limits
from os_vif.steps.link.bridges import AwaitedPort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif import objects
    from os_vif.steps.plan import Step


def port_of_bridge(vif: objects.VIFBase, *, made: bool) -> tuple[Step, ...]:
    """Return the condition that the guest's device is in the Linux bridge of the VIF.

    The tuple is empty if the VIF names no bridge or no device.

    :param made: True if the plan creates the bridge.
    """
    bridge, name = vif_fields.get(vif, "bridge_name"), vif_fields.get(vif, "vif_name")
    if not (limits.is_device_name(bridge) and limits.is_device_name(name)):
        return ()
    return (AwaitedPort(bridge, name, made),)


def port_of_switch(
    vif: objects.VIFBase,
    profile: objects.VIFPortProfileOpenVSwitch,
    steps: Sequence[Step],
    own: str | None,
) -> tuple[Step, ...]:
    """Return the condition that libvirt has added the port to Open vSwitch.

    The tuple is empty if the VIF names no bridge or no port, or if the plan creates the port.

    :param steps: the steps of the plan.
    :param own: the name of the per-port bridge, in which the port may be instead.
    """
    from os_vif.steps.ovs.hypervisor_port import AwaitedOvsPort
    from os_vif.steps.ovs.port import EnsureOvsPort

    if any(isinstance(step, EnsureOvsPort) for step in steps):
        return ()
    interface_id = vif_fields.get(profile, "interface_id")
    ids = (("iface-id", str(interface_id)),) if interface_id else ()
    try:
        # libvirt uses ``bridge_name`` of the VIF rather than the network's bridge.
        bridge = vif_fields.get(vif, "bridge_name") or vif_fields.network_bridge(vif)
        name = str(vif_fields.get(vif, "vif_name") or "")
        # The hypervisor chooses the type of the port.
        return (AwaitedOvsPort(bridge, name, type=None, external_ids=ids, own=own),)
    except exception.InvalidStep:
        return ()
