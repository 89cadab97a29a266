# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Offers of hosts: size, canonical bytes, fingerprint, sources, and the trust in a release."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import os_vif
from os_vif import exception, negotiation, objects, serialization
from os_vif.negotiation.released_plugins import plugins_of_release
from os_vif.negotiation.trusted_release import known_release
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.negotiation.host_offers import (
    RECORDED,
    full_offer,
    host_info_text,
    our_offer,
    public_offer,
)
from tests.support.strategies import any_object

AGENT = {
    "host": "host-b",
    "agent_type": "Open vSwitch agent",
    "binary": "neutron-openvswitch-agent",
    "configurations": {
        "bridge_mappings": {"physnet1": "br-ex"},
        "datapath_type": "netdev",
        "ovs_hybrid_plug": True,
        "ovs_capabilities": {
            "datapath_types": ["netdev", "system"],
            "iface_types": ["dpdkvhostuserclient", "geneve", "internal"],
        },
    },
    "resource_versions": {"Port": "1.9"},
}


def agent(configurations=(), **more):
    return {**AGENT, "configurations": {**AGENT["configurations"], **dict(configurations)}, **more}


def describe(offer):
    """Return the port profiles by class, by plugin."""
    return {
        plugin.name: {vif.name: set(vif.profiles) for vif in plugin.vifs}
        for plugin in offer.plugins
    }


def test_an_offer_of_this_host_is_short_and_valid():
    """The document is short enough for a column of neutron, and validates."""
    os_vif.initialize()
    offer = os_vif.offer("host-a", negotiation.Guest(memory="shared", models=["virtio"]))
    text = offer.canonical()
    assert len(text) <= 1500
    assert serialization.validate(text) == []
    assert serialization.loads(text).canonical() == text == serialization.dumps(offer).encode()
    assert (offer.host, offer.release) == ("host-a", CURRENT_RELEASE)
    assert "assumption" not in offer


def test_an_offer_with_every_fact_has_at_most_1500_bytes():
    """The limit for our own plugins is 2,000 bytes; the host has eight physical networks."""
    assert len(full_offer().canonical()) <= 1500


def test_the_plugins_of_a_release_are_those_that_the_plugins_describe():
    """The table for hosts without an offer agrees with ``describe()``."""
    os_vif.initialize()
    info = negotiation.of_host_info(os_vif.host_info())
    ours = {name: vifs for name, vifs in describe(info).items() if name in describe(our_offer())}
    assert ours == describe(our_offer())


@pytest.mark.parametrize("release", RECORDED)
def test_the_plugins_of_a_public_release_are_those_of_its_host_info(release):
    """The table agrees with the recorded HostInfo."""
    offer = public_offer(release)
    names = ("linux_bridge", "noop", "ovs", "sriov")
    table = negotiation.Offer(plugins=plugins_of_release(release, names))
    assert describe(table) == describe(offer)


