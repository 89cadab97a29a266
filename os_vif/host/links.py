# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for network devices.

What we make carries a mark, its alias, so that unplug takes away nothing that others made.
"""

from __future__ import annotations

import dataclasses
import errno
from typing import TYPE_CHECKING

from os_vif.host import validate
from os_vif.host.plan import MARK, Difference, Step
from os_vif.host.sysctl import Sysctl

if TYPE_CHECKING:
    from os_vif.host.netlink import Link, Netlink


@dataclasses.dataclass(frozen=True)
class EnsureBridge(Step):
    """A Linux bridge of that name exists.

    Its settings are given at creation only: an existing bridge keeps its own.
    Equivalent to: ``ip link add name NAME type bridge ...``
    """

    name: str
    #: Hundredths of a second between a port's states; 0 forwards at once.
    forward_delay: int = 0
    #: Spanning tree protocol.
    stp: bool = False
    multicast_snooping: bool = False
    #: Seconds that a MAC address is remembered; None is the kernel's default.
    ageing: int | None = None

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "name")
        # Limits of the message, not of the kernel: an undo says what it found.
        validate.integer(self, "forward_delay", 0, 2**32 - 1)
        validate.boolean(self, "stp")
        validate.boolean(self, "multicast_snooping")
        validate.integer(self, "ageing", 0, (2**32 - 1) // 100, optional=True)

    def commands(self) -> tuple[str, ...]:
        ageing = "" if self.ageing is None else f" ageing_time {self.ageing * 100}"
        settings = (
            f"forward_delay {self.forward_delay} stp_state {int(self.stp)}"
            f" mcast_snooping {int(self.multicast_snooping)}{ageing}"
        )
        return (
            f"ip link add name {self.name} type bridge {settings}",
            f"ip link set dev {self.name} alias {MARK}",
        )

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", "missing", "a bridge"),)
        if link.kind != "bridge":
            return (self.difference("device", _kind(link), "a bridge"),)
        return ()

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        link = net.link(self.name)
        if link is None:
            link = self._create(net)
            if link is not None:
                return (DeleteBridge(self.name, index=link.index),)
            # Somebody was faster.
            link = net.require(self.name)
        if link.kind != "bridge":
            raise OSError(errno.EEXIST, f"{self.name} is {_kind(link)}, not a bridge")
        return ()

    def _create(self, net: Netlink) -> Link | None:
        """:returns: the new bridge; None if there is one meanwhile."""
        data = {
            "IFLA_BR_FORWARD_DELAY": self.forward_delay,
            "IFLA_BR_STP_STATE": int(self.stp),
            "IFLA_BR_MCAST_SNOOPING": int(self.multicast_snooping),
        }
        if self.ageing is not None:
            data["IFLA_BR_AGEING_TIME"] = self.ageing * 100
        try:
            return net.add(self.name, "bridge", data)
        except OSError as error:
            if error.errno == errno.EEXIST:
                return None
            raise


@dataclasses.dataclass(frozen=True)
class DeleteBridge(Step):
    """A bridge that os-vif made is gone, unless something is in it.

    A bridge of others, or one with a port in it, stays: that is no failure.
    Equivalent to: ``ip link del dev NAME``
    """

    name: str
    #: Only the device of this index; None is whichever has the name.
    index: int | None = None

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "index", 1, 2**31 - 1, optional=True)

    def commands(self) -> tuple[str, ...]:
        return (f"ip link del dev {self.name}  # if it is os-vif's and empty",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self._target(net) is None:
            return ()
        return (self.difference("device", "an empty bridge", "gone"),)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        link = self._target(net)
        if link is None:
            return ()
        again = _again(link)
        try:
            net.delete(link)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return ()
        return again

    def _target(self, net: Netlink) -> Link | None:
        link = net.link(self.name)
        if link is None or link.kind != "bridge" or not link.ours:
            return None
        if self.index not in (None, link.index) or net.ports(link):
            return None
        return link


def _again(link: Link) -> tuple[Step, ...]:
    """The steps that make a bridge as it is now."""
    return (
        EnsureBridge(
            link.name,
            forward_delay=link.bridge["IFLA_BR_FORWARD_DELAY"],
            stp=bool(link.bridge["IFLA_BR_STP_STATE"]),
            multicast_snooping=bool(link.bridge["IFLA_BR_MCAST_SNOOPING"]),
            ageing=link.bridge["IFLA_BR_AGEING_TIME"] // 100,
        ),
        *(sysctl for sysctl in Sysctl.hardening(link.name, only_ours=True) if sysctl.holds()),
        SetLink(link.name, mtu=link.mtu, up=link.up),
    )


@dataclasses.dataclass(frozen=True)
class SetLink(Step):
    """Attributes of a device. They are enforced on every plug; None leaves one as it is.

    Equivalent to: ``ip link set dev NAME ...``
    """

    name: str
    #: Bytes.
    mtu: int | None = None
    up: bool | None = None

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "name")
        # The kernel knows which MTU a device can have.
        validate.integer(self, "mtu", 1, 2**31 - 1, optional=True)
        validate.boolean(self, "up", optional=True)

    def commands(self) -> tuple[str, ...]:
        mtu = "" if self.mtu is None else f" mtu {self.mtu}"
        state = "" if self.up is None else f" {_state(self.up)}"
        return (f"ip link set dev {self.name}{mtu}{state}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", "missing", "there"),)
        found = []
        if self.mtu not in (None, link.mtu):
            found.append(self.difference("MTU", link.mtu, self.mtu))
        if self.up not in (None, link.up):
            found.append(self.difference("state", _state(link.up), _state(bool(self.up))))
        return tuple(found)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        link = net.require(self.name)
        undo: list[Step] = []
        try:
            # One after the other: of one message the kernel may carry out a part.
            if self.mtu not in (None, link.mtu):
                net.set(link, mtu=self.mtu)
                undo.insert(0, SetLink(self.name, mtu=link.mtu))
            if self.up not in (None, link.up):
                net.set(link, up=self.up)
                undo.insert(0, SetLink(self.name, up=link.up))
        except OSError:
            for step in undo:
                step.apply(net)
            raise
        return tuple(undo)


def _state(up: bool) -> str:
    return "up" if up else "down"


def _kind(link: Link) -> str:
    return f"a device of kind {link.kind}" if link.kind else "a hardware device"
