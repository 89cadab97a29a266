# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for each step there is. One that is new gets a sample here, or the first test fails."""

from __future__ import annotations

import dataclasses
import os

import pytest

from os_vif.engine.privileged import daemon
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import rule_records
from os_vif.steps import (
    AddBridgeUser,
    DeleteAddress,
    DeleteBondMember,
    DeleteBridge,
    DeleteForwardingRules,
    DeleteLink,
    DeleteNeighbour,
    DeleteRoute,
    EnsureAddress,
    EnsureBond,
    EnsureBondMember,
    EnsureBridge,
    EnsureDummy,
    EnsureForwardingRules,
    EnsureIpvlan,
    EnsureMacvlan,
    EnsureNeighbour,
    EnsureRoute,
    EnsureTap,
    EnsureVeth,
    EnsureVlan,
    EnsureVrf,
    EnsureVxlan,
    MoveLink,
    RemoveBridgeUser,
    RenameLink,
    SetBridgeAddress,
    SetInheritedSysctl,
    SetLink,
    SetSysctl,
    SetVf,
    wire,
)
from os_vif.steps.ip.forwarding_rules import RestoreForwardingRules
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.link.restore_link import RestoreLink
from os_vif.steps.wire import STEPS, encode
from os_vif.testing.host_snapshots import differences, ip, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from tests.support.requirements import require, require_tun

_PAIR = "ip link add name base type veth peer name far; ip link set dev base up\n"
_BRIDGE = "ip link add name br type bridge; ip link set dev br alias os-vif\n"
_RENAMED = "ip link property add dev base altname enp3s0 altname os-vif-was-eth0"
_ROUTED = _PAIR + "ip link set dev far up; ip address add 192.0.2.10/24 dev base\n"


_CARD = """
sim=/sys/bus/netdevsim
! [ -e $sim/devices/netdevsim77 ] || echo 77 > $sim/del_device
echo "77 1" > $sim/new_device
echo 2 > $sim/devices/netdevsim77/sriov_numvfs
"""
_SETTINGS = {"mac": "02:00:00:00:00:0a", "vlan": 42, "vlan_qos": 3, "vlan_proto": "802.1ad"}


@dataclasses.dataclass(frozen=True)
class Sample:
    step: KernelStep
    setup: str = "true"
    #: A command that fails where the kernel lacks what the step is about, and the virtual machine
    #: that has it.
    probe: str = "true"
    scenario: str | None = None
    #: Whether it needs to open ``/dev/net/tun``.
    tun: bool = False
    #: Whether the step tells of itself.
    told: bool = True
    #: Whether its commands make it hold on this host, when typed.
    typed: bool = True
    #: True if only an argument differs from another sample: only soak tests run such a sample.
    soak: bool = False

    def __str__(self) -> str:
        return "-".join(str(part) for part in encode(self.step)[1].values()).replace(" ", "")


