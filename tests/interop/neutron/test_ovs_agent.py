# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The neutron-openvswitch-agent of neutron 29.0.0 wires plugged ports."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import negotiation, objects, serialization
from os_vif.negotiation import vif_of
from os_vif.testing.host_snapshots import ip
from tests.support.neutron import agents
from tests.support.neutron.api import Api, wait_until
from tests.support.neutron.vifs import instance_of, without_a_hypervisor

pytestmark = pytest.mark.interop

_THREADS, _PORTS = 8, 20
#: The VLAN of an isolated port.
_DEAD_VLAN = "4095"
#: For the agent to set a column, in seconds.
_AGENT_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def network(hosts) -> tuple[dict, dict]:
    """Return a network and the subnet."""
    return hosts.api.create_network()


@pytest.fixture
def create_port(hosts, network) -> Iterator[Callable[..., dict]]:
    """Provide a function for ports, which are deleted after the test."""
    with contextlib.ExitStack() as cleanup:

        def create(host: str = agents.FIRST, **fields: object) -> dict:
            port = hosts.api.create_port(network[0], host, **fields)
            cleanup.callback(hosts.api.delete_port, port)
            return port

        yield create


@pytest.fixture(params=[False, True], ids=["usual", "isolated"])
def isolate_vif(request) -> Iterator[bool]:
    """Set the option isolate_vif."""
    cfg.CONF.set_override("isolate_vif", request.param, group="os_vif_ovs")
    yield request.param
    cfg.CONF.clear_override("isolate_vif", group="os_vif_ovs")


def port_row(hosts: agents.Hosts, name: str) -> list[str]:
    """Return the columns that os-vif or the agent sets."""
    columns = ("tag", "vlan_mode", "trunks", "other_config")
    return hosts.switch.vsctl("get", "Port", name, *columns).split("\n")


def links() -> list[str]:
    return sorted(link["ifname"] for link in ip("link"))


def vif_with_a_tap(port: dict, network: tuple[dict, dict]) -> objects.VIFBase:
    """Return the VIF of a port for a plug without a hypervisor."""
    return without_a_hypervisor(vif_of(port, network[0], network[1:]))


def offers_of(api: Api) -> dict[str, negotiation.Offer]:
    """Return the offer of each host. The agents of neutron state no release of os-vif."""
    found = api.call("GET", "agents?agent_type=Open%20vSwitch%20agent")["agents"]
    return {agent["host"]: negotiation.of_agent(agent, "5.3.0") for agent in found}


def test_the_agent_wires_a_port_and_takes_the_isolation_away(
    hosts, network, create_port, isolate_vif
):
    """Plug again after the agent has replaced the dead VLAN of an isolated port."""
    before = links()
    port = create_port()
    vif, instance = vif_with_a_tap(port, network), instance_of(port)
    os_vif.plug(vif, instance)
    if isolate_vif:
        # The agent may have been faster.
        assert port_row(hosts, vif.vif_name)[0] != "[]"
    hosts.api.await_status("ACTIVE", port)
    tag, vlan_mode, trunks, other_config = port_row(hosts, vif.vif_name)
    # The agent numbers its networks from 1 on.
    assert tag.isdecimal()
    assert tag != _DEAD_VLAN
    assert (vlan_mode, trunks) == ("[]", "[]")
    assert network[0]["id"] in other_config
    assert os_vif.check(vif, instance) == ()
    plugged = port_row(hosts, vif.vif_name)
    os_vif.plug(vif, instance)
    assert port_row(hosts, vif.vif_name) == plugged
    assert hosts.api.port_of(port)["status"] == "ACTIVE"
    os_vif.unplug(vif, instance)
    hosts.api.await_status("DOWN", port)
    assert links() == before


