# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugins of others that derive from ours, or call its old functions, on a real switch."""

from __future__ import annotations

import pytest

from os_vif.testing.fake_card import Sysfs
from os_vif.testing.host_snapshots import changes, differences, ip, snapshot
from os_vif.testing.private_namespaces import run
from testbed.ovs import row
from tests.support.requirements import require_tun

ID = "0a0b0c0d-1111-4222-8333-444444444444"
VIFS = f"""
import pathlib
from os_vif.host.sriov import functions

if pathlib.Path("sys").is_dir():
    functions.SYS = pathlib.Path("sys").absolute()

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
COMMON = {{
    "id": "{ID}", "address": "fa:16:3e:00:00:01",
    "network": objects.Network(bridge="br-int", mtu=1400),
}}
PROFILE = {{"interface_id": "{ID}"}}
CARD = objects.VIFHostDevice(
    plugin="card", dev_type="ethernet", dev_address="0000:03:01.1", **COMMON,
    # Their tests, and nova, give what is no field of it.
    bridge_name="br-int", port_profile=objects.VIFPortProfileOpenVSwitch(**PROFILE))
TAP = objects.VIFOpenVSwitch(
    plugin="card", vif_name="tap0a0b0c0d-11", **COMMON,
    port_profile=objects.VIFPortProfileOpenVSwitch(
        create_port=True, create_tap=True, datapath_type="netdev", **PROFILE))

def socket(profile):
    return objects.VIFVHostUser(
        plugin="socket", vif_name="fp0a0b0c0d-11", path="/run/s", mode="server", **COMMON,
        port_profile=profile)

DIRECT = socket(objects.VIFPortProfileFPOpenVSwitch(
    bridge_name="br-int", hybrid_plug=False, **PROFILE))
HYBRID = socket(objects.VIFPortProfileFPOpenVSwitch(
    bridge_name="qbr0a0b0c0d-11", hybrid_plug=True, **PROFILE))
BRIDGE = socket(objects.VIFPortProfileFPBridge(bridge_name="brq-test"))
"""


@pytest.fixture
def act(br_int, program, tmp_path):
    """Plug or unplug a VIF of that name, in a process of its own, as its plugin is configured."""
    groups = "".join(
        f"[{group}]\novsdb_connection = {br_int.connection}\novs_vsctl_timeout = 10\n"
        for group in ("os_vif_card", "socket_ovs")
    )
    (tmp_path / "my.conf").write_text(groups)
    return lambda code: program(f"{VIFS}\n{code}", "--config-file", "my.conf")


@pytest.fixture
def card(namespace, tmp_path, monkeypatch) -> None:
    """A card with a representor. A pair of veth devices stand for both."""
    monkeypatch.setenv("OS_VIF_TEST_SYSFS", str(tmp_path / "sys"))
    sysfs = Sysfs(tmp_path / "sys")
    sysfs.physical("0000:03:00.0", "eth0", ["0000:03:01.0", "0000:03:01.1"])
    sysfs.port("eth0", "abcd", "p0")
    sysfs.port("rep1", "abcd", "pf0vf1")
    run("ip link add name rep1 type veth peer name eth0")


def test_a_plugin_that_derives_from_ours_plugs_a_card(card, act, br_int):
    """By what it inherits: the switch, the port of a VIF, the functions of the card."""
    before = snapshot()
    act("os_vif.plug(CARD, INSTANCE)\nos_vif.plug(CARD, INSTANCE)")
    ids = row(br_int, "Interface", "rep1", "external_ids")[0]
    assert f'iface-id="{ID}"' in ids
    assert 'vm-uuid="b0000000-0000-4000-8000-000000000000"' in ids
    qos = br_int.vsctl("get", "Port", "rep1", "qos")
    assert row(br_int, "QoS", qos, "type") == ["linux-noop"]
    (link,) = ip("link", "show", "rep1")
    assert link["mtu"] == 1400
    assert "UP" in link["flags"]
    act("os_vif.unplug(CARD, INSTANCE)\nos_vif.unplug(CARD, INSTANCE)")
    left = [line.partition(":")[0] for line in changes(before, snapshot())]
    # The representor stays, with the network's MTU.
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert br_int.vsctl("list", "QoS") == ""
    assert [line for line in left if "mtu" not in line] == []


