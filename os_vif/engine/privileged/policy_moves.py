# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Policy for steps that move addresses, routes and neighbours from an uplink to a bridge.

A bridge may receive only the settings of an uplink in the bridge, and an uplink may lose only
settings of the bridge above. See :mod:`os_vif.engine.privileged.policy`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.engine.privileged.host_view import MAX_UPLINKS, refused
from os_vif.steps.ip import neighbours, routes, sysctl

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif import steps as known
    from os_vif.engine.privileged.host_view import HostView
    from os_vif.host.netlink.rtnetlink import Link
    from os_vif.steps.kernel_step import KernelStep


def _require_on_uplink(
    view: HostView, step: KernelStep, setting: str, is_on: Callable[[Link], bool]
) -> None:
    """Raise EPERM unless a port of a bridge has the setting that the bridge receives.

    A step on a bridge that does not exist is permitted.

    :param setting: the route or the neighbour, for the message.
    :param is_on: returns whether a port has the setting.
    """
    bridge = view.link(step.device)
    if bridge is None:
        return
    if bridge.kind != "bridge" or not any(is_on(uplink) for uplink in view.ports(bridge)):
        raise refused(step, f"no uplink of the bridge has the {setting}")


def _require_on_bridge(
    view: HostView, step: KernelStep, setting: str, is_on: Callable[[Link], bool]
) -> None:
    """Raise EPERM unless the bridge of a device has the setting that the device loses.

    A step on a device that does not exist is permitted.

    :param setting: the address, the route or the neighbour, for the message.
    :param is_on: returns whether a bridge has the setting.
    """
    link = view.link(step.device)
    if link is None:
        return
    master = view.net.link_at(link.master) if link.master else None
    if master is None or not is_on(master):
        raise refused(step, f"the device is in no bridge that has the {setting}")


def ensure_address(view: HostView, step: known.EnsureAddress) -> None:
    """Permit an address of an uplink on the bridge."""
    bridge = view.link(step.name)
    if bridge is None:
        return
    if bridge.kind == "bridge":
        for name in view.call.joining.get(bridge.name, ())[:MAX_UPLINKS]:
            link = view.link(name)
            if link is not None and step.key in view.addresses_of(link):
                return
        if step.key in view.addresses_of_ports(bridge):
            return
        # A call with only this step: the uplink is attached to the bridge in a later call.
        if bridge.is_managed and step.key in view.addresses_elsewhere(bridge):
            return
    raise refused(step, f"no uplink of the bridge has the address {step.address}")


def delete_address(view: HostView, step: known.DeleteAddress) -> None:
    """Permit the deletion of an address that the bridge of the device also has."""

    def is_on(bridge: Link) -> bool:
        return step.key in view.addresses_of(bridge)

    _require_on_bridge(view, step, f"address {step.address}", is_on)


def ensure_route(view: HostView, step: known.EnsureRoute) -> None:
    """Permit a route of an uplink on the bridge."""

    def is_on(uplink: Link) -> bool:
        replaced = step.replaces in (None, uplink.name)
        return replaced and routes.has_equal_route(view.net, uplink, step)

    _require_on_uplink(view, step, f"route {step.destination}", is_on)


def delete_route(view: HostView, step: known.DeleteRoute) -> None:
    """Permit the deletion of a route that the bridge of the device also has."""

    def is_on(bridge: Link) -> bool:
        return routes.has_equal_route(view.net, bridge, step)

    _require_on_bridge(view, step, f"route {step.destination}", is_on)


def ensure_neighbour(view: HostView, step: known.EnsureNeighbour) -> None:
    """Permit a neighbour of an uplink on the bridge."""

    def is_on(uplink: Link) -> bool:
        found = neighbours.neighbour_map(view.net, uplink).get(step.key)
        return found is not None and found.for_device(step.name) == step

    _require_on_uplink(view, step, f"neighbour {step.neighbour}", is_on)


def delete_neighbour(view: HostView, step: known.DeleteNeighbour) -> None:
    """Permit the deletion of a neighbour that the bridge of the device also has."""

    def is_on(bridge: Link) -> bool:
        return step.key in neighbours.neighbour_map(view.net, bridge)

    _require_on_bridge(view, step, f"neighbour {step.neighbour}", is_on)


def fix_bridge_address(view: HostView, step: known.SetBridgeAddress) -> None:
    """Permit the MAC address of an uplink on a bridge with addresses of the host."""
    bridge = view.link(step.name)
    if bridge is None:
        return
    uplinks = view.ports(bridge) if bridge.kind == "bridge" else ()
    if not any(uplink.address == step.mac for uplink in uplinks):
        raise refused(step, f"no uplink of the bridge has the MAC address {step.mac}")
    if not view.addresses_of(bridge):
        raise refused(step, "the bridge has no address of the host")


def inherit_sysctl(view: HostView, step: known.SetInheritedSysctl) -> None:
    """Permit the value of an uplink's parameter on the bridge."""
    bridge = view.link(step.name)
    if bridge is None:
        return
    if bridge.kind == "bridge":
        uplinks = list(view.uplinks(bridge))
        # A call with only this step: the uplink is attached to the bridge in a later call.
        uplinks += view.may_join(bridge) if bridge.is_managed else []
        for link in uplinks:
            # The device of a VIF is not an uplink, except for a VLAN device.
            may_be = link.kind == "vlan" or not view.is_vif(link)
            if (
                may_be
                and sysctl.read_parameter(link.name, step.family, step.parameter) == step.value
            ):
                return
    raise refused(step, f"no uplink of the bridge has {step.value} as {step.parameter}")
