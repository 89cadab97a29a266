# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Composition of steps for moving addresses, routes and neighbours from an uplink to a bridge."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from os_vif.host import limits
from os_vif.host.netlink import uapi, uplink_names
from os_vif.steps.ip import addresses, device_routes, neighbours
from os_vif.steps.ip.addresses import DeleteAddress, EnsureAddress
from os_vif.steps.ip.sysctl import INHERITED, SetInheritedSysctl, SetSysctl, read_parameter
from os_vif.steps.link.bridges import SetBridgeAddress, is_address_fixed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.ip.routes import EnsureRoute
    from os_vif.steps.kernel_step import KernelStep


@dataclasses.dataclass(frozen=True)
class Move:
    """Steps for moving the configuration of an uplink to a bridge, make before break."""

    #: Gives the bridge the addresses; the uplink keeps them.
    make: tuple[KernelStep, ...] = ()
    #: Moves the routes to the bridge, which must be up and have the uplink as a port; then deletes
    #: the addresses and the neighbours of the uplink.
    switch: tuple[KernelStep, ...] = ()

    @property
    def has_ipv6(self) -> bool:
        """Return whether an address, a route or a neighbour is of IPv6."""
        return any(isinstance(step, SetSysctl) for step in self.make)


def move(net: Netlink, source: Link, target: str) -> Move:
    """Return the steps for moving the configuration of a device to a bridge.

    :raises OSError: with EOPNOTSUPP for a route or a neighbour that the steps cannot express.
    """
    joins = not _is_in(net, source, target)
    if joins:
        uplink_names.refuse(net, source)
    held = addresses.read_addresses(net, source)
    expiring = any(":" in a.address and a.valid is not None for a in held)
    found = device_routes.read_routes(
        net, source, addresses.connected_networks(held), expiring=expiring
    )
    fixed = neighbours.read_neighbours(net, source)
    make: list[KernelStep] = [_relabelled(address, source.name, target) for address in held]
    texts = [a.address for a in held] + [n.neighbour for n in fixed]
    texts += [route.destination for route in found.given]
    families = {"ipv6" if ":" in text else "ipv4" for text in texts}
    # A program such as systemd-networkd processes router advertisements instead of the kernel.
    # No program does so on the bridge yet.
    heard = any(r.protocol == uapi.RTPROT_RA and not r.learned for r in found.given)
    make[:0] = _inheritance_steps(net, source.name, target, families, heard=heard) if joins else []
    if "ipv6" in families:
        # The public os-vif turned IPv6 off on the bridge, and left the addresses on the uplink.
        make.insert(0, SetSysctl(target, "disable_ipv6", 0))
    # A port may change the MAC address of the bridge, and the kernel drops the neighbours then.
    switch: list[KernelStep] = [neighbour.for_device(target) for neighbour in fixed]
    switch += _route_steps(net, source, found.given, target)
    switch += [route.deletion() for route in found.lingering]
    # The kernel drops the neighbours with the last IPv4 address: the undo restores them later.
    switch += [neighbour.deletion() for neighbour in fixed]
    # The kernel deletes the secondary addresses with the primary, the first address of a network.
    switch += [DeleteAddress(a.name, a.address, a.peer) for a in reversed(held)]
    switch += _address_step(net, source, target) if held else []
    return Move(tuple(make), tuple(switch))


def _inheritance_steps(
    net: Netlink, source: str, target: str, families: set[str], *, heard: bool
) -> Iterator[KernelStep]:
    """Yield the steps for giving a bridge the kernel parameters of the uplink.

    :param heard: a program processes router advertisements on the uplink, instead of the kernel.
    """
    bridge = target if net.link(target) is not None else "default"
    for family in sorted(families):
        for key in INHERITED[family]:
            value = read_parameter(source, family, key)
            if value is None or value == read_parameter(bridge, family, key):
                continue
            if not (heard and key == "accept_ra" and value == 0):
                yield SetInheritedSysctl(target, family, key, value)


def _is_in(net: Netlink, source: Link, target: str) -> bool:
    master = net.link_at(source.master) if source.master else None
    return master is not None and master.name == target


def _address_step(net: Netlink, source: Link, target: str) -> list[KernelStep]:
    """Return the step that gives an existing bridge the MAC address of the uplink.

    Routers know the host by the MAC address, and self-assigned IPv6 addresses derive from the MAC
    address. The step comes last, since no undo makes the bridge follow the ports again.
    """
    bridge = net.link(target)
    if bridge is None or bridge.kind != "bridge" or source.address is None:
        return []
    return [] if is_address_fixed(net, bridge) else [SetBridgeAddress(target, source.address)]


def _route_steps(
    net: Netlink, source: Link, found: list[EnsureRoute], target: str
) -> list[KernelStep]:
    """Return the steps that move routes to another device without an interval without a route."""
    replaceable = [route for route in found if route.gateway is not None and not route.learned]
    conflicting = device_routes.keys_on_other_devices(net, source, replaceable)
    # Routes without a gateway lead to the gateways: created first, and deleted last.
    beside = sorted(
        (route for route in found if route not in replaceable or route.key in conflicting),
        key=lambda route: route.gateway is not None,
    )
    steps: list[KernelStep] = [dataclasses.replace(r, name=target, append=True) for r in beside]
    steps += [
        dataclasses.replace(route, name=target, replaces=source.name)
        for route in replaceable
        if route.key not in conflicting
    ]
    steps += [route.deletion() for route in reversed(beside)]
    return steps


def _relabelled(address: EnsureAddress, source: str, target: str) -> EnsureAddress:
    """Return an address for another device, with the label changed to the name of the device."""
    label = address.label
    if label is not None and label.startswith(f"{source}:"):
        label = target + label[len(source) :]
        if len(label) > limits.MAX_NAME:
            label = None
    return dataclasses.replace(address, name=target, label=label)
