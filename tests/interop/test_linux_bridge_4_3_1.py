# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""On one host, the linux_bridge plugin of the public os-vif 4.3.1 and ours take turns.

4.3.1 is the last release that has it. Both run for real, each with a privileged daemon of its own,
on VIFs that are stored as 4.3.1 stores them.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import objects
from os_vif.testing import private_namespaces
from os_vif.testing.guests import Guest, Hypervisor
from os_vif.testing.host_snapshots import filters, ip, snapshot
from os_vif.testing.private_namespaces import run
from testbed import environments
from testbed.environments import Subject
from tests.support.guests.pings import Pings
from tests.support.interop.public import OVS_PINS, PROGRAM, RELEASE, SBIN, Public
from tests.support.vifs import bridge_vif
from vif_plug_linux_bridge import privsep

BRIDGE = "brq-test"
#: linux/rtnetlink.h: ``RTMGRP_*`` of links, and of addresses and routes of both families.
_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
_NEWLINK, _UP = 16, 0x1
_DELETED = {17: "a device, or port", 21: "an address", 25: "a route"}
INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@contextlib.contextmanager
def nothing_taken_away() -> Iterator[None]:
    """Nothing goes down or away meanwhile, not even for a moment."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.bind((0, _GROUPS))
        sock.setblocking(False)
        yield
        gone = set()
        with contextlib.suppress(BlockingIOError):
            while True:
                kind, flags = struct.unpack_from("=4xH18xI", sock.recv(65536))
                if kind in _DELETED:
                    gone.add(_DELETED[kind])
                elif kind == _NEWLINK and not flags & _UP:
                    gone.add("the state up")
        assert gone == set()


@pytest.fixture(scope="module")
def rights() -> None:
    missing = private_namespaces.missing_right()
    if missing:
        pytest.skip(missing)
    private_namespaces.hide_state_directory()


@pytest.fixture(scope="module")
def public(rights, tmp_path_factory) -> Public:
    """The public release, in an environment of its own."""
    scratch = tmp_path_factory.mktemp("public-4.3.1")
    try:
        subject = Subject.from_public_release(scratch, RELEASE)
        pinned = environments.pins("public") + OVS_PINS
        python = environments.environment("public-4.3.1", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    public = Public("4.3.1", python, subject, scratch, INSTANCE)
    privileged = {"helper_command": public.helper}
    public.configure(
        {
            "oslo_concurrency": {"lock_path": scratch},
            "vif_plug_linux_bridge_privileged": privileged,
        }
    )
    return public


@pytest.fixture(autouse=True)
def host(public) -> Iterator[None]:
    """A network namespace, and our daemon in it."""
    with private_namespaces.private_namespace():
        # The kernel is not to change by itself what is compared.
        run("sysctl -qw net.ipv6.conf.default.accept_dad=0")
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize(reset=True)
        yield
        if privsep.vif_plug.channel is not None:
            privsep.vif_plug.stop()


@pytest.fixture
def vifs() -> tuple[objects.VIFBridge, objects.VIFBridge]:
    """Two VIFs of one network."""
    made = bridge_vif(1, mtu=1500), bridge_vif(2, mtu=1500)
    for vif in made:
        # 4.3.1 fails where it is not set.
        vif.network.bridge_interface = None
    return made


@pytest.fixture
def guests() -> Iterator[tuple[Guest, Guest, Hypervisor]]:
    with Guest() as first, Guest() as second, Hypervisor() as hypervisor:
        yield first, second, hypervisor


def check(vif: objects.VIFBridge) -> list[str]:
    return [str(found) for found in os_vif.check(vif, INSTANCE) if not found.pending]


def plug(*vifs: objects.VIFBridge) -> None:
    for vif in vifs:
        os_vif.plug(vif, INSTANCE)


def unplug(*vifs: objects.VIFBridge) -> None:
    for vif in vifs:
        os_vif.unplug(vif, INSTANCE)


def attach(guests, vifs) -> Pings:
    """Give each of two guests its VIF; one is to ping the other."""
    first, second, hypervisor = guests
    hypervisor.attach(first, vifs[0], "192.0.2.11/24")
    hypervisor.attach(second, vifs[1], "192.0.2.12/24")
    return Pings(first, "192.0.2.12")


def uplink(gateway: Guest, vif: objects.VIFBridge) -> Pings:
    """The VIF's bridge is to have an uplink, where the host has its address and default route.

    The gateway is to ping the host, from an address that the default route alone leads to.
    """
    run(f"ip link add uplink type veth peer name {gateway.INTERFACE} netns {gateway.pid}")
    gateway.configure("192.0.2.1/24")
    inside = f"nsenter --target {gateway.pid} --net"
    run(f"{inside} ip address add 198.51.100.1/32 dev {gateway.INTERFACE}")
    run("ip link set uplink up && ip address add 192.0.2.10/24 broadcast 192.0.2.255 dev uplink")
    run("ip route add default via 192.0.2.1")
    vif.network.bridge_interface = "uplink"
    return Pings(gateway, "192.0.2.10", source="198.51.100.1")


def host_is_on(device: str) -> None:
    """Its address and its default route are there, and nowhere else."""
    held = {
        (link["ifname"], address["local"])
        for link in ip("-4", "address")
        for address in link["addr_info"]
    }
    assert held - {("lo", "127.0.0.1")} == {(device, "192.0.2.10")}
    routes = [(route["dst"], route.get("gateway"), route["dev"]) for route in ip("-4", "route")]
    assert routes == [("default", "192.0.2.1", device), ("192.0.2.0/24", None, device)]


def detach(vifs) -> None:
    for vif in vifs:
        run(f"ip link del {vif.vif_name}")


def test_a_bridge_of_4_3_1_is_fine_and_stays(public, vifs, guests):
    """Ours finds nothing to mend, changes nothing, and unplug is as empty as that of 4.3.1."""
    for vif in vifs:
        public.plug(vif)
    with attach(guests, vifs) as pings:
        assert [check(vif) for vif in vifs] == [[], []]
        before = snapshot()
        with nothing_taken_away():
            plug(*vifs)
            assert snapshot() == before
            unplug(*vifs)
            assert snapshot() == before
    pings.assert_answered()
    assert ip("link", "show", BRIDGE)


def test_a_bridge_of_4_3_1_with_the_hosts_address_is_fine_and_stays(public, vifs):
    """What 4.3.1 moved to the bridge stays there, and the host is reached all the time."""
    vif = vifs[0]
    with Guest() as gateway:
        pings = uplink(gateway, vif)
        public.plug(vif)
        host_is_on(BRIDGE)
        with pings:
            assert check(vif) == []
            before = snapshot()
            with nothing_taken_away():
                plug(vif)
                assert snapshot() == before
                unplug(vif)
                assert snapshot() == before
        pings.assert_answered()


@pytest.mark.interop
def test_the_mtu_that_4_3_1_does_not_set_is_set(public, vifs):
    """Without uplink 4.3.1 leaves it to the guests' devices; what ours sets it leaves too."""
    vif = vifs[0]
    vif.network.mtu = 1450
    public.plug(vif)
    assert check(vif) == [f"{BRIDGE}: MTU is 1500, should be 1450"]
    plug(vif)
    assert check(vif) == []
    before = snapshot()
    public.plug(vif)
    assert snapshot() == before


