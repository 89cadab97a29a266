# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Promises of the engine that doc/source/plugin_authors/engine.rst makes, and test_engine.py does not show."""

from __future__ import annotations

import pathlib
import re
import subprocess

import pytest
from oslo_privsep import capabilities

import os_vif
from os_vif import exception
from os_vif.engine import runner
from os_vif.steps import DeleteBridge, EnsureBridge, SetLink
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import ip
from tests.support.daemons import daemon_pid
from vif_plug_linux_bridge import privsep


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def error_message(call) -> str:
    """The message of the error that comes."""
    with pytest.raises(exception.ExceptionBase) as info:
        call()
    return str(info.value)


def test_check_needs_no_right(namespace, vif_json, os_vif_command):
    """Without any capability it reads the host; plug is refused by the kernel."""
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", os_vif_command)
    done = run(*bare, "check", vif_json)
    assert (done.returncode, done.stderr) == (3, "")
    assert run(*bare, "plug", vif_json).returncode == 1


def test_a_plan_is_one_call_of_the_daemon(daemon, vif, instance, monkeypatch):
    """The record of the VIF is in the same call, before every step in the order of the plan."""
    calls = []
    original = privsep.run

    def counted(messages):
        calls.append([name for name, _ in messages])
        return original(messages)

    monkeypatch.setattr(privsep, "run", counted)
    os_vif.plug(vif, instance)
    planned = [type(step).__name__ for step in os_vif.plan(vif, instance)]
    assert calls == [["WriteVifRecord", *planned]]
    assert len(planned) == 6


def test_what_cannot_be_undone_is_in_the_error(namespace, monkeypatch):
    """As a command to type, with the reason."""

    def busy(step, net):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(DeleteBridge, "apply", busy)
    plan = Plan(
        EnsureBridge("brq-test"), SetLink("brq-test", up=True), SetLink("missing", up=True)
    )
    text = error_message(lambda: runner.run(plan, "os_vif.engine.privileged.daemon"))
    assert "Undone: 1 changes before it; still to be undone by hand:" in text
    assert text.splitlines()[1].strip().startswith("ip link del dev brq-test")
    assert text.splitlines()[1].endswith("# Device or resource busy")
    assert ip("link", "show", "brq-test")[0]["operstate"] == "DOWN"


def test_what_a_bug_in_a_step_leaves_is_undone(namespace, monkeypatch):
    """Whatever a step raises, the steps before it are taken back."""
    monkeypatch.setattr(SetLink, "apply", lambda step: ())
    plan = Plan(EnsureBridge("brq-test"), SetLink("brq-test", up=True))
    text = error_message(lambda: runner.run(plan, "os_vif.engine.privileged.daemon"))
    assert "SetLink failed on brq-test: TypeError" in text
    assert "Undone: 1 changes before it" in text
    assert [link["ifname"] for link in ip("link")] == ["lo"]


def test_the_daemon_keeps_one_capability(daemon, vif, instance):
    """CAP_NET_ADMIN, in all sets that let it do something."""
    os_vif.plug(vif, instance)
    status = pathlib.Path(f"/proc/{daemon_pid()}/status").read_text()
    for name in ("CapEff", "CapPrm"):
        (value,) = re.findall(rf"^{name}:\s+(\w+)$", status, re.MULTILINE)
        assert int(value, 16) == 1 << capabilities.CAP_NET_ADMIN
