# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""On one switch, the ovs plugin of the public os-vif 5.3.0 and ours take turns.

Both run for real, each with a privileged daemon of its own, on VIFs that are stored as 5.3.0
stores them. What they leave is equal, but for our marks and what is named here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import sys as system
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import objects, opts
from testbed import environments, namespaces, ovs
from testbed.environments import Subject
from testbed.namespaces import changes, differences, run, snapshot, without_indexes
from tests.support.cases import card, ovs_vif
from tests.support.daemons import stop_daemon
from tests.support.interop.public import SYSFS, Public, switch_content, without_owner
from tests.support.ovs.vifs import guest_on
from tests.support.pings import Pings

INSTANCE = objects.InstanceInfo(
    uuid="b0000000-0000-4000-8000-000000000000", name="guest", project_id="p"
)
TAP = {"create_port": True, "create_tap": True, "multiqueue": False}


@pytest.fixture(scope="module")
def rights() -> None:
    missing = namespaces.missing_right() or ovs.missing_requirement()
    if missing:
        pytest.skip(missing)
    namespaces.hide_state_directory()


@pytest.fixture(scope="module")
def public(rights, tmp_path_factory) -> Public:
    """The public release, in an environment of its own."""
    scratch = tmp_path_factory.mktemp("public-5.3.0")
    try:
        subject = Subject.from_public_release(scratch)
        pinned = environments.pins("public")
        python = environments.environment("public-5.3.0", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Public("5.3.0", python, subject, scratch, INSTANCE)


@contextlib.contextmanager
def seen_by(public: Public, sys: pathlib.Path) -> Iterator[None]:
    """A card, for both."""
    run("ip link add name rep0 mtu 1450 type veth peer name far")
    # The installed helper, in a mount namespace whose /sys shows the card.
    mounts = " && ".join(f"mount --bind {sys}/{part} /sys/{part}" for part in SYSFS)
    helper = pathlib.Path(system.executable).with_name("privsep-helper")
    command = f"unshare --mount sh -c '{mounts} && exec \"$@\"' sh {helper}"
    group = "vif_plug_ovs_privileged"
    with card(sys):
        public.sysfs = sys
        cfg.CONF.set_default("helper_command", command, group=group)
        try:
            yield
        finally:
            public.sysfs = None
            cfg.CONF.clear_default("helper_command", group=group)


@contextlib.contextmanager
def host(
    public: Public, directory: pathlib.Path, *, has_card: bool = False, **options: object
) -> Iterator[ovs.Switch]:
    """A network namespace with a switch, and both configured for it."""
    directory.mkdir()
    with (
        namespaces.private_namespace(),
        ovs.Switch(directory) as switch,
        seen_by(public, directory / "sys") if has_card else contextlib.nullcontext(),
    ):
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        cfg.CONF([], project="os-vif", default_config_files=[], default_config_dirs=[])
        os_vif.initialize(reset=True)
        configure(public, switch, **options)
        try:
            yield switch
        finally:
            for option in opts.OVS:
                cfg.CONF.clear_override(option.name, group="os_vif_ovs")
            stop_daemon()


def configure(public: Public, switch: ovs.Switch, **options: object) -> None:
    """Both, for that switch."""
    given = options | {"ovsdb_connection": switch.connection, "ovs_vsctl_timeout": 20}
    privileged = {"helper_command": public.helper}
    public.configure({"vif_plug_ovs_privileged": privileged, "os_vif_ovs": given})
    for name, value in given.items():
        cfg.CONF.set_override(name, value, group="os_vif_ovs")


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to plug, as both have it."""

    #: Of the number of a VIF; the rest is that of :func:`ovs_vif`.
    vif: tuple[object, ...] = ()
    profile: dict[str, object] = dataclasses.field(default_factory=dict)
    mode: str = "server"
    options: dict[str, object] = dataclasses.field(default_factory=dict)
    #: What differs on purpose: the beginnings of lines, after a plug and after an unplug.
    known: tuple[str, ...] = ()
    #: Whether guests on it can ping each other.
    pings: bool = False
    #: Whether the host has a card with virtual functions, for whose representor a veth stands.
    card: bool = False

    def make(self, number: int = 0) -> objects.VIFBase:
        profile = {"create_port": False, "create_tap": False, "datapath_type": "netdev"}
        return ovs_vif(*self.vif, number=number, mode=self.mode, **profile | self.profile)


_OWN, _FAR = "/switch/bridges/pb0a0b0c0d-111/ports[2]", "/switch/bridges/br-int/ports[0]"
#: The host is not to have an address there.
_NO_IPV6 = ("/qvb0a0b0c0d-11/disable_ipv6", "/qvo0a0b0c0d-11/disable_ipv6")
KINDS = {
    "tap": Kind(profile=TAP, pings=True),
    "own-bridge": Kind(profile=TAP, options={"per_port_bridge": True}, pings=True),
    "hybrid": Kind((objects.VIFBridge,), known=_NO_IPV6, pings=True),
}
#: In each run those above; these in the interop tier.
LONG = {
    "port": Kind(profile={"create_port": True}, pings=True),
    "isolated": Kind(profile={"create_port": True}, options={"isolate_vif": True}),
    "vhost-user": Kind((objects.VIFVHostUser,)),
    "bridge-only": Kind(),
    "bridge-that-is-made": Kind((objects.VIFOpenVSwitch, "br-new")),
    "multiqueue": Kind(profile=TAP | {"multiqueue": True}, pings=True),
    "isolated-hybrid": Kind((objects.VIFBridge,), options={"isolate_vif": True}, known=_NO_IPV6),
    "trunk": Kind((objects.VIFOpenVSwitch, "tbr-1"), profile=TAP, options={"isolate_vif": True}),
    "hybrid-in-a-trunk": Kind((objects.VIFBridge, "tbr-1"), known=_NO_IPV6),
    # Whose device is not the VIF's: a plug settles it, and an unplug takes it down.
    "representor": Kind(
        (objects.VIFHostDevice,), profile={"datapath_type": "system"}, card=True,
        known=("/rep0/disable_ipv6",) * 2,
    ),
    # 5.3.0 leaves MTU and MAC address of its function to others.
    "representor-of-dpdk": Kind(
        (objects.VIFHostDevice,), card=True,
        known=(f"{_FAR}/interfaces/mtu_request", f"{_FAR}/interfaces/options/dpdk-vf-mac"),
    ),
    "vhost-user-client": Kind((objects.VIFVHostUser,), mode="client"),
    # 5.3.0 isolates the port of the guest for good, and the patch port by half.
    "own-bridge-isolated": Kind(
        profile=TAP,
        options={"per_port_bridge": True, "isolate_vif": True},
        known=tuple(f"{_FAR}/{column}" for column in ("trunks", "vlan_mode"))
        + tuple(f"{_OWN}/{column}" for column in ("tag", "trunks", "vlan_mode")),
    ),
    # 5.3.0 makes a QoS row for it, and leaks it.
    "vhost-user-without-a-datapath": Kind(
        (objects.VIFVHostUser,), profile={"datapath_type": None},
        known=(f"{_FAR}/qos", "/switch/unused"),
    ),
}  # fmt: skip
ALL = KINDS | LONG
PARAMS = [
    *(pytest.param(name) for name in KINDS),
    *(pytest.param(name, marks=pytest.mark.interop) for name in LONG),
]
#: In turns: these in each run.
IN_TURNS = [
    pytest.param(name, marks=() if name == "hybrid" else [pytest.mark.interop]) for name in ALL
]


def by_public(public: Public, switch: ovs.Switch, action: str, vif: objects.VIFBase) -> None:
    """It also gives a bridge that is there the datapath of the profile: here there is but one."""
    public.run(action, vif)
    if vif.port_profile.datapath_type == "system":
        switch.vsctl("set", "Bridge", "br-int", "datapath_type=netdev")


@pytest.mark.parametrize("kind", PARAMS)
def test_both_leave_the_same(public, tmp_path, kind):
    """Rows of the switch and devices of the kernel, after plug and after unplug."""
    kind = ALL[kind]
    seen = []
    for side in ("public", "ours"):
        with host(public, tmp_path / side, has_card=kind.card, **kind.options) as switch:
            states = []
            for action in ("plug", "unplug"):
                if side == "public":
                    by_public(public, switch, action, kind.make())
                else:
                    getattr(os_vif, action)(kind.make(), INSTANCE)
                states.append(switch_content(switch))
            seen.append(states)
    found = [
        line
        for one, other in zip(*seen, strict=True)
        for line in without_owner(changes(one, other))
    ]
    assert sorted(line.partition(":")[0] for line in found) == sorted(kind.known), found


def test_the_qos_row_of_the_kernel_s_datapath_is_the_same(public, tmp_path):
    """But that 5.3.0 gives a bridge that is there the datapath of the profile."""
    vif = ovs_vif(create_port=True, create_tap=False, datapath_type="system")
    rows = {}
    for side in ("public", "ours"):
        with host(public, tmp_path / side, default_qos_type="linux-fq_codel") as switch:
            if side == "public":
                public.run("plug", vif)
            else:
                os_vif.plug(vif, INSTANCE)
            rows[side] = switch.dump()
    assert "linux-fq_codel" in str(rows["ours"])
    (line,) = without_owner(changes(rows["public"], rows["ours"]))
    assert line == "/bridges/br-int/datapath_type: 'system' became 'netdev'"


@contextlib.contextmanager
def traffic(kind: Kind, vifs: list[objects.VIFBase]) -> Iterator[None]:
    """Guests on the VIFs, one of which pings the other meanwhile; where that can be."""
    if not kind.pings:
        yield
        return
    with guest_on(vifs[0], "192.0.2.1/24") as guest, guest_on(vifs[1], "192.0.2.2/24"):
        with Pings(guest, "192.0.2.2") as pings:
            yield
        pings.assert_answered()


def several(kind: Kind) -> list[objects.VIFBase]:
    return [kind.make(number) for number in range(2 if kind.pings else 1)]


def hardened(line: str) -> bool:
    """Whether ours has turned IPv6 off meanwhile, on a representor or a pair of devices."""
    return (
        re.match(r"/(qv[bo][01]a0b0c0d-11|rep0)/disable_ipv6: '0\\n' became '1\\n'", line)
        is not None
    )


def is_gone(before: dict, switch: ovs.Switch) -> bool:
    """Whether nothing is left but the bridge that was made; a representor keeps IPv6 off."""
    switch.vsctl("--if-exists", "del-br", "br-new")
    found = differences(without_indexes(before), indexes=False)
    return [line for line in found if "/conf/rep0/disable_ipv6:" not in line] == []


@pytest.mark.parametrize("kind", IN_TURNS)
def test_what_5_3_0_has_plugged_is_fine_and_goes(public, tmp_path, kind):
    """After an upgrade in place: nothing is changed but IPv6 on a pair, and nothing is left.

    A guest pings another all the time.
    """
    kind = ALL[kind]
    with host(public, tmp_path / "switch", has_card=kind.card, **kind.options) as switch:
        before = snapshot()
        for vif in several(kind):
            by_public(public, switch, "plug", vif)
            assert [d for d in os_vif.check(vif, INSTANCE)
                    if not d.pending and d.attribute != "disable_ipv6"] == []  # fmt: skip
        with traffic(kind, several(kind)):
            plugged = switch_content(switch)
            for vif in several(kind):
                os_vif.plug(vif, INSTANCE)
                assert [d for d in os_vif.check(vif, INSTANCE) if not d.pending] == []
            assert [x for x in changes(plugged, switch_content(switch)) if not hardened(x)] == []
        for vif in several(kind):
            os_vif.unplug(vif, INSTANCE)
        assert is_gone(before, switch)


@pytest.mark.parametrize("kind", IN_TURNS)
def test_what_is_ours_5_3_0_takes_away(public, tmp_path, kind):
    """After a rollback: it plugs again without a change, and leaves nothing of ours.

    A guest pings another all the time.
    """
    kind = ALL[kind]
    with host(public, tmp_path / "switch", has_card=kind.card, **kind.options) as switch:
        before = snapshot()
        for vif in several(kind):
            os_vif.plug(vif, INSTANCE)
        with traffic(kind, several(kind)):
            plugged = switch_content(switch)
            for vif in several(kind):
                by_public(public, switch, "plug", vif)
            assert changes(plugged, switch_content(switch)) == []
        for vif in several(kind):
            by_public(public, switch, "unplug", vif)
        assert is_gone(before, switch)


@pytest.mark.interop
def test_an_option_that_is_changed_while_a_guest_runs(public, tmp_path):
    """5.3.0 gives two ports one iface-id when it plugs again; ours changes nothing."""
    vif = ALL["port"].make()
    with host(public, tmp_path / "switch") as switch:
        run(f"ip link add name {vif.vif_name} mtu 1450 type veth peer name guest")
        public.run("plug", vif)
        plugged = switch_content(switch)
        configure(public, switch, per_port_bridge=True)
        os_vif.plug(vif, INSTANCE)
        assert changes(plugged, switch_content(switch)) == []
        public.run("plug", vif)
        named = switch.vsctl("--bare", "--columns=name", "find", "Interface",
                             f"external_ids:iface-id={vif.id}")  # fmt: skip
        assert sorted(named.split()) == [f"ibp{vif.id}", vif.vif_name]
        # That port is no VIF's: ours takes away both.
        os_vif.unplug(vif, INSTANCE)
        assert switch.vsctl("list-br") == "br-int"
        assert switch.vsctl("list-ports", "br-int") == ""
