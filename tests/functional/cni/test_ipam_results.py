# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Results of IPAM plugins: routes of the newest version, malformed results, open outputs."""

from __future__ import annotations

import json
import os

import pytest

from os_vif.testing.host_snapshots import state_files
from tests.support.cni import links_in, routes_in

NETWORK = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "os-vif-cni",
    "bridge": "br-cni",
    "ipam": {"type": "stub"},
}
ADDRESS = {"address": "10.5.0.2/24", "gateway": "10.5.0.1"}


@pytest.fixture
def ipam(quick_runtime, tmp_path):
    """Return a function that makes an IPAM plugin, and returns the runtime and the commands."""

    def make(result, after=""):
        text = result if isinstance(result, str) else json.dumps({"cniVersion": "1.1.0"} | result)
        (tmp_path / "result").write_text(text)
        versions = json.dumps({"cniVersion": "1.1.0", "supportedVersions": ["1.1.0"]})
        (tmp_path / "stub").write_text(
            f"#!/bin/sh\necho $CNI_COMMAND >> {tmp_path}/commands\ncase $CNI_COMMAND in\n"
            f"ADD) cat {tmp_path}/result; {after or ':'};;\nVERSION) echo '{versions}';;\nesac\n"
        )
        (tmp_path / "stub").chmod(0o755)
        quick_runtime.path = str(tmp_path)
        return quick_runtime

    make.commands = lambda: (tmp_path / "commands").read_text().split()
    return make


def test_a_field_of_a_route_that_is_not_set_is_an_error(ipam):
    fields = {"table": 100, "priority": 50, "mtu": 1300, "advmss": 1200, "scope": 254}
    for field, value in fields.items():
        route = {"dst": "10.9.0.0/16", "gw": "10.5.0.1", field: value}
        runtime = ipam({"ips": [ADDRESS], "routes": [route]})
        error = runtime.call("ADD", NETWORK).error
        assert error["code"] == 2
        assert f"routes[0].{field} {value}" in error["details"]
        assert "stub" in error["details"]
        assert ipam.commands()[-1] == "DEL"
        assert list(links_in(runtime.netns)) == ["lo"]
        assert state_files() == {}


def test_fields_of_routes_with_their_defaults_are_accepted(ipam):
    route = {"dst": "10.9.0.0/16", "table": 254, "priority": 0, "mtu": 0, "scope": 0}
    runtime = ipam({"ips": [ADDRESS], "routes": [route]})
    assert runtime.call("ADD", NETWORK).code == 0
    assert routes_in(runtime.netns)["10.9.0.0/16"] == "10.5.0.1"


def test_a_route_on_the_link_to_the_gateway(ipam):
    """As on a routed network: the gateway is outside the network of the address."""
    routes = [
        {"dst": "169.254.1.1/32", "scope": 253},
        {"dst": "0.0.0.0/0", "gw": "169.254.1.1"},
    ]
    runtime = ipam(
        {"ips": [{"address": "10.5.0.2/32", "gateway": "169.254.1.1"}], "routes": routes}
    )
    result = runtime.call("ADD", NETWORK).result
    assert result["routes"] == routes
    assert routes_in(runtime.netns) == {"default": "169.254.1.1", "169.254.1.1": None}
    runtime.call("CHECK", NETWORK | {"prevResult": result}).succeeded()


@pytest.mark.parametrize("route", [{}, {"scope": 253}], ids=["no gateway", "on the link"])
def test_a_default_route_without_a_gateway_is_on_the_link(ipam, route):
    address = ADDRESS if route else {"address": ADDRESS["address"]}
    runtime = ipam({"ips": [address], "routes": [{"dst": "0.0.0.0/0"} | route]})
    result = runtime.call("ADD", NETWORK).result
    found = routes_in(runtime.netns)
    assert "default" in found
    assert found["default"] is None
    runtime.call("CHECK", NETWORK | {"prevResult": result}).succeeded()


def test_the_result_lists_no_route_of_a_family_without_an_address(ipam):
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
    result = ipam({"ips": [ADDRESS], "routes": routes}).call("ADD", NETWORK).result
    assert [each["dst"] for each in result["routes"]] == ["0.0.0.0/0"]


#: A field, and a malformed result.
MALFORMED = (
    ("ips", {"ips": ["x"]}),
    ("ips", {"ips": {"a": 1}}),
    ("ips[0].address", {"ips": [{"address": "10.0.0.0/99"}]}),
    ("ips[0].address", {"ips": [{"address": "10.0.0.2"}]}),
    ("ips[0].address", {"ips": [{}]}),
    ("ips[0].gateway", {"ips": [ADDRESS | {"gateway": "x"}]}),
    ("routes", {"routes": [5]}),
    ("routes[0].dst", {"routes": [{"dst": "default"}]}),
    ("routes[0].gw", {"routes": [{"dst": "0.0.0.0/0", "gw": 7}]}),
    ("routes[0].mtu", {"routes": [{"dst": "0.0.0.0/0", "mtu": "1400"}]}),
    ("dns", {"dns": ["10.0.0.53"]}),
)


def test_a_malformed_result_is_an_error_that_names_the_plugin(ipam, tmp_path):
    for field, changed in MALFORMED:
        runtime = ipam({"ips": [ADDRESS]} | changed)
        error = runtime.call("ADD", NETWORK).error
        assert (error["code"], error["msg"]) == (6, f"{tmp_path}/stub printed a malformed result")
        assert error["details"].startswith(f"{field} is ")
        assert ipam.commands()[-1] == "DEL"
        assert state_files() == {}


def test_a_result_that_is_no_object(ipam):
    for text in ("", "nope", "[]", "null"):
        error = ipam(text).call("ADD", NETWORK).error
        assert error["code"] == 6
        assert ipam.commands()[-1] == "DEL"


def test_a_child_that_keeps_the_output_open_delays_nothing(ipam, tmp_path):
    """The child waits for a reader of a FIFO, and so outlives the ADD."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    runtime = ipam({"ips": [ADDRESS]}, after=f"(echo late > {fifo}; echo late) &")
    assert runtime.call("ADD", NETWORK).code == 0
    assert "eth0" in links_in(runtime.netns)
    # Opening ends the wait of the child.
    assert fifo.read_text() == "late\n"


def test_a_plugin_that_leaves_a_long_configuration_unread(ipam):
    runtime = ipam({"ips": [ADDRESS]})
    assert runtime.call("ADD", NETWORK | {"padding": "x" * 1_000_000}).code == 0
