# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that gives a device of a driver's another name; its old one is kept with the device.

It is kept as an alternative name (``ip link show``), ``os-vif-was-`` and the old name: the device
has it wherever it goes, and nobody can take it for a name in use.
"""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host import limits
from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import LINK
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: What is before the old name.
_WAS = "os-vif-was-"
_READER = LINK.reader("IFLA_PROP_LIST")


@dataclasses.dataclass(frozen=True)
class RenameLink(NamedStep, KernelStep):
    """A device has another name; the first one that it had is kept as an alternative name.

    One that is up goes down for that where the kernel asks for it (before Linux 6.2).
    Equivalent to: ``ip link set dev NAME name TO``
    """

    to: str
    #: It gets its first name again, which need not be kept any more.
    restore_name: bool = False
    #: A device that is not there counts as held.
    missing_ok: bool = False

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.to)

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.device_name(self, "to")
        validate.other(self, "to", self.name)
        validate.boolean(self, "restore_name")
        validate.boolean(self, "missing_ok")

    def commands(self) -> tuple[str, ...]:
        condition = "  # if it is there" if self.missing_ok else ""
        rename = f"ip link set dev {quote(self.name)} name {quote(self.to)}{condition}"
        if self.restore_name:
            alternative = f"dev {quote(self.to)} altname {quote(_WAS + self.to)}"
            return (rename, f"ip link property del {alternative}{condition}")
        alternative = f"dev {quote(self.name)} altname {quote(_WAS + self.name)}"
        return (f"ip link property add {alternative}{condition}", rename)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if net.link(self.name) is not None:
            return (self.difference("name", self.name, self.to),)
        if self.missing_ok or net.link(self.to) is not None:
            return ()
        return (self.difference("device", "missing", "there"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link, other = net.link(self.name), net.link(self.to)
        if link is None:
            if self.missing_ok or other is not None:
                return ()
            raise OSError(errno.ENODEV, net.absence(self.name))
        if other is not None:
            raise OSError(errno.EEXIST, f"{self.to} is a name of another device already")
        net.require_free(self.to)
        first = _original_name(net, link)
        if first is None and not self.restore_name:
            # Before the name: whoever is killed in between leaves a device that is whole.
            _change_alternative_name(net, uapi.RTM_NEWLINKPROP, link, self.name)
        try:
            _rename(net, link, self.to)
        except OSError:
            if first is None and not self.restore_name:
                _change_alternative_name(net, uapi.RTM_DELLINKPROP, link, self.name)
            raise
        if first == self.to:
            _change_alternative_name(net, uapi.RTM_DELLINKPROP, link, self.to)
        # What goes meanwhile needs none.
        return (RenameLink(self.to, self.name, first is None, missing_ok=True),)


def original_name(net: Netlink, device: str) -> str | None:
    """The name that a device had before it was renamed; None if it was not, or is not there."""
    link = net.link(device)
    return None if link is None else _original_name(net, link)


def _original_name(net: Netlink, link: Link) -> str | None:
    for name in _alternative_names(net, link):
        was = name.removeprefix(_WAS)
        if was != name and limits.is_device_name(was):
            return was
    return None


def _alternative_names(net: Netlink, link: Link) -> list[str]:
    (answer,) = net.request(uapi.RTM_GETLINK, 0, LINK.pack({}, index=link.index))
    properties = _READER.read(answer).get("IFLA_PROP_LIST")
    return [] if properties is None else properties.all("IFLA_ALT_IFNAME")


def _change_alternative_name(net: Netlink, kind: int, link: Link, was: str) -> None:
    name = {"IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": _WAS + was}}
    flags = 0
    if kind == uapi.RTM_NEWLINKPROP:
        flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL | uapi.NLM_F_APPEND
    try:
        net.request(kind, uapi.NLM_F_ACK | flags, LINK.pack(name, index=link.index))
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            reason = "this kernel keeps no alternative names (before Linux 5.5)"
            raise OSError(errno.EOPNOTSUPP, reason) from error
        raise


def _rename(net: Netlink, link: Link, to: str) -> None:
    try:
        net.change(link, {"IFLA_IFNAME": to})
    except OSError as error:
        if error.errno != errno.EBUSY or not link.up:
            raise
        net.set(link, up=False)
        try:
            net.change(link, {"IFLA_IFNAME": to})
        finally:
            net.set(link, up=True)
