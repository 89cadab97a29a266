# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Calls of the shared daemon: who may call, from where, and with which functions."""

from __future__ import annotations

import pathlib
import struct
import subprocess
import sys
import threading
from socket import SO_PEERCRED, SOL_SOCKET

import pytest
from oslo_config import cfg
from oslo_privsep.capabilities import CAPS_BYNAME

import os_vif
from os_vif import exception, objects
from os_vif.engine import ovsdb_socket
from os_vif.engine.shared_calls import shared_client
from os_vif.engine.shared_calls import shared_protocol as protocol
from os_vif.engine.shared_calls.shared_client import SharedDaemonError, probe
from os_vif.host.netlink import rtnetlink
from os_vif.host.ovsdb import remotes
from os_vif.host.ovsdb.deadline import Deadline
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import changes, ip, snapshot, without_addresses
from os_vif.testing.private_namespaces import private_namespace, run
from testbed import ovs
from tests.support.daemons import CONTEXTS
from tests.support.documents.pages import ROOT
from tests.support.shared_daemon.shared_daemons import (
    FRIEND,
    STRANGER,
    Call,
    call_as,
    require_users,
)
from tests.support.vifs import bridge_vif
from vif_plug_linux_bridge import privsep
from vif_plug_ovs import privsep as ovs_privsep

INSTANCE = objects.InstanceInfo(name="guest")


def netns() -> str:
    with rtnetlink.opened() as net:
        return net.netns


def plug_and_check(number: int) -> list[str]:
    os_vif.plug(bridge_vif(number), INSTANCE)
    return [str(d) for d in os_vif.check(bridge_vif(number), INSTANCE)]


def unplug(number: int) -> list[str]:
    return list(os_vif.unplug(bridge_vif(number), INSTANCE))


def test_a_vif_is_plugged_and_unplugged_without_a_private_daemon(running):
    before = without_addresses(snapshot())
    assert plug_and_check(1) == []
    assert unplug(1) == []
    assert changes(before, without_addresses(snapshot())) == []
    assert [context.channel for context in CONTEXTS] == [None] * len(CONTEXTS)


def test_a_permitted_user_plugs_and_unplugs(running):
    assert call_as(FRIEND, lambda: plug_and_check(1)) == []
    assert "brq-test" in {link["ifname"] for link in ip("link")}
    assert call_as(FRIEND, lambda: unplug(1)) == []
    assert {link["ifname"] for link in ip("link")} == {"lo"}


@pytest.mark.parametrize("groups", [(FRIEND + 7,), (*range(70000, 71000), FRIEND + 7)])
def test_a_member_of_a_permitted_group_plugs(daemon, groups):
    """The group is a supplementary group of the caller."""
    require_users()
    daemon.users, daemon.groups = (), (str(FRIEND + 7),)
    daemon.start()
    assert call_as(STRANGER, lambda: plug_and_check(1), groups) == []
    assert "may not call" in call_as(STRANGER, lambda: plug_and_check(2))


def test_another_user_is_refused_in_words_and_changes_nothing(running):
    before = snapshot()
    told = call_as(STRANGER, lambda: plug_and_check(1))
    assert told.startswith("PlugException: Could not plug VIFBridge")
    assert f"the user {STRANGER} of process" in told
    assert "[os_vif_privileged]allowed_users" in told
    assert told.endswith("Nothing was done")
    assert changes(before, snapshot()) == []


def test_an_unknown_user_in_the_options_ends_the_daemon(daemon):
    daemon.users = ("no-such-user-of-os-vif",)
    daemon.start(wait=False)
    assert daemon.exit_code() == 1
    assert "there is no user named 'no-such-user-of-os-vif'" in daemon.log.read_text()


def test_a_caller_in_another_network_namespace_is_refused(running):
    with private_namespace():
        with pytest.raises(exception.PlugException) as refused:
            plug_and_check(1)
        assert {link["ifname"] for link in ip("link")} == {"lo"}
    told = str(refused.value)
    assert "expected the same one" in told
    assert "[os_vif]privileged_socket" in told
    assert "Nothing was done" in told


