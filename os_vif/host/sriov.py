# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""PCI functions and their network devices; what stands for a virtual function on the host.

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
import time

#: Where sysfs is. Tests have their own.
SYS = pathlib.Path("/sys")

_UPLINK = re.compile(r"p\d+")
_VF = re.compile(r"(?:(?:pf(?P<pf>\d+))?vf)?(?P<vf>\d+)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Vf:
    """A virtual function: a PCI device, and a number on its physical function."""

    address: str
    number: int
    pf_address: str


def vf(address: str) -> Vf:
    """What a PCI address, such as 0000:03:00.2, is a virtual function of.

    :raises OSError: with ENODEV if there is no such PCI device, or it is no virtual function.
    """
    device = SYS / "bus/pci/devices" / address
    if not device.exists():
        raise OSError(errno.ENODEV, f"there is no PCI device {address}")
    physical = device / "physfn"
    for link in physical.glob("virtfn*"):
        if link.resolve().name == address:
            return Vf(address, int(link.name.removeprefix("virtfn")), physical.resolve().name)
    kind = "a physical function" if has_vfs(address) else "a PCI device without virtual functions"
    raise OSError(errno.ENODEV, f"{address} is {kind}, and no virtual function")


def representor(function: Vf, wait: float = 0.0) -> str:
    """The name of the network device that stands for a virtual function on the host.

    :param wait: for how many seconds to wait for it, if it is not there yet.
    :raises OSError: with ENODEV if there is none.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            return _representor(function)
        except OSError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(0.05)


def devices(address: str) -> list[str]:
    """The network devices of the PCI function at an address; the uplink of a switch comes first."""
    net = SYS / "bus/pci/devices" / address / "net"
    names = sorted(path.name for path in net.iterdir()) if net.is_dir() else []
    # Since Linux 5.8 representors may be below the physical function too (LP 1892132).
    return sorted(names, key=lambda n: _UPLINK.fullmatch(_of(n, "phys_port_name") or "") is None)


def pf_device(function: Vf) -> str:
    """The network device of the physical function, through which its virtual ones are set.

    :raises OSError: with ENODEV if it has none.
    """
    for name in devices(function.pf_address):
        if _VF.fullmatch(_of(name, "phys_port_name") or "") is None:
            return name
    raise OSError(errno.ENODEV, f"{function.pf_address} has no network device")


def vf_device(function: Vf) -> str | None:
    """The network device of a virtual function; None if it has none here."""
    return next(iter(devices(function.address)), None)


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


def _representor(function: Vf) -> str:
    switch = _switch(function)
    # Drivers call a card's second physical function ``pf1``.
    pf_number = int(function.pf_address.rpartition(".")[2])
    for device in sorted((SYS / "class/net").iterdir()):
        if _read(device / "phys_switch_id") != switch:
            continue
        match = _VF.fullmatch(_read(device / "phys_port_name") or "")
        if match is None or int(match["vf"]) != function.number:
            continue
        if match["pf"] is None or int(match["pf"]) == pf_number:
            return device.name
    reason = f"VF {function.number} of {function.pf_address} has no representor"
    raise OSError(errno.ENODEV, reason)


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
