# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""``os-vif doctor`` with a shared privileged daemon, and the check of plugged VIFs."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path

import pytest
from oslo_serialization import jsonutils

import os_vif as library
from os_vif.host import iptables
from os_vif.host.state import vif_records
from os_vif.host.state.directory import STATE
from os_vif.steps import EnsureForwardingRules
from os_vif.testing.private_namespaces import run
from tests.support.shared_daemon.shared_daemons import shared_daemon
from tests.support.vifs import bridge_vif

CHECKS = ("--plugin=linux_bridge", "--check=shared-daemon", "--check=daemon-start")


@pytest.fixture
def shared(namespace, monkeypatch):
    """Provide a shared daemon that is not running, and name its socket to the command."""
    library.initialize()
    with tempfile.TemporaryDirectory() as name, shared_daemon(Path(name)) as daemon:
        monkeypatch.setenv("OS_OS_VIF__PRIVILEGED_SOCKET", daemon.path)
        monkeypatch.setenv("OS_OS_VIF__PRIVILEGED_SOCKET_TIMEOUT", "1")
        yield daemon


def findings(os_vif, *arguments: str) -> tuple[int, dict]:
    done = os_vif("doctor", "-f", "json", *arguments)
    rows = json.loads(done.stdout)
    return done.returncode, {row["Check"]: (row["Status"], row["Found"]) for row in rows}


def test_the_shared_daemon_is_probed_instead_of_private_daemons(shared, os_vif):
    shared.start()
    code, found = findings(os_vif, *CHECKS)
    assert (code, found["shared-daemon"][0], found["daemon-start"][0]) == (0, "ok", "ok")
    assert found["shared-daemon"][1].endswith(f"with process id {shared.pid}")


def test_a_missing_shared_daemon_is_named_with_the_option(shared, os_vif):
    code, found = findings(os_vif, *CHECKS)
    assert (code, found["shared-daemon"][0], found["daemon-start"][0]) == (3, "failed", "failed")
    assert "[os_vif]privileged_socket" in found["shared-daemon"][1]
    assert "os-vif doctor" not in found["shared-daemon"][1] + found["daemon-start"][1]


def test_the_advice_for_a_missing_shared_daemon_is_about_the_service(shared, os_vif):
    rows = json.loads(os_vif("doctor", "-f", "json", *CHECKS).stdout)
    (advice,) = [row["Advice"] for row in rows if row["Check"] == "daemon-start"]
    assert "systemctl status os-vif-privileged" in advice
    assert "sudo" not in advice


def test_errors_of_the_shared_daemon_and_of_iptables_name_doctor(
    shared, os_vif, tmp_path, monkeypatch
):
    vif = bridge_vif(1)
    vif.has_traffic_filtering = False
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(vif.obj_to_primitive()))
    done = os_vif("plug", str(path), "--instance-name", "guest")
    assert (done.returncode, "`os-vif doctor` checks the daemon" in done.stderr) == (1, True)
    monkeypatch.setitem(iptables.ENVIRONMENT, "PATH", "/nonexistent")
    with pytest.raises(
        OSError, match=r"there is no iptables-save .`os-vif doctor` checks the pro"
    ):
        EnsureForwardingRules("brq-test", interfaces=("any",)).differences(None)


def test_a_missing_shared_daemon_is_no_matter_of_sudo(shared, os_vif):
    done = os_vif("doctor", "-f", "json", *CHECKS)
    (advice,) = (r["Advice"] for r in json.loads(done.stdout) if r["Check"] == "daemon-start")
    assert "see the check shared-daemon" in advice


def test_an_unusable_value_is_a_finding_of_the_options(shared, os_vif, monkeypatch):
    monkeypatch.setenv("OS_OS_VIF__PRIVILEGED_SOCKET_TIMEOUT", "abc")
    done = os_vif("doctor", "-f", "json", *CHECKS, "--check=options")
    rows = {row["Check"]: row for row in json.loads(done.stdout) if row["Subject"]}
    assert done.returncode == 3
    assert rows["options"]["Status"] == "failed"
    assert rows["options"]["Subject"] == "[os_vif]privileged_socket_timeout"
    assert "abc" in rows["options"]["Found"]
    assert (rows["daemon-start"]["Status"], rows["daemon-start"]["Advice"]) == (
        "skipped",
        "See the check options.",
    )


def test_a_shared_daemon_that_hangs_is_named(shared, os_vif):
    shared.start()
    os.kill(shared.pid, signal.SIGSTOP)
    try:
        code, found = findings(os_vif, "--check=shared-daemon")
    finally:
        os.kill(shared.pid, signal.SIGCONT)
    assert (code, found["shared-daemon"][0]) == (3, "failed")


def test_vifs_that_differ_are_counted(namespace, os_vif, tmp_path):
    """The advice names the command that lists them."""
    path = tmp_path / "vif.json"
    path.write_text(jsonutils.dumps(bridge_vif(1, bridge="brq-1").obj_to_primitive()))
    assert os_vif("plug", str(path)).returncode == 0
    check = ("--plugin=linux_bridge", "--check=vifs")
    code, found = findings(os_vif, *check)
    assert (code, found["vifs"]) == (0, ("ok", "1 VIF on this host, none differs"))
    run("ip link set brq-1 mtu 1400")
    code, found = findings(os_vif, *check)
    assert (code, found["vifs"]) == (0, ("warning", "1 of 1 VIF on this host: differs"))


def test_a_record_without_a_field_is_damaged(namespace, os_vif):
    """It is JSON, but says nothing about a VIF."""
    record = STATE.path / "vif-1-5a1d3c2e.json"
    record.write_text('{"vif_id": "5a1d3c2e"}')
    assert vif_records.fault(record.name) == "'owner' is missing"
    code, found = findings(os_vif, "--plugin=linux_bridge", "--check=state-records")
    record.unlink()
    assert (code, found["state-records"][0]) == (3, "failed")
    assert "damaged: 'owner' is missing" in found["state-records"][1]
