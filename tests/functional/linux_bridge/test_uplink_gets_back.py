# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the host had on an uplink it has on the bridge; after a failed plug, on the uplink again."""

from __future__ import annotations

import json
import time

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import snapshot
from os_vif.testing.private_namespaces import run
from tests.support.guests.uplink_host import (
    BRIDGE,
    DAEMON,
    addresses,
    assert_same,
    create_uplink_host,
    enforced_differences,
    lines,
    neighbours,
    routes,
)

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def vif(daemon):
    """A VIF whose uplink the host is reached through."""
    return create_uplink_host()


ROUTES = {
    "AnyIP": "ip route add local 198.51.100.0/24 dev uplink",
    "AnyIP of one address": "ip route add local 198.51.100.7 dev uplink",
    "AnyIP in another table": "ip route add local 198.51.100.0/24 dev uplink table 77",
    "AnyIP that says it is the kernel's": "ip route add local 198.51.100.0/24 dev uplink proto kernel",
    "AnyIP of IPv6": "ip -6 route add local 2001:db8:1::/64 dev uplink",
    "AnyIP of one address of IPv6": "ip -6 route add local 2001:db8:1::1/128 dev uplink",
    "AnyIP of IPv6 in another table": "ip -6 route add local 2001:db8:1::/64 dev uplink table 77",
    "a broadcast route": "ip route add broadcast 198.51.100.255 dev uplink table local",
    "a multicast route": "ip route add multicast 233.252.0.0/24 dev uplink",
    "a route for multicast of IPv6": "ip -6 route add ff05::/16 dev uplink table local",
    "a route for addresses of the link": "ip -6 route add fe80:1::/64 dev uplink",
    "a table without a rule": "ip route add default via 192.0.2.1 table 77",
    "a table without a rule, of IPv6": "ip -6 route add default via 2001:db8::1 table 77",
    "a table above 255": "ip route add default via 192.0.2.1 table 70000",
    "a table above 255, of IPv6": "ip -6 route add 2001:db8:2::/48 dev uplink table 4000000000",
    "the local table": "ip route add 203.0.113.0/24 dev uplink table local",
    "a table with a rule": "ip -6 rule add from 2001:db8::10 table 77; "
    "ip -6 route add default via 2001:db8::1 table 77",
    "a router's advertisement": "ip -6 route add default via fe80::1 dev uplink proto ra metric 1024"
    " expires 600 pref high mtu 1400 hoplimit 64",
    "a router of low preference": "ip -6 route add default via fe80::1 dev uplink proto ra expires 99"
    " pref low",
    "an advertised prefix": "ip -6 route add 2001:db8:3::/64 dev uplink proto ra expires 600",
    "an advertised route": "ip -6 route add 2001:db8:3::/64 via fe80::1 dev uplink expires 1800"
    " pref high proto ra",
    "a preference of a static route": "ip -6 route add default via 2001:db8::1 pref low",
    "metrics": "ip route add 203.0.113.0/24 via 192.0.2.1 mtu lock 1400 advmss 1300 congctl cubic"
    " initcwnd 20 hoplimit 9 quickack 1 features ecn",
    "metrics of IPv6": "ip -6 route add 2001:db8:4::/48 via 2001:db8::1 mtu 1300 hoplimit 7",
    "source, scope, metric and type of service": "ip route add 203.0.113.0/24 via 192.0.2.1"
    " src 192.0.2.10 metric 7 tos 0x10 proto 99",
    "a gateway on the link": "ip route add 203.0.113.0/24 via 198.51.100.1 dev uplink onlink",
    "a gateway behind a route": "ip route add 198.51.100.1 dev uplink;"
    "ip route add default via 198.51.100.1",
    "the route of an address without one": "ip address add 198.51.100.1/24 dev uplink noprefixroute;"
    "ip route add 198.51.100.0/24 dev uplink proto kernel scope link src 198.51.100.1 metric 100",
    "a prefix on the link, without an address": "ip -6 route add 2001:db8:6::/64 dev uplink"
    " proto kernel metric 256 expires 900",
}


def fail_to_plug(vif, instance):
    """Run the plan of a plug with a last step that fails; the rollback leaves nothing to undo."""
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed) as info:
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    # A step that could not be undone would add a line with its command.
    assert "\n" not in info.value.kwargs["aftermath"], info.value


