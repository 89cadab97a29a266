# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The cards of this host that have virtual functions, and what stands for each function.

It only reads, and needs no right.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib

from os_vif.host.sriov import functions

LEGACY, SWITCHDEV = "legacy", "switchdev"


@dataclasses.dataclass(frozen=True)
class VirtualFunction:
    #: Its PCI address.
    address: str
    number: int
    #: Such as ``iavf`` or ``vfio-pci``; None without one.
    driver: str | None
    #: Its own network device; None if it has none, or not in this network namespace.
    device: str | None
    #: What stands for it on the host in switchdev mode.
    representor: str | None


@dataclasses.dataclass(frozen=True)
class PhysicalFunction:
    #: Its PCI address.
    address: str
    driver: str | None
    #: None if it has none, or not in this network namespace.
    device: str | None
    #: ``legacy``, or ``switchdev``: then the device is a port of a switch, and VFs have representors.
    mode: str
    #: ``sriov_totalvfs``: how many virtual functions it can have.
    total: int
    vfs: tuple[VirtualFunction, ...]


def physical_functions() -> tuple[PhysicalFunction, ...]:
    """Those that can have virtual functions, in the order of their addresses."""
    directories = (functions.SYS / "bus/pci/devices").glob("*/sriov_totalvfs")
    addresses = sorted(path.parent.name for path in directories)
    found = []
    for address in addresses:
        # What goes while it is looked at is not there.
        with contextlib.suppress(FileNotFoundError):
            found.append(_physical(address))
    return tuple(function for function in found if function.total)


def _physical(address: str) -> PhysicalFunction:
    directory = functions.SYS / "bus/pci/devices" / address
    total = int((directory / "sriov_totalvfs").read_text())
    devices = functions.devices(address)
    device = devices[0] if devices else None
    mode = SWITCHDEV if device and functions.switch_of(device) else LEGACY
    vfs = []
    for path in directory.glob("virtfn*"):
        with contextlib.suppress(FileNotFoundError):
            number = int(path.name.removeprefix("virtfn"))
            vfs.append(functions.Vf(path.readlink().name, number, address))
    return PhysicalFunction(
        address,
        _driver(directory),
        device,
        mode,
        total,
        tuple(_virtual(vf, mode) for vf in sorted(vfs, key=lambda vf: vf.number)),
    )


def _virtual(vf: functions.Vf, mode: str) -> VirtualFunction:
    try:
        representor = functions.representor(vf) if mode == SWITCHDEV else None
    except OSError:
        # The driver has not made it, or it is in another namespace.
        representor = None
    driver = _driver(functions.SYS / "bus/pci/devices" / vf.address)
    return VirtualFunction(vf.address, vf.number, driver, functions.vf_device(vf), representor)


def _driver(directory: pathlib.Path) -> str | None:
    link = directory / "driver"
    return link.resolve().name if link.is_symlink() else None
