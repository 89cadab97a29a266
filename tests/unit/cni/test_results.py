# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Results in the form of each version, and results of plugins before."""

from __future__ import annotations

import pytest

from os_vif.cni import attachment_result
from os_vif.cni.cni_error import CniError
from os_vif.cni.network_configuration import is_at_least
from tests.support.cni import VERSIONS

INTERFACES = [
    {"name": "br0", "mac": "02:00:00:00:00:01"},
    {
        "name": "eth0",
        "mac": "02:00:00:00:00:02",
        "mtu": 1400,
        "sandbox": "/run/netns/c1",
        "socketPath": None,
        "pciID": "0000:01:00.1",
    },
]
ADDRESSES = [
    {"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 1},
    {"address": "fd00::2/64", "gateway": None, "interface": 1},
]
ROUTES = [
    {"dst": "0.0.0.0/0", "gw": "10.0.0.1", "priority": 10},
    {"dst": "10.1.0.0/16", "gw": None},
]


def _result(version, previous=None, dns=None):
    joined = attachment_result.join(previous, INTERFACES, ADDRESSES, ROUTES, dns or {})
    return attachment_result.convert(joined, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_form_of_each_version(version):
    result = _result(version)
    assert result["cniVersion"] == version
    pod = {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/c1"}
    default = {"dst": "0.0.0.0/0", "gw": "10.0.0.1"}
    if version == "1.1.0":
        pod |= {"mtu": 1400, "pciID": "0000:01:00.1"}
        default |= {"priority": 10}
    assert result["interfaces"] == [INTERFACES[0], pod]
    assert result["routes"] == [default, {"dst": "10.1.0.0/16"}]
    ips = [
        {"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 1},
        {"address": "fd00::2/64", "interface": 1},
    ]
    if not is_at_least(version, "1.0.0"):
        ips[0]["version"], ips[1]["version"] = "4", "6"
    assert result["ips"] == ips
    assert result["dns"] == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_previous_result_is_passed_on_with_shifted_indexes(version):
    previous = {
        "cniVersion": version,
        "interfaces": [{"name": "net9", "sandbox": "/run/netns/c1"}],
        "ips": [{"address": "192.0.2.9/24", "interface": 0}],
        "routes": [{"dst": "192.0.2.0/24"}],
        "dns": {"nameservers": ["192.0.2.1"]},
        "later": {"key": "kept"},
    }
    result = _result(version, previous)
    assert [each["name"] for each in result["interfaces"]] == ["net9", "br0", "eth0"]
    assert [(each["address"], each["interface"]) for each in result["ips"]] == [
        ("192.0.2.9/24", 0),
        ("10.0.0.2/24", 2),
        ("fd00::2/64", 2),
    ]
    assert result["routes"][0] == {"dst": "192.0.2.0/24"}
    assert result["dns"] == previous["dns"]
    assert result["later"] == previous["later"]
    own_dns = {"nameservers": ["10.0.0.1"]}
    assert _result(version, previous, own_dns)["dns"] == own_dns


def test_an_address_of_a_previous_result_that_is_none_is_an_error():
    for value in ("10.0.0.2/99", "x", None, 5):
        with pytest.raises(CniError) as caught:
            attachment_result.convert({"ips": [{"address": value}]}, "0.4.0")
        assert caught.value.code == 7
