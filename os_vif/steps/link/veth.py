# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that creates a veth pair."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.device_names import HYBRID_BRIDGE_HALF, HYBRID_PORT_HALF
from os_vif.host.netlink.rtnetlink import CREATING_GROUP, MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.ip.addresses import address_map
from os_vif.steps.link.links import DeleteLink, EnsureLink
from os_vif.steps.link.set_link import name_at
from os_vif.steps.rollback import roll_back_partial

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.kernel_step import KernelStep

#: Prefixes of the names of the halves of a VIF's pair. The public os-vif sets no other mark.
_HALVES = (HYBRID_BRIDGE_HALF, HYBRID_PORT_HALF)


@dataclasses.dataclass(frozen=True)
class EnsureVeth(EnsureLink):
    """A veth pair of two names exists.

    A half of a torn pair is replaced if os-vif created the half. The mark of os-vif tells so; so
    does a name ``qvb…`` or ``qvo…`` of a half without addresses, in no bridge of another program.

    :raises OSError: with EEXIST if a different device has one of the names.

    Equivalent to: ``ip link add name NAME type veth peer name PEER``
    """

    kinds: ClassVar[tuple[str, ...]] = ("veth",)

    #: Name of the other half.
    peer: str
    #: MTU of both halves in bytes, set at creation; None is the kernel's default.
    mtu: int | None = None

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:
        return None if lower is None else cls(link.name, lower.name)

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.peer)

    @property
    def created_names(self) -> tuple[str, ...]:
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

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        return _peer_mismatch(net, link, self.peer)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link, peer = net.link(self.name), net.link(self.peer)
        halves = []
        for half, other in ((link, self.peer), (peer, self.name)):
            if half is not None and (found := _peer_mismatch(net, half, other)) is not None:
                _require_replaceable(net, half, found, other)
                halves.append(half)
        if peer is not None and not halves and peer.group == CREATING_GROUP:
            net.mark(peer)
        if not halves:
            return super().apply(net)
        return self._replace(net, halves)

    def _replace(self, net: Netlink, halves: list[Link]) -> tuple[KernelStep, ...]:
        """Create the pair in place of the halves of torn pairs."""
        undo: list[KernelStep] = []
        try:
            for half in halves:
                deletion = DeleteLink(half.name, index=half.index, include_unmanaged=True)
                undo[:0] = deletion.apply(net)
            return (*super().apply(net), *undo)
        except OSError as error:
            roll_back_partial(net, undo, error)
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


def _peer_mismatch(net: Netlink, link: Link, peer: str) -> str | None:
    """Return in words how a device differs from a veth device with a peer; None if as expected."""
    if link.kind != "veth":
        return describe_kind(link)
    if link.lower_netns is not None:
        return "a veth device whose peer is in another network namespace"
    found = name_at(net, link.lower)
    return None if found == peer else f"a veth device whose peer is {found}"


def _require_replaceable(net: Netlink, half: Link, found: str, other: str) -> None:
    """Refuse to replace a device that is no unused half of a pair of os-vif.

    :param found: the device, in words.
    :raises OSError: with EEXIST.
    """
    use = ""
    if half.kind == "veth":
        use = "" if half.is_managed else _use_by_others(net, half)
        named = validate.VIF_NAME.fullmatch(half.name) and half.name.startswith(_HALVES)
        if half.is_managed or (named and not use):
            return
    reason = f"{half.name} is {found}{use}, not a veth device whose peer is {other}"
    raise OSError(errno.EEXIST, f"{reason}; remove it (ip link del dev {quote(half.name)})")


def _use_by_others(net: Netlink, half: Link) -> str:
    """Return in words how another program uses a half or the peer of the half; empty if unused."""
    near = half.lower if half.lower_netns is None else None
    for link in (half, net.link_at(near) if near else None):
        if link is None:
            continue
        master = net.link_at(link.master) if link.master else None
        if master is not None and not (link is half and _is_master_of_vif(master)):
            whose = "and" if link is half else f"and {link.name}"
            return f", {whose} is in {master.name}"
        if address_map(net, link):
            return f", and {link.name} has addresses"
    return ""


def _is_master_of_vif(master: Link) -> bool:
    """Return whether a plug may have put the half of a VIF's pair into a bridge."""
    own = master.is_managed or validate.VIF_NAME.fullmatch(master.name) is not None
    return master.kind == "openvswitch" or (master.kind == "bridge" and own)
