# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Kills of the client, of the daemon and of the privileged daemon: DEL leaves nothing."""

from __future__ import annotations

import json
import os
import signal

import pytest

import os_vif
from os_vif import pods as pod_functions
from os_vif.cni import address_delegation, attachment_records
from os_vif.testing.conformance_run import disable_kill, kill_before_step
from os_vif.testing.host_snapshots import ip, state_files
from tests.support import cni
from tests.support.cni import links_in


def assert_nothing_is_left(runtime, allocated):
    assert [link["ifname"] for link in ip("link")] == ["lo"]
    assert list(links_in(runtime.netns)) == ["lo"]
    assert allocated() == []
    assert attachment_records.read_all() == ()
    assert state_files() == {}


def assert_a_cycle_works(runtime, network, allocated):
    """Delete the interrupted attachment, and add and delete the attachment once more."""
    runtime.call("DEL", network).succeeded()
    assert_nothing_is_left(runtime, allocated)
    result = runtime.call("ADD", network).result
    runtime.call("DEL", network | {"prevResult": result}).succeeded()
    assert_nothing_is_left(runtime, allocated)


def test_a_client_killed_during_add(quick_runtime, network, allocated, tmp_path):
    """The IPAM plugin waits until the client is dead."""
    folder, fifo = tmp_path / "bin", tmp_path / "go-on"
    folder.mkdir()
    os.mkfifo(fifo)
    plugin = folder / "host-local"
    plugin.write_text(
        f"#!/bin/sh\n[ $CNI_COMMAND = ADD ] && read go_on < {fifo}\nexec {cni.DEBIAN_PLUGINS}/host-local\n"
    )
    plugin.chmod(0o755)
    client = quick_runtime.start("ADD", CNI_PATH=str(folder))
    client.stdin.write(json.dumps(network).encode())
    client.stdin.close()
    with fifo.open("w") as writer:
        client.kill()
        client.wait()
        client.stdout.close()
        writer.write("now\n")
    # DEL waits for the end of ADD.
    assert_a_cycle_works(quick_runtime, network, allocated)


POINTS = {
    "record": (attachment_records, "write"),
    "allocation": (address_delegation, "_wait"),
    "plug": (pod_functions, "plug_new_pod"),
}
DEL_POINTS = {
    "unplug": (os_vif, "unplug_pod"),
    "release": (address_delegation, "release"),
    "removal of the record": (attachment_records, "remove"),
}


def killing(module, name, *, before):
    """Return a function that makes a function of a module kill the process."""

    def prepare():
        function = getattr(module, name)

        def end(*arguments, **options):
            if not before:
                function(*arguments, **options)
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(module, name, end)

    return prepare


# After a stage is before the next stage, nearly.
@pytest.mark.short_form
@pytest.mark.parametrize(
    "before",
    [pytest.param(True, id="before", marks=pytest.mark.soak), pytest.param(False, id="after")],
)
@pytest.mark.parametrize("point", [*POINTS, *DEL_POINTS])
def test_a_daemon_killed_at_each_stage(
    daemon, c_client, network, pods, allocated, tmp_path, point, before
):
    runtime = cni.Runtime(c_client, tmp_path / "cni.sock", netns=pods())
    module, name = (POINTS | DEL_POINTS)[point]
    prepare = killing(module, name, before=before)
    if point in DEL_POINTS:
        with cni.forked_daemon(runtime.socket):
            assert runtime.call("ADD", network).code == 0
    with cni.forked_daemon(runtime.socket, prepare):
        error = runtime.call("DEL" if point in DEL_POINTS else "ADD", network).error
        assert (error["code"], error["msg"]) == (11, "os-vif cni-daemon does not answer")
    with cni.forked_daemon(runtime.socket):
        assert_a_cycle_works(runtime, network, allocated)


def test_a_privileged_daemon_killed_before_a_step(quick_runtime, network, allocated):
    try:
        steps = 0
        while True:
            kill_before_step(steps)
            answer = quick_runtime.call("ADD", network)
            disable_kill()
            assert_a_cycle_works(quick_runtime, network, allocated)
            if answer.code == 0:
                break
            assert answer.json["code"] >= 11
            steps += 6
        assert steps >= 6
    finally:
        disable_kill()