def test_the_verdict_for_hosts_with_different_firewall_drivers(hosts, network, create_port):
    """Check a move in both directions, and the outage of 2026, with the replies of neutron."""
    api, port = hosts.api, create_port()
    here = vif_with_a_tap(port, network)
    binding = {"binding": {"host": agents.SECOND, "vnic_type": "normal", "profile": {}}}
    bound = api.call("POST", f"ports/{port['id']}/bindings", binding)["binding"]
    there, offers = vif_of(port, network[0], network[1:], bound), offers_of(api)
    move = negotiation.verdict(here, there, offers[agents.SECOND])
    assert move.possible, move.reasons
    assert {change.path for change in move.changes} >= {"kind", "port_profile.create_tap"}
    assert move.guest_visible == ()
    back = negotiation.verdict(there, here, offers[agents.FIRST])
    assert back.possible, back.reasons
    assert [(each.path, each.there, each.here) for each in back.changes] == list(move.changes)
    # In 2026, neutron set ovs_create_tap for hosts with iptables_hybrid too.
    details = bound["vif_details"] | {"ovs_create_tap": True}
    outage = vif_of(port, network[0], network[1:], bound | {"vif_details": details})
    refused = negotiation.verdict(here, outage, offers[agents.SECOND])
    assert not refused.possible
    assert "would not start the guest" in " ".join(refused.reasons)


def test_a_port_moves_from_a_host_to_a_host_with_another_firewall_driver(
    hosts, network, create_port, tmp_path
):
    """Take the steps of a live migration, with the API calls of nova."""
    api, before = hosts.api, links()
    port = create_port()
    here, instance = vif_with_a_tap(port, network), instance_of(port)
    os_vif.plug(here, instance)
    api.await_status("ACTIVE", port)
    binding = {"binding": {"host": agents.SECOND, "vnic_type": "normal", "profile": {}}}
    bound = api.call("POST", f"ports/{port['id']}/bindings", binding)["binding"]
    assert (bound["status"], bound["vif_type"]) == ("INACTIVE", "ovs")
    assert bound["vif_details"]["ovs_hybrid_plug"] is True
    assert port["binding:vif_details"]["ovs_hybrid_plug"] is False
    # As nova does. The agent of the second host then wires the port before the activation.
    migrating = {"port": {"binding:profile": {"migrating_to": agents.SECOND}}}
    api.call("PUT", f"ports/{port['id']}", migrating)
    there = vif_of(port, network[0], network[1:], bound)
    chosen = negotiation.bind(
        port,
        network[0],
        network[1:],
        [offers_of(api)[agents.SECOND]],
        bindings=api.call("GET", f"ports/{port['id']}/bindings")["bindings"],
    )
    assert (chosen.host, chosen.release) == (agents.SECOND, "5.3.0")
    assert serialization.dumps(chosen.vif) == serialization.dumps(there)
    assert negotiation.verdict(here, there, offers_of(api)[agents.SECOND]).possible
    file = tmp_path / "there.json"
    file.write_text(chosen.text)
    told = ("--instance-uuid", instance.uuid, "--instance-name", instance.name)
    agents.os_vif_command(hosts, "plug", file, *told)
    agents.guest_device(hosts.second, there.vif_name, there.bridge_name)
    wait_until(
        lambda: agents.port_tag(hosts.second_switch, there) not in {"[]", _DEAD_VLAN},
        "a VLAN on the second host",
        _AGENT_TIMEOUT_S,
    )
    assert os_vif.check(here, instance) == ()
    assert agents.os_vif_command(hosts, "check", file, *told) == ""
    # The server refuses a body "{}" with the status 500.
    api.call("PUT", f"ports/{port['id']}/bindings/{agents.SECOND}/activate")
    api.call("DELETE", f"ports/{port['id']}/bindings/{agents.FIRST}")
    moved = api.port_of(port)
    assert moved["binding:host_id"] == agents.SECOND
    # While the first host has an inactive binding, the agent of the second host takes the port for
    # a port that migrates to the first host, and ignores the port until the next update.
    update = {"port": {"binding:profile": {"os_vif": {"release": "5.3.0"}}}}
    assert api.call("PUT", f"ports/{port['id']}", update)["port"]["binding:vif_type"] == "ovs"
    # The agent of the first host deletes the port of a deactivated binding from the bridge.
    os_vif.unplug(here, instance)
    assert links() == before
    api.await_status("ACTIVE", port)
    assert agents.os_vif_command(hosts, "check", file, *told) == ""
    rules = hosts.second.run("iptables-save")
    assert f"--physdev-in {there.vif_name}" in rules
    agents.os_vif_command(hosts, "plug", file, *told)
    assert hosts.second.run("iptables-save").count("\n-A") == rules.count("\n-A")
    hosts.second.run("ip", "link", "del", there.vif_name)
    agents.os_vif_command(hosts, "unplug", file, *told)
    api.await_status("DOWN", port)


