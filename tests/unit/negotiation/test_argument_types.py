# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Arguments of a wrong type: each is an error of the family of os-vif, with the path."""

from __future__ import annotations

import pytest

from os_vif import exception, negotiation
from tests.support.negotiation.host_offers import our_offer
from tests.support.negotiation.neutron_cases import case


def bind(**changed):
    made = case()
    arguments = {
        "port": made.port,
        "network": made.network,
        "subnets": made.subnets,
        "offers": [our_offer()],
    }
    return negotiation.bind(**arguments | changed)


WITHOUT_RELEASE = negotiation.Offer(host="host-a")
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda: bind(port=None), "port"),
        (lambda: bind(port=[1], offers=[our_offer(), our_offer()]), "port"),
        (lambda: bind(network=[]), "network"),
        (lambda: bind(network="x"), "network"),
        (lambda: bind(subnets={"a": 1}), "subnets"),
        (lambda: bind(offers=our_offer()), "offers"),
        (lambda: bind(offers=None), "offers"),
        (lambda: bind(offers=[{}]), "offers[0]"),
        (lambda: bind(bindings=["x"]), "bindings[0]"),
        (lambda: bind(bindings={"bindings": [None]}), "bindings[0]"),
        (lambda: bind(bindings={"binding": 1}), "bindings"),
        (lambda: bind(bindings="x"), "bindings"),
        (lambda: bind().vif_details(None), "vif_details"),
        (lambda: negotiation.of_agent(None), "agent"),
        (lambda: negotiation.of_agent([]), "agent"),
        (lambda: negotiation.of_agent({"agent": None}), "agent"),
        (lambda: negotiation.of_agent({"agent_type": [1]}), "agent.agent_type"),
        (lambda: negotiation.of_agent({"configurations": DEEP}), "agent.configurations"),
        (lambda: negotiation.of_chassis(None), "row"),
        (lambda: negotiation.of_chassis({}), "row"),
        (lambda: negotiation.of_chassis([1]), "row"),
        (lambda: negotiation.of_document(None), "offer"),
        (lambda: negotiation.of_document(b"{"), "offer"),
        (lambda: negotiation.of_host_info(3), "info"),
        (lambda: negotiation.profile_of_guest(None, []), "profile"),
        (lambda: negotiation.profile_of_guest({"a": {1}}, []), "profile"),
        (lambda: negotiation.profile_of_guest({}, "VIFBridge"), "permitted"),
        (lambda: negotiation.profile_of_guest({}, [1]), "permitted"),
        (lambda: negotiation.profile_of_guest({}, None), "permitted"),
        (lambda: negotiation.agent_state(WITHOUT_RELEASE, {}, {}), "offer.release"),
        (lambda: negotiation.agent_state(our_offer(release="foo"), {}, {}), "offer.release"),
        (lambda: negotiation.agent_state({}, {}, {}), "offer"),
        (lambda: negotiation.agent_state(our_offer(), None, {}), "configurations"),
        (lambda: negotiation.agent_state(our_offer(), {}, [1]), "resource_versions"),
    ],
)
def test_a_wrong_type_is_named(call, path):
    """The path, the found and the expected value."""
    with pytest.raises((exception.InvalidField, exception.SerializationError)) as raised:
        call()
    error = raised.value
    named = error.kwargs["field"] if isinstance(error, exception.InvalidField) else error.path
    assert named == path
    assert "expected" in str(error)
