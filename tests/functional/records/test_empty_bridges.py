# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Bridges that an unplug has kept for their ports go when the last port is gone."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.engine.privileged import daemon, empty_bridges
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import bridge_user_record
from os_vif.steps import EnsureBridge, SetLink
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import ip, state_files
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

BRIDGE = "brq-test"


def names() -> list[str]:
    return [link["ifname"] for link in ip("link")]


def noted() -> list[str]:
    with rtnetlink.opened() as net:
        return bridge_user_record.noted_bridges(net)


def add_port(name: str = "pod1") -> None:
    """Add a port to the bridge, as kuryr does after the plug."""
    run(f"ip link add name {name} type veth peer name {name}-peer")
    run(f"ip link set dev {name} master {BRIDGE}")


@pytest.fixture
def left_by_kuryr(vif, instance):
    """Unplug as kuryr does: before the veth device of the pod is gone."""
    os_vif.plug(vif, instance)
    add_port()
    (sentence,) = os_vif.unplug(vif, instance)
    assert sentence == f"{BRIDGE} stays: port pod1"
    run("ip link del dev pod1")


def test_the_next_plan_deletes_a_bridge_that_kuryr_left(left_by_kuryr, instance):
    before = state_files()
    assert BRIDGE in names()
    assert noted() == [BRIDGE]
    other = bridge_vif(2, bridge="brq-other")
    os_vif.plug(other, instance)
    assert BRIDGE not in names()
    assert noted() == []
    os_vif.unplug(other, instance)
    assert names() == ["lo"]
    assert set(state_files()) < set(before)


def test_a_second_unplug_deletes_the_bridge(left_by_kuryr, vif, instance):
    assert os_vif.unplug(vif, instance) == ()
    assert names() == ["lo"]
    assert noted() == []


def test_a_plug_of_the_bridge_keeps_the_bridge(left_by_kuryr, vif, instance):
    second = bridge_vif(2)
    os_vif.plug(second, instance)
    assert noted() == []
    os_vif.plug(bridge_vif(3, bridge="brq-other"), instance)
    assert BRIDGE in names()
    assert os_vif.check(second, instance) == ()


def test_a_bridge_with_ports_stays_noted(vif, instance):
    os_vif.plug(vif, instance)
    add_port()
    os_vif.unplug(vif, instance)
    os_vif.plug(bridge_vif(2, bridge="brq-other"), instance)
    assert BRIDGE in names()
    assert noted() == [BRIDGE]
    # An unplug that has noted the bridge holds.
    os_vif.unplug(vif, instance)
    assert noted() == [BRIDGE]


def test_a_bridge_with_another_user_is_not_noted(vif, instance):
    second = bridge_vif(2)
    os_vif.plug(vif, instance)
    os_vif.plug(second, instance)
    add_port()
    os_vif.unplug(vif, instance)
    assert noted() == []
    os_vif.unplug(second, instance)
    assert noted() == [BRIDGE]


def test_a_bridge_of_the_host_is_neither_noted_nor_deleted(vif, instance):
    run(f"ip link add name {BRIDGE} type bridge")
    os_vif.plug(vif, instance)
    add_port()
    os_vif.unplug(vif, instance)
    assert noted() == []
    run("ip link del dev pod1")
    os_vif.plug(bridge_vif(2, bridge="brq-other"), instance)
    assert BRIDGE in names()


def test_an_address_of_the_host_keeps_a_noted_bridge(left_by_kuryr, instance):
    run(f"ip address add 192.0.2.1/24 dev {BRIDGE}")
    os_vif.plug(bridge_vif(2, bridge="brq-other"), instance)
    assert BRIDGE in names()
    run(f"ip address del 192.0.2.1/24 dev {BRIDGE}")
    os_vif.plug(bridge_vif(3, bridge="brq-third"), instance)
    assert BRIDGE not in names()


def test_a_bridge_of_the_same_name_is_another_bridge(left_by_kuryr, instance):
    run(f"ip link del dev {BRIDGE}")
    run(f"ip link add name {BRIDGE} type bridge")
    run(f"ip link set dev {BRIDGE} alias os-vif")
    os_vif.plug(bridge_vif(2, bridge="brq-other"), instance)
    assert BRIDGE in names()


@pytest.mark.usefixtures("daemon")
def test_a_plug_that_fails_leaves_the_note(left_by_kuryr):
    """The rollback of EnsureBridge deletes the bridge without ports, or notes the bridge again."""
    add_port()
    steps = [EnsureBridge(BRIDGE), SetLink("missing", up=True)]
    answer = daemon.run([encode(step) for step in steps])
    assert answer["error"] is not None
    assert noted() == [BRIDGE]


@pytest.mark.usefixtures("daemon")
def test_another_daemon_finds_the_note(left_by_kuryr):
    """The first call of a daemon reads the notes of earlier daemons."""
    empty_bridges._candidates.clear()
    empty_bridges._next_read.clear()
    assert daemon.run([encode(EnsureBridge("brq-other"))])["error"] is None
    assert BRIDGE not in names()


@pytest.mark.usefixtures("daemon")
def test_a_locked_bridge_is_left_to_a_later_call(left_by_kuryr):
    from os_vif.host.state import locks

    with rtnetlink.opened() as net:
        netns = net.netns
    with locks.locked(netns, [BRIDGE]):
        assert daemon.run([encode(EnsureBridge("brq-other"))])["error"] is None
        assert BRIDGE in names()
    assert daemon.run([encode(EnsureBridge("brq-other"))])["error"] is None
    assert BRIDGE not in names()


def test_a_plug_after_the_note_keeps_the_bridge_without_ports(vif, instance):
    os_vif.plug(vif, instance)
    add_port()
    os_vif.unplug(vif, instance)
    os_vif.plug(vif, instance)
    run("ip link del dev pod1")
    os_vif.plug(bridge_vif(2, bridge="brq-other"), instance)
    assert BRIDGE in names()
    assert os_vif.unplug(vif, instance) == ()
    assert BRIDGE not in names()
