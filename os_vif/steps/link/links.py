# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that make and delete network devices: veth, tap, macvlan, macvtap, VLAN.

What we make carries a mark, its alias, so that unplug takes away nothing that others made.
"""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.device_names import HYBRID_BRIDGE_HALF, HYBRID_PORT_HALF
from os_vif.host import limits
from os_vif.host.netlink import uapi
from os_vif.host.netlink.rtnetlink import CREATING_GROUP, MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.ip import addresses
from os_vif.steps.ip.sysctl import SetSysctl
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.devices import DeleteDevice, EnsureDevice
from os_vif.steps.link.set_link import SetLink, name_of
from os_vif.steps.plan import Difference

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``enum macvlan_mode`` of linux/if_link.h
_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}


#: Names of the halves of a VIF's pair. The public os-vif has no other mark.
_HALVES = (HYBRID_BRIDGE_HALF, HYBRID_PORT_HALF)


class _EnsureLink(EnsureDevice):
    def _deletion(self, made: Link) -> DeleteLink:
        return DeleteLink(self.name, index=made.index)


@dataclasses.dataclass(frozen=True)
class EnsureVeth(_EnsureLink):
    """A pair of connected devices exists.

    The half that is left of a pair is replaced, if it is os-vif's: by its mark, or by its name
    (``qvb…``, ``qvo…``) while nobody else uses it.
    Equivalent to: ``ip link add name NAME type veth peer name PEER``
    """

    peer: str
    #: Bytes, of both, at creation.
    mtu: int | None = None

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.peer)

    @property
    def made(self) -> tuple[str, ...]:
        return (self.name, self.peer)

    @property
    def _expected(self) -> str:
        return f"a veth device whose peer is {self.peer}"

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "peer")
        validate.other(self, "peer", self.name)
        validate.integer(self, "mtu", 1, 2**31 - 1, optional=True)

    def commands(self) -> tuple[str, ...]:
        mtu = "" if self.mtu is None else f" mtu {self.mtu}"
        return (
            f"ip link add name {quote(self.name)}{mtu} type veth peer name {quote(self.peer)}{mtu}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
            f"ip link set dev {quote(self.peer)} alias {MANAGED_ALIAS}",
        )

    def _lacks(self, net: Netlink, link: Link) -> str | None:
        return _unlike_peer_of(net, link, self.peer)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link, peer = net.link(self.name), net.link(self.peer)
        halves = []
        for half, other in ((link, self.peer), (peer, self.name)):
            if half is not None and (found := _unlike_peer_of(net, half, other)) is not None:
                _require_replaceable(net, half, found, other)
                halves.append(half)
        if peer is not None and not halves and peer.group == CREATING_GROUP:
            net.mark(peer)
        if not halves:
            return super().apply(net)
        return self._replace(net, halves)

    def _replace(self, net: Netlink, halves: list[Link]) -> tuple[KernelStep, ...]:
        """Make the pair in place of the halves that are left of one."""
        undo: list[KernelStep] = []
        try:
            for half in halves:
                gone = DeleteLink(half.name, index=half.index, include_unmanaged=True)
                undo[:0] = gone.apply(net)
            return (*super().apply(net), *undo)
        except OSError as error:
            for step in undo:
                try:
                    step.apply(net)
                except OSError as lost:
                    error.strerror = f"{error.strerror}; {step.commands()[0]}: {lost.strerror}"
            raise

    def holds(self, net: Netlink) -> bool:
        peer = net.link(self.peer)
        return peer is not None and peer.group != CREATING_GROUP and super().holds(net)

    def _create(self, net: Netlink) -> Link:
        mtu = {} if self.mtu is None else {"IFLA_MTU": self.mtu}
        peer = {"IFLA_IFNAME": self.peer, "IFLA_GROUP": CREATING_GROUP, **mtu}
        link = net.add(self.name, "veth", {"VETH_INFO_PEER": peer}, **mtu)
        try:
            net.mark(net.require(self.peer))
        except OSError:
            net.delete(link)
            raise
        return link


def _unlike_peer_of(net: Netlink, link: Link, other: str) -> str | None:
    """Return in words what a device is that is not the veth peer of another; None if it is."""
    if link.kind != "veth":
        return describe_kind(link)
    if link.lower_netns is not None:
        return "a veth device whose peer is in another network namespace"
    peer = name_of(net, link.lower)
    return None if peer == other else f"a veth device whose peer is {peer}"


def _require_replaceable(net: Netlink, half: Link, found: str, other: str) -> None:
    """Refuse to replace a device that is no free half of a pair of ours.

    :raises OSError: ``EEXIST``
    """
    use = ""
    if half.kind == "veth":
        use = "" if half.ours else _use(net, half)
        named = validate.VIF_NAME.fullmatch(half.name) and half.name.startswith(_HALVES)
        if half.ours or (named and not use):
            return
    reason = f"{half.name} is {found}{use}, not a veth device whose peer is {other}"
    raise OSError(errno.EEXIST, f"{reason}; remove it (ip link del dev {quote(half.name)})")


def _use(net: Netlink, half: Link) -> str:
    """Return in words who else uses one half of a pair, or the other half; empty for nobody."""
    near = half.lower if half.lower_netns is None else None
    for link in (half, net.link_at(near) if near else None):
        if link is None:
            continue
        master = net.link_at(link.master) if link.master else None
        if master is not None and not (link is half and _may_hold(master)):
            whose = "and" if link is half else f"and {link.name}"
            return f", {whose} is in {master.name}"
        if addresses.held(net, link):
            return f", and {link.name} has addresses"
    return ""


def _may_hold(master: Link) -> bool:
    """Return whether a VIF's half of a pair may be in a bridge."""
    own = master.ours or validate.VIF_NAME.fullmatch(master.name) is not None
    return master.kind == "openvswitch" or (master.kind == "bridge" and own)


