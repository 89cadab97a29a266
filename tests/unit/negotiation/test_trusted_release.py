# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The release of a host: the texts of releases, the assumed release, and contradictions."""

from __future__ import annotations

import json

import pytest

from os_vif import exception, negotiation, objects, serialization
from os_vif.negotiation.trusted_release import known_release
from os_vif.objects.versioning import history
from os_vif.objects.versioning.releases import CURRENT_RELEASE
from tests.support.negotiation.host_offers import host_info_text, our_offer
from tests.support.negotiation.neutron_cases import case


def info_with(*plugins):
    """Return the HostInfo of 5.3.0 with some plugins only."""
    info = serialization.loads(host_info_text("5.3.0"))
    info.plugin_info = [each for each in info.plugin_info if each.plugin_name in plugins]
    return info


WITHOUT_A_RELEASE = {
    "agent": lambda: negotiation.of_agent({"agent_type": "Open vSwitch agent"}),
    "chassis": lambda: negotiation.of_chassis({"hostname": "host-a"}),
    "HostInfo": lambda: negotiation.of_host_info(info_with("ovs")),
}


@pytest.mark.parametrize("source", WITHOUT_A_RELEASE)
def test_later_releases_read_the_text_for_an_assumed_release(source):
    """No class has a withdrawn version: 1.8.0 has Subnet 1.1, which 1.9.0 does not read."""
    offer = WITHOUT_A_RELEASE[source]()
    assert offer.release != "1.8.0"
    bound = negotiation.bind(*case("a port", port_filter=True).arguments(), [offer])
    written = dict(_versions(json.loads(bound.text)))
    assert "Subnet" in written
    later = history.releases()[history.releases().index(offer.release) :]
    for release in later:
        manifest = history.manifest(release)
        assert {
            name: version
            for name, version in written.items()
            if history.parse_version(version) > history.parse_version(manifest[name])
        } == {}, release


def _versions(primitive):
    if isinstance(primitive, dict):
        if "versioned_object.name" in primitive:
            yield primitive["versioned_object.name"], primitive["versioned_object.version"]
        for value in primitive.values():
            yield from _versions(value)
    elif isinstance(primitive, list):
        for value in primitive:
            yield from _versions(value)


def test_a_stated_release_with_a_withdrawn_version_is_trusted():
    """The text for 1.8.0 is for 1.8.0 only."""
    offer = negotiation.of_agent({"agent_type": "Open vSwitch agent"}, "1.8.0")
    bound = negotiation.bind(*case("a port").arguments(), [offer])
    assert dict(_versions(json.loads(bound.text)))["Subnet"] == "1.1"


@pytest.mark.parametrize(
    ("stated", "written"),
    [
        ("5.3", "5.3.0"),
        ("5", "5.0.0"),
        ("5.3.0.0", "5.3.0"),
        ("5.3.0.dev7", "5.2.2"),
        ("5.3.0rc1", "5.2.2"),
        ("5.3.0.0b1.dev3", "5.2.2"),
        ("6.0.0.dev5", "5.3.0"),
        ("6.0.0rc1", "5.3.0"),
        ("6.0.0.0rc1", "5.3.0"),
        ("5.3.0.post1", "5.3.0"),
        ("5.3.0-1", "5.3.0"),
        ("5.3.0+local.1", "5.3.0"),
        ("6.1.0.dev1", CURRENT_RELEASE),
    ],
)
def test_texts_of_releases(stated, written):
    """Missing numbers are zero; a version before a release reads what the previous release reads."""
    assert known_release(stated) == written


@pytest.mark.parametrize("stated", ["", "5..3", "new", "1.0.0rc1", "5.3.0-rx7", 5, None, [1]])
def test_other_texts_are_no_release(stated):
    """The error names the value."""
    with pytest.raises(exception.InvalidField, match=r"offer\.release is .*a release of os-vif"):
        known_release(stated, "offer.release")


AGENT = {"host": "host-b", "agent_type": "Open vSwitch agent"}


@pytest.mark.parametrize(
    ("read", "field"),
    [
        (
            lambda: negotiation.of_agent({**AGENT, "resource_versions": {"os_vif": "foo"}}),
            "agent.resource_versions.os_vif",
        ),
        (
            lambda: negotiation.of_agent(
                {
                    **AGENT,
                    "configurations": {"os_vif": serialization.to_document(our_offer())},
                    "resource_versions": {"os_vif": "foo"},
                }
            ),
            "agent.resource_versions.os_vif",
        ),
        (lambda: negotiation.of_agent(AGENT, "foo"), "release"),
        (
            lambda: negotiation.of_chassis(
                {
                    "hostname": "host-b",
                    "other_config": {"ovn-cms-options": "os-vif-release=foo"},
                }
            ),
            "row.other_config.ovn-cms-options.os-vif-release",
        ),
        (lambda: negotiation.of_host_info(info_with("ovs"), "foo", "host-b"), "release"),
    ],
)
def test_an_unknown_release_is_named_with_path_and_host(read, field):
    """Among hundreds of agents, the message leads to one."""
    with pytest.raises(exception.InvalidField, match="'foo' for host host-b") as raised:
        read()
    assert raised.value.kwargs["field"] == field


@pytest.mark.parametrize("published", [our_offer(), info_with("noop", "ovs")])
def test_a_plugin_that_the_stated_release_lacks_is_dropped(published):
    """The release is trusted before the offer; plugins of other projects stay."""
    plugins = [*(published.plugins if "plugins" in published else ())]
    if plugins:
        published.plugins = [*plugins, objects.OfferedPlugin(name="other", vifs=[])]
    offer = negotiation.of_agent(
        {
            **AGENT,
            "configurations": {"os_vif": serialization.to_document(published)},
            "resource_versions": {"os_vif": "5.3.0"},
        }
    )
    names = [plugin.name for plugin in offer.plugins]
    assert names == (["noop", "ovs", "other"] if plugins else ["noop", "ovs"])


def test_an_older_agent_with_a_newer_offer_gets_no_vlan_port():
    """The port is refused, not plugged into another network."""
    offer = negotiation.of_agent(
        {
            **AGENT,
            "configurations": {"os_vif": serialization.to_document(our_offer(host="host-b"))},
            "resource_versions": {"os_vif": "5.3.0"},
        }
    )
    made = case("a VF", "hw_veb", "direct", vlan="5")
    made.port["binding:host_id"] = "host-b"
    with pytest.raises(exception.NoUsableOffer, match="host-b has no plugin 'sriov'"):
        negotiation.bind(*made.arguments(), [offer])