def test_a_trunk_and_its_subport_become_active(hosts, network, create_port):
    """Plug the parent into the bridge of the trunk; the agent adds the ports of the trunk."""
    api, before = hosts.api, links()
    nobody = {"device_owner": "", "device_id": ""}
    parent, child = create_port("", **nobody), create_port("", **nobody)
    subport = {"port_id": child["id"], "segmentation_type": "vlan", "segmentation_id": 101}
    trunk = api.create("trunk", port_id=parent["id"], sub_ports=[subport])
    try:
        bound = {"binding:host_id": agents.FIRST, "device_id": str(uuid.uuid4())}
        bound |= {"device_owner": "compute:nova"}
        parent = api.call("PUT", f"ports/{parent['id']}", {"port": bound})["port"]
        vif, instance = vif_with_a_tap(parent, network), instance_of(parent)
        assert vif.bridge_name.startswith("tbr-")
        for _ in range(2):
            os_vif.plug(vif, instance)
            api.await_status("ACTIVE", parent, child)
            assert os_vif.check(vif, instance) == ()
            os_vif.plug(vif, instance)
            assert api.port_of(parent)["status"] == "ACTIVE"
            os_vif.unplug(vif, instance)
            api.await_status("DOWN", parent)
            wait_until(lambda: links() == before, "the end of the trunk", _AGENT_TIMEOUT_S)
        assert vif.bridge_name not in hosts.switch.vsctl("list-br")
    finally:
        unbind = {"port": {"binding:host_id": "", **nobody}}
        api.call("PUT", f"ports/{parent['id']}", unbind)
        api.call("DELETE", f"trunks/{trunk['id']}")


def test_ports_of_several_threads_become_active(hosts, network, create_port):
    """Plug, check, plug again and unplug 20 ports from 8 threads."""
    before = links()
    ports = [create_port() for _ in range(_PORTS)]
    vifs = [(vif_with_a_tap(port, network), instance_of(port)) for port in ports]
    with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:

        def each(operation: Callable[..., object]) -> list[object]:
            return list(pool.map(lambda arguments: operation(*arguments), vifs))

        each(os_vif.plug)
        hosts.api.await_status("ACTIVE", *ports)
        assert each(os_vif.check) == [()] * _PORTS
        each(os_vif.plug)
        assert {hosts.api.port_of(port)["status"] for port in ports} == {"ACTIVE"}
        each(os_vif.unplug)
        hosts.api.await_status("DOWN", *ports)
    assert links() == before
    assert not [
        name for name in hosts.switch.vsctl("list-ports", "br-int").split() if "tap" in name
    ]


def test_the_offer_of_a_host_returns_unchanged_from_neutron(hosts, tmp_path):
    """Report the offer of the second host as the configurations of an agent."""
    text = agents.os_vif_command(
        hosts, "negotiate", "offer", "--host", agents.SECOND, "-f", "json"
    )
    offer = negotiation.of_document(text)
    configurations, versions = negotiation.agent_state(offer, {"other": [1]}, {"Port": "1.9"})
    state = {
        "binary": "os-vif-agent",
        "host": agents.SECOND,
        "topic": "N/A",
        "agent_type": "os-vif agent",
        "configurations": configurations,
        "resource_versions": versions,
        "start_flag": True,
    }
    agents.report_agent(hosts, tmp_path, state)
    (agent,) = (
        each
        for each in hosts.api.call("GET", "agents")["agents"]
        if each["agent_type"] == "os-vif agent"
    )
    assert agent["configurations"] == configurations
    # Only plugins of the server see the versions, so the release is in the offer too.
    assert "resource_versions" not in agent
    with contextlib.closing(sqlite3.connect(hosts.neutron.folder / "neutron.sqlite")) as database:
        stored = database.execute(
            "SELECT resource_versions FROM agents WHERE agent_type = 'os-vif agent'"
        ).fetchall()
    assert [json.loads(text) for (text,) in stored] == [versions]
    returned = negotiation.of_agent(agent)
    assert returned.canonical() == offer.canonical()
    assert returned.fingerprint == offer.fingerprint
