# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a caller of the privileged side may not do to a host; each attack goes to a real daemon."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import os_vif
from os_vif.engine.privileged import policy, undo_ledger
from os_vif.steps import (
    DeleteAddress,
    DeleteBridge,
    DeleteLink,
    DeleteNeighbour,
    DeleteRoute,
    DeleteVdpa,
    EnsureAddress,
    EnsureBridge,
    EnsureForwardingRules,
    EnsureMacvlan,
    EnsureNeighbour,
    EnsureRoute,
    EnsureVeth,
    MoveLink,
    RenameLink,
    SetBridgeAddress,
    SetInheritedSysctl,
    SetLink,
    SetSysctl,
    wire,
)
from os_vif.steps.ip.forwarding_rules import RestoreForwardingRules
from os_vif.steps.link.restore_link import RestoreLink
from os_vif.steps.wire import STEPS, encode
from os_vif.testing.host_snapshots import changes, ip, snapshot, state_files, without_indexes
from os_vif.testing.private_namespaces import run
from vif_plug_linux_bridge import privsep

pytestmark = pytest.mark.usefixtures("daemon")

#: A host: its only card, its addresses and routes, a VPN's device, and another program's bridge.
_HOST = """
set -e
ip link add name eth0 type veth peer name far
ip link set dev far up
ip link set dev eth0 up
ip address add 192.0.2.10/24 dev eth0
ip -6 address add 2001:db8::10/64 dev eth0 nodad
ip route add default via 192.0.2.1
ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev eth0
ip link add name br-ex type bridge
ip link set dev br-ex up
ip address add 198.51.100.1/24 dev br-ex
ip -6 address add 2001:db8:1::1/64 dev br-ex nodad
ip link add link far name other type macvlan mode private
ip link set dev other up
"""
_OURS = EnsureBridge("brq-mine")
#: By what the attacker wants; each in one call, all of which the kernel would carry out.
ATTACKS = {
    "mark a device": [SetLink("other", alias="os-vif")],
    "name a device": [SetLink("other", alias="something")],
    "delete a device after marking it": [SetLink("other", alias="os-vif"), DeleteLink("other")],
    "put loopback down": [SetLink("lo", up=False)],
    "loopback's MTU": [SetLink("lo", mtu=1300)],
    "put the card down": [SetLink("eth0", up=False)],
    "put the card down as an uplink": [_OURS, SetLink("eth0", master="brq-mine", up=False)],
    "the card's MAC address": [SetLink("eth0", address="02:00:00:00:00:99")],
    "the card's MTU": [SetLink("eth0", mtu=1300)],
    "promiscuity": [SetLink("eth0", promiscuous=True)],
    "the card's group": [SetLink("eth0", group=7)],
    "the card's transmit queue": [SetLink("eth0", txqueuelen=1)],
    "settings of the card that no plan has": [RestoreLink("eth0", alternative_names=("card",))],
    "settings of the attacker's own bridge": [_OURS, RestoreLink("brq-mine", flags=0)],
    "addresses of the host that keep no bridge": [
        _OURS,
        RestoreLink("brq-mine", gateways=("192.0.2.10/24",)),
    ],
    "rename the card": [SetLink("eth0", up=False), RenameLink("eth0", "tap0a0b0c0d-11")],
    "rename another device": [RenameLink("other", "mine")],
    "move the card": [MoveLink("eth0", str(os.getpid()))],
    "take the card without its addresses": [_OURS, SetLink("eth0", master="brq-mine")],
    "take the card with some of them": [
        _OURS,
        SetLink("brq-mine", up=True),
        EnsureAddress("brq-mine", "192.0.2.10/24"),
        SetLink("eth0", master="brq-mine"),
    ],
    "an address of the attacker's": [_OURS, EnsureAddress("brq-mine", "203.0.113.1/24")],
    "a host's address on no bridge": [EnsureVeth("a", "b"), EnsureAddress("a", "192.0.2.10/24")],
    "an address of the card": [EnsureAddress("eth0", "203.0.113.1/24")],
    "take an address": [DeleteAddress("eth0", "192.0.2.10/24")],
    "the default route": [
        _OURS,
        SetLink("brq-mine", up=True),
        EnsureRoute("brq-mine", "0.0.0.0/0", replaces="eth0"),
    ],
    "half of all routes": [
        _OURS, SetLink("brq-mine", up=True), EnsureRoute("brq-mine", "0.0.0.0/1")
    ],
    "local addresses": [
        _OURS, SetLink("brq-mine", up=True),
        EnsureRoute("brq-mine", "203.0.113.0/24", kind=2, table=255, scope=254, append=True),
    ],
    "a table": [
        _OURS, SetLink("brq-mine", up=True), EnsureRoute("brq-mine", "203.0.113.0/24", table=77),
    ],
    "a route that a router advertises": [
        _OURS, SetLink("brq-mine", up=True),
        EnsureRoute("brq-mine", "::/0", "fe80::66", metric=1024, learned=True, expires=9000),
    ],
    "a neighbour": [
        _OURS, SetLink("brq-mine", up=True),
        EnsureNeighbour("brq-mine", "192.0.2.1", lladdr="02:00:00:00:00:66"),
    ],
    "a neighbour of the card": [
        EnsureNeighbour("eth0", "192.0.2.1", lladdr="02:00:00:00:00:66")
    ],
    "take a neighbour": [DeleteNeighbour("eth0", "192.0.2.7")],
    "answer for an address": [_OURS, EnsureNeighbour("brq-mine", "192.0.2.1", proxy=True)],
    "forward": [_OURS, SetInheritedSysctl("brq-mine", "ipv6", "forwarding", 1)],
    "hear no router": [EnsureBridge("br-ex"), SetInheritedSysctl("br-ex", "ipv6", "accept_ra", 0)],
    "a parameter of the card": [SetInheritedSysctl("eth0", "ipv4", "rp_filter", 2)],
    "a MAC address of the attacker's": [_OURS, SetBridgeAddress("brq-mine", "02:00:00:00:00:66")],
    "the MAC address of another's bridge": [SetBridgeAddress("br-ex", "02:00:00:00:00:66")],
    "another gateway": [EnsureRoute("eth0", "203.0.113.0/24", "192.0.2.66")],
    "no default route": [DeleteRoute("eth0", "0.0.0.0/0", "192.0.2.1", protocol=3)],
    "IPv6 off": [SetSysctl("eth0", "disable_ipv6", 1)],
    "IPv6 off on a bridge": [EnsureBridge("br-ex"), SetSysctl("br-ex", "disable_ipv6", 1)],
    "another program's bridge down": [EnsureBridge("br-ex"), SetLink("br-ex", up=False)],
    "its MAC address": [EnsureBridge("br-ex"), SetLink("br-ex", address="02:00:00:00:00:99")],
    "its MTU below that of IPv6": [EnsureBridge("br-ex"), SetLink("br-ex", mtu=1279)],
    "a device into a bridge that is not named": [
        EnsureVeth("a", "b"), SetLink("a", master="br-ex")
    ],
    "listen on the card": [EnsureMacvlan("mine", "eth0", tap=False)],
    "rules for a device": [EnsureForwardingRules("eth0", interfaces=())],
    "rules for another's bridge": [EnsureForwardingRules("br-ex", interfaces=())],
    "restore what was never there": [RestoreForwardingRules("br-ex", rules=())],
}  # fmt: skip


