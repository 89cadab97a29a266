# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``sriov`` plugin, with virtual functions of a PCI card."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from testbed.vm import cards
from tests.support.vm.virtual_functions import (
    ALL,
    RECORDS,
    links,
    macvtap,
    namespace,
    of_vf,
    records,
    refused,
    vfs,
)

# A fixture.
__all__ = ["namespace"]

pytestmark = [pytest.mark.vm("igb"), pytest.mark.usefixtures("daemon")]


def test_a_vf_has_what_its_port_profile_sets(igb, instance):
    """And nothing else of it is touched; plugged again, nothing is done; unplugged, it is as before."""
    before, addresses = vfs(igb), [igb.vf(number).name for number in range(2)]
    vif = of_vf(addresses[0], **ALL)
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    first, second = vfs(igb)
    assert first["address"] == vif.address
    assert first["vlan_list"] == [{"vlan": 42, "qos": 3}]
    assert (first["trust"], first["spoofchk"], first["rate"]["max_tx"]) == (True, False, 100)
    assert second == before[1]
    assert records() == [f"vf-{addresses[0]}.json"]
    noted = (RECORDS / records()[0]).read_bytes()
    os_vif.plug(vif, instance)
    assert (RECORDS / records()[0]).read_bytes() == noted
    run(f"ip link set dev {igb.name} vf 0 vlan 43 qos 3")
    (difference,) = os_vif.check(vif, instance)
    assert str(difference) == f"{igb.name}: VF 0: VLAN is 43, should be 42"
    os_vif.plug(vif, instance)
    assert vfs(igb)[0] == first
    os_vif.unplug(vif, instance)
    assert (vfs(igb), records()) == (before, [])
    os_vif.unplug(vif, instance)


@pytest.mark.soak
def test_without_a_profile_only_the_mac_address_is_set(igb, instance):
    """The rest may be somebody else's."""
    before = vfs(igb)
    run(f"ip link set dev {igb.name} vf 0 vlan 7")
    full = of_vf(igb.vf(0).name)
    names = full.fields.keys() - {"port_profile"}
    vif = objects.VIFHostDevice(**{name: getattr(full, name) for name in names if name in full})
    os_vif.plug(vif, instance)
    first = vfs(igb)[0]
    assert (first["address"], first["vlan_list"]) == (vif.address, [{"vlan": 7}])
    run(f"ip link set dev {igb.name} vf 0 vlan 0")
    os_vif.unplug(vif, instance)
    assert vfs(igb) == before


def test_what_cannot_be_is_one_clear_error(igb, instance):
    """It names the device and the attribute; the host is as before."""
    name, address = igb.name, igb.vf(0).name
    said = refused(igb, instance, of_vf(address, link_state="enable", **ALL))
    assert f"SetVf failed on {name}: VF 0 of {name}: link state enable: Operation not" in said
    said = refused(igb, instance, of_vf(address, vlan=7, vlan_proto="802.1ad"))
    assert "VF 0 of" in said
    assert "VLAN 7 and VLAN protocol 802.1ad: Protocol not supported" in said
    said = refused(igb, instance, of_vf(address, min_tx_rate=10, **ALL))
    assert "minimum rate 10 and maximum rate 100: Invalid argument" in said
    said = refused(igb, instance, of_vf("0000:ff:1f.7"))
    assert "vif.dev_address is there is no PCI device 0000:ff:1f.7; expected a virtual" in said
    said = refused(igb, instance, of_vf(igb.device.name))
    assert f"{igb.device.name} is a physical function, not a virtual function" in said
    run(f"ip link set dev {name} down")
    said = refused(igb, instance, of_vf(address, max_tx_rate=100))
    assert f"maximum rate 100: Invalid argument; {name} is down" in said
    run(f"ip link set dev {name} up")
    cards.wait_until(lambda: igb.carrier, "the carrier")


def test_a_vf_that_is_an_uplink_of_the_host_is_refused(igb, instance):
    """It is in a bridge, or a bond."""
    device = igb.vf_name(0)
    # A bridge gives a port its VLAN, which the card refuses a VF whose device was never up.
    run(
        "ip link add name br-host type bridge vlan_default_pvid 0; "
        f"ip link set dev {device} master br-host"
    )
    for vif in (of_vf(igb.vf(0).name), macvtap(igb.vf(0).name, "passthrough")):
        said = refused(igb, instance, vif)
        assert f"vif.dev_address is {igb.vf(0).name}, whose device {device} is in br-host" in said
    run("ip link del dev br-host")


