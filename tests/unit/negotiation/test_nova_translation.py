# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""A port becomes the VIF of nova 34.0.0. The answers of nova are recorded."""

from __future__ import annotations

import pytest

from os_vif import exception, negotiation
from os_vif.serialization import to_document
from tests.support.negotiation import recorded_nova
from tests.support.negotiation.neutron_cases import NOVA_DETAILS, all_cases, case

#: VIF types for which nova passes no VIF to os-vif.
ADDED = {"hw_veb", "hostdev_physical", "macvtap"}
#: A part of the cases is enough here. No detail has a multiple of five values, so the part has all
#: pairs of values; the test with nova itself has all cases.
_STEP = 5


def test_vifs_equal_the_vifs_of_nova():
    """Each combination of types and details, and each shape of the network."""
    cases, recorded = all_cases()[::_STEP], recorded_nova.recorded_vifs()[::_STEP]
    compared = {
        made.name: (to_document(made.vif()), document)
        for made, document in zip(cases, recorded, strict=True)
        if document is not None
    }
    assert len(compared) > 500
    differences = {name: pair for name, pair in compared.items() if pair[0] != pair[1]}
    assert not differences


def test_a_port_that_nova_refuses_is_refused():
    """The port cannot be bound: a missing socket or PCI device, or an unsupported type."""
    refused = [
        made
        for made, document in zip(
            all_cases()[::_STEP], recorded_nova.recorded_vifs()[::_STEP], strict=True
        )
        if document is None and made.port["binding:vif_type"] not in ADDED
    ]
    assert {made.port["binding:vif_type"] for made in refused} > NOVA_DETAILS.keys() - {
        "ivs",
        "ovs",
    }
    for made in refused:
        with pytest.raises(exception.InvalidBinding) as raised:
            made.vif()
        assert raised.value.path.startswith("port.binding:")
        assert raised.value.expected


def test_the_integration_bridge_is_for_details_without_a_bridge():
    """The option ``[neutron] ovs_bridge`` of nova."""
    for details, bridge in (({}, "br-z"), ({"bridge_name": "br-x"}, "br-x")):
        arguments = case(**details).arguments()
        vif = negotiation.vif_of(*arguments, integration_bridge="br-z")
        assert (vif.network.bridge, vif.bridge_name) == (bridge, bridge)
