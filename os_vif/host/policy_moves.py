# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for the steps that move what the host has on an uplink to a bridge.

A bridge may only get what an uplink of it has, and an uplink may only lose what its bridge has. See
:mod:`os_vif.host.policy`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from os_vif.host import neighbours, routes, sysctl

if TYPE_CHECKING:
    from os_vif.host import steps as known
    from os_vif.host.plan import Step
    from os_vif.host.policy import Question

#: Devices of one call that are looked at as uplinks of a bridge; a plan has one.
MAX_UPLINKS = 4


def refused(step: Step, reason: str) -> OSError:
    """Return the error of a step that may not touch what it names."""
    text = f"not permitted for {step.device}: {reason}"
    return OSError(errno.EPERM, text)


def ensure_address(asked: Question, step: known.EnsureAddress) -> None:
    bridge = asked.link(step.name)
    if bridge is None:
        return
    if bridge.kind == "bridge":
        for name in asked.call.joining.get(bridge.name, ())[:MAX_UPLINKS]:
            link = asked.link(name)
            if link is not None and step.key in asked.held(link):
                return
        if step.key in asked.addresses_of_ports(bridge):
            return
        # A call of this step alone: the device joins the bridge in a later one.
        if bridge.ours and step.key in asked.addresses_elsewhere(bridge):
            return
    raise refused(step, f"no uplink of it has the address {step.address}")


def delete_address(asked: Question, step: known.DeleteAddress) -> None:
    link = asked.link(step.name)
    if link is None:
        return
    master = asked.net.link_at(link.master) if link.master else None
    if master is None or step.key not in asked.held(master):
        raise refused(step, f"it is in no bridge that has the address {step.address}")


def ensure_route(asked: Question, step: known.EnsureRoute) -> None:
    bridge = asked.link(step.name)
    if bridge is None:
        return
    for uplink in asked.ports(bridge) if bridge.kind == "bridge" else ():
        if step.instead_of in (None, uplink.name) and routes.has_like(asked.net, uplink, step):
            return
    raise refused(step, f"no uplink of it has the route {step.destination}")


def delete_route(asked: Question, step: known.DeleteRoute) -> None:
    link = asked.link(step.name)
    if link is None:
        return
    master = asked.net.link_at(link.master) if link.master else None
    if master is None or not routes.has_like(asked.net, master, step):
        raise refused(step, f"it is in no bridge that has the route {step.destination}")


def ensure_neighbour(asked: Question, step: known.EnsureNeighbour) -> None:
    bridge = asked.link(step.name)
    if bridge is None:
        return
    for uplink in asked.ports(bridge) if bridge.kind == "bridge" else ():
        found = neighbours.held(asked.net, uplink).get(step.key)
        if found is not None and found.on(step.name) == step:
            return
    raise refused(step, f"no uplink of it has the neighbour {step.neighbour}")


def delete_neighbour(asked: Question, step: known.DeleteNeighbour) -> None:
    link = asked.link(step.name)
    if link is None:
        return
    master = asked.net.link_at(link.master) if link.master else None
    if master is None or step.key not in neighbours.held(asked.net, master):
        raise refused(step, f"it is in no bridge that has the neighbour {step.neighbour}")


def fix_bridge_address(asked: Question, step: known.FixBridgeAddress) -> None:
    """Permit the MAC address of an uplink on the bridge that has its addresses."""
    bridge = asked.link(step.name)
    if bridge is None:
        return
    uplinks = asked.ports(bridge) if bridge.kind == "bridge" else ()
    if not any(uplink.address == step.mac for uplink in uplinks):
        raise refused(step, f"no uplink of it has the MAC address {step.mac}")
    if not asked.held(bridge):
        raise refused(step, "it has no address of the host")


def inherit_sysctl(asked: Question, step: known.InheritSysctl) -> None:
    """Permit the value that an uplink of a bridge has."""
    bridge = asked.link(step.name)
    if bridge is None:
        return
    if bridge.kind == "bridge":
        uplinks = list(asked.uplinks(bridge))
        # A call of this step alone: the device joins the bridge in a later one.
        uplinks += asked.may_join(bridge) if bridge.ours else []
        for link in uplinks:
            # A VIF's device is no uplink, unless it is a VLAN.
            may_be = link.kind == "vlan" or not asked.is_vif(link)
            if may_be and sysctl.inherited(link.name, step.family, step.parameter) == step.value:
                return
    raise refused(step, f"no uplink of it has {step.value} as {step.parameter}")
