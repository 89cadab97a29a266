# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network device that stands for a virtual function on the host: its representor.

Sources: Documentation/networking/representors.rst and devlink-port.rst of the kernel; a port's
name there is ``p0`` for the uplink, ``pf0vf3`` for a VF, and begins with ``c1`` for a VF of
another host. Older drivers say ``3`` or ``vf3``.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import re

#: Where sysfs is. Tests have their own.
SYS = pathlib.Path("/sys")

_UPLINK = re.compile(r"p\d+")
_VF = re.compile(r"(?:(?:pf(?P<pf>\d+))?vf)?(?P<vf>\d+)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Vf:
    """A virtual function: a number on its physical function, which is a PCI device."""

    number: int
    pf_address: str

    @property
    def pf_function(self) -> int:
        """The PCI function: drivers call a card's second physical function ``pf1``."""
        return int(self.pf_address.rpartition(".")[2])


def vf(address: str) -> Vf:
    """What a PCI address, such as 0000:03:00.2, is a virtual function of.

    :raises OSError: with ENODEV if there is no such virtual function.
    """
    physical = SYS / "bus/pci/devices" / address / "physfn"
    for link in physical.glob("virtfn*"):
        if link.resolve().name == address:
            return Vf(int(link.name.removeprefix("virtfn")), physical.resolve().name)
    raise OSError(errno.ENODEV, f"there is no virtual function {address}")


def of(address: str) -> str:
    """The name of the representor of the virtual function at a PCI address.

    :raises OSError: with ENODEV if there is none.
    """
    return of_vf(vf(address))


def of_vf(function: Vf) -> str:
    """The name of the representor of a virtual function.

    :raises OSError: with ENODEV if there is none.
    """
    switch = _switch(function)
    for device in sorted((SYS / "class/net").iterdir()):
        if _read(device / "phys_switch_id") != switch:
            continue
        match = _VF.fullmatch(_read(device / "phys_port_name") or "")
        if match is None or int(match["vf"]) != function.number:
            continue
        if match["pf"] is None or int(match["pf"]) == function.pf_function:
            return device.name
    reason = f"VF {function.number} of {function.pf_address} has no representor"
    raise OSError(errno.ENODEV, reason)


def devices(address: str) -> list[str]:
    """The network devices of the PCI function at an address; the uplink of a switch comes first."""
    net = SYS / "bus/pci/devices" / address / "net"
    names = sorted(path.name for path in net.iterdir()) if net.is_dir() else []
    # Since Linux 5.8 representors may be below the physical function too (LP 1892132).
    return sorted(names, key=lambda n: _UPLINK.fullmatch(_of(n, "phys_port_name") or "") is None)


def switch_of(device: str) -> str | None:
    """The id of the switch that a network device is a port of; None if it is of none."""
    return _of(device, "phys_switch_id") or None


def address_of(device: str) -> str | None:
    """The PCI address of the function that a network device is of; None if it is of none."""
    pci = SYS / "class/net" / device / "device"
    return pci.resolve().name if pci.exists() else None


def has_vfs(address: str) -> bool:
    """Whether the PCI function at an address can have virtual functions."""
    total = _read(SYS / "bus/pci/devices" / address / "sriov_totalvfs")
    return bool(total) and total != "0"


def _switch(function: Vf) -> str:
    """The id of the switch that is on the card. Its uplink is asked first.

    :raises OSError: with ENODEV if the card is in no such mode.
    """
    for device in devices(function.pf_address):
        if switch := switch_of(device):
            return switch
    raise OSError(errno.ENODEV, f"{function.pf_address} is not in switchdev mode")


def _of(device: str, file: str) -> str | None:
    return _read(SYS / "class/net" / device / file)


def _read(path: pathlib.Path) -> str | None:
    """What the kernel says; it refuses to for a device that has no such thing."""
    try:
        return os.fsdecode(path.read_bytes()).strip()
    except OSError:
        return None
