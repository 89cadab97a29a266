# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os_vif.testing``: errors are reported, and nothing is left behind on any path."""

from __future__ import annotations

import contextlib
import gc
import os
import pathlib
import signal
import time

import pytest

from os_vif.testing import open_vswitch
from os_vif.testing.guests import Guest, Hypervisor
from os_vif.testing.host_snapshots import ip
from os_vif.testing.private_namespaces import run
from os_vif.testing.tap_bridge import TapBridge
from tests.support.vifs import bridge_vif

_MAC = "02:00:00:00:00:01"


def children() -> set[str]:
    return set(pathlib.Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def descriptors() -> set[str]:
    """Return the open descriptors, without the one of this listing."""
    return {path.name for path in pathlib.Path("/proc/self/fd").iterdir() if path.exists()}


def devices() -> set[str]:
    return {link["ifname"] for link in ip("link")}


@pytest.fixture(autouse=True)
def nothing_is_left(namespace):
    """Compare processes, descriptors and devices before and after the test."""
    with Hypervisor():
        pass  # pyroute2 starts helpers on first use
    # Objects of earlier tests may have descriptors, which a collection in the test would close.
    gc.collect()
    before = children(), descriptors(), devices()
    yield
    assert (children(), descriptors(), devices()) == before


def test_a_guest_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    program = tmp_path / "unshare"
    program.write_text("#!/bin/sh\necho no\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OSError, match="the process of the guest did not start"), Guest():
        pass


def test_a_killed_guest_answers_with_an_error():
    with Guest() as guest:
        os.kill(guest.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(OSError, match="the process of the guest has ended"):
                guest.ping("192.0.2.1")


def test_a_refused_request_leaves_the_guest_usable():
    with Guest() as guest:
        with pytest.raises(OSError, match="the guest has no interface eth0"):
            guest.configure("192.0.2.1/24")
        with pytest.raises(OSError, match="unreachable"):
            guest.ping("192.0.2.1", attempts=1, wait_s=0.1)


def test_a_missing_bridge_is_named():
    vif = bridge_vif(1)
    with (
        Guest() as guest,
        Hypervisor() as hypervisor,
        pytest.raises(OSError, match=f"there is no bridge {vif.bridge_name}; plug the VIF first"),
    ):
        hypervisor.attach(guest, vif, "192.0.2.1/24")


def test_a_guest_with_a_refused_address_is_detached():
    vif = bridge_vif(1)
    run(f"ip link add {vif.bridge_name} type bridge")
    with Guest() as guest:
        with (
            pytest.raises(OSError, match=r"^(?!the process of the guest has ended)"),
            Hypervisor() as hypervisor,
        ):
            hypervisor.attach(guest, vif, "192.0.2.1/99")
        assert vif.vif_name not in devices()
    run(f"ip link del {vif.bridge_name}")


@pytest.mark.parametrize(
    ("mac", "address"), [(_MAC, "192.0.2.1/99"), ("01:00:00:00:00:01", "192.0.2.1/24")]
)
def test_a_tap_bridge_that_does_not_start_closes_its_devices(mac, address):
    before = descriptors()
    with Guest() as guest:
        started = descriptors()
        with pytest.raises(Exception, match=r"."), TapBridge(guest, "tap1", mac, address):
            pass
        assert descriptors() == started
        assert "tap1" not in devices()
    assert descriptors() == before


def test_a_tap_bridge_whose_device_is_deleted_is_idle_and_stops():
    """The descriptor of a deleted device is readable for ever, and gives an error each time."""
    with Guest() as guest, TapBridge(guest, "tap1", _MAC, "192.0.2.1/24"):
        run("ip link del tap1")
        time.sleep(0.1)
        start = time.process_time()
        time.sleep(0.5)
        assert time.process_time() - start < 0.25


@pytest.fixture
def startable() -> None:
    if missing := open_vswitch.missing_requirement():
        pytest.skip(missing)


def test_a_switch_that_does_not_start_stops_its_server(startable, tmp_path):
    with pytest.raises(OSError, match="ovs-vsctl"), open_vswitch.Switch(tmp_path, "no-value"):
        pass
    assert list(tmp_path.glob("*.pid")) == []


@pytest.mark.parametrize("name", ["ovs-vswitchd", "ovsdb-server"])
def test_a_killed_daemon_does_not_keep_the_other_running(startable, tmp_path, name):
    with open_vswitch.Switch(tmp_path) as switch:
        pids = {daemon: switch.pid(daemon) for daemon in ("ovs-vswitchd", "ovsdb-server")}
        os.kill(pids[name], signal.SIGKILL)
    assert not any(map(_runs, pids.values()))


@pytest.mark.parametrize("name", ["ovs-vswitchd", "ovsdb-server"])
def test_a_daemon_that_does_not_answer_is_killed(startable, tmp_path, monkeypatch, name):
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(open_vswitch.Switch(tmp_path))
        pids = [switch.pid(daemon) for daemon in ("ovs-vswitchd", "ovsdb-server")]
        monkeypatch.setattr(open_vswitch, "_TIMEOUT_S", 1)
        os.kill(switch.pid(name), signal.SIGSTOP)
        with pytest.raises(OSError, match="ovs-appctl"):
            stack.close()
    assert not any(map(_runs, pids))


def _runs(pid: int) -> bool:
    """Return True if a process runs; a process whose exit status is unread does not."""
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