@pytest.mark.short_form(10)
@pytest.mark.parametrize("setup", ROUTES.values(), ids=ROUTES)
def test_a_route_is_moved_and_after_a_failed_plug_given_back(vif, instance, setup):
    run(setup)
    before = routes("uplink")
    assert before
    fail_to_plug(vif, instance)
    assert_same(routes("uplink"), before)
    os_vif.plug(vif, instance)
    assert_same(routes(BRIDGE), before)
    assert routes("uplink") == []
    assert enforced_differences(vif, instance) == []


@pytest.mark.parametrize("first", ["uplink", "other"])
def test_a_like_route_of_another_device_stays(vif, instance, first):
    """The kernel would replace the first of them, whatever its device."""
    run(
        "ip link add name other type veth peer name far2; ip link set dev far2 up;"
        "ip link set dev other up; ip address add 198.51.100.10/24 dev other"
    )
    gateways = {"uplink": "192.0.2.1", "other": "198.51.100.1"}
    for device in sorted(gateways, reverse=first == "uplink"):
        run(f"ip route append default via {gateways[device]} dev {device}")
    before, moved = routes("other"), routes("uplink")
    os_vif.plug(vif, instance)
    assert routes("other") == before
    assert_same(routes(BRIDGE), moved)
    assert routes("uplink") == []


def test_the_prefix_of_an_address_that_expires_is_on_the_bridge_only(vif, instance):
    """The kernel leaves such a route when its address goes."""
    run("ip address add 2001:db8:8::1/64 dev uplink nodad valid_lft 600 preferred_lft 300")
    os_vif.plug(vif, instance)
    assert [r["dev"] for r in json.loads(lines("ip -6 -json route show 2001:db8:8::/64")[0])] == [
        BRIDGE
    ]


NEIGHBOURS = {
    "permanent": "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink",
    "of IPv6, a router": "ip neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev uplink router",
    "without ARP": "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink nud noarp",
    "learned externally": "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink extern_learn",
    "learned externally and not permanent": "ip neigh add 2001:db8::77 lladdr 02:00:00:00:00:77"
    " dev uplink nud stale extern_learn",
    "a proxy entry": "ip neigh add proxy 192.0.2.99 dev uplink",
    "a proxy entry of IPv6": "ip neigh add proxy 2001:db8::99 dev uplink",
    "with a protocol": "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink protocol 99",
    "several": "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink;"
    "ip neigh add 192.0.2.78 lladdr 02:00:00:00:00:78 dev uplink;"
    "ip neigh add 2001:db8::78 lladdr 02:00:00:00:00:78 dev uplink;"
    "ip neigh add proxy 192.0.2.78 dev uplink",
    "without an address of the host": "ip address flush dev uplink scope global;"
    "ip neigh add fe80::77 lladdr 02:00:00:00:00:77 dev uplink",
}


