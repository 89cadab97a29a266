# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Allocations of virtual functions: the VIF that owns a VF, and the VF's original settings.

A record is about an incarnation of a VF. Writing ``sriov_numvfs`` or reloading the driver creates
another incarnation with default settings, and the record of the earlier one counts as none.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from os_vif.host.sriov import functions
from os_vif.host.sriov.vf_settings import BY_NAME
from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.host.sriov.functions import Vf
    from os_vif.host.sriov.vf_settings import Settings

LOG = logging.getLogger(__name__)

_PREFIX, _SUFFIX = "vf-", ".json"


@dataclasses.dataclass(frozen=True)
class Allocation:
    """The use of a virtual function by a VIF."""

    #: The id of the VIF that owns the VF.
    user: str
    #: The settings of the VF before the plug, for the fields that the plug has changed.
    before: Settings


@dataclasses.dataclass(frozen=True)
class Function:
    """An incarnation of a virtual function, with the network device of the physical function."""

    vf: Vf
    pf: Link

    @property
    def incarnation(self) -> list[int]:
        """Return numbers that identify one incarnation of a VF.

        The numbers change when ``sriov_numvfs`` is rewritten or the driver is reloaded: sysfs uses
        no inode number twice until the next boot (kernfs_new_node of fs/kernfs/dir.c).
        """
        inode = (functions.SYS / "bus/pci/devices" / self.vf.address).stat().st_ino
        return [inode, self.pf.index]


def find_function(net: Netlink, address: str) -> Function:
    """Return a virtual function with the network device of the physical function.

    :param address: PCI address of the virtual function, such as ``0000:03:00.1``.
    :raises OSError: with ENODEV if the virtual function does not exist, or if the physical
        function has no network device in this network namespace.
    """
    vf = functions.vf(address)
    return Function(vf, net.require(functions.pf_device(vf)))


def read_allocation(function: Function) -> Allocation | None:
    """Return the allocation of a virtual function, or None.

    The record of an earlier incarnation counts as none. Log a warning for an unusable record.
    """
    name = _record_name(function.vf.address)
    path = STATE.file(name)
    try:
        record = json.loads(STATE.read(name))
        user, before, incarnation = record["user"], record["before"], record["incarnation"]
        if not isinstance(user, str) or not before.keys() <= BY_NAME.keys():
            raise ValueError(path)  # noqa: TRY301 - the record is damaged, as invalid JSON is
        allocation = Allocation(user, dict(before))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        LOG.warning(
            "%s is damaged: the original settings of the VF are unknown, so the present settings "
            "are kept", path,
        )  # fmt: skip
        return None
    if incarnation != function.incarnation:
        LOG.warning("%s is about an earlier incarnation of the VF, and is ignored", path)
        return None
    return allocation


def write_allocation(function: Function, allocation: Allocation) -> None:
    """Replace the record of a virtual function.

    :raises OSError: if the record cannot be written; then the old record is kept.
    """
    content = {
        "user": allocation.user,
        "incarnation": function.incarnation,
        "before": allocation.before,
    }
    STATE.write_atomically(_record_name(function.vf.address), content)


def delete_record(address: str) -> None:
    """Delete the record of a virtual function."""
    STATE.remove(_record_name(address))


def discard_incomplete(address: str) -> None:
    """Delete the incomplete file of a process that was killed while writing a record."""
    STATE.discard_incomplete(_record_name(address))


def has_record(address: str) -> bool:
    """Return whether a VF has a record of any incarnation, or an incomplete one."""
    name = _record_name(address)
    return os.path.exists(STATE.file(name)) or STATE.is_incomplete(name)  # noqa: PTH110 - on every unplug


def vfs_of(vif_id: str) -> list[str]:
    """Return the PCI addresses of the VFs that a VIF owns, of any incarnation.

    No privileges are needed.
    """
    return [
        path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        for path in sorted(STATE.path.glob(f"{_PREFIX}*{_SUFFIX}"))
        if _read_user(path.name) == vif_id
    ]


def owner_of(address: str) -> str | None:
    """Return the id of the VIF that owns a VF of any incarnation, or None.

    No privileges are needed.
    """
    return _read_user(_record_name(address))


def owners() -> dict[str, str]:
    """Return the ids of the VIFs that own a VF of any incarnation, by PCI address.

    No privileges are needed.
    """
    found = {}
    for path in sorted(STATE.path.glob(f"{_PREFIX}*{_SUFFIX}")):
        user = _read_user(path.name)
        if user is not None:
            found[path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)] = user
    return found


def changed_settings(address: str) -> frozenset[str]:
    """Return the names of the settings that the plug of a VF has changed; empty without a record.

    No privileges are needed.
    """
    before = _read_content(_record_name(address)).get("before")
    return frozenset(before) if isinstance(before, dict) else frozenset()


def _read_user(name: str) -> str | None:
    user = _read_content(name).get("user")
    return user if isinstance(user, str) else None


def _read_content(name: str) -> dict[str, Any]:
    """Return the content of a record; empty for a missing or damaged record."""
    try:
        record = json.loads(STATE.read(name))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _record_name(address: str) -> str:
    return f"{_PREFIX}{address}{_SUFFIX}"
