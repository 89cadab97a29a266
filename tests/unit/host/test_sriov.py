# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Which device stands for a virtual function, on a sysfs made of files."""

from __future__ import annotations

import errno

import pytest

from os_vif.host import sriov
from tests.sysfs import Sysfs


@pytest.fixture
def sysfs(tmp_path, monkeypatch) -> Sysfs:
    """A card with two physical functions of two VFs each, in switchdev mode."""
    sysfs = Sysfs(tmp_path)
    sysfs.shown(monkeypatch)
    for pf in range(2):
        sysfs.physical(
            f"0000:03:00.{pf}", f"eth{pf}", [f"0000:03:0{pf + 1}.{n}" for n in range(2)]
        )
        sysfs.port(f"eth{pf}", "abcd", f"p{pf}")
    return sysfs


def of(address: str) -> str:
    return sriov.representor(sriov.vf(address))


@pytest.mark.parametrize("form", ["pf{pf}vf{vf}", "PF{pf}VF{vf}"])
def test_the_numbers_of_both_functions_are_looked_at(sysfs, form):
    """Two physical functions of one card have one switch (LP 1743494)."""
    for pf in range(2):
        for vf in range(2):
            sysfs.port(f"rep{pf}{vf}", "abcd", form.format(pf=pf, vf=vf))
    sysfs.port("other", "ffff", "pf0vf1")
    sysfs.port("far", "abcd", "c1pf0vf1")
    sysfs.port("plain", None, None)
    assert of("0000:03:01.1") == "rep01"
    assert of("0000:03:02.0") == "rep10"
    assert sriov.vf("0000:03:02.1") == sriov.Vf("0000:03:02.1", 1, "0000:03:00.1")


@pytest.mark.parametrize("form", ["{vf}", "vf{vf}"])
def test_older_drivers_number_the_virtual_functions_only(sysfs, form):
    """Of one physical function. Where two with such a VF are on one switch, that is no answer."""
    for vf in range(2):
        sysfs.port(f"rep{vf}", "abcd", form.format(vf=vf))
    with pytest.raises(OSError, match=r"VF 1 of 0000:03:00\.0 cannot be told: of rep1") as info:
        of("0000:03:01.1")
    assert info.value.errno == errno.ENOTUNIQ
    sysfs.port("eth1", "ffff", "p0")
    assert of("0000:03:01.1") == "rep1"


def test_representors_below_the_physical_function_are_not_its_uplink(sysfs):
    """As since Linux 5.8 (LP 1892132)."""
    sysfs.below("0000:03:00.0", "a-rep")
    sysfs.port("a-rep", "abcd", "pf0vf1")
    assert of("0000:03:01.1") == "a-rep"


def test_what_is_missing_is_said(sysfs):
    """The virtual function, the representor, the mode of the card."""
    with pytest.raises(OSError, match=r"there is no PCI device 0000:03:09\.0"):
        of("0000:03:09.0")
    with pytest.raises(OSError, match=r"VF 1 of 0000:03:00\.0 has no representor"):
        of("0000:03:01.1")
    sysfs.physical("0000:04:00.0", "legacy", ["0000:04:01.0"])
    with pytest.raises(OSError, match=r"0000:04:00\.0 is not in switchdev mode"):
        of("0000:04:01.0")
