# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Cards, as sysfs has them while they change."""

from __future__ import annotations

import pytest

from os_vif.host.sriov import functions, inventory


@pytest.fixture
def devices(tmp_path, monkeypatch):
    """The PCI devices of a host."""
    monkeypatch.setattr(functions, "SYS", tmp_path)
    directory = tmp_path / "bus/pci/devices"
    directory.mkdir(parents=True)
    return directory


def card(devices, address: str, total: str = "7") -> None:
    (devices / address).mkdir()
    (devices / address / "sriov_totalvfs").write_text(total)


def test_what_goes_while_it_is_looked_at_hides_nothing_else(devices):
    """A virtual function, whose physical one is being told to have none; or a whole card."""
    card(devices, "0000:fe:00.0")
    (devices / "0000:fe:00.0/virtfn0").symlink_to("../0000:fe:10.0")
    (devices / "0000:fe:00.1").mkdir()
    (devices / "0000:fe:00.1/sriov_totalvfs").symlink_to("gone")
    card(devices, "0000:fe:00.2", "0")
    (found,) = inventory.physical_functions()
    assert (found.address, found.total, found.mode) == ("0000:fe:00.0", 7, inventory.LEGACY)
    (vf,) = found.vfs
    assert (vf.address, vf.number, vf.driver, vf.device) == ("0000:fe:10.0", 0, None, None)
