# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Bugs of the past that no other test shows gone: doc/source/reference/historic_bugs.rst."""

from __future__ import annotations

import json
import logging
import subprocess

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import differences, ip, snapshot
from os_vif.testing.private_namespaces import run
from os_vif.testing.tap_bridge import TapBridge
from tests.support.cases import ovs_vif
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")
HYBRID = objects.VIFBridge
PAIR = ("qvb0a0b0c0d-11", "qvo0a0b0c0d-11")


def test_the_log_of_a_failed_plug_is_whole(br_int, caplog):
    """No. 2: it names the VIF and the reason; the traceback is there once, at DEBUG."""
    caplog.set_level(logging.DEBUG, "os_vif")
    run(f"ip link add name qbr{PAIR[0][3:]} type veth peer name other")
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(ovs_vif(HYBRID), INSTANCE)
    (record,) = (r for r in caplog.records if r.name == "os_vif" and r.levelno == logging.ERROR)
    assert record.getMessage() == str(info.value)
    assert "id=0a0b0c0d-1111" in record.getMessage()
    assert record.exc_info is None
    (traced,) = (r for r in caplog.records if r.name == "os_vif" and r.exc_info)
    assert traced.levelno == logging.DEBUG
    assert isinstance(traced.exc_info[1], exception.ExceptionBase)


@pytest.mark.parametrize("mtu", [None, 0])
def test_an_mtu_of_none_or_0_is_that_of_the_option(br_int, ovs_options, mtu):
    """No. 17: the public one once gave it to ip(8)."""
    ovs_options(network_device_mtu=1420)
    vif = ovs_vif(HYBRID)
    vif.network.mtu = mtu
    os_vif.plug(vif, INSTANCE)
    assert [ip("link", "show", name)[0]["mtu"] for name in PAIR] == [1420, 1420]


def test_an_mtu_that_has_changed_reaches_what_is_there(br_int):
    """No. 18: on the devices of a hybrid VIF, and on a device that is the hypervisor's."""
    vifs = (ovs_vif(HYBRID), ovs_vif(number=1, create_port=True))
    run(f"ip link add name {vifs[1].vif_name} type veth peer name guest")
    for mtu in (1450, 1400):
        for vif in vifs:
            vif.network.mtu = mtu
            os_vif.plug(vif, INSTANCE)
        names = (*PAIR, vifs[1].vif_name)
        assert {ip("link", "show", name)[0]["mtu"] for name in names} == {mtu}


def test_the_mtu_of_a_vhost_user_port_comes_with_its_row(br_int):
    """No. 21: whoever watches the database never sees the port without it."""
    socket = br_int.connection
    columns = ("name", "mtu_request", "type")
    watch = ("ovsdb-client", "--format=json", "monitor", socket, "Open_vSwitch", "Interface")
    with subprocess.Popen(
        [*watch, ",".join(columns)], stdout=subprocess.PIPE, text=True
    ) as watcher:
        try:
            assert watcher.stdout.readline()  # what is there before
            os_vif.plug(ovs_vif(objects.VIFVHostUser), INSTANCE)
            seen = json.loads(watcher.stdout.readline())
        finally:
            watcher.kill()
    rows = [dict(zip(seen["headings"][2:], row[2:], strict=True)) for row in seen["data"]]
    assert rows == [{"name": "vhu0a0b0c0d-11", "mtu_request": 1450, "type": "dpdkvhostuserclient"}]


def test_a_hybrid_vif_goes_whose_pair_has_left_its_bridge(br_int):
    """No. 28: that a device is not where it was plugged does not stop an unplug."""
    before = snapshot()
    os_vif.plug(ovs_vif(HYBRID), INSTANCE)
    run(f"ip link set dev {PAIR[0]} nomaster")
    br_int.vsctl("del-port", PAIR[1])
    os_vif.unplug(ovs_vif(HYBRID), INSTANCE)
    assert differences(before) == []


def test_a_tap_never_has_an_ipv6_address(br_int):
    """No. 45: also when QEMU has opened it, which gives it a carrier; it is off before it is up."""
    require_tun()
    vif = ovs_vif(create_port=True, create_tap=True)
    off, up = (
        f"sysctl -w net/ipv6/conf/{vif.vif_name}/disable_ipv6=1",
        f"ip link set dev {vif.vif_name} mtu 1450 up",
    )
    planned = str(os_vif.plan(vif, INSTANCE)).splitlines()
    assert planned.index(off) < planned.index(up)
    os_vif.plug(vif, INSTANCE)
    with Guest() as guest, TapBridge(guest, vif.vif_name, vif.address, "192.0.2.1/24"):
        (link,) = ip("address", "show", vif.vif_name)
        assert "LOWER_UP" in link["flags"]
        assert link["addr_info"] == []


def test_iface_id_is_that_of_the_profile_also_with_a_bridge_of_its_own(br_int, ovs_options):
    """K: and not the VIF's own id, which may be another."""
    ovs_options(per_port_bridge=True)
    vif = ovs_vif(datapath_type="netdev")
    vif.port_profile.interface_id = "c0000000-0000-4000-8000-000000000000"
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    os_vif.plug(vif, INSTANCE)
    assert br_int.vsctl("get", "Interface", f"ibp{vif.id}", "external_ids:iface-id") == (
        '"c0000000-0000-4000-8000-000000000000"'
    )
