# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The numbers by which a tap device is made, held against pyroute2."""

from __future__ import annotations

import importlib
import os

import pytest
from pyroute2.netlink.rtnl.ifinfmsg import tuntap

from os_vif.host import tun_device


def test_the_numbers_are_those_of_pyroute2():
    """Where it knows any: of two architectures that OpenStack runs on it does not."""
    if tuntap.TUNSETIFF is None:
        pytest.skip(f"pyroute2 knows no tap devices on {os.uname().machine}")
    assert (tun_device.TUNSETIFF, tun_device.TUNSETPERSIST) == (
        tuntap.TUNSETIFF,
        tuntap.TUNSETPERSIST,
    )


@pytest.mark.parametrize(
    ("machine", "number"),
    [("x86_64", 0x400454CA), ("aarch64", 0x400454CA), ("riscv64", 0x400454CA),
     ("ppc64le", 0x800454CA)],
)  # fmt: skip
def test_they_are_known_for_each_architecture(monkeypatch, machine, number):
    """Source: asm/ioctl.h of each."""
    with monkeypatch.context() as patched:
        real = os.uname()
        patched.setattr(os, "uname", lambda: os.uname_result((*real[:4], machine)))
        assert number == importlib.reload(tun_device).TUNSETIFF
    importlib.reload(tun_device)