_DUMMY = "ip link add name base type dummy; "
_BOND = "ip link add name bond1 type bond mode active-backup miimon 100; "
_VRF = "ip link add name vrf1 type vrf table 10; "
#: Steps of kinds of devices that not every kernel has, and the commands before each step.
LINK_KINDS = [
    (EnsureIpvlan("iv", "base", "l3s"), _DUMMY),
    # The kernel adds a rule with the first VRF, and keeps it.
    (EnsureVrf("vrf1", 2**32 - 1), "ip link add name first type vrf table 9"),
    (SetLink("base", master="vrf1"), _DUMMY + _VRF),
    (DeleteLink("vrf1"), _VRF + _DUMMY + "ip link set dev vrf1 alias os-vif up; "
     "ip link set dev base master vrf1 up"),
    (EnsureBondMember("base", "bond1"), _BOND + _DUMMY + "ip link add name o type dummy; "
     "ip link set dev o master bond1; ip link set dev bond1 up mtu 1400"),
    (DeleteBondMember("base", "bond1"), _BOND + _DUMMY + "ip link set dev base mtu 1400; "
     "ip link set dev base master bond1; ip link set dev bond1 up"),
    (DeleteLink("bond1"), _BOND + _DUMMY + "ip link set dev base master bond1; "
     "ip link set dev bond1 alias os-vif up"),
]  # fmt: skip
#: The same steps with other arguments, and steps that the undo of these steps applies, too.
OTHER_LINK_KINDS = [
    (EnsureDummy("dm", address="02:00:00:00:00:0b"), ""),
    (DeleteLink("dm"), _DUMMY
     + "ip link set dev base name dm alias os-vif mtu 1400 address 02:00:00:00:00:0c up"),
    (DeleteLink("iv"), _DUMMY + "ip link add link base name iv type ipvlan mode l3s; "
     "ip link set dev iv alias os-vif mtu 1400 up"),
    (EnsureDummy("dm"), ""),
    *((EnsureIpvlan("iv", "base", mode), _DUMMY) for mode in ("l2", "l3")),
    (EnsureVrf("vrf1", 10), "ip link add name first type vrf table 9"),
    *((EnsureBond("bond1", mode), "") for mode in
      ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb",
       "balance-alb")),
    (EnsureBondMember("base", "bond1"), _BOND + _DUMMY),
    (EnsureIpvlan("iv", "base", "l3"), _DUMMY + "ip link add link base name o type ipvlan mode l3"),
    (SetLink("base", master=""), _DUMMY + _VRF + "ip link set dev base master vrf1 up"),
    (DeleteLink("base"), _VRF + _DUMMY + "ip link set dev base master vrf1 alias os-vif up"),
    (EnsureBond("bond1", miimon=250), ""),
    (EnsureBondMember("base", "bond1"), _BOND + _DUMMY + "ip link set dev base mtu 1400 up"),
    (DeleteLink("base"), _BOND + _DUMMY + "ip link set dev base alias os-vif; "
     "ip link set dev base master bond1; ip link set dev bond1 up"),
]  # fmt: skip


def in_vm(step: KernelStep, setup: str, *, soak: bool = False) -> Sample:
    """Return the sample of a step for kinds of devices that the virtual machine has."""
    kinds = ("dummy", "vrf table 9", "bond")
    probe = "; ".join(f"ip link add name probe{n} type {kind}" for n, kind in enumerate(kinds))
    probe += "; ip link add link probe0 name probe9 type ipvlan"
    return Sample(step, setup or "true", probe=f"set -e; {probe}", scenario="plain", soak=soak)


