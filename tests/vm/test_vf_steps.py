# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step for the settings of a virtual function, on a simulated card that takes all of them."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import pathlib
from collections.abc import Iterator

import pytest

from os_vif.host.netlink import rtnetlink
from os_vif.steps import SetVf
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from testbed.vm import cards

pytestmark = pytest.mark.vm("plain")

_numbers = itertools.count(30)
SETTINGS = {
    "mac": "02:11:22:33:44:55",
    "vlan": 42,
    "vlan_qos": 3,
    "vlan_proto": "802.1ad",
    "trusted": True,
    "spoof_check": True,
    "min_tx_rate": 10,
    "max_tx_rate": 100,
    "link_state": "disable",
}


def card(vfs: int) -> Iterator[cards.Card]:
    number = next(_numbers)
    found = cards.netdevsim(number)
    most = pathlib.Path(f"/sys/kernel/debug/netdevsim/netdevsim{number}/max_vfs")
    if not most.exists():
        run("mount -t debugfs none /sys/kernel/debug")
    most.write_text(str(vfs))
    found.set_vfs(vfs)
    yield found
    pathlib.Path("/sys/bus/netdevsim/del_device").write_text(str(number))


@pytest.fixture
def sim() -> Iterator[cards.Card]:
    yield from card(64)


def shown(card: cards.Card, number: int) -> dict:
    return ip("link", "show", card.name)[0]["vfinfo_list"][number]


def wanted(step: SetVf) -> dict:
    return {name: value for name, value in step.wanted.items() if name in SETTINGS}


def test_every_setting_is_set_and_undone(sim):
    """One at a time, and all together; ip(8) sees the same, and types the same."""
    before = ip("link", "show", sim.name)
    with rtnetlink.opened() as net:
        for name, value in SETTINGS.items():
            tag = {"vlan": 0} if name.startswith("vlan_") else {}
            step = SetVf(sim.name, 3, None, **{**tag, name: value})
            assert step.differences(net)
            undo = step.apply(net)
            assert step.holds(net)
            assert step.apply(net) == ()
            for back in undo:
                back.apply(net)
            assert ip("link", "show", sim.name) == before, name
        step = SetVf(sim.name, 3, None, **SETTINGS)
        undo = step.apply(net)
        assert step.holds(net)
        found = shown(sim, 3)
        assert found["address"] == "02:11:22:33:44:55"
        assert found["vlan_list"] == [{"vlan": 42, "qos": 3, "protocol": "802.1ad"}]
        assert (found["trust"], found["spoofchk"], found["link_state"]) == (True, True, "disable")
        assert found["rate"] == {"max_tx": 100, "min_tx": 10}
        for back in undo:
            back.apply(net)
        assert ip("link", "show", sim.name) == before
        run("\n".join(step.commands()))
        assert step.holds(net)


def test_a_function_that_is_not_there_is_named(sim):
    """By its number, and by its card."""
    with rtnetlink.opened() as net:
        step = SetVf(sim.name, 64, None, vlan=7)
        assert str(step.differences(net)[0]).startswith(f"{sim.name}: VF 64 is there is no VF 64")
        with pytest.raises(OSError, match=f"there is no VF 64 of {sim.name}"):
            step.apply(net)


@pytest.mark.soak
def test_64_functions_are_set_and_undone_by_eight_threads(sim):
    """At the same time, and each has its own."""
    before = ip("link", "show", sim.name)
    steps = [
        SetVf(sim.name, n, None, **{**SETTINGS, "vlan": n + 1, "mac": f"02:00:00:00:00:{n:02x}"})
        for n in range(64)
    ]

    def apply(some):
        with rtnetlink.opened() as net:
            return [back for step in some for back in step.apply(net)]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        undo = list(threads.map(apply, ([step] for step in steps)))
        found = ip("link", "show", sim.name)[0]["vfinfo_list"]
        assert [vf["vlan_list"][0]["vlan"] for vf in found] == list(range(1, 65))
        assert [vf["address"] for vf in found] == [step.mac for step in steps]
        with rtnetlink.opened() as net:
            assert all(step.holds(net) for step in steps)
        list(threads.map(apply, undo))
    assert ip("link", "show", sim.name) == before


def test_a_card_may_have_more_functions_than_their_list_can_say_the_length_of():
    """It has 16 bits: ip(8) sees none of them, or too few."""
    for many in card(500):
        with rtnetlink.opened() as net:
            first, last = (SetVf(many.name, number, None, vlan=number + 1) for number in (0, 499))
            undo = last.apply(net)
            assert last.holds(net)
            assert not dataclasses.replace(first, number=498).holds(net)
            first.apply(net)
            assert first.holds(net)
            for back in undo:
                back.apply(net)
            assert not last.holds(net)
