# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What ``check`` says is true, and what plug says is done carries packets."""

from __future__ import annotations

import pathlib
import subprocess
import time

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine.ovs.ovs_executor import OvsExecutor
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run
from os_vif.testing.tap_bridge import TapBridge
from testbed.ovs import row
from tests.support.cases import ovs_vif
from tests.support.ovs.checked import INSTANCE, TAP, VIFS, port_of
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

#: Packet sockets, of which vswitchd has one for each device that is a port.
SOCKETS = pathlib.Path("/proc/thread-self/net/packet")
NOBODY = objects.InstanceInfo(name="")


def eventually(found):
    """Return what a function gives as soon as that is something; vswitchd hears of a device late."""
    end = time.monotonic() + 10
    while not (result := found()) and time.monotonic() < end:
        time.sleep(0.05)
    return result


@pytest.fixture
def _br_probe(br_int):
    """Make a bridge whose datapath ovs-vswitchd does not have."""
    br_int.vsctl("--no-wait", "add-br", "br-probe", "--", "set", "Bridge", "br-probe",
                 "datapath_type=nonsense")  # fmt: skip


@pytest.mark.parametrize(
    "vif", [ovs_vif(datapath_type="x"), ovs_vif(**TAP | {"datapath_type": "x"})]
)
@pytest.mark.usefixtures("br_int")
def test_a_bridge_that_is_made_has_to_open(vif):
    """Plug said that all was well, and so did check."""
    vif.network.bridge = "br-new"
    before = snapshot()
    with pytest.raises(
        exception.PlugException, match=r"EnsureOvsBridge failed on br-new: not seen"
    ):
        os_vif.plug(vif, INSTANCE)
    assert differences(before) == []


@pytest.mark.usefixtures("_br_probe")
def test_a_bridge_that_is_there_has_to_open():
    """For the datapath of another bridge there is a word in the log of vswitchd only."""
    vif = ovs_vif(datapath_type="nonsense")
    vif.network.bridge = "br-probe"
    difference = os_vif.check(vif, INSTANCE)[0]
    assert (difference.device, difference.attribute) == ("br-probe", "bridge")
    assert "not seen by ovs-vswitchd (is its datapath_type" in difference.found
    assert not difference.pending
    with pytest.raises(exception.PlugException, match="EnsureOvsBridge failed on br-probe"):
        os_vif.plug(vif, INSTANCE)


@pytest.mark.usefixtures("_br_probe")
def test_a_bridge_that_opens_later_is_used(br_int):
    """Plugging again converges."""
    vif = ovs_vif()
    vif.network.bridge = "br-probe"
    br_int.vsctl("set", "Bridge", "br-probe", "datapath_type=netdev")
    os_vif.plug(vif, INSTANCE)
    assert all(difference.pending for difference in os_vif.check(vif, INSTANCE))


@pytest.mark.parametrize("kind", VIFS)
def test_two_ports_with_one_iface_id_are_told(br_int, kind):
    """The agent of Neutron, and OVN, wire one of them, and nobody knows which."""
    vif = VIFS[kind]()
    os_vif.plug(vif, INSTANCE)
    assert all(difference.pending for difference in os_vif.check(vif, INSTANCE))
    br_int.vsctl("add-port", "br-int", "other", "--", "set", "Interface", "other", "type=internal",
                 f"external_ids:iface-id={vif.port_profile.interface_id}")  # fmt: skip
    (told,) = (d for d in os_vif.check(vif, INSTANCE) if not d.pending)
    assert told.device == port_of(vif)
    assert told.attribute == "external_ids:iface-id of other"


def test_a_trunk_s_patch_port_is_no_second_port(br_int):
    """Neutron gives it the iface-id of the trunk's port."""
    vif = ovs_vif(**TAP, bridge="tbr-1")
    os_vif.plug(vif, INSTANCE)
    br_int.vsctl("add-port", "br-int", "tpi-1", "--", "set", "Interface", "tpi-1", "type=patch",
                 "options:peer=tpt-1",
                 f"external_ids:iface-id={vif.port_profile.interface_id}")  # fmt: skip
    assert os_vif.check(vif, INSTANCE) == ()


@pytest.mark.parametrize("kind", VIFS)
def test_what_only_an_instance_knows_is_neither_compared_nor_set_without_one(br_int, kind):
    """It wiped ``vm-uuid`` of a running guest's port, and check told the operator to do that."""
    vif = VIFS[kind]()
    os_vif.plug(vif, INSTANCE)
    assert not [d for d in os_vif.check(vif, NOBODY) if not d.pending]
    os_vif.plug(vif, NOBODY)
    assert row(br_int, "Interface", port_of(vif), "external_ids:vm-uuid") == [f'"{INSTANCE.uuid}"']
    (wrong,) = (
        d for d in os_vif.check(vif, objects.InstanceInfo(uuid=vif.id, name="")) if not d.pending
    )
    assert wrong.attribute == "external_ids:vm-uuid"
    os_vif.unplug(vif, NOBODY)
    os_vif.plug(vif, NOBODY)
    assert "vm-uuid" not in br_int.vsctl("get", "Interface", port_of(vif), "external_ids")


