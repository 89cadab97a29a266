# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A sysfs made of files: PCI functions and network devices of a card in switchdev mode."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Protocol
from unittest import mock

from os_vif.host.sriov import functions, switch_ports

#: The environment variable with the root of the sysfs, for privileged daemons and programs.
VARIABLE = "OS_VIF_TEST_SYSFS"


class Patcher(Protocol):
    """Replaces attributes and environment variables, as ``pytest.MonkeyPatch`` does."""

    def setattr(self, target: object, name: str, value: object) -> None: ...

    def setenv(self, name: str, value: str) -> None: ...


class Sysfs:
    """A sysfs with PCI functions and network devices, in a folder.

    :param root: a folder for the files.
    """

    def __init__(self, root: pathlib.Path) -> None:
        self._pci, self.net = root / "bus/pci/devices", root / "class/net"
        self.net.mkdir(parents=True)

    def shown(self, monkeypatch: Patcher) -> None:
        """Use the folder as the sysfs of this host, whose kernel reports no such devices by
        netlink.
        """
        monkeypatch.setattr(functions, "SYS", self.net.parents[1])
        # Daemons use the folder too: os_vif.testing.quick_daemons.
        monkeypatch.setenv(VARIABLE, str(self.net.parents[1]))
        monkeypatch.setattr(switch_ports, "devlink", lambda _: [])
        monkeypatch.setattr(switch_ports, "dump", lambda _: [])
        there = self.net
        monkeypatch.setattr(
            switch_ports,
            "links",
            lambda *names: [switch_ports.Port(0, n) for n in names if (there / n).exists()],
        )

    def physical(self, address: str, name: str, vfs: list[str]) -> None:
        """Add a physical function with a network device, and virtual functions in order."""
        for number, vf in enumerate(vfs):
            (self._pci / vf).mkdir(parents=True)
            (self._pci / address).mkdir(parents=True, exist_ok=True)
            (self._pci / vf / "physfn").symlink_to(f"../{address}")
            (self._pci / address / f"virtfn{number}").symlink_to(f"../{vf}")
        (self._pci / address / "sriov_totalvfs").write_text(f"{len(vfs)}\n")
        self.below(address, name)

    def below(self, address: str, name: str) -> None:
        """Add a network device of a physical function."""
        self._device(name)
        (self.net / name / "device").symlink_to(self._pci / address)
        (self._pci / address / "net").mkdir(exist_ok=True)
        (self._pci / address / "net" / name).symlink_to(self.net / name)

    def port(self, name: str, switch: str | None, port: str | None) -> None:
        """Set the switch and the port name of a network device."""
        self._device(name)
        for file, text in (("phys_switch_id", switch), ("phys_port_name", port)):
            if text is not None:
                (self.net / name / file).write_text(f"{text}\n")

    def rename(self, name: str, to: str) -> None:
        """Rename a device as the kernel does."""
        (self.net / name).rename(self.net / to)

    def _device(self, name: str) -> None:
        (self.net / name).mkdir(exist_ok=True)
        if not (self.net / name / "subsystem").is_symlink():
            (self.net / name / "subsystem").symlink_to(self.net)


@contextlib.contextmanager
def card(root: pathlib.Path, vfs: int = 4) -> Iterator[Sysfs]:
    """Show a card in switchdev mode in the sysfs of this process and of started daemons.

    The physical function is ``0000:03:00.0`` with the device ``eth0``. The virtual functions are
    ``0000:03:01.0`` onward, with the representors ``rep0`` onward.

    :param root: a folder for the files of the sysfs.
    :param vfs: the number of virtual functions.
    """
    sysfs = Sysfs(root)
    sysfs.physical("0000:03:00.0", "eth0", [f"0000:03:01.{number}" for number in range(vfs)])
    sysfs.port("eth0", "abcd", "p0")
    for number in range(vfs):
        sysfs.port(f"rep{number}", "abcd", f"pf0vf{number}")
    with (
        mock.patch.object(functions, "SYS", root),
        mock.patch.dict(os.environ, {VARIABLE: str(root)}),
    ):
        yield sysfs
