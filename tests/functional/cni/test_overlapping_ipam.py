# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""ADD creates the device of the pod while the IPAM plugin runs."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from os_vif.testing.host_snapshots import ip, state_files
from os_vif.testing.private_namespaces import run
from tests.support.cni import addresses_in, links_in

TIMEOUT = 30
NETWORK = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "os-vif-cni",
    "bridge": "br-cni",
    "ipam": {"type": "stub"},
}
RESULT = {
    "cniVersion": "1.1.0",
    "ips": [{"address": "10.5.0.2/24", "gateway": "10.5.0.1"}],
    "routes": [{"dst": "0.0.0.0/0"}],
}
FAILURE = {"cniVersion": "1.1.0", "code": 107, "msg": "no address is left"}


class Stub:
    """An IPAM plugin whose ADD ends when told."""

    def __init__(self, folder, runtime) -> None:
        self.folder, self.runtime = folder, runtime
        runtime.path = str(folder)

    def install(self, answer: dict, code: int = 0) -> None:
        (self.folder / "answer").write_text(json.dumps(answer))
        at = self.folder
        (at / "stub").write_text(
            f"#!/bin/sh\necho begin $CNI_COMMAND >> {at}/log\n"
            "if [ $CNI_COMMAND = ADD ]; then\n"
            f"    n=0; until [ -e {at}/go ] || [ $n = 300 ]; do sleep 0.1; n=$((n+1)); done\n"
            f"    echo end ADD >> {at}/log; cat {at}/answer; exit {code}\n"
            "fi\n"
        )
        (at / "stub").chmod(0o755)

    def let_end(self) -> None:
        (self.folder / "go").touch()

    @property
    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().splitlines() if path.exists() else []

    def await_state(self, is_reached) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not is_reached():
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def stub(quick_runtime, tmp_path) -> Stub:
    return Stub(tmp_path, quick_runtime)


@pytest.fixture
def add(stub):
    """Run ADD in a thread; return the future answer."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda: pool.submit(stub.runtime.call, "ADD", NETWORK)
        stub.let_end()


def test_the_device_exists_before_the_addresses(stub, add):
    """The pod has the interface, which is up and without any address, until the plugin ends."""
    stub.install(RESULT)
    call = add()
    stub.await_state(lambda: "eth0" in links_in(stub.runtime.netns))
    stub.await_state(lambda: "UP" in links_in(stub.runtime.netns)["eth0"]["flags"])
    assert links_in(stub.runtime.netns)["eth0"]["addr_info"] == []
    assert stub.log == ["begin ADD"]
    stub.let_end()
    result = call.result(TIMEOUT).result
    assert [each["address"] for each in result["ips"]] == ["10.5.0.2/24"]
    assert addresses_in(stub.runtime.netns) == ["10.5.0.2/24"]
    assert "UP" in links_in(stub.runtime.netns)["eth0"]["flags"]


def test_a_plugin_that_fails_leaves_no_device(stub, add):
    """The error is the error of the plugin."""
    before = state_files()
    stub.install(FAILURE, 1)
    call = add()
    stub.await_state(lambda: "eth0" in links_in(stub.runtime.netns))
    stub.let_end()
    assert call.result(TIMEOUT).error["code"] == 107
    assert list(links_in(stub.runtime.netns)) == ["lo"]
    assert not [link for link in ip("link") if link["ifname"].startswith("tap")]
    assert stub.log == ["begin ADD", "end ADD", "begin DEL"]
    assert state_files() == before


def test_a_device_that_fails_releases_the_addresses_after_the_plugin(stub, add):
    """DEL of the plugin never runs beside ADD of the plugin."""
    run("ip link add br-cni type veth peer name far")
    stub.install(RESULT)
    call = add()
    stub.await_state(lambda: stub.log == ["begin ADD"])
    stub.let_end()
    assert call.result(TIMEOUT).error["code"] == 100
    assert list(links_in(stub.runtime.netns)) == ["lo"]
    assert stub.log == ["begin ADD", "end ADD", "begin DEL"]