SAMPLES = [
    Sample(EnsureBridge("br")),
    Sample(EnsureBridge("br", ageing=0, stp=True, forward_delay=400, multicast_snooping=True)),
    Sample(EnsureBridge("br", address="02:00:00:00:00:07")),
    Sample(DeleteBridge("br"), _BRIDGE + "ip address add 192.0.2.10/24 dev br; ip link add name "
           "other type bridge; ip address add 192.0.2.10/24 dev other"),
    Sample(SetLink("base", mtu=1400), _PAIR),
    Sample(SetLink("base", up=False), _PAIR),
    Sample(SetLink("base", up=True, master="br"), _PAIR + _BRIDGE),
    Sample(SetLink("base", master=""), _PAIR + _BRIDGE + "ip link set dev base master br"),
    Sample(SetLink("base", address="02:00:00:00:00:08", promiscuous=True), _PAIR),
    Sample(SetLink("base", promiscuous=False), _PAIR + "ip link set dev base promisc on"),
    Sample(SetLink("base", mtu=1400, missing_ok=True), _PAIR),
    Sample(SetLink("base", alias="a guest's"), _PAIR),
    Sample(SetLink("base", alias=""), _PAIR + "ip link set dev base alias x"),
    Sample(EnsureVeth("in", "out")),
    Sample(EnsureVeth("in", "out", mtu=1400)),
    Sample(EnsureVeth("in", "out"), "ip link add name in type veth peer name lost; "
           "ip link set dev in alias os-vif; ip link set dev lost alias os-vif", typed=False),
    Sample(EnsureTap("tap1"), tun=True),
    Sample(EnsureTap("tap1", multiqueue=True, address="02:00:00:00:00:09"), tun=True),
    *(
        Sample(EnsureMacvlan("mv", "base", mode, tap), _PAIR)
        for mode in ("private", "vepa", "bridge", "passthru")
        for tap in (False, True)
    ),
    Sample(
        EnsureVlan("vlan100", "base", 100),
        _PAIR,
        probe=_PAIR + "ip link add link base name v type vlan id 1",
        scenario="plain",
    ),
    Sample(EnsureVxlan("vx", 5)),
    Sample(EnsureVxlan("vx", 2**24 - 1, port=8472, remote="192.0.2.9", learning=False)),
    Sample(EnsureVxlan("vx", 5, local="2001:db8::1", remote="2001:db8::2")),
    Sample(EnsureVxlan("vx", 5, local="192.0.2.1", remote="239.1.1.1", link="base"), _PAIR),
    Sample(EnsureVxlan("vx", 5, remote="ff02::7", link="base"), _PAIR),
    Sample(DeleteLink("vx"), "ip link add name vx type vxlan id 5 dstport 4789 local 192.0.2.1 "
           "remote 192.0.2.2 nolearning; ip link set dev vx alias os-vif mtu 1400 up"),
    Sample(DeleteLink("vx"), _PAIR + "ip link add name vx type vxlan id 5 dstport 4789 "
           "group ff02::7 dev base; ip link set dev vx alias os-vif"),
    *(in_vm(step, setup) for step, setup in LINK_KINDS),
    *(in_vm(step, setup, soak=True) for step, setup in OTHER_LINK_KINDS),
    Sample(DeleteLink("in"), "ip link add name in mtu 1400 type veth peer name out; "
           "ip link set dev in alias os-vif up; ip link set dev out alias os-vif promisc on"),
    Sample(DeleteLink("tap1"), "ip tuntap add dev tap1 mode tap multi_queue; "
           "ip link set dev tap1 alias os-vif", tun=True),
    Sample(DeleteLink("mv"), _PAIR + "ip link add link base name mv type macvlan mode vepa; "
           "ip link set dev mv alias os-vif"),
    Sample(DeleteLink("mv", only_unattached=True), _PAIR + "ip link add link base name mv type macvtap; "
           "ip link set dev mv alias os-vif"),
    Sample(
        DeleteLink("tap0a0b0c0d-11", include_unmanaged=True),
        "ip link add name tap0a0b0c0d-11 type veth peer name other",
    ),
    Sample(
        DeleteBridge("qbr0a0b0c0d-11", include_unmanaged=True),
        "ip link add name qbr0a0b0c0d-11 type bridge ageing_time 0",
    ),
    Sample(EnsureAddress("base", "192.0.2.10/24"), _PAIR),
    Sample(EnsureAddress("base", "192.0.2.10/32", peer="192.0.2.11/32", metric=7), _PAIR),
    Sample(EnsureAddress("base", "192.0.2.10/24", broadcast="192.0.2.255", label="base:1",
                         flags=0x200, scope=253), _PAIR),
    Sample(EnsureAddress("base", "2001:db8::1/64", flags=0x200), _PAIR),
    Sample(DeleteAddress("base", "192.0.2.10/24"),
           _PAIR + "ip address add 192.0.2.10/24 dev base broadcast + label base:x metric 5"),
    Sample(DeleteAddress("base", "2001:db8::1/64"),
           _PAIR + "ip address add 2001:db8::1/64 dev base nodad noprefixroute"),
    Sample(EnsureRoute("base", "0.0.0.0/0", gateway="192.0.2.1"), _ROUTED),
    Sample(EnsureRoute("base", "198.51.100.0/24", scope=253, table=1000, metric=3, tos=8,
                       source="192.0.2.10"), _ROUTED),
    Sample(EnsureRoute("base", "0.0.0.0/0", gateway="203.0.113.1", onlink=True), _ROUTED),
    Sample(EnsureRoute("base", "2001:db8:1::/64", metric=9),
           _ROUTED + "ip address add 2001:db8::1/64 dev base nodad"),
    Sample(EnsureRoute("base", "0.0.0.0/0", gateway="192.0.2.1", replaces="other"),
           _ROUTED + "ip link add name other type veth peer name o; ip link set dev other up; "
           "ip address add 192.0.2.20/24 dev other; ip route add default via 192.0.2.9 dev other"),
    Sample(EnsureRoute("base", "198.51.100.0/24", scope=253, append=True),
           _ROUTED + "ip link add name other type bridge; ip link set dev other up; "
           "ip route add 198.51.100.0/24 dev other"),
    Sample(EnsureRoute("base", "198.51.100.0/24", kind=2, table=255, scope=254), _ROUTED),
    Sample(EnsureRoute("base", "203.0.113.0/24", gateway="192.0.2.1",
                       metrics="mtu lock 1400 hoplimit 64 features ecn congctl cubic"), _ROUTED),
    Sample(EnsureRoute("base", "2001:db8:1::/64", kind=2, table=255, metric=9), _ROUTED),
    Sample(EnsureRoute("base", "::/0", gateway="fe80::1", metric=1024, protocol=9, expires=600,
                       preference=1, metrics="mtu 1400 hoplimit 64"), _ROUTED),
    Sample(EnsureRoute("base", "::/0", gateway="fe80::1", metric=1024, protocol=3, expires=600,
                       preference=3, learned=True), _ROUTED, typed=False),
    Sample(EnsureRoute("base", "2001:db8:3::/64", metric=256, protocol=3, expires=600,
                       learned=True), _ROUTED, typed=False),
    Sample(DeleteRoute("base", "2001:db8:1::/64", kind=2, table=255, metric=1024, protocol=3),
           _ROUTED + "ip -6 route add local 2001:db8:1::/64 dev base"),
    Sample(DeleteRoute("base", "0.0.0.0/0", gateway="192.0.2.1"),
           _ROUTED + "ip route add default via 192.0.2.1 proto static"),
    Sample(EnsureNeighbour("base", "192.0.2.77", lladdr="02:00:00:00:00:77"), _ROUTED),
    Sample(EnsureNeighbour("base", "192.0.2.77", lladdr="02:00:00:00:00:77", state=64,
                           protocol=99), _ROUTED),
    Sample(EnsureNeighbour("base", "192.0.2.77", lladdr="02:00:00:00:00:77"),
           _ROUTED + "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:78 dev base extern_learn"),
    Sample(EnsureNeighbour("base", "2001:db8::77", lladdr="02:00:00:00:00:77", flags=0x90),
           _PAIR),
    Sample(EnsureNeighbour("base", "192.0.2.77", proxy=True), _ROUTED),
    Sample(DeleteNeighbour("base", "192.0.2.77"),
           _ROUTED + "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:78 dev base nud noarp"),
    Sample(DeleteNeighbour("base", "2001:db8::77", proxy=True),
           _PAIR + "ip neigh add proxy 2001:db8::77 dev base"),
    Sample(SetBridgeAddress("br", "02:00:00:00:00:07"),
           _BRIDGE + "ip link add name base address 02:00:00:00:00:05 type veth peer name far;"
           "ip link set dev base master br", told=True),
    Sample(SetInheritedSysctl("base", "ipv6", "accept_ra", 2), _PAIR),
    Sample(SetInheritedSysctl("base", "ipv4", "rp_filter", 1), _PAIR),
    Sample(SetSysctl("base", "disable_ipv6", 1), _PAIR),
    Sample(SetSysctl("base", "arp_ignore", 1), _PAIR),
    Sample(EnsureForwardingRules("br"), _BRIDGE),
    Sample(EnsureForwardingRules("br", ipv6=True, interfaces=("eth0", "eth1"), default_target="REJECT")),
    Sample(EnsureForwardingRules("br", interfaces=("eth+",)), "iptables -N os-vif-br; "
           "iptables -A os-vif-br -s 192.0.2.0/24 -j DROP; iptables -A FORWARD -j os-vif-br; "
           "iptables -A FORWARD -j os-vif-br", typed=False),
    Sample(DeleteForwardingRules("br"), "iptables -N os-vif-br; iptables -A FORWARD -j ACCEPT; "
           "iptables -A os-vif-br -i br -j DROP; iptables -A FORWARD -j os-vif-br"),
    Sample(DeleteForwardingRules("br", ipv6=True), "ip6tables -N os-vif-br"),
    Sample(AddBridgeUser("br", "a"), _BRIDGE, told=False, typed=False),
    Sample(RemoveBridgeUser("br", "a"), _BRIDGE, told=False, typed=False),
    Sample(RestoreForwardingRules("br", rules=(("br", "", "DROP"),), jumps=(1,)), told=False, typed=False),
    Sample(RestoreLink("base", flags=0x1283, alternative_names=("other", "another-name")), _PAIR +
           "ip link property add dev base altname other altname old", told=False, typed=False),
    Sample(SetLink("base", group=7, txqueuelen=50), _PAIR),
    Sample(SetLink("base", group=0), _PAIR + "ip link set dev base group 7"),
    Sample(MoveLink("base", "OTHER"), _PAIR, typed=False),
    Sample(RenameLink("base", "tap1"), _PAIR),
    Sample(RenameLink("base", "tap1", restore_name=True), _PAIR, typed=False),
    Sample(RenameLink("base", "tap1", missing_ok=True), f"{_PAIR} {_RENAMED}"),
    Sample(RenameLink("base", "eth0", restore_name=True), f"{_PAIR} {_RENAMED}"),
    Sample(SetVf("eth0", 1, None, trusted=True, max_tx_rate=100, link_state="enable", **_SETTINGS),
           _CARD, probe="ls /sys/bus/netdevsim", scenario="plain"),
]  # fmt: skip


