# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Addresses decoded by the codec are equal to addresses made by netaddr, and never shared."""

from __future__ import annotations

import pickle

import netaddr
import pytest

from os_vif.codec import address, scalar

ADDRESSES = (
    "10.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "2001:db8::5",
    "::ffff:1.2.3.4",
)
NETWORKS = ("10.0.0.0/8", "10.1.2.3/24", "0.0.0.0/0", "::/0", "2001:db8::5/64", "::1/128")
CASES = [
    *((scalar.IP_ADDRESS, netaddr.IPAddress, text) for text in ADDRESSES),
    *((scalar.IP_NETWORK, netaddr.IPNetwork, text) for text in NETWORKS),
]


@pytest.mark.parametrize(("codec", "cls", "text"), CASES)
def test_decoded_address_equals_an_address_of_netaddr(codec, cls, text):
    expected = cls(text)
    for value in (codec.load(text), codec.coerce(text), codec.coerce(expected)):
        assert type(value) is cls
        assert value == expected
        assert hash(value) == hash(expected)
        assert value.__getstate__() == expected.__getstate__()
        assert pickle.dumps(value) == pickle.dumps(expected)
        assert str(value) == str(expected) == codec.dump(value) == codec.dump(expected)


@pytest.mark.parametrize(("codec", "cls", "text"), CASES)
def test_decoded_addresses_are_not_shared(codec, cls, text):
    first, second = codec.load(text), codec.load(text)
    copy = codec.duplicate(first)
    first.value = 7
    assert second == copy == codec.load(text) == cls(text)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("text", ADDRESSES)
def test_select_inside_agrees_with_netaddr(network, text):
    network, value = netaddr.IPNetwork(network), netaddr.IPAddress(text)
    assert address.select_inside(network, [(value, "found")]) == ["found"] * (value in network)
