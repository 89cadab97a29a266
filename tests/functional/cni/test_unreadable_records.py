# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""DEL, GC and CHECK with a record that another release of os-vif has written."""

from __future__ import annotations

import dataclasses
import json

import pytest

from os_vif import objects, serialization
from os_vif.cni import attachment_records
from os_vif.testing.host_snapshots import ip, state_files
from tests.support.cni import links_in
from tests.support.pod_cases import pod_bridge_vif

UNREADABLE = {
    "a later release": '{"apiVersion": "os-vif/9.0", "kind": "VIFFuture"}',
    "no object": "5",
    "no JSON": "{",
    "empty": "",
    "another class": serialization.dumps(objects.InstanceInfo(uuid="b" * 32, name="c1")),
}
EMPTY_LIST = {"cniVersion": "1.1.0", "cni.dev/valid-attachments": []}


def break_records(field, text):
    records = attachment_records.read_all()
    assert records
    for record in records:
        attachment_records.write(dataclasses.replace(record, **{field: text}))


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_del_uses_the_configuration_and_releases_the_address(
    quick_runtime, network, allocated, text
):
    assert quick_runtime.call("ADD", network).code == 0
    break_records("vif", text)
    quick_runtime.call("DEL", network).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert list(links_in(quick_runtime.netns)) == ["lo"]
    assert (allocated(), state_files()) == ([], {})


def test_del_with_an_unreadable_instance(quick_runtime, network, allocated):
    assert quick_runtime.call("ADD", network).code == 0
    break_records("instance", UNREADABLE["a later release"])
    quick_runtime.call("DEL", network).succeeded()
    assert (allocated(), state_files()) == ([], {})


def test_del_uses_the_document_of_the_configuration(quick_runtime):
    vif = json.loads(serialization.dumps(pod_bridge_vif(1)))
    network = {"cniVersion": "1.1.0", "name": "net", "type": "os-vif-cni", "vif": vif}
    assert quick_runtime.call("ADD", network).code == 0
    break_records("vif", UNREADABLE["a later release"])
    quick_runtime.call("DEL", network).succeeded()
    assert list(links_in(quick_runtime.netns)) == ["lo"]
    assert state_files() == {}


def test_gc_unplugs_the_pod_and_releases_the_address(quick_runtime, network, allocated):
    assert quick_runtime.call("ADD", network).code == 0
    break_records("vif", UNREADABLE["a later release"])
    quick_runtime.call("GC", network | EMPTY_LIST).succeeded()
    assert list(links_in(quick_runtime.netns)) == ["lo"]
    assert (allocated(), state_files()) == ([], {})


def test_check_uses_the_configuration(quick_runtime, network):
    result = quick_runtime.call("ADD", network).result
    break_records("vif", UNREADABLE["a later release"])
    quick_runtime.call("CHECK", network | {"prevResult": result}).succeeded()
