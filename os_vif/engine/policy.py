# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What each step may touch. The privileged side enforces it before it applies a step.

A caller of the privileged side is an ordinary user. A step is permitted on

* a device that os-vif made, which carries a mark that only the privileged side writes;
* a device whose name is that of one VIF's device (:data:`VIF_NAME`);
* a virtual function of a PCI card, and the representor of one;
* a bridge that the same call names by ``EnsureBridge``: it may come up and get an MTU;
* an uplink: a device that a step puts into such a bridge. The host's addresses and routes move
  from the uplink to the bridge unchanged; no other address or route can be given or taken.

``/etc/os-vif/uplinks``, a file of root's with one device name on each line, permits these uplinks
and no others. The loopback device is never touched, and neither is a network namespace that
another user owns. A device that carries addresses of the host is the host's, whoever made it.

A step that the policy refuses is permitted if it changes nothing. The undo that this process has
issued for a call is permitted whole (:mod:`os_vif.engine.undo_ledger`).
"""

from __future__ import annotations

import errno
import os
import pathlib
import stat
from typing import TYPE_CHECKING, Any, NamedTuple

from os_vif import steps as known
from os_vif.engine import policy_links, policy_moves, undo_ledger
from os_vif.engine.policy_links import FOREIGN
from os_vif.engine.policy_moves import MAX_UPLINKS, refused
from os_vif.host.netlink import uapi
from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS
from os_vif.host.sriov import functions
from os_vif.steps import validate
from os_vif.steps.ip import addresses
from os_vif.steps.ip.forwarding_rules import RestoreForwardingRules
from os_vif.steps.kernel_step import Irreversible
from os_vif.steps.link import rename_link
from os_vif.steps.plugin_step import PluginStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.kernel_step import KernelStep

#: Device names that uplinks are restricted to, if the file is there.
UPLINKS = pathlib.Path("/etc/os-vif/uplinks")
#: The name of one VIF's device: a prefix of nova's or Neutron's, and the beginning of a UUID.
VIF_NAME = validate.VIF_NAME
#: How often a decision is made anew because a device that was read has gone.
_DECISIONS = 2
#: ``IPV6_MIN_MTU``: below it the kernel takes the IPv6 addresses of a device.
_MIN_HOST_MTU = 1280
#: Devices that cannot be an uplink: guests' and other programs' own, and bridges.
_NO_UPLINKS = ("tun", "bridge", "openvswitch", "wireguard")
#: Kinds of devices that os-vif creates and that the host may be reached through.
_HOST_KINDS = ("bond", "dummy", "ipvlan", "vlan", "vrf", "vxlan")
#: Values that keep a host from being reached through a device.
_HARDENING = {"disable_ipv6": 1, "arp_ignore": 1, "arp_announce": 2}


class Call:
    """The steps of one call of the privileged side, as far as they say what others are for."""

    def __init__(self, net: Netlink, steps: Sequence[KernelStep]) -> None:
        #: Whether all of it is an undo that this process has issued.
        self.issued = undo_ledger.redeem(net, steps)
        #: Bridges that the call requires to exist.
        self.bridges: set[str] = set()
        #: By bridge, the devices that join it.
        self.joining: dict[str, list[str]] = {}
        #: Devices that the call makes a VLAN on.
        self.parents: set[str] = set()
        for step in steps:
            match step:
                case known.EnsureBridge():
                    self.bridges.add(step.name)
                case known.EnsureVlan():
                    self.parents.add(step.link)
                case known.SetLink(master=str(master)) if master:
                    self.joining.setdefault(master, []).append(step.name)


class Question(NamedTuple):
    """The arguments of a rule."""

    net: Netlink
    call: Call

    def link(self, name: str) -> Link | None:
        return self.net.link(name)

    def held(self, link: Link) -> dict[tuple[str, str | None], addresses.EnsureAddress]:
        return addresses.address_map(self.net, link)

    def ports(self, bridge: Link) -> list[Link]:
        """Return the ports of a bridge that may be an uplink."""

        def read() -> list[Link]:
            return [port for port in self.net.ports(bridge) if port.kind not in _NO_UPLINKS]

        found: list[Link] = self.net.read_cached(("ports", bridge.index), read)
        return found

    def addresses_of_ports(self, bridge: Link) -> set[tuple[str, str | None]]:
        """Return the keys of the addresses that ports of a bridge have, or had in this call."""

        def read() -> set[tuple[str, str | None]]:
            return {key for port in self.ports(bridge) for key in self.held(port)}

        found: set[tuple[str, str | None]] = self.net.read_cached(
            ("addresses of ports", bridge.index), read
        )
        return found

    def addresses_elsewhere(self, bridge: Link) -> set[tuple[str, str | None]]:
        """Return the keys of the addresses of devices that may become an uplink."""

        def read() -> set[tuple[str, str | None]]:
            return {key for link in self.may_join(bridge) for key in self.held(link)}

        found: set[tuple[str, str | None]] = self.net.read_cached(
            ("addresses elsewhere", bridge.index), read
        )
        return found

    def may_join(self, bridge: Link) -> list[Link]:
        """Return the devices that may become an uplink of a bridge."""
        return [
            link
            for link in self.net.links()
            if link.index != bridge.index
            and not _is_loopback(link)
            and link.kind not in _NO_UPLINKS
        ]

    def is_vif(self, link: Link) -> bool:
        """Return whether a device is that of a VIF: made by os-vif, by its name, or a function."""
        return not _is_loopback(link) and (
            link.is_managed or VIF_NAME.fullmatch(link.name) is not None or self._is_function(link)
        )

    def _is_function(self, link: Link) -> bool:
        if link.kind is not None and not functions.switch_of(link.name):
            return rename_link.original_name(self.net, link.name) is not None
        return (
            functions.is_vf_device(link.name)
            or functions.is_representor(link.name)
            or rename_link.original_name(self.net, link.name) is not None
        )

    def has_addresses(self, link: Link) -> bool:
        """Return whether a device has addresses of the host.

        A function of a card that is up gets IPv6 addresses from router advertisements (RFC 4862),
        whoever it is for. Those expire, and count for other devices only.
        """
        found = self.held(link).values()
        if any(":" not in address.address or address.valid is None for address in found):
            return True
        return bool(found) and not self._is_function(link)

    def is_hosts(self, link: Link) -> bool:
        """Return whether the host is reached through a device, or through the bridge it connects."""
        if self.has_addresses(link):
            return True
        if not link.master or link.kind in ("tun", "veth", "macvtap"):
            return False
        master = self.net.link_at(link.master)
        return master is not None and bool(self.held(master))

    def is_bridge(self, link: Link) -> bool:
        """Return whether a device is a bridge that VIFs of this call, or of another, may use."""
        return link.kind == "bridge" and (self.is_vif(link) or link.name in self.call.bridges)

    def uplinks(self, bridge: Link) -> Iterable[Link]:
        """Return the devices whose addresses and routes may move to a bridge."""
        for name in self.call.joining.get(bridge.name, ())[:MAX_UPLINKS]:
            link = self.link(name)
            if link is not None and link.master != bridge.index:
                yield link
        yield from self.ports(bridge)


def permitted(net: Netlink, step: KernelStep, call: Call) -> bool:
    """Decide on a step.

    :returns: whether to apply it; False for one that changes nothing and may not change anything.
    :raises OSError: with EPERM if the step may not touch what it names.
    """
    if call.issued:
        return True
    try:
        rule = _declared if isinstance(step, PluginStep) else RULES.get(type(step))
        if rule is None:
            raise refused(step, "no rule says what it may touch")
        _decide(rule, Question(net, call), step)
    except OSError as error:
        if error.errno != errno.EPERM:
            raise
        if type(step) not in _SILENT and not step.differences(net):
            return False
        raise
    return True


def _decide(rule: Callable[[Question, Any], None], asked: Question, step: KernelStep) -> None:
    """Apply a rule; decide anew if a device was deleted by another program meanwhile."""
    for _ in range(_DECISIONS):
        try:
            rule(asked, step)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            # What was read of the device is stale.
            asked.net.invalidate_cache()
        else:
            return
    rule(asked, step)


def _is_loopback(link: Link) -> bool:
    return link.name == "lo" or (link.kind is None and link.address == "00:00:00:00:00:00")


def _declared(asked: Question, step: PluginStep) -> None:
    """Apply the rule that a step of a plugin declares: any answer but None is a refusal."""
    reason = step.refusal(asked)
    if reason is not None:
        raise refused(step, str(reason))


def _any(_: Question, step: KernelStep) -> None:
    """Permit a step that touches only what os-vif made, or its records."""


def _nothing(_: Question, step: KernelStep) -> None:
    raise refused(step, "only the undo of a change of this daemon is")


def _may_join(asked: Question, step: known.SetLink) -> None:
    bridge = asked.link(step.master or "")
    if bridge is not None and bridge.kind == "vrf":
        policy_links.own_devices(asked, step)
        return
    if bridge is not None and not asked.is_bridge(bridge):
        raise refused(step, f"{bridge.name} is no bridge that the call names by EnsureBridge")


def _set_link(asked: Question, step: known.SetLink) -> None:
    link = asked.link(step.name)
    if link is None:
        return
    if _is_loopback(link):
        raise refused(step, "it is the loopback device")
    if step.alias == MANAGED_ALIAS and not link.is_managed:
        raise refused(step, "only the daemon marks devices, and only those that it made")
    if step.master:
        _may_join(asked, step)
    if not asked.is_vif(link):
        _set_foreign(asked, step, link)
    elif asked.is_hosts(link):
        _host_s_own(step, link)


def _set_foreign(asked: Question, step: known.SetLink, link: Link) -> None:
    """Decide on a device that is not a VIF's: an uplink, a bridge, or a hypervisor's."""
    if step.address is not None and not _is_uplink_s_address(asked, step, link):
        raise refused(step, "its MAC address is the host's")
    if step.promiscuous is not None or step.alias is not None or step.master == "":
        raise refused(step, FOREIGN)
    _host_s_own(step, link)
    if step.master:
        _uplink(asked, step, link)
    elif link.kind == "bridge" and link.name in asked.call.bridges:
        return
    elif link.name in asked.call.parents and step.mtu is None:
        _allowed_uplink(step, link)
    elif step.up is not None or not _is_guest_s(link) or asked.is_hosts(link):
        raise refused(step, FOREIGN)


def _is_guest_s(link: Link) -> bool:
    """Return whether a device is of a kind that hypervisors and container engines make."""
    tap = link.kind == "tun" and link.data.get("IFLA_TUN_TYPE", uapi.IFT_TAP) == uapi.IFT_TAP
    return tap or link.kind == "veth"


def _host_s_own(step: known.SetLink, link: Link) -> None:
    """Refuse what cuts the host off that is reached through a device."""
    if step.up is False:
        raise refused(step, "the host uses it, so it is not set down")
    if step.mtu is not None and step.mtu < min(_MIN_HOST_MTU, link.mtu):
        raise refused(step, f"the host uses it, so its MTU is at least {_MIN_HOST_MTU}")
    if step.master == "" and link.master:
        raise refused(step, "the host uses it, so it is not taken out of its bridge")


def _is_uplink_s_address(asked: Question, step: known.SetLink, bridge: Link) -> bool:
    """Return whether a bridge gets the MAC address of its own, or of an uplink."""
    if bridge.kind != "bridge":
        return False
    found = {bridge.address, *(uplink.address for uplink in asked.uplinks(bridge))}
    return step.address in found


def _uplink(asked: Question, step: known.SetLink, link: Link) -> None:
    """Decide on a device of the host's that is put into a bridge: its addresses are there."""
    if link.kind in _NO_UPLINKS:
        raise refused(step, f"a device of kind {link.kind} is no uplink")
    _allowed_uplink(step, link)
    bridge = asked.link(step.master or "")
    if bridge is None or link.master == bridge.index:
        return
    lost = asked.held(link).keys() - asked.held(bridge).keys()
    if lost:
        some = ", ".join(sorted(address for address, _ in lost)[:3])
        reason = f"the bridge {bridge.name} does not have its addresses yet ({some})"
        raise refused(step, reason)


