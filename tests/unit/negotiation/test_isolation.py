# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""The mechanism driver of a port decides about the dead VLAN."""

from __future__ import annotations

import pytest

from os_vif import exception, negotiation
from tests.support.negotiation.neutron_cases import case


@pytest.mark.parametrize(
    ("drivers", "expected"),
    [
        ({"0": "openvswitch"}, True),
        ({"0": "ovn"}, False),
        ({"0": "hierarchical", "1": "openvswitch"}, True),
        ({"0": "openvswitch", "9": "x", "10": "ovn"}, False),
        ({}, None),
        (None, None),
    ],
)
def test_the_driver_of_the_host_decides(drivers, expected):
    made = case(bound_drivers=drivers)
    assert negotiation.needs_isolation(made.port) is expected


def test_an_unusable_driver_is_refused_with_the_path():
    made = case(bound_drivers={"0": 5})
    with pytest.raises(exception.InvalidBinding) as raised:
        negotiation.needs_isolation(made.port)
    assert raised.value.path == "port.binding:vif_details.bound_drivers.0"
