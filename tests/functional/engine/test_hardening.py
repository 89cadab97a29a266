# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon: what it keeps of root's rights, and how much it takes in one call."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
import time

import pytest

import os_vif
from os_vif.engine.privileged import daemon as privileged
from os_vif.host.state import bridge_user_record
from os_vif.host.state.directory import STATE
from os_vif.steps import AddBridgeUser, EnsureBridge
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import ip, snapshot
from os_vif.testing.private_namespaces import run
from os_vif.testing.quick_daemons import use_helper
from tests.support.daemons import daemon_pid
from vif_plug_linux_bridge import privsep

#: ``CAP_NET_ADMIN`` of linux/capability.h, as a mask.
_NET_ADMIN = 1 << 12


def started_daemon() -> pathlib.Path:
    """The directory in /proc of the daemon, which has plugged a VIF."""
    assert privsep.run([encode(EnsureBridge("brq-test"))])["error"] is None
    return pathlib.Path("/proc") / str(daemon_pid())


def status(process: pathlib.Path) -> dict[str, str]:
    lines = (line.partition(":") for line in (process / "status").read_text().splitlines())
    return {name: value.strip() for name, _, value in lines}


def test_the_daemon_has_its_capability_and_can_gain_no_other(daemon):
    """In the bounding set too; no program that it runs can have more."""
    process = started_daemon()
    for task in sorted((process / "task").iterdir()):
        found = status(task)
        assert int(found["CapBnd"], 16) == _NET_ADMIN, task
        assert int(found["CapEff"], 16) == int(found["CapPrm"], 16) == _NET_ADMIN
        assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
        assert found["NoNewPrivs"] == "1"
        assert int(found["Umask"], 8) == 0o077


def test_the_daemon_keeps_no_descriptor_that_it_inherited(daemon, tmp_path):
    """Its helper had a file open, and left it open."""
    secret = tmp_path / "secret"
    secret.write_text("for the caller alone")
    with secret.open() as file:
        os.set_inheritable(file.fileno(), True)
        process = started_daemon()
    targets = [os.readlink(entry) for entry in sorted((process / "fd").iterdir())]  # noqa: PTH115
    assert str(secret) not in targets
    # The socket of the caller, netlink sockets, the epoll of the loop, and nothing of the process
    # that was forked.
    own = ("socket:", "pipe:", "/dev/null", "anon_inode:[eventpoll]")
    rest = [target for target in targets if not target.startswith(own)]
    assert rest == []


def test_what_everybody_reads_stays_readable_by_everybody(daemon):
    """The daemon's umask hides other files only."""
    started_daemon()
    assert privsep.run([encode(AddBridgeUser("brq-test", "vif-1"))])["error"] is None
    expected = {"bridge": 0o644, "generation": 0o644, "lock": 0o600}
    # Other tests may have left other files, such as gc.lock.
    files = [(path.name.split("-")[0], path.lstat().st_mode) for path in STATE.path.iterdir()]
    assert {name: mode & 0o777 for name, mode in files if name in expected} == expected


def test_a_context_in_the_caller_s_own_process_restricts_nothing(namespace):
    """As root programs and tests have it: ``set_client_mode(False)``."""
    before = pathlib.Path("/proc/thread-self/status").read_text()
    privsep.vif_plug.set_client_mode(False)
    try:
        assert privsep.vif_plug.conf.capabilities
        assert privsep.run([encode(EnsureBridge("brq-test"))])["error"] is None
    finally:
        privsep.vif_plug.set_client_mode(True)
    after = pathlib.Path("/proc/thread-self/status").read_text()
    kept = ("Cap", "NoNewPrivs", "Umask")
    assert [line for line in after.splitlines() if line.startswith(kept)] == [
        line for line in before.splitlines() if line.startswith(kept)
    ]


def test_the_helper_that_is_installed_is_restricted_alike(daemon):
    """Not only the quick one of the tests."""
    with use_helper(str(pathlib.Path(sys.executable).with_name("privsep-helper"))):
        assert privsep.run([encode(EnsureBridge("brq-test"))])["error"] is None
        ours = os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116
        deadline = time.monotonic() + 30
        while len(processes := helpers(ours)) > 1:
            # The one that was started ends when its child serves.
            assert time.monotonic() < deadline, processes
            time.sleep(0.05)
        (process,) = processes
        found = status(process)
        assert int(found["CapBnd"], 16) == _NET_ADMIN
        assert (found["NoNewPrivs"], int(found["Umask"], 8)) == ("1", 0o077)
        # The daemon imports no module of pyroute2 that os-vif does not need: pyroute2.ndb loads
        # SQLite.
        assert "_sqlite3" not in (process / "maps").read_text()