def _allowed_uplink(step: KernelStep, link: Link) -> None:
    try:
        with UPLINKS.open() as file:
            found = os.fstat(file.fileno())
            safe = found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            names = set(file.read().split()) if safe else set()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise refused(step, f"{UPLINKS} cannot be read: {error}") from error
    if not safe:
        raise refused(step, f"{UPLINKS} can be written by others than root")
    if link.name not in names:
        raise refused(step, f"{UPLINKS} does not name it")


def _sysctl(asked: Question, step: known.SetSysctl) -> None:
    link = asked.link(step.name)
    if link is None or (step.only_managed and not link.is_managed):
        return
    if _is_loopback(link):
        raise refused(step, "it is the loopback device")
    has_ipv6 = any(":" in address for address, _ in asked.held(link))
    if step.key == "disable_ipv6" and step.value == 1 and has_ipv6 and not step.only_managed:
        raise refused(step, "it has IPv6 addresses of the host")
    if asked.is_vif(link):
        return
    if link.kind == "bridge":
        if link.name in asked.call.bridges and step.value == _HARDENING[step.key]:
            return
        on = step.key == "disable_ipv6" and step.value == 0
        if on and any(addresses.uses_ipv6(asked.net, uplink) for uplink in asked.uplinks(link)):
            return
    raise refused(step, FOREIGN)


