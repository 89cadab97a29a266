# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin and virtual functions, by what stands for them on the host."""

from __future__ import annotations

import pathlib
import threading

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine import runner
from os_vif.host.state.directory import STATE
from os_vif.steps import ReleaseVf
from os_vif.testing.conformance_checks import with_failing_step
from os_vif.testing.host_snapshots import changes, differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from testbed.ovs import row
from tests.support.daemons import DAEMON
from tests.support.ovs.representors import INSTANCE, dpdk, link, vif_on_representor

pytestmark = pytest.mark.usefixtures("daemon")


def is_as_its_driver_made_it(name: str) -> bool:
    found = link(name)
    return "UP" not in found["flags"] and "altnames" not in found and found["ifname"] == name


def uuid_of(switch, port: str) -> str:
    return row(switch, "Port", port, "_uuid")[0]


@pytest.mark.parametrize("name", [None, "rep1"], ids=["unset", "its-own"])
def test_a_representor_is_a_port(br_int, host, name):
    """Up, without IPv6, with the network's MTU; unplug takes it out and down, and it stays."""
    address = link("rep1")["address"]
    vif = vif_on_representor(1, name)
    host.plug(vif)
    found = link("rep1")
    assert (found["mtu"], found["address"]) == (1450, address)
    assert "UP" in found["flags"]
    assert pathlib.Path("/proc/sys/net/ipv6/conf/rep1/disable_ipv6").read_text() == "1\n"
    assert br_int.vsctl("list-ports", "br-int") == "rep1"
    host.unplug(vif)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert br_int.vsctl("list", "QoS") == ""
    assert is_as_its_driver_made_it("rep1")


@pytest.mark.parametrize("profile", ["new", "old"])
def test_a_representor_is_called_what_the_vif_says(br_int, host, profile):
    """As long as it is plugged; its own name is with the device, and comes back."""
    vif = vif_on_representor(1, "tap-1")
    if profile == "old":
        vif.port_profile = objects.VIFPortProfileOVSRepresentor(
            interface_id=vif.id, representor_name="tap-1", representor_address=vif.dev_address
        )
    index = link("rep1")["ifindex"]
    run("ip link set dev rep1 up")
    host.plug(vif)
    found = link("tap-1")
    assert (found["ifindex"], found["altnames"]) == (index, ["os-vif-was-rep1"])
    assert "UP" in found["flags"]
    assert pathlib.Path("/proc/sys/net/ipv6/conf/tap-1/disable_ipv6").read_text() == "1\n"
    assert br_int.vsctl("list-ports", "br-int") == "tap-1"
    plugged = snapshot()
    host.plug(vif)
    assert differences(plugged) == []
    host.unplug(vif)
    host.unplug(vif)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert is_as_its_driver_made_it("rep1")


def test_a_port_that_is_plugged_under_another_name_keeps_it(br_int, host):
    """As 5.3.0 has plugged it, which never renamed one: its packets are not held up."""
    vif = vif_on_representor(1, "tap-1")
    host.plug(vif_on_representor(1))
    plugged = snapshot()
    host.plug(vif)
    assert differences(plugged) == []
    host.unplug(vif)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert is_as_its_driver_made_it("rep1")


@pytest.mark.parametrize(
    ("name", "wait"), [(None, True), ("tap-1", False)], ids=["unnamed", "named"]
)
def test_a_port_that_gets_another_function_releases_the_first(
    br_int, host, ovs_options, name, wait
):
    """In the same plan: out of the bridge, down, and with its own name again."""
    ovs_options(wait_for_vswitchd=wait)
    host.plug(vif_on_representor(0, name))
    index = link("rep1")["ifindex"]
    host.plug(vif_on_representor(1, name))
    port = name or "rep1"
    assert is_as_its_driver_made_it("rep0")
    assert link(port)["ifindex"] == index
    assert br_int.vsctl("list-ports", "br-int") == port
    # vswitchd has opened the other device.
    br_int.vsctl("set", "Open_vSwitch", ".", "external_ids:settle=1")
    assert row(br_int, "Interface", port, "ifindex") == [str(index)]
    host.unplug(vif_on_representor(1, name))
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert is_as_its_driver_made_it("rep1")