@dataclasses.dataclass(frozen=True)
class EnsureTap(_EnsureLink):
    """A persistent tap device exists, which a hypervisor can open.

    One that is there is the hypervisor's and stays as it is.
    Equivalent to: ``ip tuntap add dev NAME mode tap``
    """

    multiqueue: bool = False
    #: MAC address, at creation.
    address: str | None = None

    @property
    def _expected(self) -> str:
        return _queues(self.multiqueue)

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "multiqueue")
        validate.mac(self, "address", optional=True)

    def commands(self) -> tuple[str, ...]:
        queues = " multi_queue" if self.multiqueue else ""
        address = "" if self.address is None else f" address {self.address}"
        return (
            f"ip tuntap add dev {quote(self.name)} mode tap{queues}",
            f"ip link set dev {quote(self.name)}{address} alias {MANAGED_ALIAS}",
        )

    def _lacks(self, net: Netlink, link: Link) -> str | None:
        if link.kind != "tun" or link.data.get("IFLA_TUN_TYPE", uapi.IFT_TAP) != uapi.IFT_TAP:
            return describe_kind(link)
        multiqueue = bool(link.data.get("IFLA_TUN_MULTI_QUEUE", self.multiqueue))
        if multiqueue == self.multiqueue or not link.ours:
            # The hypervisor knows how many queues it wants of what it has made itself.
            return None
        return _queues(multiqueue)

    def _create(self, net: Netlink) -> Link:
        from os_vif.host import tap

        # It is made in another way than through that socket.
        net.invalidate_cache()
        with tap.persistent(self.name, multiqueue=self.multiqueue):
            # Before it is made to stay: it is never there without its mark.
            link = net.require(self.name)
            net.set(link, alias=MANAGED_ALIAS, address=self.address)
        return link


def _queues(multiqueue: bool) -> str:
    return "a tap device with several queues" if multiqueue else "a tap device with one queue"


@dataclasses.dataclass(frozen=True)
class _EnsureUpper(_EnsureLink):
    #: Name of the device below.
    link: str

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.link)

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "link")

    def _elsewhere(self, net: Netlink, link: Link, kind: str) -> str | None:
        if link.kind != kind:
            return describe_kind(link)
        below = name_of(net, link.lower) if link.lower_netns is None else "in another namespace"
        return None if below == self.link else f"a {kind} device on {below}"