def _vlan(asked: Question, step: known.EnsureVlan | known.EnsureVxlan) -> None:
    link = asked.link(step.link or "")
    if link is None or asked.link(step.name) is not None:
        return
    if _is_loopback(link):
        raise refused(step, f"{link.name} below it is the loopback device")
    if not asked.is_vif(link):
        _allowed_uplink(step, link)


def _vxlan(asked: Question, step: known.EnsureVxlan) -> None:
    if step.link is not None:
        _vlan(asked, step)
    elif asked.link(step.name) is None and UPLINKS.exists():
        raise refused(step, f"{UPLINKS} restricts the uplinks, and the step names no device")


def _delete_link(asked: Question, step: known.DeleteLink) -> None:
    link = asked.link(step.name)
    if link is None or step.only_unattached:
        return
    if link.kind in _HOST_KINDS and link.is_managed and asked.is_hosts(link):
        raise refused(step, "the host is reached through it")


def _forwarding(asked: Question, step: known.EnsureForwardingRules) -> None:
    link = asked.link(step.name)
    if link is None or not asked.is_bridge(link):
        raise refused(step, "it is no bridge that the call names by EnsureBridge")


def _set_vf(asked: Question, step: known.SetVf) -> None:
    pf = asked.link(step.name)
    if pf is not None and step.pci_address is None and functions.address_of(pf.name) is not None:
        raise refused(step, "the step names no PCI address of the virtual function")
    link = None if step.link is None else asked.link(step.link)
    if link is None:
        return
    if _is_loopback(link):
        raise refused(step, f"{link.name} is the loopback device")
    down = step.link_up is False or step.link_ipv6 is False or step.link_address is not None
    if down and asked.has_addresses(link):
        raise refused(step, f"the host uses {link.name}")