@pytest.mark.parametrize("kind", ["tap", "hybrid"])
def test_a_device_made_again_under_its_port_is_opened_again(br_int, kind):
    """vswitchd held the device that had gone; plug said ok, check nothing, no packet passed."""
    vif = VIFS[kind]()
    os_vif.plug(vif, INSTANCE)
    name = port_of(vif)
    br_int.vsctl("set", "Port", name, "tag=7", "external_ids:other=kept")
    (before,) = row(br_int, "Interface", name, "ofport")
    run(f"ip link del dev {name}")
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    # vswitchd has opened a device anew: the port is another one of the datapath.
    assert row(br_int, "Interface", name, "ofport") != [before]
    assert row(br_int, "Port", name, "tag", "external_ids:other") == ["7", "kept"]
    assert "PROMISC" in ip("link", "show", name)[0]["flags"]


@pytest.mark.parametrize("kind", ["tap", "hybrid"])
@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_vswitchd_that_opens_a_new_device_leaves_no_device_down(
    br_int, monkeypatch, kind, is_open
):
    """ovs-vswitchd writes all flags of a new device, with IFF_UP as read before the plug set it.

    The port has outlived its device, as after a reboot. The function does what ovs-vswitchd does in
    some runs in a thousand.
    """
    vif = VIFS[kind]()
    os_vif.plug(vif, INSTANCE)
    name = port_of(vif)
    run(f"ip link del dev {name}")
    if not is_open:
        # ovs-vswitchd has seen that the device is gone.
        br_int.vsctl("--", "set", "Open_vSwitch", ".", "external_ids:seen=yes")
    original = OvsExecutor.run

    def run_after_flags_are_written(executor, steps, progress):
        run(f"ip link set dev {name} down")
        original(executor, steps, progress)

    monkeypatch.setattr(OvsExecutor, "run", run_after_flags_are_written)
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    assert "UP" in ip("link", "show", name)[0]["flags"]


def remade_by_plug(vif):
    """The plan makes the tap device again."""
    run(f"ip link del dev {vif.vif_name}")


def remade_by_others(vif):
    """Another program has deleted the tap device, and made one of its name."""
    run(f"ip link del dev {vif.vif_name}; ip tuntap add dev {vif.vif_name} mode tap; "
        f"ip link set dev {vif.vif_name} alias os-vif mtu 1450 up")  # fmt: skip


@pytest.mark.parametrize("remade", [remade_by_plug, remade_by_others])
def test_packets_pass_a_tap_that_was_made_again_under_its_port(br_int, remade):
    """vswitchd's socket was that of the device that had gone; check said nothing."""
    first, second = ovs_vif(**TAP), ovs_vif(number=1, **TAP)
    for vif in (first, second):
        os_vif.plug(vif, INSTANCE)
        assert os_vif.check(vif, INSTANCE) == ()
    remade(first)
    os_vif.plug(first, INSTANCE)
    assert os_vif.check(first, INSTANCE) == ()
    with (
        Guest() as one,
        Guest() as other,
        TapBridge(one, first.vif_name, str(first.address), "192.0.2.1/24"),
        TapBridge(other, second.vif_name, str(second.address), "192.0.2.2/24"),
    ):
        assert "answers" in one.ping("192.0.2.2")


def test_check_tells_of_a_device_that_others_made_again(br_int):
    """Everything else of it is as it was; plug has the switch open it, and keeps the port's row."""
    vif = ovs_vif(**TAP)
    os_vif.plug(vif, INSTANCE)
    br_int.vsctl("set", "Port", vif.vif_name, "tag=7")
    remade_by_others(vif)
    run(f"sysctl -qw net.ipv6.conf.{vif.vif_name}.disable_ipv6=1")
    told = [
        d for d in eventually(lambda: os_vif.check(vif, INSTANCE)) if d.step == "EnsureOvsPort"
    ]
    assert [str(difference) for difference in told] == [
        f"{vif.vif_name}: ofport is of a deleted device, should be open"
    ]
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    assert row(br_int, "Port", vif.vif_name, "tag") == ["7"]
    (number,) = row(br_int, "Interface", vif.vif_name, "ofport")
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Interface", vif.vif_name, "ofport") == [number]


