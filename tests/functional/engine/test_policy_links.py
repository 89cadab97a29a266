# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What an ordinary user may do with VXLAN devices, VRF devices and bonds through the daemon."""

from __future__ import annotations

import errno

import pytest

from os_vif.engine.privileged import daemon, policy
from os_vif.host.netlink import rtnetlink
from os_vif.steps import (
    DeleteBondMember,
    DeleteLink,
    EnsureBond,
    EnsureBondMember,
    EnsureDummy,
    EnsureIpvlan,
    EnsureVrf,
    EnsureVxlan,
    SetLink,
    wire,
)
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.requirements import require

HAS_VRF = "ip link add name v type vrf table 9"
HAS_BOND = "ip link add name b type bond"


@pytest.fixture
def host(namespace, tmp_path, monkeypatch):
    """A device of the host, and a device of a VIF."""
    monkeypatch.setattr(policy, "UPLINKS", tmp_path / "uplinks")
    run(
        "ip link add name eth0 type veth peer name cable; ip link set dev eth0 up;"
        "ip address add 192.0.2.10/24 dev eth0;"
        "ip link add name tap1 type veth peer name guest; ip link set dev tap1 alias os-vif"
    )
    with rtnetlink.opened() as net:
        vars(rtnetlink._per_thread)["netlink"] = net
        yield tmp_path
        del rtnetlink._per_thread.netlink


def call(*steps):
    return daemon.run([wire.encode(step) for step in steps])["error"]


def assert_refused(*steps):
    before = snapshot()
    error = call(*steps)
    assert error is not None
    assert error["errno"] == errno.EPERM, error
    assert differences(before) == []
    return error["reason"]


def test_a_vxlan_device_may_be_on_any_device_unless_root_restricts_uplinks(host):
    assert call(EnsureVxlan("vx1", 5, link="eth0")) is None
    assert call(EnsureVxlan("vx2", 6)) is None
    policy.UPLINKS.write_text("eth1\n")
    assert "does not name it" in assert_refused(EnsureVxlan("vx3", 7, link="eth0"))
    assert "names no device" in assert_refused(EnsureVxlan("vx3", 7))
    policy.UPLINKS.write_text("eth0\n")
    assert call(EnsureVxlan("vx3", 7, link="eth0")) is None
    # A device that is there is not changed, whoever asks for it.
    assert call(EnsureVxlan("vx2", 6)) is None


def test_the_loopback_device_has_no_vxlan_device(host):
    assert "loopback" in assert_refused(EnsureVxlan("vx1", 5, link="lo"))


def test_an_ipvlan_device_is_on_a_device_of_a_vif_only(host):
    assert "none of a VIF" in assert_refused(EnsureIpvlan("iv", "eth0"))


def test_a_device_that_the_host_has_an_address_on_is_not_deleted(host):
    assert call(EnsureVxlan("vx1", 5)) is None
    run("ip address add 198.51.100.1/24 dev vx1")
    assert "the host is reached through it" in assert_refused(DeleteLink("vx1"))
    run("ip address del 198.51.100.1/24 dev vx1")
    assert call(DeleteLink("vx1")) is None
    assert "vx1" not in {link["ifname"] for link in ip("link")}


@pytest.mark.parametrize(
    "step",
    [
        EnsureBondMember("eth0", "tap1"),
        EnsureBondMember("tap1", "eth0"),
        EnsureBondMember("lo", "tap1"),
        EnsureBondMember("cable", "tap1"),
    ],
    ids=str,
)
def test_no_device_of_the_host_joins_a_bond(host, step):
    """Whatever the bond is."""
    assert_refused(step)


@pytest.mark.vm("plain")
def test_a_member_of_a_bond_of_the_host_stays(host):
    require(HAS_BOND)
    run(
        "ip link set dev eth0 down; ip link add name bond7 type bond;"
        "ip link set dev eth0 master bond7; ip link set dev bond7 up;"
        "ip address add 198.51.100.1/24 dev bond7"
    )
    assert_refused(DeleteBondMember("eth0", "bond7"))
    run("ip link set dev eth0 alias os-vif; ip link set dev bond7 alias os-vif")
    # The host is reached through the bond, whoever made it.
    assert_refused(DeleteBondMember("eth0", "bond7"))
    assert_refused(DeleteLink("bond7"))


@pytest.mark.vm("plain")
def test_devices_of_a_vif_join_a_bond_and_leave(host):
    require(HAS_BOND)
    run("ip link set dev tap1 up")
    assert call(EnsureBond("bond7"), EnsureBondMember("tap1", "bond7")) is None
    assert ip("link", "show", "tap1")[0]["master"] == "bond7"
    # The kernel has set the member up.
    assert "UP" in ip("link", "show", "tap1")[0]["flags"]
    assert call(DeleteBondMember("tap1", "bond7"), DeleteLink("bond7")) is None
    assert "master" not in ip("link", "show", "tap1")[0]


@pytest.mark.soak
@pytest.mark.vm("plain")
def test_a_plan_that_fails_takes_a_member_out_again(host):
    require(HAS_BOND)
    run("ip link set dev tap1 up mtu 1400")
    before = without_indexes(snapshot())
    steps = (
        EnsureBond("bond7"),
        EnsureBondMember("tap1", "bond7"),
        SetLink("bond7", mtu=70000),
    )
    error = call(*steps)
    assert (error["step"], error["not_undone"]) == ("SetLink", [])
    assert differences(before, indexes=False) == []


@pytest.mark.vm("plain")
def test_only_devices_of_vifs_join_a_vrf(host):
    """And only a VRF that os-vif made."""
    require(HAS_VRF)
    run("ip link add name theirs type vrf table 77")
    assert call(EnsureVrf("vrf1", 10), SetLink("tap1", master="vrf1", up=True)) is None
    assert ip("link", "show", "tap1")[0]["master"] == "vrf1"
    assert_refused(SetLink("eth0", master="vrf1"))
    assert_refused(SetLink("cable", master="vrf1"))
    assert_refused(SetLink("guest", master="theirs"))


@pytest.mark.vm("plain")
def test_a_mode_that_other_ipvlan_devices_have_not_is_refused(host):
    """The kernel would change the mode of all."""
    require("ip link add name d type dummy; ip link add link d name i type ipvlan mode l2")
    assert call(EnsureDummy("d0"), EnsureIpvlan("iv1", "d0", "l2")) is None
    before = snapshot()
    error = call(EnsureIpvlan("iv2", "d0", "l3"))
    assert error["errno"] == errno.EBUSY
    assert "iv1 on d0 has mode l2" in error["reason"]
    assert differences(before) == []
