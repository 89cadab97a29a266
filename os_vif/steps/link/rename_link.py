# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that renames a device and stores the original name with the device.

The original name is stored as an alternative name (``altname`` of ``ip link show``) with the prefix
``os-vif-was-``. The alternative name stays with the device in every network namespace, and the
prefix keeps it apart from names in use.
"""

from __future__ import annotations

import dataclasses
import errno
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host import limits
from os_vif.host.netlink.alternative_names import (
    add_alternative_name,
    delete_alternative_name,
    read_alternative_names,
)
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: Prefix of the alternative name.
_WAS = "os-vif-was-"


@dataclasses.dataclass(frozen=True)
class RenameLink(NamedStep, KernelStep):
    """A device has another name; the original name is stored as an alternative name.

    Linux before 6.2 renames only a device that is down: the step sets the device down and up again.

    :raises OSError: with ENODEV if the device is missing; with EEXIST if another device has the
        new name; with EOPNOTSUPP on Linux before 5.5, which has no alternative names.

    Equivalent to: ``ip link set dev NAME name TO``
    """

    #: The new name.
    to: str
    #: The new name is the original name: the stored alternative name is deleted.
    restore_name: bool = False
    #: The step holds while the device is missing.
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
            raise OSError(errno.EEXIST, f"{self.to} is the name of another device")
        net.require_free(self.to)
        first = _original_name(net, link)
        if first is None and not self.restore_name:
            # Stored first: a process killed before the rename leaves the device unrenamed.
            add_alternative_name(net, link, _WAS + self.name)
        try:
            _rename(net, link, self.to)
        except OSError:
            if first is None and not self.restore_name:
                delete_alternative_name(net, link, _WAS + self.name)
            raise
        if first == self.to:
            delete_alternative_name(net, link, _WAS + self.to)
        # A device that is deleted before the roll back needs none.
        return (RenameLink(self.to, self.name, first is None, missing_ok=True),)


def original_name(net: Netlink, device: str) -> str | None:
    """Return the original name of a renamed device; None if not renamed, or missing."""
    link = net.link(device)
    return None if link is None else _original_name(net, link)


def _original_name(net: Netlink, link: Link) -> str | None:
    """Return the original name of a renamed device; None if not renamed."""
    for name in read_alternative_names(net, link):
        was = name.removeprefix(_WAS)
        if was != name and limits.is_device_name(was):
            return was
    return None


def _rename(net: Netlink, link: Link, to: str) -> None:
    """Rename a device; set the device down for the time of the rename if the kernel requires so."""
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