@pytest.fixture
def net(namespace):
    with rtnetlink.opened() as net:
        yield net


def name(sample: Sample) -> str:
    return f"{type(sample.step).__name__}-{sample}"


def params(samples: list[Sample], *, short_in_vm: bool = False) -> list:
    """Return the parameters for samples.

    :param short_in_vm: whether a virtual machine runs the test with every sample in soak tests only.
        The test of the undo runs with all samples, and applies the steps, too.
    """
    return [
        pytest.param(
            sample,
            id=name(sample),
            marks=[
                *([pytest.mark.vm(sample.scenario)] if sample.scenario else []),
                *([pytest.mark.soak] if sample.soak or (short_in_vm and sample.scenario) else []),
            ],
        )
        for sample in samples
    ]


#: A device that was moved away cannot be fetched back: there is a test for that of its own.
UNDONE = params([sample for sample in SAMPLES if not isinstance(sample.step, MoveLink)])
TYPED = params([sample for sample in SAMPLES if sample.typed], short_in_vm=True)


@pytest.fixture(params=params(SAMPLES, short_in_vm=True))
def sample(request, net) -> Sample:
    sample = request.param
    if sample.tun:
        require_tun()
    require(sample.probe)
    run(f"set -e\n{sample.setup}")
    if isinstance(sample.step, MoveLink):
        # The start of the process takes long in a virtual machine.
        other = request.getfixturevalue("other")
        sample = dataclasses.replace(sample, step=MoveLink("base", str(other)))
    if isinstance(sample.step, RemoveBridgeUser):
        AddBridgeUser("br", "a").apply(net)
    if "-N os-vif-br" in sample.setup:
        rule_records.write_record(net, "br", sample.setup.partition(" -N ")[0].split()[-1])
    return sample


