# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The steps that move what the host has on an uplink to the bridge that the uplink joins."""

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
    """The steps that move what the host has on an uplink, make before break."""

    #: Gives the bridge the addresses. Both devices have them then.
    make: tuple[KernelStep, ...] = ()
    #: Leads the routes through the bridge, which has to be up and to have the uplink; then takes
    #: the addresses and the neighbours from the uplink.
    switch: tuple[KernelStep, ...] = ()

    @property
    def has_ipv6(self) -> bool:
        return any(isinstance(step, SetSysctl) for step in self.make)


def move(net: Netlink, source: Link, target: str) -> Move:
    """Return the steps that move what a device has to a bridge.

    :raises OSError: with EOPNOTSUPP for something that the steps cannot express.
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
    # systemd-networkd, say, has heard a router in place of the kernel: there is no program yet
    # that does so on the bridge.
    heard = any(r.protocol == uapi.RTPROT_RA and not r.learned for r in found.given)
    make[:0] = _inherit(net, source.name, target, families, heard=heard) if joins else []
    if "ipv6" in families:
        # The public os-vif turned IPv6 off there, and left the addresses where they were dead.
        make.insert(0, SetSysctl(target, "disable_ipv6", 0))
    # What joins a bridge may change its MAC address, and the kernel drops its neighbours then.
    switch: list[KernelStep] = [neighbour.on(target) for neighbour in fixed]
    switch += _route_steps(net, source, found.given, target)
    switch += [route.deletion() for route in found.lingering]
    # With the last address of IPv4 the kernel drops the neighbours: an undo has them after it.
    switch += [neighbour.deletion() for neighbour in fixed]
    # The first of a network is its primary; the kernel takes the others with it.
    switch += [DeleteAddress(a.name, a.address, a.peer) for a in reversed(held)]
    switch += _fixing(net, source, target) if held else []
    return Move(tuple(make), tuple(switch))


def _inherit(
    net: Netlink, source: str, target: str, families: set[str], *, heard: bool
) -> Iterator[KernelStep]:
    """Return the steps that give a bridge the kernel parameters of its uplink.

    :param heard: whether a program hears routers on the uplink, so that the kernel does not.
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


def _fixing(net: Netlink, source: Link, target: str) -> list[KernelStep]:
    """Return the step that lets a bridge which is there keep the MAC address of the host.

    The routers know the host by it, and so do the IPv6 addresses that the host gives itself. The
    step comes last, since a roll back does not let the bridge follow its ports again.
    """
    bridge = net.link(target)
    if bridge is None or bridge.kind != "bridge" or source.address is None:
        return []
    return [] if is_address_fixed(net, bridge) else [SetBridgeAddress(target, source.address)]


def _route_steps(
    net: Netlink, source: Link, found: list[EnsureRoute], target: str
) -> list[KernelStep]:
    """Return the steps that lead routes through another device, with no moment without one."""
    replaceable = [route for route in found if route.gateway is not None and not route.learned]
    rivals = device_routes.keys_on_other_devices(net, source, replaceable)
    # Gateways are reached by the others, which so come first and go last, here and in an undo.
    beside = sorted(
        (route for route in found if route not in replaceable or route.key in rivals),
        key=lambda route: route.gateway is not None,
    )
    steps: list[KernelStep] = [dataclasses.replace(r, name=target, append=True) for r in beside]
    steps += [
        dataclasses.replace(route, name=target, replaces=source.name)
        for route in replaceable
        if route.key not in rivals
    ]
    steps += [route.deletion() for route in reversed(beside)]
    return steps


def _relabelled(address: EnsureAddress, source: str, target: str) -> EnsureAddress:
    label = address.label
    if label is not None and label.startswith(f"{source}:"):
        label = target + label[len(source) :]
        if len(label) > limits.MAX_NAME:
            label = None
    return dataclasses.replace(address, name=target, label=label)
