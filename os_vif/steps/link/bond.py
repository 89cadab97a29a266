# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps to create a bond, and to add a device to a bond or remove a device from a bond."""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.link.links import EnsureLink
from os_vif.steps.link.set_link import SetLink, name_at
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``BOND_MODE_*`` of linux/if_bonding.h, by the names of ip-link(8).
_MODES = {
    "balance-rr": 0,
    "active-backup": 1,
    "balance-xor": 2,
    "broadcast": 3,
    "802.3ad": 4,
    "balance-tlb": 5,
    "balance-alb": 6,
}
_MODE_NAMES = {number: name for name, number in _MODES.items()}


@dataclasses.dataclass(frozen=True)
class EnsureBond(EnsureLink):
    """A bond exists. Members are added with :class:`EnsureBondMember`.

    :raises OSError: with EEXIST if a different device has the name.

    Equivalent to: ``ip link add name NAME type bond mode MODE miimon MIIMON``
    """

    kinds: ClassVar[tuple[str, ...]] = ("bond",)
    has_ports: ClassVar[bool] = True

    #: ``active-backup``, ``802.3ad`` or another mode of ip-link(8); set at creation.
    mode: str = "active-backup"
    #: Milliseconds between two checks of the members' carrier; set at creation.
    miimon: int = 100

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:  # noqa: ARG003 - no device is below
        miimon = link.data["IFLA_BOND_MIIMON"]
        # Another program has turned the checks off.
        return cls(link.name, _MODE_NAMES[link.data["IFLA_BOND_MODE"]], miimon) if miimon else None

    @classmethod
    def join_steps(cls, port: Link, master: str) -> tuple[KernelStep, ...]:
        return (EnsureBondMember(port.name, master), SetLink(port.name, up=port.up))

    @property
    def _expected(self) -> str:
        return _describe(self.mode, self.miimon)

    def validate(self) -> None:
        super().validate()
        validate.one_of(self, "mode", _MODES, f"one of {', '.join(_MODES)}")
        validate.integer(self, "miimon", 1, 2**31 - 1)

    def commands(self) -> tuple[str, ...]:
        settings = f"mode {self.mode} miimon {self.miimon}"
        return (
            f"ip link add name {quote(self.name)} type bond {settings}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        if link.kind != "bond":
            return describe_kind(link)
        mode, miimon = link.data.get("IFLA_BOND_MODE"), link.data.get("IFLA_BOND_MIIMON")
        if (mode, miimon) == (_MODES[self.mode], self.miimon):
            return None
        return _describe(_MODE_NAMES.get(mode or 0, str(mode)), miimon)

    def _create(self, net: Netlink) -> Link:
        data = {"IFLA_BOND_MODE": _MODES[self.mode], "IFLA_BOND_MIIMON": self.miimon}
        return net.add(self.name, "bond", data)


def _describe(mode: object, miimon: object) -> str:
    """Return a bond with a mode and an interval, in words."""
    return f"a bond of mode {mode} with miimon {miimon}"


@dataclasses.dataclass(frozen=True)
class _BondMember(NamedStep, KernelStep):
    """The membership of a device in a bond."""

    #: Name of the bond.
    bond: str

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.bond)

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.device_name(self, "bond")
        validate.other(self, "bond", self.name)


@dataclasses.dataclass(frozen=True)
class EnsureBondMember(_BondMember):
    """A device is a member of a bond.

    The kernel accepts a device that is down (``bond_enslave`` of
    drivers/net/bonding/bond_main.c), so the step sets a device down first. The kernel then gives
    the member the MAC address and the MTU of the bond, and sets the member up. The bond takes the
    MAC address of the first member.

    :raises OSError: with ENODEV if the device or the bond is missing; with EINVAL if *bond* is no
        bond; with EBUSY if the device is in another bridge or bond.

    Equivalent to: ``ip link set dev NAME down; ip link set dev NAME master BOND``
    """

    def commands(self) -> tuple[str, ...]:
        return (
            f"ip link set dev {quote(self.name)} down",
            f"ip link set dev {quote(self.name)} master {quote(self.bond)}",
        )

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", net.missing(self.name), "there"),)
        found = name_at(net, link.master)
        if found == self.bond:
            return ()
        return (self.difference("bond", found or "none", self.bond),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link, bond = net.require(self.name), net.require(self.bond)
        if link.master == bond.index:
            return ()
        if bond.kind != "bond":
            raise OSError(errno.EINVAL, f"{self.bond} is {describe_kind(bond)}, not a bond")
        if link.master:
            master = name_at(net, link.master)
            raise OSError(errno.EBUSY, f"{self.name} is in {master}, and not taken from there")
        if link.up:
            net.set(link, up=False)
        try:
            net.set(link, master=bond.index)
        except OSError:
            if link.up:
                net.set(link, up=True)
            raise
        return (
            DeleteBondMember(self.name, self.bond),
            _settings(link),
            # A bond that loses the last member gets a random MAC address.
            SetLink(self.bond, address=bond.address, missing_ok=True),
        )


@dataclasses.dataclass(frozen=True)
class DeleteBondMember(_BondMember):
    """A device is not a member of a bond. The step holds while the device is missing.

    The kernel sets the removed device down, and restores the MAC address and the MTU that the
    device had before.

    Equivalent to: ``ip link set dev NAME nomaster``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"ip link set dev {quote(self.name)} nomaster  # if it is in {self.bond}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link, bond = net.link(self.name), net.link(self.bond)
        if link is None or bond is None or bond.kind != "bond" or link.master != bond.index:
            return ()
        return (self.difference("bond", self.bond, "none"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link, bond = net.link(self.name), net.link(self.bond)
        if link is None or bond is None or bond.kind != "bond" or link.master != bond.index:
            return ()
        net.set(link, master=0)
        return (
            EnsureBondMember(self.name, self.bond),
            SetLink(self.name, up=link.up),
            SetLink(self.bond, address=bond.address),
        )


def _settings(link: Link) -> SetLink:
    """Return the step that gives a former member of a bond the earlier settings."""
    return SetLink(link.name, mtu=link.mtu, up=link.up, address=link.address, missing_ok=True)
