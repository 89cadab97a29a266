# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A bridge that was there before keeps the MAC address of the host whose addresses it takes."""

from __future__ import annotations

import json

import pytest

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.testing.private_namespaces import run
from tests.support.guests.uplink_host import (
    BRIDGE,
    DAEMON,
    create_uplink_host,
    enforced_differences,
    lines,
    neighbours,
)

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def vif(daemon):
    """A VIF whose uplink the host is reached through."""
    return create_uplink_host()


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
    assert enforced_differences(others_bridge, instance) == []


@pytest.mark.parametrize("mac", ["02:00:00:00:00:01", "02:00:00:00:00:09"], ids=["low", "high"])
def test_a_failed_plug_gives_a_bridge_of_others_its_mac_address_back(others_bridge, instance, mac):
    run(f"ip link set dev uplink address {mac}")
    before = address(BRIDGE), neighbours(BRIDGE)
    steps = tuple(os_vif.plan(others_bridge, instance))
    with pytest.raises(exception.StepFailed):
        runner.run(Plan(*steps, SetLink("missing", up=True)), DAEMON)
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
