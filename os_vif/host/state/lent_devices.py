# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Records of the network devices of virtual functions that pods have borrowed.

A record tells where the device is, and the name, MAC address and MTU on the host. A pod can change
everything about a device except the index; so the record identifies the device by the namespace,
the index and the kind.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from os_vif.host.sriov import functions
from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link

_PREFIX, _SUFFIX = "lent-", ".json"


@dataclasses.dataclass(frozen=True)
class LentDevice:
    """A network device in a pod, and the settings of the device on the host."""

    #: PCI address of the virtual function.
    pci_address: str
    #: ``DEVICE:INODE`` of the network namespace of the pod.
    netns_id: str
    #: Path of the namespace file.
    netns: str
    #: Index of the device in the pod.
    index: int
    #: ``IFLA_INFO_KIND`` of the device; None for hardware.
    kind: str | None
    name: str
    mac: str | None
    mtu: int
    #: The inode of the PCI function in sysfs, which is never used twice until the next boot.
    incarnation: int

    def is_about(self, link: Link) -> bool:
        """Return whether a device in the namespace of the record is the lent device."""
        return (link.index, link.kind) == (self.index, self.kind)


def incarnation_of(pci_address: str) -> int:
    """Return a number for the present incarnation of a PCI function."""
    return (functions.SYS / "bus/pci/devices" / pci_address).stat().st_ino


def read_record(pci_address: str) -> LentDevice | None:
    """Return the record of a virtual function; None without a usable record."""
    try:
        record = LentDevice(**json.loads(STATE.read(_file_name(pci_address))))
    except (OSError, ValueError, TypeError):
        return None
    try:
        is_current = record.incarnation == incarnation_of(pci_address)
    except OSError:
        return None
    return record if is_current else None


def write_record(record: LentDevice) -> None:
    """Replace the record of a virtual function.

    :raises OSError: if the record cannot be written.
    """
    STATE.write_atomically(_file_name(record.pci_address), dataclasses.asdict(record))


def delete_record(pci_address: str) -> None:
    """Delete the record of a virtual function."""
    STATE.remove(_file_name(pci_address))


def is_lent(netns_id: str, link: Link) -> bool:
    """Return whether a device in a namespace is one that a record tells of."""
    for path in STATE.path.glob(f"{_PREFIX}*{_SUFFIX}"):
        address = path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        record = read_record(address)
        if record is not None and record.netns_id == netns_id and record.is_about(link):
            return True
    return False


def _file_name(pci_address: str) -> str:
    return f"{_PREFIX}{pci_address}{_SUFFIX}"