def test_its_own_errors_are_the_cause(card, act):
    """Those of vif_plug_ovs.exception."""
    act("""
from vif_plug_ovs import exception as old
CARD.dev_address = "0000:03:09.0"
for call, wrapper in ((os_vif.plug, exception.PlugException),
                      (os_vif.unplug, exception.UnplugException)):
    error = error_of(call, CARD, INSTANCE)
    assert type(error) is wrapper, error
    assert type(error.__cause__) is old.PciDeviceNotFoundById
    assert "0000:03:09.0" in str(error)
CARD.port_profile = objects.VIFPortProfileFPTap()
error = error_of(os_vif.plug, CARD, INSTANCE)
assert type(error.__cause__) is old.WrongPortProfile
""")


def test_what_it_does_not_override_is_ours(act, br_int):
    """super().plug() plans; there is no plan to be told of, as the class has a plug() of its own."""
    require_tun()
    before = snapshot()
    act("os_vif.plug(TAP, INSTANCE)")
    assert br_int.vsctl("list-ports", "br-int") == "tap0a0b0c0d-11"
    assert ip("link", "show", "tap0a0b0c0d-11")[0]["mtu"] == 1400
    act("""
assert type(error_of(os_vif.plan, TAP, INSTANCE)) is exception.PlanNotSupported
os_vif.unplug(TAP, INSTANCE)
""")
    assert differences(before) == []


def test_a_plugin_that_calls_the_old_functions_plugs_a_port(act, br_int):
    """With options of ours in a group of its own."""
    require_tun()
    before = snapshot()
    act("os_vif.plug(DIRECT, INSTANCE)\nos_vif.plug(DIRECT, INSTANCE)")
    assert br_int.vsctl("list-ports", "br-int") == "fp0a0b0c0d-11"
    assert f'iface-id="{ID}"' in row(br_int, "Interface", "fp0a0b0c0d-11", "external_ids")[0]
    assert ip("link", "show", "fp0a0b0c0d-11")[0]["mtu"] == 1400
    act("os_vif.unplug(DIRECT, INSTANCE)\nos_vif.unplug(DIRECT, INSTANCE)")
    assert differences(before) == []


def test_it_plugs_behind_a_bridge_of_its_own(act, br_int):
    """The port waits in the dead VLAN, and a second plug changes nothing."""
    require_tun()
    before = snapshot()
    act("os_vif.plug(HYBRID, INSTANCE)")
    assert br_int.vsctl("list-ports", "br-int") == "qvo0a0b0c0d-11"
    assert row(br_int, "Port", "qvo0a0b0c0d-11", "tag") == ["4095"]
    ports = {link["ifname"] for link in ip("link", "show", "master", "qbr0a0b0c0d-11")}
    assert ports == {"fp0a0b0c0d-11", "qvb0a0b0c0d-11"}
    plugged = snapshot()
    act("os_vif.plug(HYBRID, INSTANCE)")
    assert differences(plugged) == []
    # The device is in the bridge until the bridge has gone.
    act("os_vif.unplug(HYBRID, INSTANCE)\nos_vif.unplug(HYBRID, INSTANCE)")
    assert differences(before) == []


def test_it_plugs_into_a_linux_bridge(act):
    """By what vif_plug_linux_bridge was until 4.3."""
    require_tun()
    act("os_vif.plug(BRIDGE, INSTANCE)\nos_vif.plug(BRIDGE, INSTANCE)")
    (link,) = ip("link", "show", "fp0a0b0c0d-11")
    assert (link["master"], link["mtu"]) == ("brq-test", 1400)
    assert "UP" in ip("link", "show", "brq-test")[0]["flags"]
    act("os_vif.unplug(BRIDGE, INSTANCE)")
    assert [link["ifname"] for link in ip("link", "show", "master", "brq-test")] == []
