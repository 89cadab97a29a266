# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for kernel parameters of a device."""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import TYPE_CHECKING

from os_vif.host import addresses, validate
from os_vif.host.plan import Difference, Step, quote

if TYPE_CHECKING:
    from os_vif.host.netlink import Netlink

#: The parameters that may be set, and the family that each belongs to.
#: Source: Documentation/networking/ip-sysctl.rst of the kernel.
_FAMILY = {"disable_ipv6": "ipv6", "arp_ignore": "ipv4", "arp_announce": "ipv4"}


@dataclasses.dataclass(frozen=True)
class Sysctl(Step):
    """A kernel parameter of a device has a value. It is enforced on every plug.

    A parameter that this kernel does not have (one without IPv6, say) counts as held. With
    ``only_ours``, IPv6 is not turned off on a device that was given something of it.
    Equivalent to: ``sysctl -w net/FAMILY/conf/DEVICE/KEY=VALUE``
    """

    name: str
    key: str
    value: int
    #: Leave devices alone that os-vif did not make: a host may have addresses on them.
    only_ours: bool = False

    @classmethod
    def hardening(cls, device: str, *, only_ours: bool) -> tuple[Sysctl, ...]:
        """The host is not to be reached through the device.

        It gets no IPv6 address and answers no ARP request for addresses of other devices.
        """
        return (
            cls(device, "disable_ipv6", 1, only_ours),
            cls(device, "arp_ignore", 1, only_ours),
            cls(device, "arp_announce", 2, only_ours),
        )

    @property
    def device(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        return f"/proc/sys/net/{_FAMILY[self.key]}/conf/{self.name}/{self.key}"

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.one_of(self, "key", _FAMILY, f"one of {', '.join(_FAMILY)}")
        # What an undo restores may be any number that the kernel had.
        validate.integer(self, "value", -(2**31), 2**31 - 1)
        validate.boolean(self, "only_ours")

    def commands(self) -> tuple[str, ...]:
        # sysctl(8) separates by slashes where a name has dots: eth0.100.
        setting = f"net/{_FAMILY[self.key]}/conf/{self.name}/{self.key}={self.value}"
        return (f"sysctl -w {quote(setting)}",)

    def _read(self) -> int | None:
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return int(os.read(file, 64))
        finally:
            os.close(file)

    def _write(self) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            text = str(self.value).encode()
            if os.write(file, text) != len(text):
                raise OSError(errno.EIO, f"the kernel took a part of {self.value} only")
        finally:
            os.close(file)

    def has_value(self) -> bool:
        return self._read() in (None, self.value)

    def _spared(self, net: Netlink) -> bool:
        if not self.only_ours:
            return False
        link = net.link(self.name)
        if link is None:
            return False
        if not link.ours:
            return True
        # The kernel would take its addresses.
        off = self.key == "disable_ipv6" and self.value == 1
        return off and addresses.uses_ipv6(net, link)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self.has_value() or self._spared(net):
            return ()
        return (self.difference(self.key, self._read(), self.value),)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        before = self._read()
        if before is None or before == self.value or self._spared(net):
            return ()
        undo = Sysctl(self.name, self.key, before)
        net.forget()
        try:
            self._write()
        except FileNotFoundError:
            raise OSError(errno.ENODEV, f"there is no device {self.name} any more") from None
        return (undo,)