def test_a_module_of_no_installed_plugin_is_not_imported(running):
    daemon = shared_client.daemon_at(running.path, 5)
    with pytest.raises(SharedDaemonError, match="is not the privsep_module of an installed"):
        daemon.call("antigravity", "run", netns(), ([],))
    with pytest.raises(SharedDaemonError, match="there is no function"):
        daemon.call(privsep.__name__, "system", netns(), ("true",))
    assert "antigravity" not in pathlib.Path(f"/proc/{running.pid}/maps").read_text()


def test_a_step_outside_the_closed_list_is_refused(running):
    answer = privsep.run([["RunProgram", {"name": "true"}]])
    assert "expected a step out of" in answer["error"]["reason"]
    assert not answer["undo"]


def test_too_many_steps_in_a_call_are_refused(running):
    steps = [["SetLink", {"name": "lo", "up": True}]] * 10_001
    assert "at most 10000 steps" in privsep.run(steps)["error"]["reason"]


def test_the_policy_holds_for_callers_of_the_shared_daemon(running):
    answer = privsep.run([["SetLink", {"name": "lo", "up": False}]])
    assert "loopback" in answer["error"]["reason"]


def test_undo_steps_serve_the_user_to_whom_they_were_issued(running):
    """An address of the host may be restored by the user whose call has moved the address."""
    run(
        "ip link add name up type veth peer name far; ip link set up up; ip link set far up;"
        "ip address add 192.0.2.10/24 dev up"
    )
    vif = bridge_vif(1)
    vif.network.bridge_interface = "up"
    steps = [encode(step) for step in os_vif.plan(vif, INSTANCE)]
    answer = privsep.run(steps)
    assert answer["error"] is None
    moved = ip("address", "show", "dev", "brq-test")[0]["addr_info"]
    assert "192.0.2.10" in [address["local"] for address in moved]
    told = call_as(FRIEND, lambda: privsep.undo(list(answer["undo"]))["not_undone"])
    assert [line for line in told if "192.0.2.10" in line]
    os_vif.plug(vif, INSTANCE)
    answer = privsep.run(steps)
    assert answer["undo"] == ()


def test_a_forked_child_has_a_connection_of_its_own(running):
    """The connection of the parent still serves, and the parent's calls are not mixed up."""
    assert plug_and_check(1) == []
    calls = [Call(lambda n=n: plug_and_check(n), user=0) for n in range(2, 6)]
    assert plug_and_check(6) == []
    assert [call.result() for call in calls] == [[]] * 4
    for number in range(1, 7):
        unplug(number)
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_threads_of_a_process_call_at_a_time(running):
    errors = []

    def work(number: int) -> None:
        try:
            for _ in range(5):
                vif = bridge_vif(number, f"brq-{number}")
                os_vif.plug(vif, INSTANCE)
                assert os_vif.check(vif, INSTANCE) == ()
                os_vif.unplug(vif, INSTANCE)
        except BaseException as error:  # noqa: BLE001 - for the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_a_missing_socket_is_told_with_the_option(daemon):
    cfg.CONF.set_override("privileged_socket_timeout", 0.3, group="os_vif")
    with pytest.raises(exception.PlugException) as failed:
        plug_and_check(1)
    told = str(failed.value)
    assert f"no shared privileged daemon answered at {daemon.path} within 0.3 seconds" in told
    assert "[os_vif]privileged_socket" in told
    assert told.endswith("Nothing was done")
    assert [context.channel for context in CONTEXTS] == [None] * len(CONTEXTS)


def test_a_socket_without_permission_is_told_at_once(running):
    pathlib.Path(running.path).chmod(0o600)
    told = call_as(FRIEND, lambda: plug_and_check(1))
    assert "Permission denied" in told
    assert "[os_vif]privileged_socket" in told


