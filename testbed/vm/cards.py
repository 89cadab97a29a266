# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network cards with virtual functions in a guest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_NET = Path("/sys/class/net")


class Card:
    """A physical function, by the directory below ``/sys/bus``."""

    def __init__(self, device: Path) -> None:
        self.device = device

    @property
    def name(self) -> str:
        """Return the name of the first network device of the card."""
        return min(
            (path.name for path in (self.device / "net").iterdir()),
            key=lambda name: int((_NET / name / "ifindex").read_text()),
        )

    @property
    def carrier(self) -> bool:
        try:
            return (_NET / self.name / "carrier").read_text().strip() == "1"
        except OSError:
            # The device is down.
            return False

    def set_vfs(self, number: int) -> None:
        """Create *number* virtual functions, and wait for their network devices."""
        had_carrier = self.carrier
        (self.device / "sriov_numvfs").write_text(str(number))
        if self.device.is_relative_to("/sys/bus/pci"):
            wait_until(
                lambda: all(self.vf_name(n) for n in range(number)), "the devices of the VFs"
            )
        if had_carrier:
            # The card restarts, and refuses rates until the restart is complete.
            wait_until(lambda: self.carrier, "the carrier")

    def vf(self, number: int) -> Path:
        """Return the PCI device of a virtual function."""
        return (self.device / f"virtfn{number}").resolve()

    def vf_name(self, number: int) -> str | None:
        """Return the network device of a virtual function, or None if the device is elsewhere."""
        names = list((self.vf(number) / "net").glob("*"))
        return names[0].name if names else None

    @property
    def switch_id(self) -> str:
        return (_NET / self.name / "phys_switch_id").read_text().strip()

    def representors(self) -> dict[str, str]:
        """Return the representors of the virtual functions, by port name (``pf0vf0``)."""
        found = {}
        for path in _NET.iterdir():
            try:
                switch = (path / "phys_switch_id").read_text().strip()
                port = (path / "phys_port_name").read_text().strip()
            except OSError:
                # The device belongs to no switch: reading the attribute is not supported.
                continue
            if switch == self.switch_id and "vf" in port:
                found[port] = path.name
        return found


def igb() -> Card:
    """Return the emulated Intel 82576."""
    (path,) = Path("/sys/bus/pci/devices").glob("*/sriov_totalvfs")
    card = Card(path.parent)
    wait_until((card.device / "net").exists, "the igb card's network device")
    return card


def netdevsim(number: int = 10) -> Card:
    """Create a simulated card."""
    bus = Path("/sys/bus/netdevsim")
    (bus / "new_device").write_text(f"{number} 1")
    card = Card(bus / f"devices/netdevsim{number}")
    wait_until(lambda: list((card.device / "net").glob("*")), "netdevsim's network device")
    return card


def wait_until(holds: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for an asynchronous change in the kernel."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.05)
