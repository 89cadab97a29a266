# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Calls at the same time: of many containers, of one container, and beside GC."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from os_vif import serialization
from os_vif.cni import attachment_locks, attachment_records
from os_vif.cni.attachment_locks import AttachmentLocks
from os_vif.cni.cni_error import CniError
from os_vif.testing.host_snapshots import ip, state_files
from os_vif.testing.private_namespaces import run
from tests.support.cni import addresses_in, links_in
from tests.support.daemons import descriptors
from tests.support.pod_cases import pod_bridge_vif


def test_many_containers_at_the_same_time(quick_runtime, network, pods, allocated):
    runtimes = [quick_runtime.for_container(f"p{number}", pods()) for number in range(12)]
    before = descriptors("self")
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda pod: pod.call("ADD", network).result, runtimes))
    found = {addresses_in(pod.netns)[0] for pod in runtimes}
    assert len(found) == 12
    assert found == {result["ips"][0]["address"] for result in results}
    with ThreadPoolExecutor(6) as pool:
        for answer in pool.map(lambda pod: pod.call("DEL", network), runtimes):
            answer.succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert allocated() == []
    assert state_files() == {}
    # The threads of the daemon stay, with a netlink socket each.
    assert descriptors("self") <= before + 64


def test_calls_for_one_container_run_one_after_the_other(quick_runtime, network, allocated):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: quick_runtime.call("ADD", network), range(8)))
    assert sorted(answer.code for answer in answers) == [0, *[1] * 7]
    assert {answer.json["code"] for answer in answers if answer.code} == {4}
    assert len(allocated()) == 1
    with ThreadPoolExecutor(8) as pool:
        for answer in pool.map(lambda _: quick_runtime.call("DEL", network), range(8)):
            answer.succeeded()
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_gc_beside_adds_takes_no_listed_pod(quick_runtime, network, pods):
    newest = network | {"cniVersion": "1.1.0"}
    runtimes = [quick_runtime.for_container(f"p{number}", pods()) for number in range(6)]
    listed = [{"containerID": pod.container_id, "ifname": "eth0"} for pod in runtimes]
    collected = newest | {"cni.dev/valid-attachments": listed}
    with ThreadPoolExecutor(4) as pool:
        adds = [pool.submit(pod.call, "ADD", newest) for pod in runtimes]
        gcs = [pool.submit(quick_runtime.call, "GC", collected) for _ in range(3)]
    assert [each.result().code for each in (*adds, *gcs)] == [0] * 9
    assert all("eth0" in links_in(pod.netns) for pod in runtimes)


def test_a_collection_waits_for_calls_and_excludes_calls():
    locks, order, began = AttachmentLocks(), [], threading.Event()

    def collect():
        began.set()
        with locks.of_network("net"):
            order.append("collection")

    def add():
        with locks.of_container("net", "b"):
            order.append("b")

    with ThreadPoolExecutor(2) as pool:
        with locks.of_container("net", "a"):
            collecting = pool.submit(collect)
            assert began.wait(30)
            while not locks._collections["net"]:
                pass
            # A later call waits for the collection.
            adding = pool.submit(add)
            order.append("a")
        collecting.result(30)
        adding.result(30)
    assert order == ["a", "collection", "b"]
    assert not locks._busy


def test_a_waiting_collection_of_a_network_delays_no_other_network():
    locks, began = AttachmentLocks(), threading.Event()

    def collect(network):
        began.set()
        with locks.of_network(network):
            pass

    def add():
        with locks.of_container("other", "b"):
            pass

    with ThreadPoolExecutor(2) as pool:
        with locks.of_container("net", "a"):
            collecting = pool.submit(collect, "net")
            assert began.wait(30)
            while not locks._collections["net"]:
                pass
            pool.submit(add).result(30)
            pool.submit(collect, "other").result(30)
            assert not collecting.done()
        collecting.result(30)
    assert not locks._collections


def test_a_collection_gives_up_after_a_slow_call():
    locks = AttachmentLocks()
    with locks.of_container("net", "a"), ThreadPoolExecutor(1) as pool:
        with pytest.raises(CniError) as raised, locks.of_network("net", timeout=0.1):
            pass
        assert raised.value.code == 11
        # Later calls for the network continue.
        pool.submit(lambda: locks.of_container("net", "b").__enter__()).result(30)
    assert not locks._collections


def test_collections_of_a_network_run_one_after_the_other():
    locks = AttachmentLocks()
    with locks.of_network("net"):
        with pytest.raises(CniError), locks.of_network("net", timeout=0.1):
            pass
        with locks.of_network("other"):
            pass
    with locks.of_network("net"):
        pass
    assert not locks._collections
    assert not locks._collecting


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_gc_that_waits_for_a_slow_ipam_plugin_delays_no_other_network(
    quick_runtime, network, pods, tmp_path, command
):
    """The IPAM plugin of the network ``slow`` waits for a writer of a FIFO."""
    fifo, plugin = tmp_path / "fifo", tmp_path / "stub"
    os.mkfifo(fifo)
    plugin.write_text(
        f"#!/bin/sh\nif [ $CNI_COMMAND = ADD ]; then cat {fifo}; else echo {{}}; fi\n"
    )
    plugin.chmod(0o755)
    quick_runtime.path = f"{tmp_path}:{quick_runtime.path}"
    slow = network | {"cniVersion": "1.1.0", "name": "slow", "ipam": {"type": "stub"}}
    collected = slow | {"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]}
    other = quick_runtime.for_container("c2", pods())
    with ThreadPoolExecutor(2) as pool:
        adding = pool.submit(quick_runtime.call, "ADD", slow)
        while not attachment_records.read_all():
            assert not adding.done()
        collecting = pool.submit(quick_runtime.call, "GC", collected)
        assert other.call(command, network).code == 0
        assert not adding.done()
        fifo.write_text('{"cniVersion": "1.1.0", "ips": [{"address": "10.5.0.2/24"}]}')
        assert (adding.result(30).code, collecting.result(30).code) == (0, 0)
    assert addresses_in(quick_runtime.netns) == ["10.5.0.2/24"]


def test_other_containers_do_not_wait():
    locks = AttachmentLocks()
    with locks.of_container("net", "a"), ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: locks.of_container("net", "b").__enter__()).result(30)


def test_del_of_an_earlier_container_beside_add_of_the_vif(quick_runtime, pods):
    """The DEL has no CNI_NETNS, and both calls wait for the lock of the VIF at first."""
    vif = pod_bridge_vif(1)
    configuration = {"cniVersion": "1.1.0", "name": "net", "type": "os-vif-cni"}
    configuration["vif"] = json.loads(serialization.dumps(vif))
    assert quick_runtime.call("ADD", configuration).code == 0
    for number in range(2, 6):
        run(f"ip netns delete {quick_runtime.netns.rpartition('/')[2]}")
        later = quick_runtime.for_container(f"c{number}", pods())
        with ThreadPoolExecutor(2) as pool:
            with attachment_locks.of_vif(vif.id):
                adding = pool.submit(later.call, "ADD", configuration)
                deleting = pool.submit(quick_runtime.call, "DEL", configuration, CNI_NETNS=None)
                while attachment_locks._vif_locks[vif.id].users < 3:
                    assert not adding.done()
                    assert not deleting.done()
            assert adding.result(30).code == 0
            deleting.result(30).succeeded()
        assert "eth0" in links_in(later.netns)
        assert [each.container_id for each in attachment_records.read_all()] == [f"c{number}"]
        quick_runtime = later
    quick_runtime.call("DEL", configuration).succeeded()
    assert state_files() == {}
    assert not attachment_locks._vif_locks