@pytest.mark.parametrize("unplug", [False, True], ids=["another", "unplug"])
def test_a_failure_at_each_step_leaves_a_representor_plugged(br_int, host, unplug):
    """While its port gets another function, or is unplugged; then that succeeds."""
    host.plug(vif_on_representor(0, "tap-1"))
    before = without_indexes(snapshot())
    plan = os_vif.plan(vif_on_representor(0 if unplug else 1, "tap-1"), INSTANCE, unplug=unplug)
    for k in range(len(plan) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            runner.run(with_failing_step(plan, k), DAEMON)
        assert "by hand" not in str(info.value)
        assert differences(before, indexes=False) == [], plan.steps[k - 1]
    (host.unplug if unplug else host.plug)(vif_on_representor(0 if unplug else 1, "tap-1"))
    assert is_as_its_driver_made_it("rep0")


@pytest.mark.parametrize("name", [None, "tap-2"], ids=["unnamed", "named"])
def test_the_port_of_a_guest_that_has_lost_its_function_goes(br_int, host, name):
    """A host that was reset has unplugged nothing; the old port's settings are not the new one's.

    What is plugged of the first afterwards, or unplugged, does not touch the second.
    """
    first, second = (
        vif_on_representor(1, "tap-1" if name else None),
        vif_on_representor(1, name, port=2),
    )
    host.plug(first)
    old = uuid_of(br_int, "tap-1" if name else "rep1")
    host.plug(second)
    port = name or "rep1"
    assert br_int.vsctl("list-ports", "br-int") == port
    assert uuid_of(br_int, port) != old
    assert row(br_int, "Interface", port, "external_ids:iface-id") == [f'"{second.id}"']
    plugged = snapshot()
    host.unplug(first)
    assert differences(plugged) == []
    host.unplug(second)
    assert is_as_its_driver_made_it("rep1")


def test_a_row_that_was_kept_over_a_reboot_is_used(br_int, host):
    """The device has the name of its driver then."""
    vif = vif_on_representor(1, "tap-1")
    host.plug(vif)
    old = uuid_of(br_int, "tap-1")
    run("""ip link set dev tap-1 down; ip link set dev tap-1 name rep1
    ip link property del dev rep1 altname os-vif-was-rep1""")
    host.follow()
    host.plug(vif)
    assert link("tap-1")["altnames"] == ["os-vif-was-rep1"]
    assert uuid_of(br_int, "tap-1") == old


def test_a_name_that_cannot_be_is_refused(br_int, host):
    """That of another device, of another's port, or none at all."""
    br_int.vsctl("add-port", "br-int", "taken", "--", "set", "Interface", "taken",
                 "external_ids:iface-id=another's")  # fmt: skip
    before = snapshot()
    field = r"vif.port_profile.datapath_offload.representor_name"
    for name, said in (
        ("far2", "is far2; expected a name that nothing else has"),
        ("taken", "is taken; expected a name that nothing else has"),
        ("a-name-of-17-bytes", "is 'a-name-of-17-bytes'; expected a device name"),
        ("a/b", "is 'a/b'; expected a device name"),
    ):
        with pytest.raises(exception.PlugException, match=f"{field} {said}"):
            os_vif.plug(vif_on_representor(1, name), INSTANCE)
    assert differences(before) == []


def test_a_name_that_another_device_has_by_now_does_not_come_back(br_int, host, caplog):
    """That is told, and the port goes all the same."""
    vif = vif_on_representor(1, "tap-1")
    host.plug(vif)
    run("ip link add name rep1 type veth peer name other")
    host.unplug(vif)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert "UP" not in link("tap-1")["flags"]
    assert "tap-1 keeps that name: another device is called rep1 by now" in caplog.text


def test_a_representor_that_comes_late_is_waited_for(br_int, host):
    """The driver makes it after the virtual function."""
    (host.sysfs.net / "rep1/phys_port_name").unlink()
    come = threading.Timer(0.3, host.sysfs.port, ("rep1", None, "pf0vf1"))
    come.start()
    host.plug(vif_on_representor(1))
    come.join()
    assert br_int.vsctl("list-ports", "br-int") == "rep1"


def test_a_port_goes_whose_virtual_function_has_gone(br_int, host):
    """The switch knows it by its iface-id; the device, if there is one, is as before."""
    vif = vif_on_representor(1, "tap-1")
    host.plug(vif)
    vif.dev_address = "0000:03:09.0"
    with pytest.raises(exception.PlugException, match="no PCI device 0000:03:09"):
        os_vif.plug(vif, INSTANCE)
    host.unplug(vif)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert is_as_its_driver_made_it("rep1")
    host.unplug(vif)


def test_what_5_3_0_has_unplugged_holds_no_function(br_int, host):
    """It takes the port, and nothing of what we noted; one that has a port is not robbed."""
    noted = STATE.path / "vf-0000:03:01.1.json"
    noted.parent.mkdir(exist_ok=True)
    noted.write_text('{"user": "another", "incarnation": [0, 0], "before": {}}')
    br_int.vsctl("add-port", "br-int", "rep2", "--", "set", "Interface", "rep2",
                 "external_ids:iface-id=another")  # fmt: skip
    assert (
        ReleaseVf("0000:03:01.1", "another")
        not in os_vif.plan(vif_on_representor(1), INSTANCE).steps
    )
    br_int.vsctl("del-port", "rep2")
    assert (
        ReleaseVf("0000:03:01.1", "another") in os_vif.plan(vif_on_representor(1), INSTANCE).steps
    )
    host.plug(vif_on_representor(1))
    assert not noted.exists()


def options(number: int, more: str = ', dpdk-vf-mac="fa:16:3e:00:00:01"') -> str:
    return f'{{dpdk-devargs="0000:03:00.0,representor=[{number}]"{more}}}'


def test_a_representor_of_dpdk_has_no_device(br_int, host):
    """The switch opens it by the physical function's address, and sets MTU and MAC address."""
    vif = dpdk(1)
    host.plug(vif)
    name = f"vfr{vif.id[:11]}"
    found = row(br_int, "Interface", name, "type", "mtu_request", "options")
    assert found == ["dpdk", "1450", options(1)]
    # Another function is another device of the same port.
    host.plug(dpdk(2))
    assert row(br_int, "Interface", name, "options") == [options(2)]
    assert "UP" not in link("rep1")["flags"]
    host.unplug(vif)
    assert br_int.vsctl("list-ports", "br-int") == ""


def test_a_representor_of_dpdk_that_5_3_0_plugged_is_left_so(br_int, host):
    """It gave neither: the switch would open the device anew for them."""
    vif = dpdk(1)
    host.plug(vif)
    name = f"vfr{vif.id[:11]}"
    br_int.vsctl("remove", "Interface", name, "options", "dpdk-vf-mac", "--",
                 "clear", "Interface", name, "mtu_request")  # fmt: skip
    plugged = br_int.dump()
    host.plug(vif)
    assert changes(plugged, br_int.dump()) == []
    host.plug(dpdk(2))
    assert row(br_int, "Interface", name, "options") == [options(2)]


def test_a_port_that_changes_its_datapath_leaves_nothing(br_int, host):
    """From the kernel's to that of DPDK, and back."""
    before = without_indexes(snapshot())
    host.plug(vif_on_representor(0, "tap-1"))
    host.plug(dpdk(1))
    assert is_as_its_driver_made_it("rep0")
    host.plug(vif_on_representor(1, "tap-1"))
    assert br_int.vsctl("list-ports", "br-int") == "tap-1"
    host.unplug(dpdk(1))
    found = differences(before, indexes=False)
    assert [line for line in found if "mtu" not in line and "disable_ipv6" not in line] == []