def test_4_3_1_leaves_a_bridge_of_ours_as_it_is(public, vifs, guests):
    """It plugs over ours and unplugs; ours is whole afterwards, and leaves nothing."""
    empty = snapshot()
    plug(*vifs)
    with attach(guests, vifs) as pings:
        before = snapshot()
        with nothing_taken_away():
            for vif in vifs:
                public.plug(vif)
                public.unplug(vif)
        assert snapshot() == before
        assert [check(vif) for vif in vifs] == [[], []]
    pings.assert_answered()
    detach(vifs)
    unplug(*vifs)
    assert snapshot() == empty


@pytest.mark.interop
def test_4_3_1_leaves_a_bridge_of_ours_with_the_hosts_address_as_it_is(public, vifs):
    """It plugs over ours and unplugs, and the host is reached all the time."""
    vif = vifs[0]
    with Guest() as gateway, uplink(gateway, vif) as pings:
        plug(vif)
        host_is_on(BRIDGE)
        before = snapshot()
        with nothing_taken_away():
            public.plug(vif)
            public.unplug(vif)
        assert snapshot() == before
        assert check(vif) == []
        unplug(vif)
        host_is_on(BRIDGE)
    pings.assert_answered()


def test_an_address_that_4_3_1_left_behind_is_brought_to_the_bridge(public, vifs):
    """One with a lifetime stays on the uplink, where no packet reaches it, until ours plugs."""
    vif = vifs[0]
    with Guest() as gateway:
        pings = uplink(gateway, vif)
        lifetime = "valid_lft 3600 preferred_lft 3600"
        run(f"ip address change 192.0.2.10/24 broadcast 192.0.2.255 dev uplink {lifetime}")
        public.plug(vif)
        host_is_on("uplink")
        with pytest.raises(OSError, match="does not answer"):
            gateway.ping("192.0.2.10", 2, 0.2)
        assert [line for line in check(vif) if "192.0.2.10" in line] == [
            f"{BRIDGE}: address 192.0.2.10/24 is missing, should be there",
            "uplink: address 192.0.2.10/24 is there, should be gone",
        ]
        plug(vif)
        host_is_on(BRIDGE)
        assert check(vif) == []
        with pings:
            public.plug(vif)
            host_is_on(BRIDGE)
        pings.assert_answered()


