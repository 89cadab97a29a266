# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""STATUS: the plugin of the network and Open vSwitch, asked anew by each call."""

from __future__ import annotations

import json
import socket

import pytest
from oslo_config import cfg

from os_vif import serialization
from tests.support.pod_cases import pod_ovs_vif

PLAIN = {"cniVersion": "1.1.0", "type": "os-vif-cni"}
BRIDGE = PLAIN | {"name": "bridges", "bridge": "br-cni"}
SWITCH = PLAIN | {"name": "switches", "plugin": "ovs", "bridge": "br-int"}


@pytest.fixture
def connect(br_int, tmp_path):
    """Return a function that makes the database missing, or usable."""

    def set_connection(connection=br_int.connection):
        cfg.CONF.set_override("ovsdb_connection", connection, group="os_vif_ovs")

    return set_connection


def test_open_vswitch_is_asked_by_each_status(quick_runtime, connect, tmp_path):
    for _ in range(2):
        connect(f"unix:{tmp_path}/missing.sock")
        error = quick_runtime.call("STATUS", SWITCH).error
        assert error["code"] == 50
        assert "missing.sock" in error["details"]
        # No plugin but the plugin of the network counts.
        quick_runtime.call("STATUS", BRIDGE).succeeded()
        connect()
        quick_runtime.call("STATUS", SWITCH).succeeded()


def test_a_failed_add_of_another_network_does_not_count(quick_runtime, connect, tmp_path):
    connect(f"unix:{tmp_path}/missing.sock")
    assert quick_runtime.call("ADD", SWITCH).error["code"] == 11
    quick_runtime.call("STATUS", BRIDGE).succeeded()


def test_a_database_that_does_not_answer(quick_runtime, connect, tmp_path):
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        connect(f"unix:{path}")
        assert quick_runtime.call("STATUS", SWITCH).error["code"] == 50


def test_a_network_with_documents_of_vifs(quick_runtime, connect, tmp_path):
    """The configuration does not name the plugin: the first ADD tells that of the documents."""
    plain = PLAIN | {"name": "documents"}
    document = json.loads(serialization.dumps(pod_ovs_vif(1)))
    connect(f"unix:{tmp_path}/missing.sock")
    quick_runtime.call("STATUS", plain).succeeded()
    added = plain | {"args": {"cni": {"vif": document}}}
    assert quick_runtime.call("ADD", added).error["code"] == 11
    assert quick_runtime.call("STATUS", plain).error["code"] == 50
    connect()
    quick_runtime.call("STATUS", plain).succeeded()


@pytest.mark.parametrize("network", [BRIDGE, SWITCH], ids=lambda each: each["name"])
def test_an_ipam_plugin_without_addresses_does_not_count(
    quick_runtime, connect, tmp_path, network
):
    """The code 11 of an IPAM plugin is about one pod."""
    plugin = tmp_path / "busy"
    plugin.write_text(
        "#!/bin/sh\ncase $CNI_COMMAND in\n"
        'ADD) echo \'{"cniVersion": "1.1.0", "code": 11, "msg": "pool busy"}\'; exit 1;;\nesac\n'
    )
    plugin.chmod(0o755)
    busy = network | {"ipam": {"type": "busy"}}
    error = quick_runtime.call("ADD", busy, CNI_PATH=str(tmp_path)).error
    assert (error["code"], error["msg"]) == (11, "pool busy")
    quick_runtime.call("STATUS", network).succeeded()


def test_an_unknown_plugin_is_an_invalid_configuration(quick_runtime):
    error = quick_runtime.call("STATUS", BRIDGE | {"plugin": "nonexistent"}).error
    assert error["code"] == 7
    assert "nonexistent" in error["details"]
