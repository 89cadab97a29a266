# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Inventory of SR-IOV network cards: physical functions, virtual functions and representors.

The functions read sysfs, change nothing, and need no privileges.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib

from os_vif.host.sriov import functions

LEGACY, SWITCHDEV = "legacy", "switchdev"


@dataclasses.dataclass(frozen=True)
class VirtualFunction:
    """A virtual function (VF) of a card."""

    #: PCI address.
    address: str
    #: Number of the VF, from 0.
    number: int
    #: Driver, such as ``iavf`` or ``vfio-pci``, or None.
    driver: str | None
    #: Network interface of the VF in the current network namespace, or None.
    device: str | None
    #: Representor of the VF on the host in switchdev mode, or None.
    representor: str | None


@dataclasses.dataclass(frozen=True)
class PhysicalFunction:
    """A physical function (PF) of a card."""

    #: PCI address.
    address: str
    #: Driver, or None.
    driver: str | None
    #: Network interface of the PF in the current network namespace, or None.
    device: str | None
    #: ``legacy``, or ``switchdev``: the device is a port of a switch, and VFs have representors.
    mode: str
    #: Maximal number of VFs (``sriov_totalvfs``).
    total: int
    #: The VFs that exist.
    vfs: tuple[VirtualFunction, ...]


def physical_functions() -> tuple[PhysicalFunction, ...]:
    """Return the physical functions that support virtual functions, ordered by PCI address."""
    directories = (functions.SYS / "bus/pci/devices").glob("*/sriov_totalvfs")
    addresses = sorted(path.parent.name for path in directories)
    found = []
    for address in addresses:
        # A function may be removed while sysfs is read.
        with contextlib.suppress(FileNotFoundError):
            found.append(_physical(address))
    return tuple(function for function in found if function.total)


def _physical(address: str) -> PhysicalFunction:
    """Read a physical function from sysfs.

    :raises FileNotFoundError: if the function was removed.
    """
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
    """Read a virtual function from sysfs."""
    try:
        representor = functions.representor(vf) if mode == SWITCHDEV else None
    except OSError:
        # The driver has not created the representor, or the representor is in another namespace.
        representor = None
    driver = _driver(functions.SYS / "bus/pci/devices" / vf.address)
    return VirtualFunction(vf.address, vf.number, driver, functions.vf_device(vf), representor)


def _driver(directory: pathlib.Path) -> str | None:
    """Return the name of the driver of a PCI device, or None."""
    link = directory / "driver"
    return link.resolve().name if link.is_symlink() else None