def helpers(namespace: int) -> list[pathlib.Path]:
    """Return the directories in /proc of daemons of linux_bridge in a network namespace."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        if b"vif_plug_linux_bridge.privsep.vif_plug" in _read(process / "cmdline"):
            with contextlib.suppress(FileNotFoundError):
                if (process / "ns/net").stat().st_ino == namespace:
                    found.append(process)
    return found


def _read(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_call_of_too_many_steps_is_refused_whole(daemon):
    """By number, with the limit."""
    before = snapshot()
    steps = [encode(EnsureBridge(f"b{n}")) for n in range(privileged.MAX_STEPS + 1)]
    for call in (privsep.run, privsep.check):
        error = call(steps)["error"]
        assert error["step"] == "message"
        assert f"{privileged.MAX_STEPS + 1} steps" in error["reason"]
        assert f"at most {privileged.MAX_STEPS} steps" in error["reason"]
    (left,) = privsep.undo(steps)["not_undone"]
    assert f"at most {privileged.MAX_STEPS} steps" in left
    assert snapshot() == before


def test_an_argument_of_too_many_entries_is_refused(daemon):
    """Before it is looked at one by one."""
    forged = ["EnsureForwardingRules", {"name": "brq-test", "interfaces": ["eth0"] * 1025}]
    assert "at most 1024 entries" in privsep.run([forged])["error"]["reason"]


def test_deep_messages_are_refused_in_few_words(daemon):
    """What is shown of one is short, however deep and large it is."""
    deep: object = "x"
    for _ in range(400):
        deep = [deep, "y" * 1000]
    reason = privsep.run([deep])["error"]["reason"]
    assert len(reason) < 1500


def test_a_message_beyond_the_limit_ends_the_daemon_and_not_the_host(daemon):
    """The next call has a daemon of its own."""
    from os_vif.engine.privileged import hardening

    before = snapshot()
    with pytest.raises(Exception, match=r"eof|pipe|reset"):
        privsep.run(["x" * (hardening.MAX_MESSAGE + 1)])
    assert snapshot() == before
    assert privsep.run([encode(EnsureBridge("brq-test"))])["error"] is None


def test_a_record_takes_so_many_users_and_says_so(daemon):
    """The VIF beyond them is refused; those that are there can leave."""
    assert privsep.run([encode(EnsureBridge("brq-test"))])["error"] is None
    joins = [
        encode(AddBridgeUser("brq-test", f"vif-{n}")) for n in range(bridge_user_record.MAX_USERS)
    ]
    begun = time.monotonic()
    assert privsep.run(joins)["error"] is None
    assert time.monotonic() - begun < 20
    error = privsep.run([encode(AddBridgeUser("brq-test", "one more"))])["error"]
    assert "1024 users; the record takes 1024" in error["reason"]
    (path,) = STATE.path.glob("bridge-*.json")
    assert len(json.loads(path.read_text())["users"]) == bridge_user_record.MAX_USERS


@pytest.mark.parametrize("length", [32, 8], ids=["each of its own network", "of one network"])
@pytest.mark.alone
def test_the_daemon_s_time_is_linear_in_the_addresses_that_move(daemon, vif, instance, length):
    """500 addresses took 3 seconds, and 1,000 took 37."""
    took = {}
    for count in (200, 800):
        run("ip link add name uplink type veth peer name far; ip link set dev uplink up")
        lines = []
        for n in range(count):
            high, low = divmod(n, 250)
            lines.append(f"address add 10.{high}.{low}.1/{length} dev uplink")
            lines.append(f"route add 172.{16 + high}.{low}.0/24 dev uplink")
        batch = pathlib.Path(STATE.path / "batch")
        batch.write_text("\n".join(lines))
        run(f"ip -batch {batch}")
        vif.network.bridge_interface = "uplink"
        steps = [encode(step) for step in os_vif.plan(vif, instance)]
        assert len(steps) > 3 * count
        begun = time.monotonic()
        answer = privsep.run(steps)
        took[count] = time.monotonic() - begun
        assert answer["error"] is None
        assert len(ip("-4", "address", "show", "dev", "brq-test")[0]["addr_info"]) == count
        assert not any(link["addr_info"] for link in ip("-4", "address", "show", "dev", "uplink"))
        assert not privsep.undo(answer["undo"])["not_undone"]
        assert len(ip("-4", "address", "show", "dev", "uplink")[0]["addr_info"]) == count
        run("ip link del dev uplink")
    assert took[800] < 2 + 8 * took[200]
    assert took[800] < 10