def _vdpa(_: Question, step: known.EnsureVdpa | known.DeleteVdpa) -> None:
    bus, _slash, device = step.management_device.rpartition("/")
    if bus == "pci" and not functions.is_vf(device):
        raise refused(step, f"{device} is no virtual function")


#: By the class of a step: raises EPERM for one that is not permitted. A class without a rule is
#: not permitted at all.
RULES: dict[type[KernelStep], Callable[[Question, Any], None]] = {
    # A new device takes nothing from others; one that is there is never changed, but for the free
    # half of a VIF's pair, which is replaced.
    known.EnsureBridge: _any,
    known.EnsureTap: _any,
    known.EnsureVeth: _any,
    known.EnsureMacvlan: policy_links.below,
    known.EnsureIpvlan: policy_links.below,
    known.EnsureVlan: _vlan,
    known.EnsureVxlan: _vxlan,
    known.EnsureBond: _any,
    known.EnsureDummy: _any,
    known.EnsureVrf: _any,
    known.EnsureBondMember: policy_links.own_devices,
    known.DeleteBondMember: policy_links.own_devices,
    # The step looks at the mark, or the name, itself; and a bridge in use stays.
    known.DeleteBridge: _any,
    known.DeleteLink: _delete_link,
    known.SetLink: _set_link,
    known.RenameLink: policy_links.rename,
    known.MoveLink: policy_links.move,
    known.SetSysctl: _sysctl,
    known.EnsureAddress: policy_moves.ensure_address,
    known.DeleteAddress: policy_moves.delete_address,
    known.EnsureRoute: policy_moves.ensure_route,
    known.DeleteRoute: policy_moves.delete_route,
    known.EnsureNeighbour: policy_moves.ensure_neighbour,
    known.DeleteNeighbour: policy_moves.delete_neighbour,
    known.SetInheritedSysctl: policy_moves.inherit_sysctl,
    known.SetBridgeAddress: policy_moves.fix_bridge_address,
    known.EnsureForwardingRules: _forwarding,
    # The chain is that of a bridge which is not there, and os-vif's by its name.
    known.DeleteForwardingRules: _any,
    RestoreForwardingRules: _nothing,
    # Records of os-vif's own.
    known.AddBridgeUser: _any,
    known.RemoveBridgeUser: _any,
    known.SetVf: _set_vf,
    # It restores what the record says, which only the daemon writes.
    known.ReleaseVf: _any,
    known.EnsureVdpa: _vdpa,
    known.DeleteVdpa: _vdpa,
    # It always fails.
    Irreversible: _any,
}

#: Steps whose ``differences`` say nothing although they change something.
_SILENT = frozenset({RestoreForwardingRules, known.MoveLink})
