# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The identities of devices and records: whether a VIF was plugged again since the inventory."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from os_vif.host.netlink import link_table, rtnetlink
from os_vif.host.state import vif_records
from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.operations.plugged import Plugged


class Identities:
    """The identities of devices and records before the inventory.

    A device of the same name with another index was plugged again, and so was a VIF whose record was
    written again: each write makes a new file.
    """

    def __init__(self) -> None:
        with rtnetlink.opened() as net:
            self._indexes = {link.name: link.index for link in net.links()}
        self._files: dict[str, tuple[int, int]] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(STATE.path) as files:
            for file in files:
                # Another process may delete a record meanwhile.
                with contextlib.suppress(FileNotFoundError):
                    self._files[file.path] = _identity(file.stat(follow_symlinks=False))

    def fingerprint(self, entry: Plugged) -> str:
        """Return a text that changes when a device or the port of a VIF is deleted and created again.

        Programs that delete no mark, such as the public os-vif 5.3.0, are recognized so: a hard
        reboot unplugs and plugs the VIF. A shared bridge does not count.
        """
        own = (device for device in entry.devices if device != entry.bridge)
        indexes = (f"{device}={self._indexes.get(device, 0)}" for device in sorted(own))
        return " ".join((*indexes, *([entry.row] if entry.row else ())))

    def changes_of(self, entries: Sequence[Plugged]) -> list[str | None]:
        """Return in words how each VIF has changed since, or None; from a single dump of links."""
        with link_table.opened_table() as net:
            return [self._change_of(net, entry) for entry in entries]

    def _change_of(self, net: Netlink, entry: Plugged) -> str | None:
        path = vif_records.path_of(net, entry.id)
        try:
            found = _identity(pathlib.Path(path).stat())
        except OSError:
            found = None
        if found != self._files.get(path):
            return "the VIF was plugged again or unplugged since the inventory"
        for device in entry.devices:
            if device == entry.bridge:
                # Another VIF of the bridge may be the last user.
                continue
            link = net.link(device)
            if (None if link is None else link.index) != self._indexes.get(device):
                return f"device {device} has changed since the inventory"
        return None


def _identity(file: os.stat_result) -> tuple[int, int]:
    """Return the identity of a file of a record."""
    return file.st_ino, file.st_mtime_ns