def test_a_plug_that_changes_nothing_needs_no_daemon(running):
    assert plug_and_check(1) == []
    running.stop()
    cfg.CONF.set_override("privileged_socket_timeout", 0.1, group="os_vif")
    assert plug_and_check(1) == []


def test_a_step_unknown_to_a_daemon_of_another_release_is_told_with_both_releases(daemon):
    daemon.start(prepare=lambda: setattr(protocol, "version", lambda: "5.9.9"))
    assert probe(daemon.path).version == "5.9.9"
    assert plug_and_check(1) == []
    reason = privsep.run([["StepOfTomorrow", {}]])["error"]["reason"]
    assert "expected a step out of" in reason
    assert f"daemon is os-vif 5.9.9, its caller os-vif {protocol.version()}" in reason


EVENTLET = """
import eventlet
eventlet.monkey_patch()
import sys
from oslo_config import cfg
import os_vif
from os_vif import objects
cfg.CONF(["--config-file", sys.argv[1]], project="os-vif")
os_vif.initialize()
from tests.support.vifs import bridge_vif
guest = objects.InstanceInfo(name="guest")
def work(number):
    vif = bridge_vif(number, f"brq-{number}")
    for _ in range(3):
        os_vif.plug(vif, guest)
        assert os_vif.check(vif, guest) == ()
        os_vif.unplug(vif, guest)
pool = eventlet.GreenPool()
with eventlet.Timeout(60):
    list(pool.imap(work, range(1, 6)))
print("done")
"""


def test_green_threads_of_eventlet_call_the_daemon(running, tmp_path):
    """As in nova-compute until 2025."""
    conf = tmp_path / "nova.conf"
    conf.write_text(f"[os_vif]\nprivileged_socket = {running.path}\n")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVENTLET, conf],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "done\n", done.stderr
    assert {link["ifname"] for link in ip("link")} == {"lo"}


def test_the_daemon_has_the_capabilities_of_the_private_daemons(running):
    found = probe(running.path)
    assert found.pid == running.pid
    # As os-vif doctor asks the daemon.
    assert list(privsep.probe()["capabilities"]) == [
        CAPS_BYNAME[name] for name in found.capabilities
    ]
    assert found.version == protocol.version()
    assert set(found.capabilities) <= {"CAP_NET_ADMIN", "CAP_NET_RAW"}
    status = pathlib.Path(f"/proc/{running.pid}/status").read_text()
    values = dict(line.split(":\t", 1) for line in status.splitlines())
    assert values["NoNewPrivs"] == "1"
    assert values["CapInh"] == values["CapAmb"] == f"{0:016x}"
    assert values["CapEff"] == values["CapPrm"] == values["CapBnd"]
    assert values["Umask"] == "0077"


def test_the_socket_of_ovsdb_server_is_opened_for_another_user(daemon, tmp_path):
    """As with a private daemon: a configured path, for the user of the connection."""
    if missing := ovs.missing():
        pytest.skip(missing)
    conf = pathlib.Path(daemon.path).with_name("os-vif.conf")
    with ovs.DummySwitch(tmp_path) as switch:
        (path,) = remotes.unix_paths(switch.connection)
        pathlib.Path(path).chmod(0o700)
        conf.write_text(f"[os_vif_ovs]\novsdb_connection = {switch.connection}\n")
        daemon.start(prepare=lambda: cfg.CONF(["--config-file", str(conf)], project="os-vif"))

        def peer(path: str) -> int:
            deadline = Deadline(10)
            with ovsdb_socket.request_socket(ovs_privsep.connect, path, deadline) as sock:
                return struct.unpack("iII", sock.getsockopt(SOL_SOCKET, SO_PEERCRED, 12))[0]

        assert call_as(FRIEND, lambda: peer(path)) > 0
        told = call_as(FRIEND, lambda: peer("/etc/shadow"))
        assert "is not opened for a caller" in told
