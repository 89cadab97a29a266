# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What is plugged is plugged again, by a nova-compute that starts, while its guests run."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.testing.host_snapshots import changes, differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.guests.pings import Pings
from tests.support.ovs.vifs import HYBRID, INSTANCE, TAP, VIFS, guest_on
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

#: Each option with another value than before.
FLIPPED = {"isolate_vif": True, "default_qos_type": "linux-noop"}


@pytest.mark.short_form(2)
@pytest.mark.parametrize("kind", VIFS)
def test_traffic_runs_on_whatever_is_configured_by_now(br_int, ovs_options, kind):
    """Options are for new ports: the live ones keep their bridge, VLAN and QoS row.

    Nothing changes, not a packet is lost, nothing is wrong by then, and unplug leaves nothing.
    """
    if kind in ("tap", "multiqueue", "own-bridge"):
        require_tun()
    own = kind == "own-bridge"
    ovs_options(per_port_bridge=own, default_qos_type="linux-htb")
    before = snapshot()
    one, other = VIFS[kind](1), VIFS[kind](2)
    for vif in (one, other):
        os_vif.plug(vif, INSTANCE)
    with guest_on(one, "192.0.2.1/24") as guest, guest_on(other, "192.0.2.2/24"):
        plugged = br_int.dump()
        with Pings(guest, "192.0.2.2") as pings:
            for flipped in ({}, FLIPPED, {"per_port_bridge": not own}):
                ovs_options(**flipped)
                for vif in (one, other):
                    os_vif.plug(vif, INSTANCE)
                    assert os_vif.check(vif, INSTANCE) == ()
                assert changes(plugged, br_int.dump()) == []
        pings.assert_answered()
    for vif in (one, other):
        os_vif.unplug(vif, INSTANCE)
    assert differences(without_indexes(before), indexes=False) == []


@pytest.mark.parametrize("kind", ["port", "tap"])
def test_a_replug_of_a_right_vif_sends_one_request(br_int, ovs_options, monkeypatch, kind):
    """The plan and the run share the connection, the locks and the rows."""
    if kind == "tap":
        require_tun()
    vif = ovs_vif(**(TAP if kind == "tap" else {"create_port": True}))
    os_vif.plug(vif, INSTANCE)
    requests = []
    original = Ovsdb.transact

    def transact(self, *operations):
        requests.append(operations)
        return original(self, *operations)

    monkeypatch.setattr(Ovsdb, "transact", transact)
    os_vif.plug(vif, INSTANCE)
    assert len(requests) == 1
    # A change of another program is seen and corrected.
    br_int.vsctl("set", "Interface", vif.vif_name, "external_ids:attached-mac=none")
    os_vif.plug(vif, INSTANCE)
    assert [d for d in os_vif.check(vif, INSTANCE) if not d.pending] == []


def test_a_port_that_is_plugged_anew_is_as_configured_by_now(br_int, ovs_options):
    """After an unplug, as at a hard reboot or a migration."""
    # The bridge of its own has to open, also without the kernel's datapath.
    vif = ovs_vif(create_port=True, datapath_type="netdev")
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    for own in (True, False):
        ovs_options(per_port_bridge=own)
        os_vif.plug(vif, INSTANCE)
        assert ("pb" in br_int.vsctl("list-br")) is own
        os_vif.unplug(vif, INSTANCE)
        run(f"ip link show {vif.vif_name} >/dev/null 2>&1 || "
            f"ip link add name {vif.vif_name} type veth peer name guest")  # fmt: skip


def test_a_port_of_libvirt_stays_in_its_bridge(br_int, ovs_options):
    """Without create_port it is libvirt's: also when each port is to have a bridge by now."""
    vif = ovs_vif()
    run(f"ip link add name {vif.vif_name} type veth peer name guest")
    br_int.vsctl("add-port", "br-int", vif.vif_name, "--", "set", "Interface", vif.vif_name,
                 f"external_ids:iface-id={vif.port_profile.interface_id}")  # fmt: skip
    before = br_int.dump()
    ovs_options(per_port_bridge=True)
    os_vif.plug(vif, INSTANCE)
    assert changes(before, br_int.dump()) == []
    assert os_vif.check(vif, INSTANCE) == ()


def test_a_port_in_a_bridge_of_others_is_refused(br_int):
    """No VIF is there; whoever put it there is asked to take it out."""
    vif = ovs_vif(create_port=True)
    br_int.vsctl("add-br", "br-x", "--", "add-port", "br-x", vif.vif_name)
    before = br_int.dump()
    with pytest.raises(exception.PlugException, match="is in br-x, and not taken from there"):
        os_vif.plug(vif, INSTANCE)
    assert br_int.dump() == before


@pytest.mark.parametrize("own", [False, True])
def test_a_dry_run_needs_no_switch(daemon, ovs_options, own):
    """It shows what is configured; the plug tells that there is no switch."""
    ovs_options(ovsdb_connection="unix:/no/such", per_port_bridge=own)
    vif = ovs_vif(create_port=True)
    assert ("add-br pb" in str(os_vif.plan(vif, INSTANCE))) is own
    with pytest.raises(exception.PlugException, match=r"directory.*\. Nothing was done"):
        os_vif.plug(vif, INSTANCE)


def test_ids_of_others_survive(br_int):
    """Of OVN and of Neutron; ours are as on the first plug."""
    vif = ovs_vif(HYBRID)
    port = f"qvo{vif.id[:11]}"
    os_vif.plug(vif, INSTANCE)
    theirs = ("external_ids:ovn-installed=true", "external_ids:ovn-installed-ts=1",
              "external_ids:iface-status=other", "options:x=y")  # fmt: skip
    br_int.vsctl("set", "Interface", port, *theirs, "--", "set", "Port", port, "tag=7",
                 "external_ids:a=b", "other_config:net_uuid=x")  # fmt: skip
    before = br_int.dump()
    os_vif.plug(vif, INSTANCE)
    (line,) = changes(before, br_int.dump())
    assert line.endswith("external_ids/iface-status: 'other' became 'active'")


def test_a_tap_that_the_hypervisor_holds_is_left_alone(br_int):
    """Its MAC address, its queues and its alias are the hypervisor's; its MTU is the network's."""
    require_tun()
    vif = ovs_vif(**TAP)
    run(f"ip tuntap add dev {vif.vif_name} mode tap multi_queue; "
        f"ip link set dev {vif.vif_name} address fe:16:3e:00:00:01 alias libvirt")  # fmt: skip
    os_vif.plug(vif, INSTANCE)
    before = snapshot()
    (link,) = (n for n in before["links"] if n["ifname"] == vif.vif_name)
    assert (link["address"], link["ifalias"], link["mtu"]) == (
        "fe:16:3e:00:00:01",
        "libvirt",
        1450,
    )
    os_vif.plug(vif, INSTANCE)
    assert differences(before) == []


@pytest.mark.parametrize("kind", ["vhost-user", "bridge-only"])
def test_nothing_else_changes_either(br_int, ovs_options, kind):
    """What has no packets here: rows are compared."""
    vif = ovs_vif(objects.VIFVHostUser) if kind == "vhost-user" else ovs_vif()
    os_vif.plug(vif, INSTANCE)
    before = snapshot()
    ovs_options(**FLIPPED)
    os_vif.plug(vif, INSTANCE)
    assert differences(before) == []
