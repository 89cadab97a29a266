# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif host-info`` on a PCI card with representors."""

from __future__ import annotations

import json

import pytest

import os_vif
from os_vif.cmd import main
from os_vif.testing.private_namespaces import run
from tests.support.forks import forked
from tests.support.ovs.vifs import INSTANCE
from tests.support.vm.devices import of_vf

pytestmark = pytest.mark.vm("igb")


@pytest.fixture
def namespace():
    """The machine's own, where its card is."""


def test_the_functions_of_a_card_are_listed_with_who_holds_them(
    igb, representors, br_int, tmp_path
):
    """A table, JSON and a tree say the same."""
    vif = of_vf(igb, 1)
    os_vif.plug(vif, INSTANCE)
    run("ip link add name br-ex type bridge")
    run(f"ip link set dev {igb.name} master br-ex")
    config = tmp_path / "os-vif.conf"
    config.write_text(f"[os_vif_ovs]\novsdb_connection = {br_int.connection}\n")

    def host_info(*arguments: str) -> str:
        command = ["--config-file", str(config), "host-info", *arguments]
        done = forked(lambda: main.main(command), b"")
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    try:
        found = json.loads(host_info("-f", "json"))
        drawn, table = host_info("--tree", "--ascii"), host_info()
    finally:
        run("ip link del dev br-ex")
        os_vif.unplug(vif, INSTANCE)
    holder = f"VIF {vif.id}"
    card = {
        "Function": igb.device.name, "VF": None, "Driver": "igb", "Device": igb.name,
        "Mode": "switchdev", "VFs": 2, "At most": 7, "Representor": None, "Held by": "br-ex, as a port",
    }  # fmt: skip
    vfs = [
        {
            "Function": igb.vf(n).name, "VF": n, "Driver": "igbvf", "Device": igb.vf_name(n),
            "Mode": None, "VFs": None, "At most": None, "Representor": representors[f"pf0vf{n}"],
            "Held by": holder if n else None,
        }
        for n in range(2)
    ]  # fmt: skip
    assert found == [card, *vfs]
    assert drawn.splitlines() == [
        f"{igb.device.name} {igb.name}: switchdev, 2 of 7 VFs",
        "|-- driver: igb",
        "|-- held by: br-ex, as a port",
        f"|-- VF 0: {igb.vf(0).name}",
        "|   |-- driver: igbvf",
        f"|   |-- device: {igb.vf_name(0)}",
        f"|   `-- representor: {representors['pf0vf0']}",
        f"`-- VF 1: {igb.vf(1).name}",
        "    |-- driver: igbvf",
        f"    |-- device: {igb.vf_name(1)}",
        f"    |-- representor: {representors['pf0vf1']}",
        f"    `-- held by: {holder}",
    ]
    assert holder in table