@pytest.mark.interop
def test_an_uplink_with_an_ipv6_address_is_plugged_again_and_unplugged(public, vifs):
    """4.3.1 turns IPv6 off on the bridge, and leaves such an address on the uplink."""
    vif = vifs[0]
    with Guest() as gateway:
        pings = uplink(gateway, vif)
        run("ip address add 2001:db8::10/64 dev uplink nodad")
        public.plug(vif)
        host_is_on(BRIDGE)
        with pings:
            plug(vif)
            assert check(vif) == []
            unplug(vif)
            host_is_on(BRIDGE)
        pings.assert_answered()


@pytest.fixture
def filtered(vifs) -> tuple[objects.VIFBridge, objects.VIFBridge]:
    """Two VIFs that nobody else makes rules for, on a host that forwards nothing by itself."""
    if shutil.which("iptables-save", path=SBIN) is None:
        pytest.skip("there is no iptables-save")
    run("iptables -P FORWARD DROP")
    for vif in vifs:
        vif.has_traffic_filtering = False
    return vifs


OURS = [
    f":os-vif-{BRIDGE} -",
    f"-A FORWARD -j os-vif-{BRIDGE}",
    f"-A os-vif-{BRIDGE} -i {BRIDGE} -j ACCEPT",
    f"-A os-vif-{BRIDGE} -o {BRIDGE} -j ACCEPT",
]


def rules() -> tuple[list[str], list[str]]:
    """Ours, and the others."""
    found = filters("iptables")
    ours = [line for line in found if f"os-vif-{BRIDGE}" in line]
    return ours, [line for line in found if line not in ours]


def test_rules_of_ours_come_beside_those_of_4_3_1(public, filtered, guests):
    """Once, however often ours plugs; those of 4.3.1 stay, and packets pass all the time."""
    for vif in filtered:
        public.plug(vif)
    ours, before = rules()
    assert ours == []
    assert f"-A {PROGRAM.name}-FORWARD -i {BRIDGE} -j ACCEPT" in before
    with attach(guests, filtered) as pings:
        assert [d.partition(" is ")[0] for d in check(filtered[0])] == [
            f"{BRIDGE}: iptables chain os-vif-{BRIDGE}"
        ]
        plug(*filtered)
        assert rules() == (OURS, before)
        assert [check(vif) for vif in filtered] == [[], []]
        plug(*filtered)
        assert rules() == (OURS, before)
    pings.assert_answered()


@pytest.mark.interop
def test_rules_of_ours_outlive_a_plug_of_4_3_1(public, filtered, guests):
    """It adds its own; ours hold as before, packets pass all the time, and unplug takes ours."""
    plug(*filtered)
    ours, before = rules()
    assert ours == OURS
    with attach(guests, filtered) as pings:
        for vif in filtered:
            public.plug(vif)
        ours, after = rules()
        assert ours == OURS
        assert set(before) < set(after)
        assert [check(vif) for vif in filtered] == [[], []]
        plug(*filtered)
        assert rules() == (OURS, after)
    pings.assert_answered()
    detach(filtered)
    unplug(*filtered)
    assert rules() == ([], after)
    assert [link["ifname"] for link in ip("link")] == ["lo"]