@pytest.fixture
def other():
    """The id of a process in another network namespace."""
    from os_vif.testing.guests import Guest

    with Guest() as guest:
        yield guest.pid


def test_every_step_has_a_sample():
    """Except for the placeholder, steps that need a PCI card, and steps of records of VIFs.

    The steps of records have tests in ``tests/functional/records`` and ``tests/functional/gc``.
    """
    without = {"Irreversible", "ReleaseVf", "DeleteVdpa", "EnsureVdpa"}
    without |= {"DeleteVifRecord", "RequireVifMark", "WriteVifRecord"}
    assert {type(sample.step).__name__ for sample in SAMPLES} == STEPS.keys() - without


def test_a_step_holds_once_it_was_applied(sample, net):
    """It tells what does not hold; afterwards nothing; and a second time changes nothing."""
    step = sample.step
    if sample.told:
        assert step.differences(net)
    with net.cached() as cached:
        assert step.apply(cached)
    assert step.differences(net) == ()
    after = snapshot()
    assert step.apply(net) == ()
    assert differences(after) == []


@pytest.mark.short_form(key=lambda sample: type(sample.step))
@pytest.mark.parametrize("sample", UNDONE, indirect=True)
def test_the_undo_of_a_step_leaves_the_host_as_it_was(sample, net):
    """And the undo of the undo does it again."""
    before = without_indexes(snapshot())
    undo = sample.step.apply(net)
    after = without_indexes(snapshot())
    assert before != after
    again: list[KernelStep] = []
    for step in undo:
        again[:0] = step.apply(net)
    assert differences(before, indexes=False) == []
    for step in again:
        step.apply(net)
    assert differences(after, indexes=False) == []


