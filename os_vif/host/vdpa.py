# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for vDPA devices: virtio queues of a card, which a guest has through vhost-vdpa.

Source: linux/vdpa.h, drivers/vdpa/vdpa.c, Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import dataclasses
import errno
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from os_vif.host import netlink, packed, validate
from os_vif.host.plan import Difference, Step, quote

if TYPE_CHECKING:
    from os_vif.host.netlink import Netlink

#: linux/genetlink.h
_CTRL, _GETFAMILY = 16, 3
_NEW, _DEL, _GET = 3, 4, 5
#: ``struct genlmsghdr``: command, version, reserved.
_HEADER = struct.Struct("=BBH")
_FAMILY = packed.Table(CTRL_ATTR_FAMILY_ID=(1, packed.U16), CTRL_ATTR_FAMILY_NAME=(2, packed.TEXT))
_ATTRIBUTES = packed.Table(
    MGMTDEV_BUS_NAME=(1, packed.TEXT),
    MGMTDEV_DEV_NAME=(2, packed.TEXT),
    DEV_NAME=(4, packed.TEXT),
    DEV_NET_CFG_MACADDR=(10, packed.MAC),
)
_NAME = re.compile("[A-Za-z0-9_.:-]{1,64}")
_MANAGEMENT = re.compile("([A-Za-z0-9_.:-]{1,64}/)?[A-Za-z0-9_.:-]{1,64}")


@dataclasses.dataclass(frozen=True)
class _Vdpa(Step):
    #: Of the vDPA device.
    name: str
    #: What it is made on, such as ``pci/0000:03:00.2`` (``vdpa mgmtdev show``).
    management_device: str
    #: MAC address, at creation; also of one that is made again.
    mac: str | None = None

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        some = "of letters, digits and _ . : -"
        validate.matching(self, "name", _NAME, f"a name {some}")
        expected = f"a management device such as pci/0000:03:00.2, {some}"
        validate.matching(self, "management_device", _MANAGEMENT, expected)
        validate.mac(self, "mac", optional=True)

    @property
    def _handle(self) -> dict[str, str | None]:
        bus, _, device = self.management_device.rpartition("/")
        return {"MGMTDEV_BUS_NAME": bus or None, "MGMTDEV_DEV_NAME": device}


@dataclasses.dataclass(frozen=True)
class EnsureVdpa(_Vdpa):
    """A vDPA device exists on a management device.

    Equivalent to: ``vdpa dev add name NAME mgmtdev MANAGEMENT_DEVICE mac ADDRESS``
    """

    def commands(self) -> tuple[str, ...]:
        mac = "" if self.mac is None else f" mac {self.mac}"
        management = quote(self.management_device)
        return (f"vdpa dev add name {quote(self.name)} mgmtdev {management}{mac}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            with _opened() as asked:
                found = _management_device(asked, self.name)
        except OSError as error:
            found = error.strerror
        if found == self.management_device:
            return ()
        expected = f"on {self.management_device}"
        return (self.difference("vDPA device", found or "missing", expected),)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        with _opened() as asked:
            found = _management_device(asked, self.name)
            if found == self.management_device:
                return ()
            if found is not None:
                reason = f"vDPA device {self.name} is on {found}, not {self.management_device}"
                raise OSError(errno.EEXIST, reason)
            mac = {"DEV_NET_CFG_MACADDR": self.mac}
            _ask(asked, _NEW, netlink.ACK, {**self._handle, "DEV_NAME": self.name, **mac})
        return (DeleteVdpa(self.name, self.management_device, self.mac),)


@dataclasses.dataclass(frozen=True)
class DeleteVdpa(_Vdpa):
    """A vDPA device is gone. One of that name on another management device stays.

    Equivalent to: ``vdpa dev del NAME``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"vdpa dev del {quote(self.name)}  # if it is on {self.management_device}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            with _opened() as asked:
                found = _management_device(asked, self.name)
        except OSError:
            # A kernel without vDPA has none.
            return ()
        if found != self.management_device:
            return ()
        return (self.difference("vDPA device", f"on {found}", "gone"),)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        if not self.differences(net):
            return ()
        with _opened() as asked:
            _ask(asked, _DEL, netlink.ACK, {"DEV_NAME": self.name})
        return (EnsureVdpa(self.name, self.management_device, self.mac),)


@dataclasses.dataclass(frozen=True)
class _Asked:
    """A socket of generic netlink, and the number of the family there."""

    net: Netlink
    family: int


@contextmanager
def _opened() -> Iterator[_Asked]:
    """:raises OSError: with ENOENT if the kernel has no vDPA."""
    with netlink.opened(netlink.GENERIC) as net:
        yield _Asked(net, family(net, "vdpa"))


def family(net: Netlink, name: str) -> int:
    """The number of a family of generic netlink."""
    body = _HEADER.pack(_GETFAMILY, 1, 0) + packed.pack({"CTRL_ATTR_FAMILY_NAME": name}, _FAMILY)
    try:
        (answer,) = net.talk(_CTRL, 0, body)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        raise OSError(errno.ENOENT, f"this kernel has no {name}: is its module loaded?") from None
    found = packed.unpack(answer[packed.HEADER.size + _HEADER.size :], _FAMILY)
    return int(found["CTRL_ATTR_FAMILY_ID"])


def message(command: int, attributes: dict[str, Any]) -> bytes:
    """The body of a message of the family ``vdpa``."""
    return _HEADER.pack(command, 1, 0) + packed.pack(attributes, _ATTRIBUTES)


def _ask(
    asked: _Asked, command: int, flags: int, attributes: dict[str, Any]
) -> list[dict[str, Any]]:
    answers = asked.net.talk(asked.family, flags, message(command, attributes))
    start = packed.HEADER.size + _HEADER.size
    return [packed.unpack(answer[start:], _ATTRIBUTES) for answer in answers]


def _management_device(asked: _Asked, name: str) -> str | None:
    """What a vDPA device is on; None if there is no such device."""
    try:
        (found,) = _ask(asked, _GET, 0, {"DEV_NAME": name})
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return None
    parts = (found.get("MGMTDEV_BUS_NAME"), found["MGMTDEV_DEV_NAME"])
    return "/".join(filter(None, parts))
