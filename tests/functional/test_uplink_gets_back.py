# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the host had on an uplink it has on the bridge; after a failed plug, on the uplink again."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import subprocess
import time

import pytest

import os_vif
from os_vif import exception
from os_vif.host import engine
from os_vif.host.plan import Plan
from os_vif.host.steps import SetLink
from tests.functional.conftest import bridge_vif
from tests.functional.namespaces import run, snapshot

pytestmark = pytest.mark.usefixtures("daemon")

DAEMON = "vif_plug_linux_bridge.privsep"
BRIDGE = "brq-test"
_HOST = """
ip link add name uplink address 02:00:00:00:00:01 type veth peer name far
ip link set dev far up; ip link set dev uplink up
ip address add 192.0.2.10/24 dev uplink
ip address add 2001:db8::10/64 dev uplink nodad
"""


@pytest.fixture
def vif(daemon):
    """A VIF whose uplink the host is reached through."""
    run(_HOST)
    vif = bridge_vif(1)
    vif.network.bridge_interface = "uplink"
    return vif


def lines(command: str) -> list[str]:
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


def routes(device: str) -> list[dict]:
    """All routes through a device, of all tables, but for those that each device has."""
    found = []
    for family in ("-4", "-6"):
        text = "\n".join(lines(f"ip {family} -json -details route show table all dev {device}"))
        for route in json.loads(text or "[]"):
            given = route.get("protocol") != "kernel" or "expires" in route
            if given or route.get("type") not in ("local", "broadcast", "anycast", "multicast"):
                found.append(route)
    return sorted(
        (r for r in found if r["dst"] != "fe80::/64"), key=lambda r: json.dumps(without_time(r))
    )


def without_time(route: dict) -> dict:
    return {name: value for name, value in route.items() if name not in ("expires", "flags")}


def neighbours(device: str) -> list[str]:
    """The neighbours that a user, or a program of his, gave a device."""
    fixed = [
        line
        for line in lines(f"ip neigh show dev {device} nud all")
        if "PERMANENT" in line
        or "extern_learn" in line
        or "managed" in line
        or ("NOARP" in line and "lladdr 02:" in line)
    ]
    fixed += lines(f"ip neigh show proxy dev {device}")
    return sorted(fixed)


def check(vif, instance) -> list:
    """What differs, but for what waits for the hypervisor."""
    return [found for found in os_vif.check(vif, instance) if not found.pending]


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


@pytest.mark.parametrize("setup", ROUTES.values(), ids=ROUTES)
def test_a_route_is_moved_and_after_a_failed_plug_given_back(vif, instance, setup):
    run(setup)
    before = routes("uplink")
    assert before
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed) as info:
        engine.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert info.value.kwargs.get("left", ()) in ((), [], ""), info.value
    assert_same(routes("uplink"), before)
    os_vif.plug(vif, instance)
    assert_same(routes(BRIDGE), before)
    assert routes("uplink") == []
    assert check(vif, instance) == []


def assert_same(found: list[dict], before: list[dict]) -> None:
    """All but the device and the time is as it was, and no lifetime has become longer."""
    assert [without_time(r) for r in found] == [without_time(r) for r in before]
    for now, then in zip(found, before, strict=True):
        assert ("expires" in now) == ("expires" in then)
        assert now.get("expires", 0) <= then.get("expires", 0) <= now.get("expires", 0) + 60


def advertise(lifetime: int, valid: int, preference: int = 1) -> None:
    """Send the router advertisement of RFC 4861 to whoever listens at the other end."""
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
        router.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"far")
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        text = struct.pack("!BBHBBHII", 134, 0, 0, 64, preference << 3, lifetime, 0, 0)
        # The prefix is on the link, and for addresses.
        text += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, valid, valid, 0)
        text += socket.inet_pton(socket.AF_INET6, "2001:db8:5::")
        text += struct.pack("!BBHI", 5, 1, 0, 1400)
        text += struct.pack("!BBBBI", 24, 3, 48, preference << 3, 600)
        text += socket.inet_pton(socket.AF_INET6, "2001:db8:77::")
        router.sendto(text, ("ff02::1", 0, 0, socket.if_nametoindex("far")))