@pytest.mark.short_form(key=lambda sample: type(sample.step))
@pytest.mark.parametrize("sample", TYPED, indirect=True)
def test_the_printed_commands_make_a_step_hold(sample, net):
    """What is shown can be typed."""
    for command in sample.step.commands():
        run(command)
    assert sample.step.differences(net) == ()
    assert sample.step.apply(net) == ()


@pytest.mark.parametrize("sample", [pytest.param(each, id=name(each)) for each in SAMPLES])
def test_a_step_is_equal_after_the_way_to_the_privileged_daemon(sample):
    """Encode each step as the caller does, and decode the data as the daemon does."""
    assert wire.decode(encode(sample.step)) == sample.step


@pytest.mark.parametrize(
    ("setup", "step", "said"),
    [
        (_PAIR, EnsureBridge("base"), "base is a device of kind veth, not a bridge"),
        (_PAIR, EnsureVeth("base", "other"), "whose peer is far, not a veth device whose peer is"),
        (_BRIDGE, EnsureVeth("br", "other"), "br is a device of kind bridge, not a veth"),
        (_BRIDGE, EnsureTap("br"), "br is a device of kind bridge, not a tap device"),
        (_PAIR, EnsureMacvlan("base", "far"), "base is a device of kind veth, not a macvlan"),
        ("true", EnsureMacvlan("mv", "none"), "there is no device none"),
        ("true", SetLink("none", up=True), "there is no device none"),
        (_PAIR, SetLink("base", master="none"), "there is no device none"),
        (_PAIR + _BRIDGE + "ip link add name b2 type bridge; ip link set dev base master b2",
         SetLink("base", master="br"), "base is in b2, and not taken from there"),
        ("true", EnsureAddress("none", "192.0.2.1/24"), "there is no device none"),
        (_PAIR, EnsureRoute("base", "0.0.0.0/0", gateway="203.0.113.1"), "unreachable"),
        (_PAIR, MoveLink("base", "no-such-namespace"), "/run/netns/no-such-namespace"),
        ("true", MoveLink("none", str(os.getpid())), "there is no device none"),
        ("true", RenameLink("none", "tap1"), "there is no device none"),
        (_PAIR, RenameLink("base", "far"), "far is the name of another device"),
        (f"{_PAIR} {_RENAMED}", RenameLink("far", "enp3s0"), "enp3s0 is an alternative name"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, KernelStep) else None,
)  # fmt: skip
def test_what_cannot_be_is_refused_and_nothing_changes(net, setup, step, said):
    """With the reason, and the device in it."""
    run(f"set -e\n{setup}")
    before = snapshot()
    with pytest.raises(OSError, match=said):
        step.apply(net)
    assert differences(before) == []


@pytest.mark.parametrize(
    ("setup", "step"),
    [
        (_PAIR, DeleteLink("base")),
        ("ip link add name br type bridge", DeleteBridge("br")),
        (_BRIDGE, DeleteLink("br")),
        (_BRIDGE + "ip address add 192.0.2.10/24 dev br", DeleteBridge("br")),
        (_BRIDGE + _PAIR + "ip link set dev base master br",
         DeleteBridge("br", when_empty=False)),
        (_BRIDGE + _PAIR + "ip link set dev base alias os-vif master br",
         DeleteLink("base", only_unattached=True)),
        ("true", DeleteLink("none")),
        ("true", DeleteBridge("none")),
        ("true", RenameLink("none", "tap1", missing_ok=True)),
        (_BRIDGE + "iptables -N os-vif-br", DeleteForwardingRules("br")),
        ("ip link add name br type bridge", AddBridgeUser("br", "a")),
        ("ip link add name br type bridge", SetSysctl("br", "arp_ignore", 1, only_managed=True)),
        (_BRIDGE + "ip link set dev br up; ip address add 2001:db8::1/64 dev br nodad",
         SetSysctl("br", "disable_ipv6", 1, only_managed=True)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, KernelStep) else None,
)  # fmt: skip
def test_what_is_of_others_or_in_use_stays(net, setup, step):
    """No mark, or a port, a user, an address: that is no failure."""
    run(f"set -e\n{setup}")
    before = snapshot()
    assert step.apply(net) == ()
    assert differences(before) == []


def run_unlocked(net, steps):
    """Run steps as the daemon does, without locks."""
    return daemon._run(net, steps)


def test_a_veth_whose_peer_is_far_away_is_deleted_and_said_to_be_lost(net, other):
    """A pod's, say: it goes, and the error tells what is not undone."""
    assert daemon.run is not None
    run(f"ip link add name in type veth peer name eth0 netns {other}")
    run("ip link set dev in alias os-vif")
    answer = run_unlocked(net, [DeleteLink("in"), SetLink("none", up=True)])
    assert answer["error"]["device"] == "none"
    (left,) = answer["error"]["not_undone"]
    assert left == "# in: a device of kind veth, deleted  # os-vif cannot undo that"
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_a_device_that_was_moved_away_is_said_to_be_lost(net, other):
    """Fetching it back takes the right to enter that namespace."""
    run(f"{_PAIR.strip()}; ip link set dev base alias os-vif")
    answer = run_unlocked(net, [MoveLink("base", str(other)), SetLink("none", up=True)])
    (left,) = answer["error"]["not_undone"]
    assert left.startswith(f"# base: now in the network namespace {other}")


def test_that_a_device_is_elsewhere_is_not_believed_without_looking(net):
    """The engine asks the privileged side, which says that there is no such device at all."""
    assert not MoveLink("none", "1").holds(net)


def test_a_tap_that_cannot_be_completed_does_not_stay(net, monkeypatch):
    """It is made to stay last, with its mark on."""
    require_tun()
    monkeypatch.setattr(net, "set", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "no")))
    with pytest.raises(OSError, match="no"):
        EnsureTap("tap1").apply(net)
    assert [link["ifname"] for link in ip("link")] == ["lo"]
