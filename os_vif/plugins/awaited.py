# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the hypervisor makes of a VIF, which ``check`` looks at (``awaits`` of a plan)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.plugins import vif_fields
from os_vif.steps import validate
from os_vif.steps.link.bridges import AwaitedPort

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif import objects
    from os_vif.steps.plan import Step


def port_of_bridge(vif: objects.VIFBase, *, made: bool) -> tuple[Step, ...]:
    """Return the guest's device in its Linux bridge; none for a VIF that does not name both.

    :param made: whether the plan makes the bridge.
    """
    bridge, name = vif_fields.get(vif, "bridge_name"), vif_fields.get(vif, "vif_name")
    if not (validate.is_device_name(bridge) and validate.is_device_name(name)):
        return ()
    return (AwaitedPort(bridge, name, made),)


def port_of_switch(
    vif: objects.VIFBase,
    profile: objects.VIFPortProfileOpenVSwitch,
    steps: Sequence[Step],
    own: str | None,
) -> tuple[Step, ...]:
    """Return the port that libvirt adds to Open vSwitch; none for a VIF that does not name it.

    :param steps: the plan; where it makes the port itself, none is awaited.
    :param own: the name of the VIF's own bridge, in which the port may be as well.
    """
    from os_vif.steps.ovs.awaited import AwaitedOvsPort
    from os_vif.steps.ovs.ports import EnsureOvsPort

    if any(isinstance(step, EnsureOvsPort) for step in steps):
        return ()
    interface_id = vif_fields.get(profile, "interface_id")
    ids = (("iface-id", str(interface_id)),) if interface_id else ()
    try:
        # The hypervisor goes by the VIF's own field.
        bridge = vif_fields.get(vif, "bridge_name") or vif_fields.network_bridge(vif)
        name = str(vif_fields.get(vif, "vif_name") or "")
        # Of which type the port is, is for the hypervisor to say.
        return (AwaitedOvsPort(bridge, name, type=None, external_ids=ids, own=own),)
    except exception.InvalidStep:
        return ()