def test_canonical_bytes_do_not_depend_on_the_process():
    """Two processes with different hash seeds give the same bytes."""
    code = (
        "from tests.support.negotiation.host_offers import full_offer\n"
        "print(full_offer().canonical().decode(), full_offer().fingerprint)"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{full_offer().canonical().decode()} {full_offer().fingerprint}\n"}


def test_the_order_of_names_does_not_change_the_fingerprint():
    """A repeated name changes nothing either."""
    offer = our_offer(physical_networks=["b", "a", "b"], offloads=["vdpa", "representor"])
    other = our_offer(physical_networks=["a", "b"], offloads=["representor", "vdpa"])
    other.plugins = other.plugins[::-1]
    assert offer.canonical() == other.canonical()
    assert offer.fingerprint == other.fingerprint
    assert offer.fingerprint != our_offer().fingerprint


@given(any_object("HostOffer"))
def test_canonical_bytes_survive_a_round_trip(offer):
    """Reading and writing again gives the same bytes, in every form."""
    text = offer.canonical()
    for form in ("json", "ovo"):
        assert serialization.loads(serialization.dumps(offer, form)).canonical() == text
    assert serialization.loads(text).canonical() == text


def test_no_public_release_has_the_classes_of_an_offer():
    """A peer of 5.3.0 sees the same classes as before."""
    for name in ("HostOffer", "GuestOffer", "OfferedClass", "OfferedPlugin", "OfferedVersion"):
        assert all(name not in history.manifest(release) for release in history.releases())
        assert name in history.manifest(CURRENT_RELEASE)
    with pytest.raises(exception.UnknownKind):
        serialization.dumps(our_offer(), release="5.3.0")


@pytest.mark.parametrize("release", RECORDED)
def test_a_stated_release_goes_before_a_host_info(release):
    """The HostInfo of every public release states version 1.0 for all classes."""
    offer = public_offer(release)
    assert offer.release == release
    assert "assumption" not in offer


@pytest.mark.parametrize(
    ("release", "assumed"),
    [("1.8.0", "1.9.0"), ("1.12.0", "1.11.0"), ("4.3.1", "1.11.0"), ("5.3.0", "1.11.0")],
)
def test_a_missing_release_is_assumed_and_the_assumption_is_named(release, assumed):
    """The oldest release with the plugins and classes is assumed; 1.11.0 has the plugin noop."""
    offer = public_offer(release, stated=False)
    assert offer.release == assumed
    assert f"release {assumed} is assumed" in offer.assumption


def test_a_host_info_of_this_library_tells_the_release():
    """The true versions identify the release, without an assumption."""
    os_vif.initialize()
    offer = negotiation.of_host_info(os_vif.host_info())
    assert offer.release == CURRENT_RELEASE
    assert "assumption" not in offer


def test_a_class_of_another_project_keeps_the_version():
    """The release does not define the version of the class."""
    info = objects.HostInfo(
        plugin_info=[
            objects.HostPluginInfo(
                plugin_name="new",
                vif_info=[
                    objects.HostVIFInfo(
                        vif_object_name="VIFNew",
                        min_version="1.0",
                        max_version="1.7",
                        supported_port_profiles=[],
                    )
                ],
            )
        ]
    )
    offer = negotiation.of_host_info(info, "5.3.0")
    assert [(entry.name, entry.version) for entry in offer.versions] == [("VIFNew", "1.7")]


def test_order_of_trust_of_an_agent():
    """A pin goes before resource_versions, an offer, a HostInfo of ours and an assumption."""
    os_vif.initialize()
    info = serialization.to_document(os_vif.host_info())
    public = json.loads(host_info_text("5.3.0"))
    offer = serialization.to_document(our_offer(release="5.2.0"))
    resources = {"Port": "1.9", "os_vif": "5.1.0"}
    published = agent({"os_vif": offer}, resource_versions=resources)
    assert negotiation.of_agent(published, "5.0.0").release == "5.0.0"
    assert negotiation.of_agent(published).release == "5.1.0"
    assert negotiation.of_agent(agent({"os_vif": offer})).release == "5.2.0"
    assert negotiation.of_agent(agent({"os_vif": info})).release == CURRENT_RELEASE
    assumed = negotiation.of_agent(agent({"os_vif": public}))
    assert "the HostInfo" in assumed.assumption
    nothing = negotiation.of_agent(agent())
    assert "the agent" in nothing.assumption


def test_an_agent_tells_facts():
    """The API gives JSON objects; the database has JSON text."""
    offer = negotiation.of_agent(agent(resource_versions={"os_vif": "6.0.0"}))
    text = {
        **AGENT,
        "configurations": json.dumps(AGENT["configurations"]),
        "resource_versions": json.dumps({"os_vif": "6.0.0"}),
    }
    assert negotiation.of_agent(text).canonical() == offer.canonical()
    assert negotiation.of_agent({"agent": text}).canonical() == offer.canonical()
    assert offer.host == "host-b"
    assert offer.hybrid_plug is True
    assert offer.datapath_types == ["netdev"]
    assert offer.interface_types == ["dpdkvhostuserclient"]
    assert offer.physical_networks == ["physnet1"]
    assert list(describe(offer)) == ["noop", "ovs"]


@pytest.mark.parametrize(
    ("kind", "release", "plugins"),
    [
        ("Linux bridge agent", "1.10.0", ["linux_bridge"]),
        ("Linux bridge agent", "4.3.1", ["linux_bridge", "noop"]),
        ("Linux bridge agent", "5.3.0", ["noop"]),
        ("Linux bridge agent", None, ["linux_bridge", "noop"]),
        ("Macvtap agent", "5.3.0", ["noop"]),
        ("NIC Switch agent", "5.3.0", ["noop"]),
        ("NIC Switch agent", "6.0.0", ["noop", "sriov"]),
        ("OVN Controller agent", "6.0.0", ["noop", "ovs", "sriov"]),
    ],
)
def test_the_plugins_of_an_agent_are_those_of_the_release(kind, release, plugins):
    """1.11.0 added the plugin noop, 5.0.0 removed linux_bridge, and 6.0.0 has sriov."""
    offer = negotiation.of_agent({"agent_type": kind}, release)
    assert list(describe(offer)) == plugins


def test_an_agent_publishes_an_offer_that_is_read_again():
    """The offer is a member of the configurations, and the release of resource_versions."""
    configurations, resources = negotiation.agent_state(
        full_offer(), AGENT["configurations"], {"Port": "1.9"}
    )
    assert resources == {"Port": "1.9", "os_vif": CURRENT_RELEASE}
    read = negotiation.of_agent(
        {**AGENT, "configurations": configurations, "resource_versions": resources}
    )
    assert read.canonical() == full_offer().canonical()


def test_an_offer_that_is_too_large_is_refused_with_the_sizes():
    """Before the agent sends the offer to neutron."""
    large = our_offer(physical_networks=[f"physical-network-{n:04}" for n in range(100)])
    size = len(large.canonical())
    with pytest.raises(exception.InvalidBinding, match=f"{size} bytes.*at most 2500") as raised:
        negotiation.agent_state(large, {}, {})
    assert raised.value.path == "configurations.os_vif"
    with pytest.raises(exception.InvalidBinding, match="at most 4095") as raised:
        negotiation.agent_state(our_offer(), {"devices": "x" * 3500}, {})
    assert "devices has 3502" in str(raised.value)
    with pytest.raises(exception.InvalidBinding, match="at most 8191"):
        negotiation.agent_state(our_offer(), {}, {"Port": "1" * 8200})


ROW = {
    "hostname": "host-c",
    "other_config": {
        "datapath-type": "",
        "iface-types": "dpdk,dpdkvhostuser,geneve",
        "ovn-bridge-mappings": "physnet1:br-ex, physnet2:br-2",
        "ovn-cms-options": "enable-chassis-as-gw,os-vif-release=5.3.0",
    },
}


def test_a_chassis_tells_facts():
    """A row is a mapping, or an object with attributes as in ovsdbapp."""
    offer = negotiation.of_chassis(ROW)
    assert (offer.host, offer.release) == ("host-c", "5.3.0")
    assert offer.datapath_types == ["system"]
    assert offer.interface_types == ["dpdkvhostuser"]
    assert offer.physical_networks == ["physnet1", "physnet2"]
    assert offer.hybrid_plug is False
    row = type("Row", (), {"hostname": "host-c", "external_ids": ROW["other_config"]})()
    assert negotiation.of_chassis(row).canonical() == offer.canonical()
    assert negotiation.of_chassis(ROW, "6.0.0").release == "6.0.0"
    assert "the chassis" in negotiation.of_chassis({"hostname": "h"}).assumption


@pytest.mark.parametrize(
    ("read", "field", "expected"),
    [
        (lambda: negotiation.of_agent(agent(), "new"), "release", "a release of os-vif"),
        (lambda: negotiation.of_agent(agent(), "0.9"), "release", "a release of os-vif"),
        (
            lambda: negotiation.of_agent(agent(resource_versions={"os_vif": 5})),
            "agent.resource_versions.os_vif",
            "a release",
        ),
        (
            lambda: negotiation.of_agent({"agent_type": "DHCP agent"}),
            "agent.agent_type",
            "Open vSwitch agent",
        ),
        (
            lambda: negotiation.of_agent({**AGENT, "configurations": "{"}),
            "agent.configurations",
            "a JSON object",
        ),
        (
            lambda: negotiation.of_agent({**AGENT, "configurations": []}),
            "agent.configurations",
            "a JSON object",
        ),
        (
            lambda: negotiation.of_agent(agent({"os_vif": {"kind": "HostOffer"}})),
            "agent.configurations.os_vif",
            "a HostOffer",
        ),
        (
            lambda: negotiation.of_agent(
                agent({"os_vif": {"apiVersion": "os-vif/2.0", "kind": "Subnet"}})
            ),
            "agent.configurations.os_vif.kind",
            "HostOffer or HostInfo",
        ),
        (lambda: negotiation.of_host_info(objects.Subnet()), "info", "a HostInfo"),
        (
            lambda: negotiation.of_chassis({"other_config": 5}),
            "row.other_config",
            "a JSON object",
        ),
    ],
)
def test_an_unusable_source_is_refused_by_path(read, field, expected):
    """The error names the field, the found and the expected value."""
    with pytest.raises(exception.InvalidField) as raised:
        read()
    assert raised.value.kwargs["field"] == field
    assert expected in raised.value.kwargs["expected"]


@pytest.mark.parametrize(
    ("stated", "written"),
    [("5.3.0", "5.3.0"), ("5.2.9", "5.2.2"), ("5.9", "5.3.0"), ("7.1.2", CURRENT_RELEASE)],
)
def test_an_unknown_release_reads_what_the_release_before_it_reads(stated, written):
    """A release that this library does not know receives the data for an older release."""
    assert known_release(stated) == written


@given(st.sampled_from(history.releases()), st.sampled_from(history.releases()))
def test_a_release_is_never_written_as_a_newer_one(first, second):
    """The known release is the release itself."""
    assert known_release(first) == first
    assert known_release(second) == second