def test_a_vf_that_another_vif_holds_is_refused_by_its_name(igb, instance):
    """Also after it has been plugged again; whoever holds it not cannot release it."""
    one, other = (of_vf(igb.vf(0).name, number, vlan=number) for number in (1, 2))
    os_vif.plug(one, instance)
    said = refused(igb, instance, other)
    assert f"VF 0 ({igb.vf(0).name}) is held by VIF {one.id}" in said
    assert f"is VIF {one.id}, should be VIF {other.id}" in str(os_vif.check(other, instance)[-1])
    os_vif.unplug(other, instance)
    assert os_vif.check(one, instance) == ()
    os_vif.unplug(one, instance)
    os_vif.plug(other, instance)
    os_vif.unplug(other, instance)


def test_a_vif_that_gets_another_vf_releases_the_one_before(igb, instance):
    """Plugged again, and unplugged: by what is noted, not by what the VIF says."""
    before = vfs(igb)
    one, other = (of_vf(igb.vf(number).name, vlan=7) for number in range(2))
    os_vif.plug(one, instance)
    os_vif.plug(other, instance)
    assert vfs(igb)[0] == before[0]
    assert vfs(igb)[1]["vlan_list"] == [{"vlan": 7}]
    assert records() == [f"vf-{igb.vf(1).name}.json"]
    os_vif.unplug(one, instance)
    assert (vfs(igb), records()) == (before, [])


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param("vepa", marks=pytest.mark.soak),
        pytest.param("bridge", marks=pytest.mark.soak),
        "passthrough",
    ],
)
def test_a_guest_has_a_macvtap_device_on_a_vf(igb, instance, mode):
    """In the VLAN of the profile; unplugged, the VF is as before.

    In passthrough mode both have the MAC address of the VIF, in the others only the macvtap device.
    """
    before, vif, link = links(), macvtap(igb.vf(0).name, mode, vlan=42), igb.vf_name(0)
    off = pathlib.Path(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6")
    untagged = vfs(igb)[0]["vlan_list"]
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    (made,) = ip("-d", "link", "show", vif.vif_name)
    assert (made["link"], made["address"]) == (link, vif.address)
    assert made["linkinfo"]["info_kind"] == "macvtap"
    assert made["linkinfo"]["info_data"]["mode"] == {"passthrough": "passthru"}.get(mode, mode)
    assert ip("address", "show", vif.vif_name)[0]["addr_info"] == []
    assert (ip("link", "show", link)[0]["address"] == vif.address) == (mode == "passthrough")
    assert off.read_text() == "1\n"
    assert vfs(igb)[0]["vlan_list"] == [{"vlan": 42}]
    plugged = links()
    os_vif.plug(vif, instance)
    assert links() == plugged
    os_vif.unplug(vif, instance)
    assert (links(), records(), off.read_text()) == (before, [], "0\n")
    assert vfs(igb)[0]["vlan_list"] == untagged


@pytest.mark.soak
def test_a_vf_that_is_up_takes_the_address_too(igb, instance):
    """Its driver refuses it until it has asked the card again."""
    link, old = igb.vf_name(0), "02:00:00:00:00:01"
    run(f"ip link set dev {igb.name} vf 0 mac {old}; ip link set dev {link} up")
    run(f"ip link set dev {link} down; ip link set dev {link} up")
    vif = macvtap(igb.vf(0).name, "passthrough")
    # As a router's advertisement gives it one, which is no use of the device by the host.
    run(f"ip address add 2001:db8::5/64 dev {link} nodad valid_lft 600 preferred_lft 600")
    run(f"ip address add 192.0.2.9/24 dev {link}")
    with pytest.raises(exception.PlugException, match=f"the host uses {link}"):
        os_vif.plug(vif, instance)
    run(f"ip address del 192.0.2.9/24 dev {link}")
    os_vif.plug(vif, instance)
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    (device,) = ip("link", "show", link)
    assert (device["address"], vfs(igb)[0]["address"], records()) == (old, old, [])
    assert "UP" in device["flags"]


@pytest.mark.soak
def test_a_macvtap_device_needs_the_network_device_of_the_vf(igb, instance):
    """Which another driver, or none, does not give it; the error names the VF."""
    vf = igb.vf(0)
    (vf / "driver/unbind").write_text(vf.name)
    said = refused(igb, instance, macvtap(vf.name, "vepa"))
    assert f"vif.dev_address is {vf.name}, which has no network device here; expected" in said
    pathlib.Path("/sys/bus/pci/drivers/igbvf/bind").write_text(vf.name)
    cards.wait_until(lambda: igb.vf_name(0), "the VF's network device")


def test_the_settings_are_put_back_wherever_the_vf_is(igb, instance):
    """In a guest's network namespace, and without a driver."""
    before, vf = vfs(igb), igb.vf(0)
    vif, device = of_vf(vf.name, **ALL), igb.vf_name(0)
    with Guest() as guest:
        os_vif.plug(vif, instance)
        run(f"ip link set dev {device} netns {guest.pid}")
        os_vif.unplug(vif, instance)
        assert (vfs(igb), records()) == (before, [])
        run(f"nsenter --net=/proc/{guest.pid}/ns/net ip link set dev {device} netns $$")
    os_vif.plug(vif, instance)
    (vf / "driver/unbind").write_text(vf.name)
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    assert (vfs(igb), records()) == (before, [])
    pathlib.Path("/sys/bus/pci/drivers/igbvf/bind").write_text(vf.name)
    cards.wait_until(lambda: igb.vf_name(0), "the VF's network device")


@pytest.mark.soak
def test_a_vf_that_was_made_anew_has_nothing_to_be_put_back(igb, instance):
    """By ``sriov_numvfs``: what is noted of the one before is discarded, and told to nobody."""
    vif, other = of_vf(igb.vf(0).name, 1, **ALL), of_vf(igb.vf(0).name, 2)
    os_vif.plug(vif, instance)
    igb.set_vfs(0)
    with pytest.raises(exception.PlanException, match=r"there is no PCI device") as info:
        os_vif.check(vif, instance)
    said = str(info.value)
    assert vif.dev_address in said
    igb.set_vfs(2)
    fresh = vfs(igb)
    run(f"ip link set dev {igb.name} vf 0 vlan 9")
    os_vif.unplug(vif, instance)
    assert vfs(igb)[0]["vlan_list"] == [{"vlan": 9}]
    assert records() == []
    run(f"ip link set dev {igb.name} vf 0 vlan 0")
    # One that was never unplugged does not stand in the way.
    os_vif.plug(vif, instance)
    igb.set_vfs(0)
    os_vif.unplug(vif, instance)
    assert records() == []
    igb.set_vfs(2)
    os_vif.plug(other, instance)
    os_vif.unplug(other, instance)
    assert vfs(igb) == fresh


@pytest.mark.parametrize(
    "content",
    [
        *(pytest.param(text, marks=pytest.mark.soak) for text in ("", "{", "[]")),
        '{"user": 7, "incarnation": [], "before": {}}',
    ],
)
def test_a_damaged_record_is_told_and_does_no_harm(igb, instance, content):
    """What was before is not known, so it stays; the VF can be plugged again."""
    vif = of_vf(igb.vf(0).name, vlan=42)
    os_vif.plug(vif, instance)
    record = RECORDS / records()[0]
    record.write_text(content)
    os_vif.unplug(vif, instance)
    assert (vfs(igb)[0]["vlan_list"], records()) == ([{"vlan": 42}], [])
    record.write_text(content)
    os_vif.plug(vif, instance)
    assert json.loads(record.read_text())["user"] == vif.id
    os_vif.unplug(vif, instance)
    run(f"ip link set dev {igb.name} vf 0 vlan 0; ip link set dev {igb.name} vf 0 mac 0:0:0:0:0:0")


@pytest.mark.soak
def test_all_vfs_of_the_card_are_plugged_and_unplugged_by_eight_threads(igb, instance):
    """Each has its own settings, and in the end all are as before."""
    igb.set_vfs(0)
    igb.set_vfs(7)
    before = vfs(igb)
    vifs = [of_vf(igb.vf(n).name, n, vlan=100 + n, trusted=True) for n in range(7)]

    def each(act):
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda vif: act(vif, instance), vifs))

    for _ in range(2):
        each(os_vif.plug)
        assert [vf["vlan_list"][0]["vlan"] for vf in vfs(igb)] == list(range(100, 107))
        assert [vf["address"] for vf in vfs(igb)] == [vif.address for vif in vifs]
        assert len(records()) == 7
        each(os_vif.unplug)
        assert (vfs(igb), records()) == (before, [])


@pytest.mark.soak
@pytest.mark.parametrize("by", ["plug", "unplug"])
def test_vfs_that_go_while_eight_threads_are_at_work(igb, instance, by):
    """Each call succeeds or says what is missing; those made anew are as fresh ones."""
    igb.set_vfs(0)
    igb.set_vfs(7)
    fresh = vfs(igb)
    vifs = [of_vf(igb.vf(n).name, n, vlan=100 + n, trusted=True) for n in range(7)]
    if by == "unplug":
        for vif in vifs:
            os_vif.plug(vif, instance)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(getattr(os_vif, by), vif, instance) for vif in vifs]
        igb.set_vfs(0)
    for call in calls:
        error = call.exception()
        assert error is None or isinstance(error, exception.ExceptionBase)
        # An unplug goes forward and names what is left, which the next one does.
        assert error is None or by == "unplug" or "by hand" not in str(error)
    igb.set_vfs(7)
    for vif in vifs:
        os_vif.unplug(vif, instance)
    assert (vfs(igb), records()) == (fresh, [])
    os_vif.plug(vifs[0], instance)
    assert os_vif.check(vifs[0], instance) == ()
    os_vif.unplug(vifs[0], instance)
