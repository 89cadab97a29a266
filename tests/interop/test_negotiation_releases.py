# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""Text of bind() for hosts with public releases: readable there, with every field without a loss.

The HostInfo of each release is recorded. The long form asks the releases to read and write the
text; the short form reads the text here.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from os_vif import exception, negotiation, serialization
from testbed.environments import Unavailable
from tests.support.interop import public, releases
from tests.support.negotiation.host_offers import RECORDED, host_info_text, public_offer
from tests.support.negotiation.neutron_cases import binding_cases, case, network_cases

#: The pin of 4.3.1, which is not the first or the last release of a manifest.
PINS = {"4.3.1": public.RELEASE}
#: In the short form one port of so many.
SHARE = 40


def bound_ports(release, *, stated, share):
    """Yield the name of each port that a host with the release can plug, and the bound port."""
    offer = public_offer(release, stated=stated)
    for number, made in enumerate([*network_cases(), *binding_cases()]):
        if number % share:
            continue
        try:
            made.port["binding:host_id"] = offer.host
            yield made.name, negotiation.bind(*made.arguments(), [offer])
        except (exception.NoUsableOffer, exception.InvalidBinding):
            # A port without a VIF, or a VIF without a plugin in the release.
            continue


def leaves(data, path=""):
    """Yield path and value of plain data."""
    if isinstance(data, dict):
        for name, value in data.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(data, list):
        for number, value in enumerate(data):
            yield from leaves(value, f"{path}[{number}]")
    else:
        yield path, data


def missing_fields(bound):
    """Return the fields of the VIF that are not in the text, without the fields of a loss."""
    whole = dict(leaves(serialization.to_document(bound.vif)))
    read = dict(leaves(serialization.to_document(serialization.loads(bound.text))))
    lost = tuple(loss.path for loss in bound.losses)
    return [
        path
        for path, value in whole.items()
        if read.get(path) != value
        and not any(path == loss or path.startswith((f"{loss}.", f"{loss}[")) for loss in lost)
    ]


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "assumed"])
@pytest.mark.parametrize("release", RECORDED)
@pytest.mark.parametrize(
    "share",
    [pytest.param(SHARE, id="short"), pytest.param(1, marks=pytest.mark.interop, id="long")],
)
def test_each_field_without_a_loss_is_in_the_text(release, stated, share):
    """The text is the primitive of the release, and nothing else is missing."""
    checked = 0
    for name, bound in bound_ports(release, stated=stated, share=share):
        assert missing_fields(bound) == [], name
        assert (bound.assumption is None) is stated
        checked += 1
    assert checked > 10


#: 1.8.0 alone reads other names of fields: a host with 1.8.0 must state the release.
READ = [(release, stated) for release in RECORDED for stated in (True, False)]
READ.remove(("1.8.0", False))


@pytest.mark.interop
@pytest.mark.parametrize(("release", "stated"), READ)
def test_the_release_itself_reads_and_writes_the_text(release, stated, tmp_path):
    """Read by the code of the release, in an environment of that time."""
    bound = dict(bound_ports(release, stated=stated, share=1))
    texts = {port.text: name for name, port in bound.items()}
    assert differing_texts(release, texts, tmp_path) == []


def differing_texts(release, texts, scratch):
    """Return the names of the texts that the release does not write as the text was."""
    try:
        reading = releases.read(release, scratch, texts, PINS.get(release))
    except Unavailable as reason:
        pytest.skip(f"release {release}: {reason}")
    assert Path(reading.reader["os_vif"]).is_relative_to(scratch)
    errors = {
        texts[text]: answer["error"]
        for text, answer in zip(texts, reading.answers, strict=True)
        if "error" in answer
    }
    assert errors == {}
    return [
        texts[text]
        for text, answer in zip(texts, reading.answers, strict=True)
        if _without_changes(answer["written"]) != _without_changes(json.loads(text))
    ]


def ovs_host_info():
    """Return the HostInfo of 5.3.0 with the plugin ovs only."""
    info = serialization.loads(host_info_text("5.3.0"))
    info.plugin_info = [each for each in info.plugin_info if each.plugin_name == "ovs"]
    return info


@pytest.mark.interop
@pytest.mark.parametrize("release", [release for release in RECORDED if release != "1.8.0"])
def test_later_releases_read_the_addresses_in_the_text_for_an_assumed_release(release, tmp_path):
    """An agent, a chassis and a HostInfo that state no release."""
    offers = {
        "agent": negotiation.of_agent({"agent_type": "Open vSwitch agent"}),
        "chassis": negotiation.of_chassis({"hostname": ""}),
        "HostInfo": negotiation.of_host_info(ovs_host_info()),
    }
    made = case("a port", port_filter=True)
    bound = {name: negotiation.bind(*made.arguments(), [offer]) for name, offer in offers.items()}
    assert all(port.assumption for port in bound.values())
    texts = {port.text: name for name, port in bound.items()}
    assert all(made.port["fixed_ips"][0]["ip_address"] in text for text in texts)
    assert differing_texts(release, texts, tmp_path) == []


def _without_changes(value):
    """Return a primitive without changed fields, and with the versions that the release writes."""
    if isinstance(value, dict):
        return {
            key: _without_changes(item)
            for key, item in value.items()
            if key not in ("versioned_object.changes", "versioned_object.version")
        }
    return [_without_changes(item) for item in value] if isinstance(value, list) else value
