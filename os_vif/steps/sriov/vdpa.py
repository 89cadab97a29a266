# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for vDPA devices: virtio queues of a card, offered to a guest through vhost-vdpa.

Source: linux/vdpa.h, drivers/vdpa/vdpa.c.
"""

from __future__ import annotations

import dataclasses
import errno
import re
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import genetlink, uapi
from os_vif.host.netlink.messages import VDPA
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.host.netlink.supplement import (
    VDPA_CMD_DEV_DEL,
    VDPA_CMD_DEV_GET,
    VDPA_CMD_DEV_NEW,
    VDPA_CMD_MGMTDEV_GET,
)
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.netlink.rtnetlink import Netlink

FAMILY = genetlink.Family(
    "vdpa", VDPA, ("VDPA_ATTR_MGMTDEV_BUS_NAME", "VDPA_ATTR_MGMTDEV_DEV_NAME")
)
_LISTED = genetlink.Family("vdpa", VDPA, (*FAMILY.reads, "VDPA_ATTR_DEV_NAME"))
_NAME = re.compile("[A-Za-z0-9_.:-]{1,64}")
_MANAGEMENT = re.compile("([A-Za-z0-9_.:-]{1,64}/)?[A-Za-z0-9_.:-]{1,64}")


@dataclasses.dataclass(frozen=True)
class _Vdpa(NamedStep, KernelStep):
    #: The management device of the vDPA device, such as ``pci/0000:03:00.2``
    #: (``vdpa mgmtdev show``).
    management_device: str
    #: MAC address, set at creation; None leaves the choice to the driver. The undo step of
    #: :class:`DeleteVdpa` creates the device with this address.
    mac: str | None = None

    def validate(self) -> None:
        some = "of letters, digits and _ . : -"
        validate.matching(self, "name", _NAME, f"a name {some}")
        expected = f"a management device such as pci/0000:03:00.2, {some}"
        validate.matching(self, "management_device", _MANAGEMENT, expected)
        validate.mac(self, "mac", optional=True)

    @property
    def _handle(self) -> dict[str, str | None]:
        bus, _, device = self.management_device.rpartition("/")
        return {"VDPA_ATTR_MGMTDEV_BUS_NAME": bus or None, "VDPA_ATTR_MGMTDEV_DEV_NAME": device}


@dataclasses.dataclass(frozen=True)
class EnsureVdpa(_Vdpa):
    """A vDPA device exists on a management device.

    :raises OSError: with EEXIST if a vDPA device of the name exists on another management device;
        with ENOENT if the kernel has no vDPA.

    Equivalent to: ``vdpa dev add name NAME mgmtdev MANAGEMENT_DEVICE mac ADDRESS``
    """

    def commands(self) -> tuple[str, ...]:
        mac = "" if self.mac is None else f" mac {self.mac}"
        management = quote(self.management_device)
        return (f"vdpa dev add name {quote(self.name)} mgmtdev {management}{mac}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            found = _management_device(self.name)
        except OSError as error:
            found = error.strerror
        if found == self.management_device:
            return ()
        expected = f"on {self.management_device}"
        return (self.difference("vDPA device", found or "missing", expected),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        found = _management_device(self.name)
        if found == self.management_device:
            return ()
        if found is not None:
            reason = f"vDPA device {self.name} is on {found}, not {self.management_device}"
            raise OSError(errno.EEXIST, reason)
        wanted = {
            **self._handle,
            "VDPA_ATTR_DEV_NAME": self.name,
            "VDPA_ATTR_DEV_NET_CFG_MACADDR": self.mac,
        }
        FAMILY.request(VDPA_CMD_DEV_NEW, wanted, uapi.NLM_F_ACK)
        return (DeleteVdpa(self.name, self.management_device, self.mac),)


@dataclasses.dataclass(frozen=True)
class DeleteVdpa(_Vdpa):
    """A vDPA device does not exist on a management device.

    A vDPA device of the same name on another management device stays.

    Equivalent to: ``vdpa dev del NAME``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"vdpa dev del {quote(self.name)}  # if it is on {self.management_device}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            found = _management_device(self.name)
        except OSError:
            # A kernel without vDPA has no vDPA devices.
            return ()
        if found != self.management_device:
            return ()
        return (self.difference("vDPA device", f"on {found}", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if not self.differences(net):
            return ()
        FAMILY.request(VDPA_CMD_DEV_DEL, {"VDPA_ATTR_DEV_NAME": self.name}, uapi.NLM_F_ACK)
        return (EnsureVdpa(self.name, self.management_device, self.mac),)


def names_by_management_device() -> dict[str, str]:
    """Return the names of all vDPA devices by management device, such as ``pci/0000:03:00.2``.

    :raises OSError: with ENOENT if the kernel has no vDPA.
    """
    return {
        _path(found): str(found["VDPA_ATTR_DEV_NAME"])
        for found in _LISTED.request(VDPA_CMD_DEV_GET, {}, uapi.NLM_F_DUMP)
    }


def _path(found: Mapping[str, Any]) -> str:
    """Return the path of the management device in a reply."""
    parts = (found.get("VDPA_ATTR_MGMTDEV_BUS_NAME"), found["VDPA_ATTR_MGMTDEV_DEV_NAME"])
    return "/".join(filter(None, parts))


def management_devices() -> list[str]:
    """Return the management devices of this host (``vdpa mgmtdev show``), sorted.

    :raises OSError: with ENOENT if the kernel has no vDPA.
    """
    return sorted(map(_path, FAMILY.request(VDPA_CMD_MGMTDEV_GET, {}, uapi.NLM_F_DUMP)))


def _management_device(name: str) -> str | None:
    """Return the management device of a vDPA device, or None if the vDPA device is missing.

    :raises OSError: with ENOENT if the kernel has no vDPA.
    """
    with ignoring(errno.ENODEV):
        (found,) = FAMILY.request(VDPA_CMD_DEV_GET, {"VDPA_ATTR_DEV_NAME": name})
        return _path(found)
    return None
