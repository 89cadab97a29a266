# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif`` without ``--instance-uuid``: what only an instance knows is left alone."""

from __future__ import annotations

import pytest
from oslo_serialization import jsonutils

import os_vif
from os_vif import objects
from os_vif.cmd import main
from os_vif.testing.fake_card import Sysfs
from os_vif.testing.host_snapshots import differences, snapshot
from testbed.ovs import row
from tests.support.ovs.checked import INSTANCE, VIFS, port_of
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon", "quick_commands")

GIVEN = ("--instance-uuid", INSTANCE.uuid, "--instance-name", INSTANCE.name)
OTHER = ("--instance-uuid", "c0000000-0000-4000-8000-000000000000")
#: The plan with the fields of all steps.
PLAN = ("plan", "--format", "sh")
DIFFERENT = 3


@pytest.fixture(name="command")
def run_command(tmp_path, request):
    """Run os-vif for a VIF, and return its exit code and what it printed."""
    run_os_vif = request.getfixturevalue("os_vif")
    config = tmp_path / "os-vif.conf"
    connection = ""
    if "br_int" in request.fixturenames:
        connection = request.getfixturevalue("br_int").connection
    config.write_text(f"[os_vif_ovs]\novsdb_connection = {connection}\novs_vsctl_timeout = 20\n")

    def call(vif: objects.VIFBase, *arguments: str) -> tuple[int, str]:
        text = jsonutils.dumps(vif.obj_to_primitive())
        done = run_os_vif("--config-file", str(config), *arguments, text=text)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    return call


def lasting(text: str) -> list[str]:
    """Return the lines of ``check`` that do not wait for the hypervisor."""
    return [line for line in text.splitlines() if "waits for the hypervisor" not in line]


@pytest.mark.parametrize("kind", ["native", "hybrid", "vhost-user"])
def test_a_running_guest_s_port_of_open_vswitch_keeps_its_instance(br_int, command, kind):
    """``plug`` wiped ``vm-uuid``, and ``check`` told the operator to have it wiped."""
    vif = VIFS[kind]()
    os_vif.plug(vif, INSTANCE)
    before = br_int.dump()
    code, said = command(vif, "check")
    assert (code, lasting(said)) == (0, [])
    code, said = command(vif, *PLAN)
    assert code == 0
    assert "iface-id" in said
    assert "vm-uuid" not in said
    assert command(vif, "plug")[0] == 0
    assert row(br_int, "Interface", port_of(vif), "external_ids:vm-uuid") == [f'"{INSTANCE.uuid}"']
    assert br_int.dump() == before


def test_what_is_named_is_planned_and_compared(br_int, command):
    """An instance that is given is that of the port."""
    vif = VIFS["native"]()
    assert f"vm-uuid={INSTANCE.uuid}" in command(vif, *PLAN, *GIVEN)[1]
    assert command(vif, "plug", *GIVEN)[0] == 0
    assert row(br_int, "Interface", port_of(vif), "external_ids:vm-uuid") == [f'"{INSTANCE.uuid}"']
    code, said = command(vif, "check", *GIVEN)
    assert (code, lasting(said)) == (0, [])
    code, said = command(vif, "check", *OTHER)
    assert code == DIFFERENT
    assert lasting(said) == [
        f"{port_of(vif)}: external_ids:vm-uuid is {INSTANCE.uuid}, should be {OTHER[1]}"
    ]
    assert command(vif, "plug", *OTHER)[0] == 0
    assert row(br_int, "Interface", port_of(vif), "external_ids:vm-uuid") == [f'"{OTHER[1]}"']
    assert command(vif, "plug", "--instance-name", "other")[0] == 0
    assert row(br_int, "Interface", port_of(vif), "external_ids:vm-uuid") == [f'"{OTHER[1]}"']


def test_a_port_that_is_made_without_an_instance_has_none(br_int, command):
    """Neither an empty one."""
    vif = VIFS["native"]()
    assert command(vif, "plug")[0] == 0
    assert "vm-uuid" not in br_int.vsctl("get", "Interface", port_of(vif), "external_ids")
    assert command(vif, "check")[0] == 0


def test_a_linux_bridge_knows_no_instance(command):
    """With an instance or without, the plan is one, and so is what it makes."""
    vif = bridge_vif(1)
    before = snapshot()
    plan = command(vif, *PLAN)
    assert plan[0] == 0
    assert plan == command(vif, *PLAN, *GIVEN)
    assert command(vif, "check")[0] == DIFFERENT
    assert command(vif, "plug", *GIVEN)[0] == 0
    plugged = snapshot()
    assert command(vif, "check") == (0, "")
    assert command(vif, "plug")[0] == 0
    assert differences(plugged) == []
    assert command(vif, "unplug")[0] == 0
    assert differences(before) == []


@pytest.mark.parametrize("instance", [(), GIVEN], ids=["nobody", "guest"])
def test_a_virtual_function_knows_no_instance(tmp_path, monkeypatch, capsys, instance):
    """The plan has the VIF's id; what the function has is set and compared through that alone."""
    card = Sysfs(tmp_path / "sys")
    card.physical("0000:03:00.0", "pf", ["0000:03:00.2"])
    card.shown(monkeypatch)
    vif = objects.VIFHostDevice(
        id="5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90", address="fa:16:3e:00:00:01", plugin="sriov",
        dev_type="ethernet", dev_address="0000:03:00.2",
        network=objects.Network(mtu=1450), port_profile=objects.VIFPortProfileBase(),
    )  # fmt: skip
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
    for action, code in ((PLAN, 0), (("check",), DIFFERENT)):
        assert main.main([*action, str(path), *instance]) == code
        said = capsys.readouterr().out
        assert INSTANCE.uuid not in said
        assert (vif.id in said) == (action == PLAN)
