# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the hypervisor makes of a VIF, which ``check`` looks at (``awaits`` of a plan)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.host import validate
from os_vif.host.bridges import AwaitedPort
from os_vif.plugins import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif import objects
    from os_vif.host.plan import PlanStep


def port_of_bridge(vif: objects.VIFBase, *, made: bool) -> tuple[PlanStep, ...]:
    """Return the guest's device in its Linux bridge; none for a VIF that does not name both.

    :param made: whether the plan makes the bridge.
    """
    bridge, name = fields.get(vif, "bridge_name"), fields.get(vif, "vif_name")
    if not (validate.is_device_name(bridge) and validate.is_device_name(name)):
        return ()
    return (AwaitedPort(bridge, name, made),)


def port_of_switch(
    vif: objects.VIFBase,
    profile: objects.VIFPortProfileOpenVSwitch,
    steps: Sequence[PlanStep],
    own: str | None,
) -> tuple[PlanStep, ...]:
    """Return the port that libvirt adds to Open vSwitch; none for a VIF that does not name it.

    :param steps: the plan; where it makes the port itself, none is awaited.
    :param own: the name of the VIF's own bridge, in which the port may be as well.
    """
    from os_vif.host.ovs_awaited import AwaitedOvsPort
    from os_vif.host.ovs_steps import OvsPort

    if any(isinstance(step, OvsPort) for step in steps):
        return ()
    interface_id = fields.get(profile, "interface_id")
    ids = (("iface-id", str(interface_id)),) if interface_id else ()
    try:
        # The hypervisor goes by the VIF's own field.
        bridge = fields.get(vif, "bridge_name") or fields.network_bridge(vif)
        name = str(fields.get(vif, "vif_name") or "")
        # Of which type the port is, is for the hypervisor to say.
        return (AwaitedOvsPort(bridge, name, type=None, external_ids=ids, own=own),)
    except exception.InvalidStep:
        return ()
