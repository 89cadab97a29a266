# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A sysfs made of files: PCI functions and network devices of a card in switchdev mode."""

from __future__ import annotations

import pathlib

import pytest

from os_vif.host.sriov import functions, switch_ports


class Sysfs:
    def __init__(self, root: pathlib.Path) -> None:
        self._pci, self.net = root / "bus/pci/devices", root / "class/net"
        self.net.mkdir(parents=True)

    def shown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Use the folder as the sysfs of this host, whose kernel reports no such devices by
        netlink.
        """
        monkeypatch.setattr(functions, "SYS", self.net.parents[1])
        # Daemons use the folder too: tests.support.quick_daemons.
        monkeypatch.setenv("OS_VIF_TEST_SYSFS", str(self.net.parents[1]))
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
