# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rules for the steps that move what the host has on an uplink to a bridge.

A bridge may only get what an uplink of it has, and an uplink may only lose what its bridge has. See
:mod:`os_vif.engine.policy`.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from os_vif.steps.ip import neighbours, routes, sysctl

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif import steps as known
    from os_vif.engine.policy import Question
    from os_vif.host.netlink.rtnetlink import Link
    from os_vif.steps.kernel_step import KernelStep

#: Devices of one call that are looked at as uplinks of a bridge; a plan has one.
MAX_UPLINKS = 4


def refused(step: KernelStep, reason: str) -> OSError:
    """Return the error of a step that may not touch what it names."""
    text = f"not permitted for {step.device}: {reason}"
    return OSError(errno.EPERM, text)


def _require_on_uplink(
    asked: Question, step: KernelStep, what: str, is_on: Callable[[Link], bool]
) -> None:
    """Raise EPERM unless a port of a bridge has what the bridge gets.

    A step on a bridge that does not exist is permitted.

    :param what: the route or the neighbour, for the message.
    :param is_on: returns whether a port has it.
    """
    bridge = asked.link(step.device)
    if bridge is None:
        return
    if bridge.kind != "bridge" or not any(is_on(uplink) for uplink in asked.ports(bridge)):
        raise refused(step, f"no uplink of it has the {what}")


def _require_on_bridge(
    asked: Question, step: KernelStep, what: str, is_on: Callable[[Link], bool]
) -> None:
    """Raise EPERM unless the bridge of a device has what the device loses.

    A step on a device that does not exist is permitted.

    :param what: the address, the route or the neighbour, for the message.
    :param is_on: returns whether a bridge has it.
    """
    link = asked.link(step.device)
    if link is None:
        return
    master = asked.net.link_at(link.master) if link.master else None
    if master is None or not is_on(master):
        raise refused(step, f"it is in no bridge that has the {what}")


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
        if bridge.is_managed and step.key in asked.addresses_elsewhere(bridge):
            return
    raise refused(step, f"no uplink of it has the address {step.address}")


def delete_address(asked: Question, step: known.DeleteAddress) -> None:
    def is_on(bridge: Link) -> bool:
        return step.key in asked.held(bridge)

    _require_on_bridge(asked, step, f"address {step.address}", is_on)


def ensure_route(asked: Question, step: known.EnsureRoute) -> None:
    def is_on(uplink: Link) -> bool:
        replaced = step.replaces in (None, uplink.name)
        return replaced and routes.has_equal_route(asked.net, uplink, step)

    _require_on_uplink(asked, step, f"route {step.destination}", is_on)


def delete_route(asked: Question, step: known.DeleteRoute) -> None:
    def is_on(bridge: Link) -> bool:
        return routes.has_equal_route(asked.net, bridge, step)

    _require_on_bridge(asked, step, f"route {step.destination}", is_on)


def ensure_neighbour(asked: Question, step: known.EnsureNeighbour) -> None:
    def is_on(uplink: Link) -> bool:
        found = neighbours.neighbour_map(asked.net, uplink).get(step.key)
        return found is not None and found.on(step.name) == step

    _require_on_uplink(asked, step, f"neighbour {step.neighbour}", is_on)


def delete_neighbour(asked: Question, step: known.DeleteNeighbour) -> None:
    def is_on(bridge: Link) -> bool:
        return step.key in neighbours.neighbour_map(asked.net, bridge)

    _require_on_bridge(asked, step, f"neighbour {step.neighbour}", is_on)


def fix_bridge_address(asked: Question, step: known.SetBridgeAddress) -> None:
    """Permit the MAC address of an uplink on the bridge that has its addresses."""
    bridge = asked.link(step.name)
    if bridge is None:
        return
    uplinks = asked.ports(bridge) if bridge.kind == "bridge" else ()
    if not any(uplink.address == step.mac for uplink in uplinks):
        raise refused(step, f"no uplink of it has the MAC address {step.mac}")
    if not asked.held(bridge):
        raise refused(step, "it has no address of the host")


def inherit_sysctl(asked: Question, step: known.SetInheritedSysctl) -> None:
    """Permit the value that an uplink of a bridge has."""
    bridge = asked.link(step.name)
    if bridge is None:
        return
    if bridge.kind == "bridge":
        uplinks = list(asked.uplinks(bridge))
        # A call of this step alone: the device joins the bridge in a later one.
        uplinks += asked.may_join(bridge) if bridge.is_managed else []
        for link in uplinks:
            # A VIF's device is no uplink, unless it is a VLAN.
            may_be = link.kind == "vlan" or not asked.is_vif(link)
            if (
                may_be
                and sysctl.read_parameter(link.name, step.family, step.parameter) == step.value
            ):
                return
    raise refused(step, f"no uplink of it has {step.value} as {step.parameter}")
