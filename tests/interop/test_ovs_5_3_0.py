# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""On one switch, the ovs plugin of the public os-vif 5.3.0 and ours take turns.

Both run for real, each with a privileged daemon of its own, on VIFs that are stored as 5.3.0
stores them. What they leave is equal, but for our marks and what is named here.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

import os_vif
from os_vif import objects
from os_vif.testing.host_snapshots import changes, snapshot
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.guests.pings import Pings
from tests.support.interop import ovs_turns as turns
from tests.support.interop.public import switch_content, without_owner
from tests.support.ovs.vifs import guest_on

public, rights = turns.public, turns.rights
#: The hybrid VIF in each run, the other VIFs with tox -e interop.
PARAMS = [
    pytest.param(name, marks=() if name == "hybrid" else [pytest.mark.interop])
    for name in turns.ALL
]


@pytest.mark.parametrize("kind", PARAMS)
def test_both_leave_the_same(public, tmp_path, kind):
    """Rows of the switch and devices of the kernel, after plug and after unplug."""
    kind = turns.ALL[kind]
    seen = []
    for side in ("public", "ours"):
        with turns.host(public, tmp_path / side, has_card=kind.card, **kind.options) as switch:
            states = []
            for action in ("plug", "unplug"):
                if side == "public":
                    turns.by_public(public, switch, action, kind.make())
                else:
                    getattr(os_vif, action)(kind.make(), turns.INSTANCE)
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
        with turns.host(public, tmp_path / side, default_qos_type="linux-fq_codel") as switch:
            if side == "public":
                public.run("plug", vif)
            else:
                os_vif.plug(vif, turns.INSTANCE)
            rows[side] = switch.dump()
    assert "linux-fq_codel" in str(rows["ours"])
    (line,) = without_owner(changes(rows["public"], rows["ours"]))
    assert line == "/bridges/br-int/datapath_type: 'system' became 'netdev'"


@contextlib.contextmanager
def traffic(kind: turns.Kind, vifs: list[objects.VIFBase]) -> Iterator[None]:
    """Guests on the VIFs, one of which pings the other meanwhile; where that can be."""
    if not kind.pings:
        yield
        return
    with guest_on(vifs[0], "192.0.2.1/24") as guest, guest_on(vifs[1], "192.0.2.2/24"):
        with Pings(guest, "192.0.2.2") as pings:
            yield
        pings.assert_answered()


def several(kind: turns.Kind) -> list[objects.VIFBase]:
    return [kind.make(number) for number in range(2 if kind.pings else 1)]


def hardened(line: str) -> bool:
    """Whether ours has turned IPv6 off meanwhile, on a representor or a pair of devices."""
    return (
        re.match(r"/(qv[bo][01]a0b0c0d-11|rep0)/disable_ipv6: '0\\n' became '1\\n'", line)
        is not None
    )


@pytest.mark.parametrize("kind", PARAMS)
def test_what_5_3_0_has_plugged_is_fine_and_goes(public, tmp_path, kind):
    """After an upgrade in place: nothing is changed but IPv6 on a pair, and nothing is left.

    A guest pings another all the time.
    """
    kind = turns.ALL[kind]
    with turns.host(public, tmp_path / "switch", has_card=kind.card, **kind.options) as switch:
        before = snapshot()
        for vif in several(kind):
            turns.by_public(public, switch, "plug", vif)
            assert [d for d in os_vif.check(vif, turns.INSTANCE)
                    if not d.pending and d.attribute != "disable_ipv6"] == []  # fmt: skip
        with traffic(kind, several(kind)):
            plugged = switch_content(switch)
            for vif in several(kind):
                os_vif.plug(vif, turns.INSTANCE)
                assert [d for d in os_vif.check(vif, turns.INSTANCE) if not d.pending] == []
            assert [x for x in changes(plugged, switch_content(switch)) if not hardened(x)] == []
        for vif in several(kind):
            os_vif.unplug(vif, turns.INSTANCE)
        assert turns.is_gone(before, switch)


@pytest.mark.parametrize("kind", PARAMS)
def test_what_is_ours_5_3_0_takes_away(public, tmp_path, kind):
    """After a rollback: it plugs again without a change, and leaves nothing of ours.

    A guest pings another all the time.
    """
    kind = turns.ALL[kind]
    with turns.host(public, tmp_path / "switch", has_card=kind.card, **kind.options) as switch:
        before = snapshot()
        for vif in several(kind):
            os_vif.plug(vif, turns.INSTANCE)
        with traffic(kind, several(kind)):
            plugged = switch_content(switch)
            for vif in several(kind):
                turns.by_public(public, switch, "plug", vif)
            assert changes(plugged, switch_content(switch)) == []
        for vif in several(kind):
            turns.by_public(public, switch, "unplug", vif)
        assert turns.is_gone(before, switch)


@pytest.mark.interop
def test_an_option_that_is_changed_while_a_guest_runs(public, tmp_path):
    """5.3.0 gives two ports one iface-id when it plugs again; ours changes nothing."""
    vif = turns.ALL["port"].make()
    with turns.host(public, tmp_path / "switch") as switch:
        run(f"ip link add name {vif.vif_name} mtu 1450 type veth peer name guest")
        public.run("plug", vif)
        plugged = switch_content(switch)
        turns.configure(public, switch, per_port_bridge=True)
        os_vif.plug(vif, turns.INSTANCE)
        assert changes(plugged, switch_content(switch)) == []
        public.run("plug", vif)
        named = switch.vsctl("--bare", "--columns=name", "find", "Interface",
                             f"external_ids:iface-id={vif.id}")  # fmt: skip
        assert sorted(named.split()) == [f"ibp{vif.id}", vif.vif_name]
        # That port is no VIF's: ours takes away both.
        os_vif.unplug(vif, turns.INSTANCE)
        assert switch.vsctl("list-br") == "br-int"
        assert switch.vsctl("list-ports", "br-int") == ""
