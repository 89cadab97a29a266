# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The host and the call, as seen by the rules of :mod:`os_vif.engine.privileged.policy`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from os_vif import steps as known
from os_vif.engine.privileged import undo_ledger
from os_vif.host.sriov import functions
from os_vif.steps import validate
from os_vif.steps.ip import addresses
from os_vif.steps.link import rename_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.kernel_step import KernelStep

#: The name of a VIF's device: a prefix of nova or Neutron, and the beginning of a UUID.
VIF_NAME = validate.VIF_NAME
#: Kinds of devices that cannot be an uplink: devices of guests and other programs, and bridges.
NO_UPLINKS = ("tun", "bridge", "openvswitch", "wireguard")
#: Kinds of devices that no driver of a card creates. Tests have veth devices as representors.
_SOFTWARE_KINDS = frozenset({"bridge", "vlan", "macvlan", "vxlan", "bond"})
#: The number of devices of a call to read as uplinks of a bridge. A plan has one uplink.
MAX_UPLINKS = 4


def refused(step: KernelStep, reason: str) -> OSError:
    """Return the error (EPERM) of a step that the policy does not permit."""
    text = f"not permitted for {step.device}: {reason}"
    return OSError(errno.EPERM, text)


def is_loopback(link: Link) -> bool:
    """Return whether a device is the loopback device, under any name."""
    return link.name == "lo" or (link.kind is None and link.address == "00:00:00:00:00:00")


class Call:
    """A call of the daemon: facts about the steps as a whole."""

    def __init__(self, net: Netlink, steps: Sequence[KernelStep]) -> None:
        #: Whether the steps are an undo issued by this process.
        self.issued = undo_ledger.redeem(net, steps)
        #: Bridges that the call requires to exist.
        self.bridges: set[str] = set()
        #: The devices that join a bridge, by bridge.
        self.joining: dict[str, list[str]] = {}
        #: Path and identity of each network namespace that the daemon may enter.
        self.pods: set[tuple[str, str]] = set()
        #: Devices on which the call creates a VLAN.
        self.parents: set[str] = set()
        for step in steps:
            match step:
                case known.EnsureBridge():
                    self.bridges.add(step.name)
                case known.EnsureVlan():
                    self.parents.add(step.link)
                case known.SetLink(master=str(master)) if master:
                    self.joining.setdefault(master, []).append(step.name)


class HostView(NamedTuple):
    """The host and the call, for a rule. Reads are cached for the call."""

    net: Netlink
    call: Call

    def link(self, name: str) -> Link | None:
        """Return the device with a name, or None."""
        return self.net.link(name)

    def addresses_of(self, link: Link) -> dict[tuple[str, str | None], addresses.EnsureAddress]:
        """Return the addresses of a device, by :attr:`EnsureAddress.key`."""
        return addresses.address_map(self.net, link)

    def ports(self, bridge: Link) -> list[Link]:
        """Return the ports of a bridge that may be an uplink."""

        def read() -> list[Link]:
            return [port for port in self.net.ports(bridge) if port.kind not in NO_UPLINKS]

        found: list[Link] = self.net.read_cached(("ports", bridge.index), read)
        return found

    def addresses_of_ports(self, bridge: Link) -> set[tuple[str, str | None]]:
        """Return the keys of addresses on ports of a bridge, now or earlier in the call."""

        def read() -> set[tuple[str, str | None]]:
            return {key for port in self.ports(bridge) for key in self.addresses_of(port)}

        found: set[tuple[str, str | None]] = self.net.read_cached(
            ("addresses of ports", bridge.index), read
        )
        return found

    def addresses_elsewhere(self, bridge: Link) -> set[tuple[str, str | None]]:
        """Return the keys of addresses on devices that may become an uplink."""

        def read() -> set[tuple[str, str | None]]:
            return {key for link in self.may_join(bridge) for key in self.addresses_of(link)}

        found: set[tuple[str, str | None]] = self.net.read_cached(
            ("addresses elsewhere", bridge.index), read
        )
        return found

    def may_join(self, bridge: Link) -> list[Link]:
        """Return the devices that may become an uplink of a bridge."""
        return [
            link
            for link in self.net.links()
            if link.index != bridge.index and not is_loopback(link) and link.kind not in NO_UPLINKS
        ]

    def is_vif(self, link: Link) -> bool:
        """Return whether a device belongs to a VIF.

        The device is managed by os-vif, has the name of a VIF's device, or is a virtual function
        or a representor.
        """
        return not is_loopback(link) and (
            link.is_managed or VIF_NAME.fullmatch(link.name) is not None or self._is_function(link)
        )

    def _is_function(self, link: Link) -> bool:
        """Return whether a device is a virtual function or a representor, also if renamed."""
        if link.kind in _SOFTWARE_KINDS:
            return False
        if link.kind is not None and not functions.switch_of(link.name):
            return rename_link.original_name(self.net, link.name) is not None
        return (
            functions.is_vf_device(link.name)
            or functions.is_representor(link.name)
            or rename_link.original_name(self.net, link.name) is not None
        )

    def has_addresses(self, link: Link) -> bool:
        """Return whether a device has addresses of the host.

        A virtual function that is up gets IPv6 addresses from router advertisements (RFC 4862)
        even if the function is for a guest. Such addresses have a lifetime, and do not count for a
        virtual function.
        """
        found = self.addresses_of(link).values()
        if any(":" not in address.address or address.valid is None for address in found):
            return True
        return bool(found) and not self._is_function(link)

    def is_hosts(self, link: Link) -> bool:
        """Return whether the host is reached through a device, or through the device's bridge."""
        if self.has_addresses(link):
            return True
        if not link.master or link.kind in ("tun", "veth", "macvtap"):
            return False
        master = self.net.link_at(link.master)
        return master is not None and bool(self.addresses_of(master))

    def is_bridge(self, link: Link) -> bool:
        """Return whether a device is a bridge that VIFs may use."""
        return link.kind == "bridge" and (self.is_vif(link) or link.name in self.call.bridges)

    def uplinks(self, bridge: Link) -> Iterable[Link]:
        """Return the devices whose addresses and routes may move to a bridge."""
        for name in self.call.joining.get(bridge.name, ())[:MAX_UPLINKS]:
            link = self.link(name)
            if link is not None and link.master != bridge.index:
                yield link
        yield from self.ports(bridge)
