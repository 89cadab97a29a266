# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A private Open vSwitch for tests: rows, requirements, and a switch without packets."""

from __future__ import annotations

import os

from os_vif.testing import open_vswitch
from os_vif.testing.open_vswitch import Switch, running

missing = open_vswitch.missing_requirement
SCHEMA = open_vswitch.vswitch_schema()

__all__ = ["SCHEMA", "DummySwitch", "Switch", "missing", "missing_requirement", "row", "running"]


def row(switch: Switch, table: str, name: str, *columns: str) -> list[str]:
    """Return columns of a row."""
    return switch.vsctl("get", table, name, *columns).split("\n")


def missing_requirement() -> str | None:
    """Return the missing requirement of a switch in user space, or None."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "needs to read and write /dev/net/tun: the bridges of such a switch are tap devices"
    return missing()


class DummySwitch(Switch):
    """A switch that forwards no packets and needs no rights: all its ports are dummy ports."""

    def start_daemon(self, program: str, *arguments: str, name: str | None = None) -> None:
        dummy = ("--enable-dummy=override", "--disable-system") if "vswitchd" in program else ()
        super().start_daemon(program, *arguments, *dummy, name=name)