def test_a_switch_that_does_not_run_holds_no_device_that_has_gone(br_int):
    """A plug that has nothing to do succeeds meanwhile, and waits for nobody."""
    vif = VIFS["hybrid"]()
    os_vif.plug(vif, INSTANCE)
    before = br_int.dump()
    br_int.kill("ovs-vswitchd")
    try:
        assert os_vif.check(vif, INSTANCE) == ()
        os_vif.plug(vif, INSTANCE)
        assert br_int.dump() == before
    finally:
        br_int.start_daemon("ovs-vswitchd", br_int.connection)


def test_half_of_a_pair_that_is_replaced_under_its_port_is_opened_again(br_int):
    """The device is there when the plan begins: the plan itself takes it from the switch."""
    vif = VIFS["hybrid"]()
    os_vif.plug(vif, INSTANCE)
    name = port_of(vif)
    with Guest() as far:
        run(f"ip link set dev qvb{vif.id[:11]} netns {far.pid}")
        os_vif.plug(vif, INSTANCE)
        assert os_vif.check(vif, INSTANCE) == ()
        (index,) = row(br_int, "Interface", name, "ifindex")
        assert ip("link", "show", name)[0]["ifindex"] == int(index)
        sockets = SOCKETS.read_text().splitlines()[1:]
        assert int(index) in [int(line.split()[4]) for line in sockets]


def test_a_port_that_vswitchd_has_not_open_is_not_reopened(br_int):
    """After a reboot the rows are there, and the devices come one by one: no row is made again."""
    vif = ovs_vif(**TAP)
    os_vif.plug(vif, INSTANCE)
    run(f"ip link del dev {vif.vif_name}")
    br_int.restart_vswitchd()
    (uuid,) = row(br_int, "Port", vif.vif_name, "_uuid")
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "Port", vif.vif_name, "_uuid") == [uuid]
    assert os_vif.check(vif, INSTANCE) == ()


def test_check_after_unplug_says_that_a_shared_bridge_is_not_used(instance):
    """The bridge stays because of another VIF: nothing differed, as if both were plugged."""
    one, other = bridge_vif(1), bridge_vif(2)
    for vif in (one, other):
        os_vif.plug(vif, instance)
        assert os_vif.check(vif, instance) == ()
    os_vif.unplug(one, instance)
    (difference,) = os_vif.check(one, instance)
    assert difference.attribute == f"use by VIF {one.id}"
    assert os_vif.check(other, instance) == ()


@pytest.mark.parametrize("flags", [{}, {"should_provide_bridge": False}, {"multi_host": True}])
def test_check_tells_whether_the_guest_is_in_a_bridge_of_others(instance, flags):
    """os-vif notes nothing of such a bridge: check said that nothing differs, plugged or not."""
    vif = bridge_vif(1)
    for flag, value in flags.items():
        setattr(vif.network, flag, value)
    run(
        "ip link add name brq-test mtu 1450 up type bridge; ip link add name brq-other type bridge"
    )
    os_vif.plug(vif, instance)
    pending = f"{vif.vif_name}: device is missing, should be a port of brq-test"
    assert [str(d) for d in os_vif.check(vif, instance)] == [
        f"{pending} (waits for the hypervisor)"
    ]
    run(f"ip link add name {vif.vif_name} mtu 1450 type veth peer name guest")
    (difference,) = os_vif.check(vif, instance)
    assert difference.pending
    assert str(difference).startswith(f"{vif.vif_name}: bridge is none, should be brq-test")
    run(f"ip link set dev {vif.vif_name} master brq-other")
    (difference,) = os_vif.check(vif, instance)
    assert str(difference) == f"{vif.vif_name}: bridge is brq-other, should be brq-test"
    run(f"ip link set dev {vif.vif_name} master brq-test")
    assert os_vif.check(vif, instance) == ()
    run(f"ip link del dev {vif.vif_name}")
    os_vif.unplug(vif, instance)
    assert os_vif.check(vif, instance) != ()


def test_check_tells_of_a_guest_in_another_bridge_than_os_vif_s(instance):
    """The hypervisor may put it elsewhere: no packet of the VIF's network reaches it."""
    vif = bridge_vif(1)
    os_vif.plug(vif, instance)
    run("ip link add name brq-other type bridge; "
        f"ip link add name {vif.vif_name} master brq-other type veth peer name guest")  # fmt: skip
    (difference,) = os_vif.check(vif, instance)
    assert str(difference) == f"{vif.vif_name}: bridge is brq-other, should be brq-test"