@pytest.mark.short_form(4)
@pytest.mark.parametrize("setup", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_a_neighbour_is_moved_and_after_a_failed_plug_given_back(vif, instance, setup):
    run(setup)
    before = neighbours("uplink")
    assert before
    fail_to_plug(vif, instance)
    assert neighbours("uplink") == before
    os_vif.plug(vif, instance)
    assert neighbours(BRIDGE) == before
    assert neighbours("uplink") == []
    assert enforced_differences(vif, instance) == []


def test_many_neighbours_take_no_longer_each(vif, instance):
    """The daemon reads those of a device once."""
    add = "".join(
        f"neigh add 192.0.2.{n} lladdr 02:00:00:00:01:{n:02x} dev uplink\n"
        f"neigh add 2001:db8::1:{n:x} lladdr 02:00:00:00:01:{n:02x} dev uplink\n"
        for n in range(20, 250)
    )
    run(f"ip -batch - <<'EOF'\n{add}EOF")
    before = neighbours("uplink")
    started = time.monotonic()
    os_vif.plug(vif, instance)
    assert time.monotonic() - started < 10
    assert neighbours(BRIDGE) == before
    assert neighbours("uplink") == []


def test_a_neighbour_that_the_bridge_knows_otherwise_comes_back(vif, instance):
    """The host's takes its place; after a failed plug it is as it was."""
    run(f"ip link add name {BRIDGE} type bridge; ip link set dev {BRIDGE} up")
    run(f"ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:66 dev {BRIDGE}")
    run("ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink")
    before, moved = neighbours(BRIDGE), neighbours("uplink")
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert (neighbours(BRIDGE), neighbours("uplink")) == (before, moved)
    os_vif.plug(vif, instance)
    assert neighbours(BRIDGE) == moved


ADDRESSES = {
    "a lifetime": "ip address add 198.51.100.1/24 dev uplink valid_lft 600 preferred_lft 300",
    "a lifetime of IPv6": "ip address add 2001:db8:8::1/64 dev uplink nodad valid_lft 600"
    " preferred_lft 300",
    "deprecated": "ip address add 2001:db8:8::1/64 dev uplink nodad valid_lft 600 preferred_lft 0",
    "label, broadcast, scope and metric": "ip address add 198.51.100.1/24 dev uplink label uplink:1"
    " broadcast 198.51.100.9 scope link metric 70",
    "a peer": "ip address add 198.51.100.1 peer 198.51.100.2/32 dev uplink",
    "secondary": "ip address add 192.0.2.11/24 dev uplink; ip address add 192.0.2.9/24 dev uplink",
    "several of IPv6": "for n in 5 2 9; do ip address add 2001:db8::$n/64 dev uplink nodad; done",
    "a home address": "ip address add 2001:db8:8::1/64 dev uplink nodad home",
    "temporary addresses of it": "ip address add 2001:db8:8::1/64 dev uplink nodad mngtmpaddr",
    "without a route": "ip address add 2001:db8:8::1/64 dev uplink nodad noprefixroute",
    "a group": "ip address add 233.252.0.1/32 dev uplink autojoin",
    "a group of IPv6": "ip address add ff05::77/128 dev uplink nodad autojoin",
}


@pytest.mark.short_form(5)
@pytest.mark.parametrize("setup", ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_is_moved_and_after_a_failed_plug_given_back(vif, instance, setup):
    run(setup)
    before, routed = addresses("uplink"), routes("uplink")
    groups = joined("uplink")
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert (addresses("uplink"), joined("uplink")) == (before, groups)
    assert_same(routes("uplink"), routed)
    os_vif.plug(vif, instance)
    assert (addresses(BRIDGE), joined(BRIDGE)) == (before, groups)
    assert addresses("uplink") == []
    assert enforced_differences(vif, instance) == []


def joined(device: str) -> set[str]:
    """The groups of the tests that the host has joined on a device."""
    found = " ".join(lines(f"ip maddress show dev {device}")).split()
    return {"233.252.0.1", "ff05::77"} & set(found)


@pytest.mark.short_form(3)
@pytest.mark.parametrize(
    ("setup", "said"),
    [
        (
            "ip rule add iif uplink lookup 77 pref 1000",
            "the rule 1000 of 'ip rule' has iif uplink",
        ),
        (
            "ip rule add oif uplink lookup 77 pref 1000",
            "the rule 1000 of 'ip rule' has oif uplink",
        ),
        (
            "ip -6 rule add iif uplink lookup 77 pref 9",
            "the rule 9 of 'ip -6 rule' has iif uplink",
        ),
        (
            "ip nexthop add id 7 via 192.0.2.1 dev uplink",
            "the next hop object 7 goes through uplink",
        ),
        ("ip token set ::77 dev uplink", "uplink has the IPv6 token ::77"),
        (
            "ip route add 203.0.113.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2",
            "the route 203.0.113.0/24 of uplink has several next hops",
        ),
        (
            "ip -6 route add 2001:db8:7::/48 nexthop via 2001:db8::1 nexthop via 2001:db8::2",
            "the route 2001:db8:7::/48 of uplink has several next hops",
        ),
        (
            "ip nexthop add id 7 via 192.0.2.1 dev uplink; ip route add 203.0.113.0/24 nhid 7",
            "the next hop object 7 goes through uplink",
        ),
        (
            "ip -6 route add 2001:db8:7::/48 from 2001:db8::10 via 2001:db8::1",
            "the route 2001:db8:7::/48 of uplink has a source prefix",
        ),
        (
            "ip route add 203.0.113.0/24 via inet6 2001:db8::1 dev uplink",
            "the route 203.0.113.0/24 of uplink has a gateway of another family",
        ),
    ],
    ids=lambda text: text[:40],
)
def test_what_cannot_be_moved_is_refused_by_name(vif, instance, setup, said):
    """Before anything is touched; once the uplink is in the bridge, that is the operator's."""
    run(setup)
    before = snapshot()
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(vif, instance)
    assert said in str(info.value)
    assert "vif.network.bridge_interface" in str(info.value)
    assert snapshot() == before


def test_a_rule_that_names_the_uplink_does_not_stop_later_plugs(vif, instance):
    """The uplink is in the bridge by then."""
    os_vif.plug(vif, instance)
    run("ip rule add iif uplink lookup 77 pref 1000")
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)


PARAMETERS = {
    "a host that hears no router": "ipv6.conf.uplink.accept_ra=0",
    "a router that hears another": "ipv6.conf.uplink.accept_ra=2",
    "it does not forward": "ipv6.conf.uplink.forwarding=1",
    "temporary addresses": "ipv6.conf.uplink.use_tempaddr=2",
    "proxy NDP": "ipv6.conf.uplink.proxy_ndp=1",
    "forwarding of IPv4": "ipv4.conf.uplink.forwarding=1",
    "no filter by the way back": "ipv4.conf.uplink.rp_filter=2",
    "proxy ARP": "ipv4.conf.uplink.proxy_arp=1",
    "no redirects": "ipv4.conf.uplink.accept_redirects=0",
}


def parameter(setting: str, device: str) -> str:
    return lines(f"sysctl -n net.{setting.partition('=')[0].replace('uplink', device)}")[0]


@pytest.mark.short_form
@pytest.mark.parametrize("setting", PARAMETERS.values(), ids=PARAMETERS)
@pytest.mark.parametrize("there", [False, True], ids=["new", "of-others"])
def test_the_bridge_gets_the_kernel_parameters_of_the_uplink(vif, instance, setting, there):
    if there:
        run(f"ip link add name {BRIDGE} type bridge")
    run(f"sysctl -qw net.{setting}")
    before = parameter(setting, BRIDGE) if there else None
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert (parameter(setting, BRIDGE) if there else None) == before
    os_vif.plug(vif, instance)
    assert parameter(setting, BRIDGE) == setting.partition("=")[2]
    run(f"sysctl -qw net.{setting.replace('uplink', BRIDGE).partition('=')[0]}=0")
    # It is the operator's from then on.
    assert enforced_differences(vif, instance) == []


def test_the_kernel_hears_routers_in_place_of_a_program(vif, instance):
    """systemd-networkd, say, which turns that off on the uplink, knows nothing of the bridge."""
    run("sysctl -qw net.ipv6.conf.uplink.accept_ra=0")
    run("ip -6 route add default via fe80::1 dev uplink proto ra expires 600 metric 512")
    os_vif.plug(vif, instance)
    assert parameter("ipv6.conf.uplink.accept_ra", BRIDGE) == "1"


#: Some of everything.
_ALL = "; ".join(
    (
        ROUTES["AnyIP"],
        ROUTES["AnyIP of IPv6"],
        ROUTES["a table above 255"],
        ROUTES["a router's advertisement"],
        ROUTES["a gateway behind a route"],
        NEIGHBOURS["several"],
        ADDRESSES["secondary"],
        ADDRESSES["a lifetime of IPv6"],
        "sysctl -qw net.ipv6.conf.uplink.accept_ra=2 net.ipv4.conf.uplink.rp_filter=2",
    )
)


@pytest.mark.short_form(2)
@pytest.mark.parametrize("stopped", [0.3, 0.5, 0.7, 0.9, 1])
def test_a_plug_that_was_stopped_is_completed(vif, instance, stopped):
    """After any of its steps, each of which is a call of its own."""
    run(_ALL)
    before = addresses("uplink"), routes("uplink"), neighbours("uplink")
    steps = tuple(os_vif.plan(vif, instance))
    for step in steps[: int(len(steps) * stopped)]:
        runner.run(Plan(step), DAEMON)
    os_vif.plug(vif, instance)
    # Those of IPv6 may have another order: some were there.
    assert key(addresses(BRIDGE)) == key(before[0])
    assert_same(routes(BRIDGE), before[1])
    assert neighbours(BRIDGE) == before[2]
    assert (addresses("uplink"), routes("uplink"), neighbours("uplink")) == ([], [], [])
    assert enforced_differences(vif, instance) == []


def key(held: list[dict]) -> list[str]:
    return sorted(json.dumps(one, sort_keys=True) for one in held)


def test_an_unplug_leaves_all_on_the_bridge(vif, instance):
    """The host is reached there; the bridge stays."""
    run(_ALL)
    before = addresses("uplink"), routes("uplink"), neighbours("uplink")
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert addresses(BRIDGE) == before[0]
    assert_same(routes(BRIDGE), before[1])
    assert neighbours(BRIDGE) == before[2]
