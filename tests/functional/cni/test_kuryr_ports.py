# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The VIFs of KuryrPorts, from a watch of the Kubernetes API."""

from __future__ import annotations

import json
import threading

import pytest

from os_vif.testing.host_snapshots import ip, state_files
from tests.support import kuryr_port_api
from tests.support.cni import addresses_in
from tests.support.pod_cases import given_vif

pytest.importorskip("lightkube", reason="needs os-vif[kubernetes]")

UID = "5b0f8a1e-7f43-4c1f-9d39-1f1b3f1f9a01"
ARGUMENTS = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_UID={UID}"


@pytest.fixture
def api(namespace, tmp_path):
    with kuryr_port_api.serving(tmp_path) as (api, kubeconfig):
        api.kubeconfig = kubeconfig
        yield api


@pytest.fixture
def cluster(api, quick_runtime):
    return {
        "cniVersion": "1.0.0",
        "name": "kuryr",
        "type": "os-vif-cni",
        "kubernetes": {"kubeconfig": str(api.kubeconfig), "nodeName": "node1", "timeout": 30},
    }


def vifs(number=1, *, active=True, interface="eth0"):
    vif = given_vif(number)
    vif.active = active
    return {interface: {"default": True, "vif": vif.obj_to_primitive()}}


def test_the_vif_of_a_kuryrport_is_plugged(api, cluster, quick_runtime):
    api.put("web-0", UID, vifs())
    result = quick_runtime.call("ADD", cluster, CNI_ARGS=ARGUMENTS).result
    assert addresses_in(quick_runtime.netns) == ["10.66.0.6/24"]
    assert {"dst": "0.0.0.0/0", "gw": "10.66.0.1"} in result["routes"]
    assert api.queries[0]["labelSelector"] == ["kuryr.openstack.org/nodeName=node1"]
    checked = cluster | {"prevResult": result}
    quick_runtime.call("CHECK", checked, CNI_ARGS=ARGUMENTS).succeeded()
    # kuryr-controller may delete the KuryrPort before DEL.
    api.delete("web-0")
    for _ in range(2):
        quick_runtime.call("DEL", checked, CNI_ARGS=ARGUMENTS).succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert state_files() == {}


def test_add_waits_for_the_kuryrport_of_the_pod_to_be_complete_and_active(
    api, cluster, quick_runtime
):
    changes = (
        lambda: api.put("web-0", "another-pod", vifs(2)),
        lambda: api.put("web-0", UID, {}),
        lambda: api.put("web-0", UID, vifs(interface="net1")),
        lambda: api.put("web-0", UID, vifs(active=False)),
        lambda: api.put("web-0", UID, vifs()),
    )
    adding = quick_runtime.start("ADD", CNI_ARGS=ARGUMENTS)
    adding.stdin.write(json.dumps(cluster).encode())
    adding.stdin.close()
    pause = threading.Event()
    for change in changes:
        assert adding.poll() is None
        change()
        pause.wait(0.1)
    adding.stdout.read()
    adding.stdout.close()
    assert adding.wait(30) == 0
    assert addresses_in(quick_runtime.netns) == ["10.66.0.6/24"]


def test_add_after_an_interruption_of_the_watch(api, cluster, quick_runtime):
    api.put("web-0", UID, vifs())
    assert quick_runtime.call("ADD", cluster, CNI_ARGS=ARGUMENTS).code == 0
    quick_runtime.call("DEL", cluster, CNI_ARGS=ARGUMENTS).succeeded()
    api.end_watches()
    api.put("web-1", UID, vifs(2))
    arguments = ARGUMENTS.replace("web-0", "web-1")
    assert quick_runtime.call("ADD", cluster, CNI_ARGS=arguments).code == 0
    assert addresses_in(quick_runtime.netns) == ["10.66.0.7/24"]


def test_a_kuryrport_that_is_missing_asks_to_try_again(api, cluster, quick_runtime):
    cluster["kubernetes"]["timeout"] = 0.2
    error = quick_runtime.call("ADD", cluster, CNI_ARGS=ARGUMENTS).error
    assert error["code"] == 11
    assert "default/web-0" in error["msg"]
    assert state_files() == {}


def test_an_unusable_cluster_is_named(api, cluster, quick_runtime):
    assert quick_runtime.call("ADD", cluster).error["code"] == 4
    for value in ("x", {"kubeconfig": 5}, {"timeout": "x"}, {"kubeconfig": "/missing"}):
        changed = cluster | {"kubernetes": value}
        error = quick_runtime.call("ADD", changed, CNI_ARGS=ARGUMENTS).error
        assert error["code"] == 7
        assert "kubernetes" in error["details"]