@dataclasses.dataclass(frozen=True)
class EnsureMacvlan(_EnsureUpper):
    """A macvlan device exists on another device; or a macvtap device, which a hypervisor can open.

    Equivalent to: ``ip link add link LINK name NAME type macvlan mode MODE``
    """

    mode: str = "bridge"
    tap: bool = False

    @property
    def _kind(self) -> str:
        return "macvtap" if self.tap else "macvlan"

    @property
    def _expected(self) -> str:
        return f"a {self._kind} device on {self.link}"

    def validate(self) -> None:
        super().validate()
        validate.one_of(self, "mode", _MODES, f"one of {', '.join(_MODES)}")
        validate.boolean(self, "tap")

    def commands(self) -> tuple[str, ...]:
        return (
            f"ip link add link {quote(self.link)} name {quote(self.name)} type {self._kind} mode {self.mode}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _lacks(self, net: Netlink, link: Link) -> str | None:
        return self._elsewhere(net, link, self._kind)

    def _create(self, net: Netlink) -> Link:
        mode = {f"IFLA_{self._kind.upper()}_MODE": _MODES[self.mode]}
        return net.add(self.name, self._kind, mode, IFLA_LINK=net.require(self.link).index)


@dataclasses.dataclass(frozen=True)
class EnsureVlan(_EnsureUpper):
    """A VLAN device (IEEE 802.1Q) exists on another device.

    Equivalent to: ``ip link add link LINK name NAME type vlan id VLAN_ID``
    """

    vlan_id: int

    @property
    def _expected(self) -> str:
        return f"VLAN {self.vlan_id} on {self.link}"

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "vlan_id", limits.MIN_VLAN, limits.MAX_VLAN)

    def commands(self) -> tuple[str, ...]:
        return (
            f"ip link add link {quote(self.link)} name {quote(self.name)} type vlan id {self.vlan_id}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _lacks(self, net: Netlink, link: Link) -> str | None:
        lacks = self._elsewhere(net, link, "vlan")
        if lacks is None and link.data.get("IFLA_VLAN_ID") != self.vlan_id:
            return f"VLAN {link.data.get('IFLA_VLAN_ID')} on {self.link}"
        return lacks

    def _create(self, net: Netlink) -> Link:
        data = {"IFLA_VLAN_ID": self.vlan_id}
        return net.add(self.name, "vlan", data, IFLA_LINK=net.require(self.link).index)


@dataclasses.dataclass(frozen=True)
class DeleteLink(DeleteDevice):
    """A device that os-vif made is gone. One of others stays: that is no failure.

    For bridges, which VIFs share, there is :class:`os_vif.steps.link.bridges.DeleteBridge`.
    Equivalent to: ``ip link del dev NAME``
    """

    #: One that is in a bridge stays.
    only_unattached: bool = False

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "only_unattached")

    def commands(self) -> tuple[str, ...]:
        conditions = [] if self.include_unmanaged else ["os-vif's"]
        conditions += ["in no bridge"] if self.only_unattached else []
        condition = f"  # if it is {' and '.join(conditions)}" if conditions else ""
        return (f"ip link del dev {quote(self.name)}{condition}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = self._target(net)
        return () if link is None else (self.difference("device", describe_kind(link), "gone"),)

    def _is_target(self, net: Netlink, link: Link) -> bool:
        # Without our mark, only what a VIF may have, and never a network card.
        may_be = link.ours or link.kind in ("tun", "veth")
        return may_be and link.kind != "bridge" and not (self.only_unattached and link.master)

    def _again(self, net: Netlink, link: Link) -> tuple[KernelStep, ...]:
        return _again(net, link)


def _again(net: Netlink, link: Link) -> tuple[KernelStep, ...]:
    """Return the steps that recreate a device with the current settings."""
    below = net.link_at(link.lower) if link.lower and link.lower_netns is None else None
    make: list[KernelStep] = []
    pair = [link]
    match link.kind:
        case "veth" if below is not None:
            make.append(EnsureVeth(link.name, below.name))
            pair.append(below)
        case "tun":
            multiqueue = bool(link.data.get("IFLA_TUN_MULTI_QUEUE"))
            make.append(EnsureTap(link.name, multiqueue))
        case "macvlan" | "macvtap" if below is not None:
            number = link.data[f"IFLA_{link.kind.upper()}_MODE"]
            mode = next(name for name, value in _MODES.items() if value == number)
            make.append(EnsureMacvlan(link.name, below.name, mode, link.kind == "macvtap"))
        case "vlan" if below is not None:
            make.append(EnsureVlan(link.name, below.name, link.data["IFLA_VLAN_ID"]))
        case _:
            # Its other half is where this cannot reach.
            return (Irreversible(link.name, f"{describe_kind(link)}, deleted"),)
    # Before it is up, and has an address of IPv6.
    off = [SetSysctl(one.name, "disable_ipv6", 1) for one in pair]
    make += [sysctl for sysctl in off if sysctl.has_value()]
    make += [
        SetLink(
            one.name,
            mtu=one.mtu,
            up=one.up,
            address=one.address,
            promiscuous=one.promiscuous,
            master=name_of(net, one.master) or None,
            alias=None if one.ours else one.alias or "",
        )
        for one in pair
    ]
    return tuple(make)