def test_check_tells_of_the_port_that_libvirt_adds(br_int):
    """os-vif makes nothing but the bridge: check said that nothing differs, plugged or not."""
    vif = ovs_vif()
    name, ids = vif.vif_name, f"external_ids:iface-id={vif.port_profile.interface_id}"
    missing = f"{name}: port is missing, should be in br-int (waits for the hypervisor)"
    for act in (os_vif.plug, os_vif.unplug):
        act(vif, INSTANCE)
        assert [str(difference) for difference in os_vif.check(vif, INSTANCE)] == [missing]
    run(f"ip link add name {name} type veth peer name guest")
    br_int.vsctl("add-port", "br-int", name)
    (difference,) = os_vif.check(vif, INSTANCE)
    assert (difference.attribute, difference.found) == ("external_ids:iface-id", "missing")
    br_int.vsctl("set", "Interface", name, ids)
    os_vif.plug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == ()
    br_int.vsctl("add-port", "br-int", "other", "--", "set", "Interface", "other",
                 "type=internal", ids)  # fmt: skip
    (difference,) = os_vif.check(vif, INSTANCE)
    assert difference.attribute == "external_ids:iface-id of other"
    os_vif.unplug(vif, INSTANCE)
    assert missing in [str(difference) for difference in os_vif.check(vif, INSTANCE)]


NEVER_PLUGGED = {
    "linux_bridge": lambda: bridge_vif(1),
    "native": VIFS["native"],
    "default": ovs_vif,
    "tap": VIFS["tap"],
    "hybrid": VIFS["hybrid"],
    "vhost-user": VIFS["vhost-user"],
}


@pytest.mark.short_form(2)
@pytest.mark.usefixtures("br_int")
@pytest.mark.parametrize("kind", NEVER_PLUGGED)
def test_check_tells_of_a_vif_that_is_not_plugged(kind):
    """Never plugged, or unplugged: nobody may take it for one that is."""
    vif = NEVER_PLUGGED[kind]()
    before = os_vif.check(vif, INSTANCE)
    assert before != ()
    os_vif.plug(vif, INSTANCE)
    assert all(difference.pending for difference in os_vif.check(vif, INSTANCE))
    os_vif.unplug(vif, INSTANCE)
    assert os_vif.check(vif, INSTANCE) == before


def test_unplug_says_which_bridge_it_leaves_and_why(instance, caplog):
    """As its result, and in the log."""
    one, other = bridge_vif(1), bridge_vif(2)
    for vif in (one, other):
        os_vif.plug(vif, instance)
    run("ip link add name tap2 type veth peer name end; ip link set dev tap2 master brq-test")
    expected = f"brq-test stays: port tap2, user VIF {other.id}"
    with caplog.at_level("INFO", logger="os_vif"):
        assert os_vif.unplug(one, instance) == (expected,)
    assert expected in caplog.text
    run("ip link del dev tap2; ip address add 192.0.2.1/24 dev brq-test")
    expected = "brq-test stays: address 192.0.2.1/24 of the host"
    assert os_vif.unplug(other, instance) == (expected,)
    run("ip address flush dev brq-test")
    assert os_vif.unplug(other, instance) == ()
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_unplug_says_that_a_bridge_of_others_stays(instance):
    """It is not deleted even when nothing is in it any more."""
    run("ip link add name brq-test type bridge")
    os_vif.plug(bridge_vif(1), instance)
    assert os_vif.unplug(bridge_vif(1), instance) == (
        "brq-test stays: os-vif did not create the bridge",
    )


def test_unplug_says_which_trunk_s_bridge_it_leaves(br_int):
    """Neutron deletes it with the last port."""
    one, other = ovs_vif(**TAP, bridge="tbr-1"), ovs_vif(number=1, **TAP, bridge="tbr-1")
    for vif in (one, other):
        os_vif.plug(vif, INSTANCE)
    assert os_vif.unplug(one, INSTANCE) == (f"tbr-1 stays: port {other.vif_name}",)
    assert os_vif.unplug(other, INSTANCE) == ()
    assert "tbr-1" not in br_int.vsctl("list-br")


def test_unplug_says_that_a_bridge_of_the_vif_s_own_stays(br_int, ovs_options):
    """Somebody has put a port into it."""
    ovs_options(per_port_bridge=True)
    vif = VIFS["tap"]()
    os_vif.plug(vif, INSTANCE)
    own = f"pb{vif.id}"[:14]
    br_int.vsctl("add-port", own, "other", "--", "set", "Interface", "other", "type=internal")
    assert os_vif.unplug(vif, INSTANCE) == (f"{own} stays: port other",)
    br_int.vsctl("del-port", "other")
    assert os_vif.unplug(vif, INSTANCE) == ()
    assert own not in br_int.vsctl("list-br")


def test_the_command_says_which_bridge_unplug_leaves(
    vif_json, instance, os_vif_command, quick_commands
):
    """One line on standard output."""
    for vif in (bridge_vif(1), bridge_vif(2)):
        os_vif.plug(vif, instance)
    done = subprocess.run(
        [os_vif_command, "unplug", vif_json], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"brq-test stays: user VIF {bridge_vif(2).id}\n"