def until(condition, what: str):
    """Wait for the kernel."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if found := condition():
                return found
        time.sleep(0.05)
    raise AssertionError(what)


def learned(device: str) -> dict[str, int]:
    """The seconds that routes last which routers have advertised, by destination."""
    return {r["dst"]: r["expires"] for r in routes(device) if "expires" in r}


def lifetime(device: str) -> int | None:
    """The seconds that the address from the advertised prefix lasts."""
    (found,) = json.loads("\n".join(lines(f"ip -6 -json address show dev {device}")))
    held = [a for a in found["addr_info"] if a["local"].startswith("2001:db8:5:")]
    return held[0]["valid_life_time"] if held else None


@pytest.fixture
def router(vif):
    """A router at the other end, from which the kernel has learned."""
    run("sysctl -qw net.ipv6.conf.uplink.accept_ra_rt_info_max_plen=64")
    run("sysctl -qw net.ipv6.conf.far.accept_ra=0")

    def is_heard():
        advertise(1800, 86400)
        time.sleep(0.1)
        return {"default", "2001:db8:77::/48"} <= learned("uplink").keys() and lifetime("uplink")

    until(is_heard, "no advertisement was heard")
    return vif


def test_a_router_goes_on_to_be_heard_on_the_bridge(router, instance):
    """Its routes keep lifetime and preference; it renews them, and takes the default route back."""
    before = learned("uplink")
    os_vif.plug(router, instance)
    after = learned(BRIDGE)
    assert after.keys() == before.keys()
    assert all(0 <= before[name] - after[name] <= 60 for name in before)
    assert {r["pref"] for r in routes(BRIDGE) if r["dst"] in ("default", "2001:db8:77::/48")} == {
        "high"
    }
    assert not learned("uplink")
    assert check(router, instance) == []

    def is_renewed():
        advertise(9000, 90000)
        return learned(BRIDGE)["default"] > 8000 and lifetime(BRIDGE) > 86400

    until(is_renewed, "the advertisement renewed nothing")

    def is_gone():
        advertise(0, 90000)
        return "default" not in learned(BRIDGE)

    until(is_gone, "a router that leaves stays the default")


def test_a_router_goes_on_to_be_heard_after_a_failed_plug(router, instance):
    before = learned("uplink")
    steps = tuple(os_vif.plan(router, instance))
    with pytest.raises(exception.StepFailed):
        engine.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    after = learned("uplink")
    assert after.keys() == before.keys()
    assert all(0 <= before[name] - after[name] <= 60 for name in before)

    def is_gone():
        advertise(0, 90000)
        return "default" not in learned("uplink") and lifetime("uplink") > 86400

    until(is_gone, "the router is not heard")


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


@pytest.mark.parametrize("setup", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_a_neighbour_is_moved_and_after_a_failed_plug_given_back(vif, instance, setup):
    run(setup)
    before = neighbours("uplink")
    assert before
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed) as info:
        engine.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert not info.value.kwargs.get("left"), info.value
    assert neighbours("uplink") == before
    os_vif.plug(vif, instance)
    assert neighbours(BRIDGE) == before
    assert neighbours("uplink") == []
    assert check(vif, instance) == []


def test_a_neighbour_that_the_bridge_knows_otherwise_comes_back(vif, instance):
    """The host's takes its place; after a failed plug it is as it was."""
    run(f"ip link add name {BRIDGE} type bridge; ip link set dev {BRIDGE} up")
    run(f"ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:66 dev {BRIDGE}")
    run("ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink")
    before, moved = neighbours(BRIDGE), neighbours("uplink")
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed):
        engine.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
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


def addresses(device: str) -> list[dict]:
    """The addresses that the host was given, without the time that they last."""
    (found,) = json.loads("\n".join(lines(f"ip -json address show dev {device}")))
    held = [a for a in found["addr_info"] if not a["local"].startswith("fe80:")]
    for one in held:
        one["label"] = one.get("label", "").replace(device, "")
        for time_of in ("valid_life_time", "preferred_life_time"):
            if 0 < one[time_of] < 2**32 - 1:
                one[time_of] = "seconds"
    return held


