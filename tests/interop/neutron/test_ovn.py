# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ports of Neutron 29.0.0 with OVN become ACTIVE after a plug, and DOWN after an unplug."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from oslo_config import cfg

import os_vif
from os_vif import negotiation, serialization
from os_vif.negotiation import vif_of
from os_vif.testing.guests import Guest
from os_vif.testing.host_snapshots import ip
from tests.support.neutron import ovn
from tests.support.neutron.api import Refused
from tests.support.neutron.vifs import instance_of
from tests.support.ovs.vifs import guest_on

pytestmark = pytest.mark.interop

#: A plug creates the tap device of a port with ``ovs_create_tap``.
WAYS = {"port": False, "tap": True}


@pytest.fixture(scope="module")
def network(ovn_api) -> tuple[dict, dict, str]:
    """Return a network, the subnet, and an open security group."""
    return *ovn_api.create_network(), ovn_api.create_open_group()


@pytest.fixture
def ports(ovn_api, network) -> Iterator[list[dict]]:
    """Provide two bound ports, which are deleted after the test."""
    with contextlib.ExitStack() as cleanup:
        created = []
        for _ in range(2):
            port = ovn_api.create_port(network[0], ovn.HOST, security_groups=[network[2]])
            cleanup.callback(ovn_api.delete_port, port)
            created.append(port)
        yield created


@pytest.fixture(params=[False, True], ids=["br-int", "per-port-bridge"])
def per_port_bridge(request) -> Iterator[bool]:
    """Set the option per_port_bridge."""
    cfg.CONF.set_override("per_port_bridge", request.param, group="os_vif_ovs")
    yield request.param
    cfg.CONF.clear_override("per_port_bridge", group="os_vif_ovs")


def address_of(port: dict) -> str:
    return port["fixed_ips"][0]["ip_address"]


def links() -> list[str]:
    return sorted(link["ifname"] for link in ip("link"))


@pytest.mark.parametrize("create_tap", WAYS.values(), ids=WAYS)
def test_plugged_ports_become_active_and_unplugged_ports_down(
    ovn_api, ovn_switch, network, ports, per_port_bridge, create_tap
):
    """Ping between two guests; a second plug changes no row."""
    before = links()
    assert [port["status"] for port in ports] == ["DOWN", "DOWN"]
    plugged = []
    with contextlib.ExitStack() as guests:
        started: list[Guest] = []
        for port in ports:
            vif, instance = vif_of(port, network[0], network[1:2]), instance_of(port)
            vif.port_profile.create_tap = create_tap
            os_vif.plug(vif, instance)
            guest = guest_on(vif, f"{address_of(port)}/24")
            started.append(guests.enter_context(guest))
            plugged.append((vif, instance))
        ovn_api.await_status("ACTIVE", *ports)
        assert [os_vif.check(*each) for each in plugged] == [(), ()]
        started[0].ping(address_of(ports[1]))

        def row() -> str:
            return ovn_switch.vsctl(
                *("--format=json", "--columns=name,external_ids,ofport"),
                *("find", "Interface", f"external_ids:iface-id={ports[0]['id']}"),
            )

        installed = row()
        assert '["ovn-installed","true"]' in json.dumps(
            json.loads(installed), separators=(",", ":")
        )
        os_vif.plug(*plugged[0])
        assert row() == installed
        started[1].ping(address_of(ports[0]))
        assert ovn_api.port_of(ports[0])["status"] == "ACTIVE"
    # The option may change before an unplug.
    cfg.CONF.set_override("per_port_bridge", not per_port_bridge, group="os_vif_ovs")
    for each in plugged:
        os_vif.unplug(*each)
    ovn_api.await_status("DOWN", *ports)
    assert links() == before
    assert ovn_switch.vsctl("list-ports", "br-int") == ""


def test_port_with_the_tap_device_of_neutron_is_active_before_a_guest(ovn_api, network, ports):
    """Plug a port with ovs_create_tap, which Neutron sets for OVN, without a hypervisor."""
    port = ports[0]
    assert port["binding:vif_details"]["ovs_create_tap"] is True
    vif, instance = vif_of(port, network[0], network[1:2]), instance_of(port)
    assert vif.port_profile.create_tap is True
    os_vif.plug(vif, instance)
    ovn_api.await_status("ACTIVE", port)
    (link,) = ip("link", "show", vif.vif_name)
    assert "NO-CARRIER" in link["flags"]
    assert os_vif.check(vif, instance) == ()
    os_vif.unplug(vif, instance)
    ovn_api.await_status("DOWN", port)


@pytest.mark.parametrize("release", [None, "5.3.0"])
def test_a_mechanism_driver_answers_the_offer_of_a_host(ovn_api, network, ports, release):
    """Compare the keys of nova, the document, and the offer in the profile with the sent values.

    A host with a public release gets no document.
    """
    offer = os_vif.offer(host=ovn.HOST)
    if release is not None:
        offer = negotiation.of_document(offer.canonical().decode(), release)
    profile = {"os_vif": json.loads(offer.canonical())}
    port = ovn_api.create_port(
        network[0], ovn.HOST, security_groups=[network[2]], **{"binding:profile": profile}
    )
    try:
        assert port["binding:profile"] == profile
        details = ovn_api.port_of(port)["binding:vif_details"]
        plain = ports[0]["binding:vif_details"]
        drivers = {"bound_drivers": {"0": "os_vif_documents"}}
        assert {name: details[name] for name in details if name != "os_vif"} == plain | drivers
        assert ("os_vif" in details) == (release is None)
        vif, instance = vif_of(port, network[0], network[1:2]), instance_of(port)
        without = port | {"binding:vif_details": plain}
        expected = vif_of(without, network[0], network[1:2])
        assert serialization.dumps(vif) == serialization.dumps(expected)
        if release is None:
            assert details["os_vif"] == json.loads(serialization.dumps(vif))
        os_vif.plug(vif, instance)
        ovn_api.await_status("ACTIVE", port)
        assert os_vif.check(vif, instance) == ()
        os_vif.unplug(vif, instance)
        ovn_api.await_status("DOWN", port)
    finally:
        ovn_api.delete_port(port)


def test_a_chassis_is_an_offer_that_can_plug_the_ports(ovn_switch, network, ports):
    """Bind the port by the facts that ovn-controller publishes, for a release of the caller."""
    offer = negotiation.of_chassis(ovn_switch.chassis(), "5.3.0")
    assert (offer.host, list(offer.datapath_types)) == (ovn.HOST, ["netdev"])
    bound = negotiation.bind(ports[0], network[0], network[1:2], [offer])
    assert (bound.host, bound.release, bound.losses) == (ovn.HOST, "5.3.0", ())
    read = serialization.loads(bound.text)
    assert serialization.dumps(read) == serialization.dumps(bound.vif)


def test_profile_of_4095_characters_returns_unchanged_and_a_longer_one_is_refused(ovn_api, ports):
    """Send profiles around the size of the column, a String(4095)."""
    port = ports[0]
    head = len(json.dumps({"os_vif": ""}))
    for length, fits in ((4095, True), (4096, False)):
        profile = {"os_vif": "x" * (length - head)}
        assert len(json.dumps(profile)) == length
        body = {"port": {"binding:profile": profile}}
        if fits:
            ovn_api.call("PUT", f"ports/{port['id']}", body)
        else:
            with pytest.raises(Refused, match="profile value too large"):
                ovn_api.call("PUT", f"ports/{port['id']}", body)
    assert len(ovn_api.port_of(port)["binding:profile"]["os_vif"]) == 4095 - head
