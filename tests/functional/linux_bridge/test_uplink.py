# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A bridge with an uplink: what the host had there, it has on the bridge, at every moment."""

from __future__ import annotations

import json
import subprocess

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import ip, snapshot, state_files
from os_vif.testing.private_namespaces import run
from tests.support.cases import CASES
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

DAEMON = "vif_plug_linux_bridge.privsep"
_UPLINK = "ip link add name uplink type veth peer name far; ip link set dev far up"


@pytest.fixture
def uplinked(daemon):
    """A VIF whose bridge is to have an uplink, which is there."""
    run(_UPLINK)
    vif = bridge_vif(1)
    vif.network.bridge_interface = "uplink"
    return vif


@pytest.fixture
def gateway(daemon):
    """The router at the other end of the uplink. The host is reached by 192.0.2.10."""
    with Guest() as guest:
        run(
            f"ip link add name uplink address 02:00:00:00:00:01 type veth peer name eth0 "
            f"netns {guest.pid}; ip link set dev uplink up; "
            "ip address add 192.0.2.10/24 dev uplink"
        )
        guest.configure("192.0.2.1/24")
        run("ip route add default via 192.0.2.1")
        yield guest


def default_route() -> list[str]:
    return [route["dev"] for route in ip("route", "show", "default")]


def test_the_uplink_is_in_the_bridge(uplinked, instance):
    """Both up, with the network's MTU; the bridge keeps the MAC address that the host had."""
    os_vif.plug(uplinked, instance)
    (uplink,) = ip("link", "show", "uplink")
    (bridge,) = ip("link", "show", "brq-test")
    assert uplink["master"] == "brq-test"
    assert uplink["mtu"] == bridge["mtu"] == 1450
    assert {"UP"} <= set(uplink["flags"]) & set(bridge["flags"])
    # A guest with a lower one would change it otherwise, and cut the host off for its neighbours.
    run("ip link add name low address 00:00:00:00:00:01 type veth peer name x")
    run("ip link set dev low master brq-test")
    assert ip("link", "show", "brq-test")[0]["address"] == uplink["address"]


def test_flat_interface_takes_the_place_of_what_the_network_says(uplinked, instance, options):
    """[os_vif_linux_bridge]flat_interface."""
    uplinked.network.bridge_interface = None
    options(flat_interface="uplink")
    os_vif.plug(uplinked, instance)
    assert ip("link", "show", "uplink")[0]["master"] == "brq-test"


def test_the_bridge_stays_when_its_last_vif_goes(uplinked, instance):
    """As in 4.3.1: the host is reached through it."""
    os_vif.plug(uplinked, instance)
    os_vif.unplug(uplinked, instance)
    assert ip("link", "show", "uplink")[0]["master"] == "brq-test"
    (difference,) = os_vif.check(uplinked, instance)
    assert difference.attribute == f"use by VIF {uplinked.id}"


def test_the_host_is_reached_after_each_step(gateway, instance):
    """And has its route: whoever is killed there leaves a host that answers."""
    vif = bridge_vif(1)
    vif.network.bridge_interface = "uplink"
    for step in os_vif.plan(vif, instance):
        runner.run(Plan(step), DAEMON)
        assert "192.0.2.10 answers" in gateway.ping("192.0.2.10"), step
        assert len(default_route()) == 1, step
    assert default_route() == ["brq-test"]
    assert os_vif.check(vif, instance) == ()


def test_a_plug_that_fails_leaves_the_host_reached(gateway, instance):
    """Everything is back on the uplink."""
    vif = bridge_vif(1)
    vif.network.bridge_interface = "uplink"
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert "192.0.2.10 answers" in gateway.ping("192.0.2.10")
    assert default_route() == ["uplink"]


def test_a_route_that_cannot_be_moved_is_refused_by_name(uplinked, instance):
    """Before anything is touched."""
    run("ip link set dev uplink up; ip address add 192.0.2.10/24 dev uplink")
    run("ip route add 203.0.113.0/24 via 192.0.2.1 realm 7")
    before = snapshot()
    with pytest.raises(exception.PlugException, match="has realms, which os-vif cannot move"):
        os_vif.plug(uplinked, instance)
    assert snapshot() == before


@pytest.mark.parametrize(
    ("setup", "said"),
    [
        ("ip link add name other type bridge; ip link set dev uplink master other", "in other"),
        ("ip link del dev uplink; ip link add name uplink type bridge", "kind bridge"),
        ("ip link del dev uplink", "does not exist"),
    ],
    ids=["in-another-bridge", "a-bridge", "missing"],
)
@pytest.mark.parametrize("option", [True, False], ids=["option", "network"])
def test_an_uplink_that_cannot_be_used_is_refused_by_field(
    uplinked, instance, options, setup, said, option
):
    """Where it was said: in the network or in the configuration."""
    field = "vif.network.bridge_interface"
    if option:
        field = "[os_vif_linux_bridge]flat_interface"
        uplinked.network.bridge_interface = "something"
        options(flat_interface="uplink")
    run(setup)
    before = snapshot()
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(uplinked, instance)
    assert field in str(info.value)
    assert said in str(info.value)
    assert snapshot() == before