@pytest.mark.parametrize("setup", ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_is_moved_and_after_a_failed_plug_given_back(vif, instance, setup):
    run(setup)
    before, routed = addresses("uplink"), routes("uplink")
    groups = joined("uplink")
    steps = tuple(os_vif.plan(vif, instance))
    with pytest.raises(exception.StepFailed):
        engine.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert (addresses("uplink"), joined("uplink")) == (before, groups)
    assert_same(routes("uplink"), routed)
    os_vif.plug(vif, instance)
    assert (addresses(BRIDGE), joined(BRIDGE)) == (before, groups)
    assert addresses("uplink") == []
    assert check(vif, instance) == []


def joined(device: str) -> set[str]:
    """The groups of the tests that the host has joined on a device."""
    found = " ".join(lines(f"ip maddress show dev {device}")).split()
    return {"233.252.0.1", "ff05::77"} & set(found)


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


def address(device: str) -> str:
    return json.loads(lines(f"ip -json link show dev {device}")[0])[0]["address"]


@pytest.fixture
def others_bridge(vif):
    """A bridge of others that has the MAC address of its lowest port, and neighbours."""
    run(
        f"ip link add name {BRIDGE} type bridge; ip link set dev {BRIDGE} up;"
        "ip link add name first address 02:00:00:00:00:05 type veth peer name x;"
        f"ip link set dev first master {BRIDGE};"
        f"ip neigh add 192.0.2.50 lladdr 02:00:00:00:00:50 dev {BRIDGE}"
    )
    assert address(BRIDGE) == address("first")
    return vif


@pytest.mark.parametrize("mac", ["02:00:00:00:00:01", "02:00:00:00:00:09"], ids=["low", "high"])
def test_a_bridge_of_others_keeps_the_mac_address_of_the_host(others_bridge, instance, mac):
    """Whatever joins it or leaves it; and keeps the neighbours that it had."""
    run(f"ip link set dev uplink address {mac}")
    run("ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev uplink")
    known = sorted(neighbours(BRIDGE) + neighbours("uplink"))
    os_vif.plug(others_bridge, instance)
    assert address(BRIDGE) == mac
    assert neighbours(BRIDGE) == known
    run("ip link add name low address 00:00:00:00:00:01 type veth peer name y")
    run(f"ip link set dev low master {BRIDGE}; ip link set dev low nomaster")
    run("ip link del dev first")
    assert address(BRIDGE) == mac
    assert check(others_bridge, instance) == []


@pytest.mark.parametrize("mac", ["02:00:00:00:00:01", "02:00:00:00:00:09"], ids=["low", "high"])
def test_a_failed_plug_gives_a_bridge_of_others_its_mac_address_back(others_bridge, instance, mac):
    run(f"ip link set dev uplink address {mac}")
    before = address(BRIDGE), neighbours(BRIDGE)
    steps = tuple(os_vif.plan(others_bridge, instance))
    with pytest.raises(exception.StepFailed):
        engine.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
    assert (address(BRIDGE), neighbours(BRIDGE)) == before
    assert "master" not in json.loads(lines("ip -json link show dev uplink")[0])[0]


def test_a_bridge_of_ours_without_an_uplink_keeps_the_mac_address_of_the_host(vif, instance):
    """It was made for a network that had none."""
    vif.network.bridge_interface = None
    os_vif.plug(vif, instance)
    vif.network.bridge_interface = "uplink"
    os_vif.plug(vif, instance)
    run("ip link add name low address 00:00:00:00:00:01 type veth peer name y")
    run(f"ip link set dev low master {BRIDGE}")
    assert address(BRIDGE) == "02:00:00:00:00:01"


def test_a_mac_address_that_others_have_fixed_stays(others_bridge, instance):
    run(f"ip link set dev {BRIDGE} address 02:00:00:00:00:aa")
    os_vif.plug(others_bridge, instance)
    assert address(BRIDGE) == "02:00:00:00:00:aa"
