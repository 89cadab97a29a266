# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Which VIF holds a virtual function, and what the function had before: in ``/run/os-vif``.

Only root writes there, and a reboot forgets it, as it does the settings. A record is about one
life of a function: ``sriov_numvfs`` and a reload of the driver make new ones, with settings of
their own, and then it is discarded.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib
from typing import TYPE_CHECKING, Any

from os_vif.host.sriov import functions
from os_vif.host.sriov.vf_settings import Settings
from os_vif.host.state import bridge_users
from os_vif.host.state.locks import DIRECTORY

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.host.sriov.functions import Vf

LOG = logging.getLogger(__name__)

_FIELDS = frozenset(field.name for field in dataclasses.fields(Settings))


@dataclasses.dataclass(frozen=True)
class Held:
    """A virtual function that a VIF holds."""

    #: The id of the VIF.
    user: str
    #: What the function had in place of what plug has set.
    before: Settings


@dataclasses.dataclass(frozen=True)
class Function:
    """A virtual function in one of its lives, and the device that sets it."""

    vf: Vf
    pf: Link

    @property
    def life(self) -> list[int]:
        """Return numbers that differ when the function, or the settings of its driver, are made anew.

        sysfs gives no inode twice until the next boot (kernfs_new_node of fs/kernfs/dir.c).
        """
        inode = (functions.SYS / "bus/pci/devices" / self.vf.address).stat().st_ino
        return [inode, self.pf.index]


def find(net: Netlink, address: str) -> Function:
    """Return a virtual function with the network device of its physical function.

    :param address: PCI address of the virtual function, such as ``0000:03:00.1``.
    :raises OSError: with ENODEV if there is no such virtual function, or if its physical function
        has no network device here.
    """
    vf = functions.vf(address)
    return Function(vf, net.require(functions.pf_device(vf)))


def read(function: Function) -> Held | None:
    """Return the record of the VIF that holds a function, or None.

    A record from before the function was made anew counts as none.
    """
    path = _path(function.vf.address)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - on every plug
            found = json.loads(file.read())
        user, before, life = found["user"], found["before"], found["life"]
        if not isinstance(user, str) or not before.keys() <= _FIELDS:
            raise ValueError(path)  # noqa: TRY301 - it is damaged, like what is no JSON
        held = Held(user, Settings(**before))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError):
        LOG.warning("%s is damaged: what that VF had before is not known, and stays", path)
        return None
    if life != function.life:
        LOG.warning("%s was about another life of that VF, and is discarded", path)
        return None
    return held


def write(function: Function, held: Held) -> None:
    """All of it or nothing, whenever the machine stops."""
    before: dict[str, Any] = {
        name: value for name, value in dataclasses.asdict(held.before).items() if value is not None
    }
    content = {"user": held.user, "life": function.life, "before": before}
    bridge_users.replace(_path(function.vf.address), content)


def forget(address: str) -> None:
    """Remove the record of a virtual function."""
    bridge_users.remove(_path(address))


def discard_incomplete(address: str) -> None:
    """Remove what a killed process left of a record that it was writing."""
    bridge_users.discard_incomplete(_path(address))


def there(address: str) -> bool:
    """Return whether there is a record, of whatever life, or an incomplete one."""
    path = _path(address)
    return os.path.exists(path) or bridge_users.is_incomplete(path)  # noqa: PTH110 - on every unplug


def held_by(user: str) -> list[str]:
    """The PCI addresses of what is noted for a VIF, of whatever life. It needs no right."""
    return [
        path.name.removeprefix("vf-").removesuffix(".json")
        for path in sorted(DIRECTORY.glob("vf-*.json"))
        if _user(path) == user
    ]


def holder_of(address: str) -> str | None:
    """The id of the VIF that is noted for a function, in whatever life. It needs no right."""
    return _user(pathlib.Path(_path(address)))


def _user(path: pathlib.Path) -> str | None:
    try:
        noted = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    user = noted.get("user") if isinstance(noted, dict) else None
    return user if isinstance(user, str) else None


def _path(address: str) -> str:
    return f"{DIRECTORY}/vf-{address}.json"