@pytest.fixture
def host() -> dict:
    run(_HOST)
    return snapshot()


@pytest.mark.parametrize("steps", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_is_the_host_s_is_not_touched(host, steps):
    """Refused by name, and all of the call is undone."""
    answer = privsep.run([encode(step) for step in steps])
    assert answer["error"] is not None
    assert answer["error"]["errno"] == 1, answer["error"]
    assert "not permitted" in answer["error"]["reason"]
    assert not answer["error"]["not_undone"]
    assert changes(without_indexes(host), without_indexes(snapshot())) == []


@pytest.mark.short_form(12)
@pytest.mark.parametrize("steps", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_undo_of_the_caller_s_own_making_is_held_to_the_same_rules(host, steps):
    """``undo`` carries out what can be, and tells the rest."""
    answer = privsep.undo([encode(step) for step in steps])
    assert any("not permitted" in line for line in answer["not_undone"])
    kept = {"eth0", "br-ex", "other", "lo", "far"}
    mine = [link["ifname"] for link in ip("link") if link["ifname"] not in kept]
    for name in mine:
        subprocess.run(["ip", "link", "del", "dev", name], check=False, stderr=subprocess.DEVNULL)
    assert changes(without_indexes(host), without_indexes(snapshot())) == []


@pytest.mark.parametrize("name", ["tap0", "vpn", "tapestry"])
def test_a_device_without_a_mark_goes_only_by_a_vif_s_name(host, name):
    """One of another program stays: that is no failure, and nothing is done."""
    run(f"ip link add name {name} type veth peer name x; ip link add name qbr-mine type bridge")
    steps = [
        DeleteLink(name, include_unmanaged=True),
        DeleteBridge("qbr-mine", include_unmanaged=True),
    ]
    assert privsep.run([encode(step) for step in steps])["error"] is None
    assert ip("link", "show", "dev", name)
    assert ip("link", "show", "dev", "qbr-mine")


@pytest.mark.short_form(3)
@pytest.mark.parametrize(
    "steps",
    [
        [SetLink("brq-test", up=False)],
        [SetLink("uplink", master="")],
        [SetLink("brq-test", mtu=68)],
        [RenameLink("brq-test", "elsewhere")],
        [MoveLink("brq-test", "elsewhere")],
        [DeleteAddress("brq-test", "192.0.2.10/24")],
        [DeleteRoute("brq-test", "0.0.0.0/0", "192.0.2.1", protocol=3)],
        [SetSysctl("brq-test", "disable_ipv6", 1)],
    ],
    ids=str,
)
def test_a_bridge_that_has_the_host_s_addresses_is_the_host_s(vif, instance, steps):
    """Although os-vif made it."""
    run(_HOST.replace("eth0", "uplink"))
    vif.network.bridge_interface = "uplink"
    os_vif.plug(vif, instance)
    before = snapshot()
    answer = privsep.run([encode(step) for step in steps])
    assert answer["error"]["errno"] == 1
    assert snapshot() == before


def test_an_undo_is_good_once_and_for_the_same_device(host):
    """What the daemon has issued restores a host's device; a copy of it does not."""
    run("ip link set dev br-ex down")
    answer = privsep.run([encode(EnsureBridge("br-ex")), encode(SetLink("br-ex", up=True))])
    assert answer["error"] is None
    assert privsep.undo(answer["undo"])["not_undone"] in ([], ())
    assert "UP" not in ip("link", "show", "br-ex")[0]["flags"]
    run("ip link set dev br-ex up")
    assert "not permitted" in privsep.undo(answer["undo"])["not_undone"][0]
    answer = privsep.run([encode(EnsureBridge("br-ex")), encode(SetLink("br-ex", mtu=1400))])
    run("ip link del dev br-ex; ip link add name br-ex mtu 1400 type bridge")
    assert "UP" not in ip("link", "show", "br-ex")[0]["flags"]
    # Another device: only what any caller may do.
    for message in answer["undo"]:
        message[1]["up"] = True
    assert "not permitted" in privsep.undo(answer["undo"])["not_undone"][0]


def test_uplinks_are_those_that_root_has_named(host, vif, instance, monkeypatch, tmp_path):
    """If root has named some; a file that others can write names none."""
    from os_vif.engine.privileged import daemon
    from os_vif.host.netlink import rtnetlink

    names = tmp_path / "uplinks"
    monkeypatch.setattr(policy, "UPLINKS", names)
    vif.network.bridge_interface = "eth0"
    steps = list(os_vif.plan(vif, instance))

    def refused() -> str:
        with rtnetlink.opened() as uncached, uncached.cached() as net:
            answer = daemon._run(net, steps)
            if answer["error"] is not None:
                return answer["error"]["reason"]
            daemon._roll_back(net, [wire.decode(m) for m in answer["undo"]])
            return ""

    names.write_text("eth1 bond0\n")
    assert f"{names} does not name it" in refused()
    names.chmod(0o666)
    assert "can be written by others" in refused()
    names.chmod(0o644)
    names.write_text("eth0\n")
    assert refused() == ""


@contextlib.contextmanager
def _of_user(user: int):
    """A process of an ordinary user, in network and user namespaces of its own."""
    program = (
        f"import os, sys; os.setgid({user}); os.setuid({user}); os.execvp('unshare', sys.argv[1:])"
    )
    command = ["unshare", "-Un", "sh", "-c", "echo ready; exec sleep 60"]
    with subprocess.Popen(
        ["python3", "-c", program, *command], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout.readline() != "ready\n":
                pytest.skip("needs user namespaces of ordinary users")
            yield process.pid
        finally:
            process.kill()


def test_no_device_goes_into_a_namespace_of_another_user(host):
    """By the id of a process, or by a name; one of root's takes it."""
    mark = [encode(EnsureVeth("mine", "peer"))]
    assert privsep.run(mark)["error"] is None
    with _of_user(4321) as pid:
        answer = privsep.run([encode(MoveLink("mine", str(pid)))])
        assert answer["error"]["errno"] == 1, answer
        assert "is not owned by root" in answer["error"]["reason"]
        named = pathlib.Path("/run/netns/os-vif-test-policy")
        named.parent.mkdir(exist_ok=True)
        named.touch()
        run(f"mount --bind /proc/{pid}/ns/net {named}")
        try:
            answer = privsep.run([encode(MoveLink("mine", named.name))])
            assert "the owner is the user 4321" in answer["error"]["reason"]
        finally:
            run(f"umount {named}; rm {named}")
    with subprocess.Popen(["unshare", "-n", "sleep", "60"]) as root:
        try:
            _until_in_another_netns(root.pid)
            assert privsep.run([encode(MoveLink("mine", str(root.pid)))])["error"] is None
        finally:
            root.kill()


def _until_in_another_netns(pid: int) -> None:
    ours = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116
    deadline = time.monotonic() + 10
    while os.stat(f"/proc/{pid}/ns/net").st_ino == ours:  # noqa: PTH116
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_step_has_a_rule():
    """A step class without one cannot be applied by any caller."""
    assert set(policy.RULES) == set(STEPS.values())


def test_the_ledger_is_bounded(host, monkeypatch):
    """The oldest are forgotten first."""
    from os_vif.host.netlink import rtnetlink

    monkeypatch.setattr(undo_ledger, "_CAPACITY", 10)
    undos = [[SetLink(f"d{n}", up=False), SetLink(f"d{n}", mtu=1400)] for n in range(10)]
    with rtnetlink.opened() as net:
        for undo in undos:
            undo_ledger.issue(net, undo)
        assert not undo_ledger.redeem(net, undos[4])
        # Whole, and once.
        assert not undo_ledger.redeem(net, undos[5][:1])
        assert undo_ledger.redeem(net, undos[5])
        assert not undo_ledger.redeem(net, undos[5])


def test_expired_entries_of_the_ledger_are_deleted(host, monkeypatch):
    from os_vif.host.netlink import rtnetlink

    monkeypatch.setattr(undo_ledger, "_ledgers", {})
    undos = [[SetLink(f"d{n}", mtu=1400)] for n in range(3)]
    with rtnetlink.opened() as net:
        monkeypatch.setattr(undo_ledger, "_LIFETIME", -1)
        undo_ledger.issue(net, undos[0])
        assert not undo_ledger.redeem(net, undos[0])
        undo_ledger.issue(net, undos[1])
        monkeypatch.setattr(undo_ledger, "_LIFETIME", 3600)
        undo_ledger.issue(net, undos[2])
        (ledger,) = undo_ledger._ledgers.values()
        assert len(ledger._issued) == ledger._step_count == 1
        assert undo_ledger.redeem(net, undos[2])
        assert ledger._step_count == 0


def test_a_vdpa_device_of_a_physical_function_is_not_deleted():
    """It may be another program's; that of a virtual function is its VIF's."""
    step = DeleteVdpa("vdpa0", "pci/0000:03:00.0")
    with pytest.raises(PermissionError, match="no virtual function"):
        policy.RULES[DeleteVdpa](None, step)
    policy.RULES[DeleteVdpa](None, DeleteVdpa("vdpa0", "vdpasim_net"))


_NAMES = ["eth0", "lo", "br-ex", "other", "brq-mine", "tap0a0b0c0d-11", "qbr0a0b0c0d-11", "far"]
#: Of each field, values that are likely to be valid, and hostile.
_VALUES: dict[str, list] = {
    "name": _NAMES,
    "to": _NAMES,
    "peer": _NAMES,
    "link": _NAMES,
    "master": [*_NAMES, "", None],
    "replaces": [*_NAMES, None],
    "alias": ["os-vif", "", None],
    "address": ["192.0.2.10/24", "198.51.100.1/24", "203.0.113.9/24", "02:00:00:00:00:99", None],
    "destination": ["0.0.0.0/0", "192.0.2.0/24", "203.0.113.0/24"],
    "gateway": ["192.0.2.1", "192.0.2.66", None],
    "key": ["disable_ipv6", "arp_ignore"],
    "value": [0, 1, 2],
    # Never that of another process: what a test moves there would stay there.
    "netns": ["none", "nosuch"],
    "user": ["someone"],
    "mtu": [68, 1279, 1500, None],
    "number": [0],
    "pci_address": ["0000:03:00.2", None],
    "management_device": ["pci/0000:03:00.0", "vdpasim_net"],
    "what": ["lost"],
    "vlan_id": [100],
    "vni": [5],
    "table": [10],
    "bond": _NAMES,
    "index": [1, 2, None],
    "protocol": [3, 4],
    "mode": ["bridge"],
    "default_target": ["DROP"],
}


def _hostile(name: str) -> st.SearchStrategy:
    """Messages for a step, most of which are valid."""
    import dataclasses

    fields = dataclasses.fields(STEPS[name])
    required = {
        field.name: st.sampled_from(_VALUES.get(field.name, [True, False, None]))
        for field in fields
        if field.default is dataclasses.MISSING
    }
    optional = {
        field.name: st.sampled_from(_VALUES.get(field.name, [True, False]))
        for field in fields
        if field.name not in required
    }
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: [name, given])


#: Rules need iptables, and take its time; test_filters has them.
_FUZZED = sorted(
    STEPS.keys() - {"EnsureForwardingRules", "DeleteForwardingRules", "RestoreForwardingRules"}
)


def _is_untouched() -> None:
    """The host's devices have what they had, wherever its addresses are by now."""
    links = {link["ifname"]: link for link in ip("address")}
    assert {"lo", "eth0", "br-ex", "other", "far"} <= links.keys()
    for name in ("lo", "eth0", "br-ex", "other"):
        assert "UP" in links[name]["flags"], name
        assert links[name].get("ifalias") is None, name
        assert links[name]["mtu"] >= 1280, name
    assert links["other"]["address"] == _is_untouched.other
    held = [
        a["local"] for link in links.values() for a in link["addr_info"] if a["scope"] == "global"
    ]
    assert {"192.0.2.10", "2001:db8::10", "198.51.100.1", "2001:db8:1::1"} <= set(held)
    assert "203.0.113.9" not in held
    (default,) = ip("route", "show", "default")
    assert default["gateway"] == "192.0.2.1"
    assert not any(route["dst"].startswith("203.") for route in ip("route"))


@pytest.mark.parametrize(
    "examples",
    [pytest.param(60, id="short"), pytest.param(3000, marks=pytest.mark.soak, id="long")],
)
def test_no_sequence_of_messages_takes_what_is_the_host_s(host, examples):
    """Calls and undos of a hostile caller, one after the other, on one host."""
    (other,) = ip("link", "show", "other")
    _is_untouched.other = other["address"]
    message = st.sampled_from(_FUZZED).flatmap(_hostile)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(messages=st.lists(message, min_size=1, max_size=6), undone=st.booleans())
    def attack(messages, undone):
        answer = privsep.run(messages)
        assert {"undo", "error"} <= set(answer)
        if undone:
            privsep.undo([*answer["undo"], *messages])
        _is_untouched()

    attack()
    assert isinstance(state_files(), dict)