def test_ipv6_stays_on_where_the_host_has_an_address_of_it(uplinked, instance):
    """Also when it is plugged again; a bridge without one has IPv6 off."""
    run("ip link set dev uplink up; ip address add 2001:db8::10/64 dev uplink nodad")
    os_vif.plug(uplinked, instance)
    os_vif.plug(uplinked, instance)
    held = [a["local"] for a in ip("-6", "address", "show", "brq-test")[0]["addr_info"]]
    assert "2001:db8::10" in held
    assert "disable_ipv6" not in str(os_vif.plan(uplinked, instance))


def test_vlan_plan_is_that_of_a_bridge_on_a_vlan(uplinked, instance):
    """What a kernel without VLANs cannot run is at least as it should be."""
    uplinked.network.should_provide_vlan, uplinked.network.vlan = True, 100
    commands = str(os_vif.plan(uplinked, instance)).splitlines()
    assert commands[:2] == [
        "ip link add link uplink name vlan100 type vlan id 100",
        "ip link set dev vlan100 alias os-vif",
    ]
    joined = commands.index("ip link set dev vlan100 master brq-test mtu 1450")
    assert commands[joined + 1 : joined + 3] == [
        "ip link set dev uplink up",
        "ip link set dev vlan100 master brq-test mtu 1450 up",
    ]


@pytest.mark.soak
@pytest.mark.vm("plain")
def test_a_vlan_is_made_and_used(uplinked, instance):
    """It never worked in a public release."""
    (case,) = (case for case in CASES["linux_bridge"] if case.name == "vlan")
    run("ip link del dev uplink")
    with case.prepared():
        os_vif.plug(case.vif, instance)
    (vlan,) = ip("link", "show", "vlan100")
    assert (vlan["link"], vlan["master"], vlan["mtu"]) == ("uplink", "brq-test", 1450)
    assert vlan["linkinfo"]["info_data"]["id"] == 100
    assert os_vif.check(case.vif, instance) == ()


def test_an_operator_reads_what_differs(uplinked, instance, tmp_path, os_vif_command):
    """A line for each difference; as data for programs."""
    from oslo_serialization import jsonutils

    os_vif.plug(uplinked, instance)
    run("ip link set dev brq-test mtu 1400; ip link set dev uplink nomaster")
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(uplinked.obj_to_primitive()))
    command = [os_vif_command, "check", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "brq-test: MTU is 1400, should be 1450",
        "uplink: master is none, should be brq-test",
    ]
    done = subprocess.run([*command, "-f", "json"], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)[1]["Expected"] == "brq-test"
    assert done.returncode == 3


def test_unplug_needs_nothing_of_today_s_configuration(uplinked, instance, options):
    """It was plugged with an option that has gone since."""
    uplinked.network.bridge_interface = None
    options(flat_interface="uplink")
    os_vif.plug(uplinked, instance)
    options(flat_interface=None)
    os_vif.unplug(uplinked, instance)
    assert ip("link", "show", "uplink")[0]["master"] == "brq-test"
    uplinked.network.should_provide_vlan, uplinked.network.vlan = True, 100
    os_vif.unplug(uplinked, instance)
    assert ip("link", "show", "uplink")[0]["master"] == "brq-test"


def test_an_address_that_came_back_to_the_uplink_moves_again(uplinked, instance):
    """By plug or by unplug; also one of IPv6, which is off on the bridge by then."""
    for call in (os_vif.plug, os_vif.unplug):
        os_vif.plug(uplinked, instance)
        run(
            "ip address add 192.0.2.10/24 dev uplink; ip address add 2001:db8::1/64 dev uplink nodad"
        )
        call(uplinked, instance)
        held = {a["local"] for a in ip("address", "show", "brq-test")[0]["addr_info"]}
        assert {"192.0.2.10", "2001:db8::1"} <= held
        run("ip address flush dev brq-test; sysctl -qw net.ipv6.conf.brq-test.disable_ipv6=1")


def test_a_vif_is_unplugged_whatever_routes_the_uplink_has(uplinked, instance, caplog):
    """What cannot be moved is said, and stays."""
    os_vif.plug(uplinked, instance)
    run("ip route add 203.0.113.0/24 dev uplink realm 7")
    os_vif.unplug(uplinked, instance)
    assert "uplink keeps its addresses: the route 203.0.113.0/24" in caplog.text
    assert state_files() == {}
