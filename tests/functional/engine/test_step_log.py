# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The log of the steps of a plan, in the library and in the ``os-vif`` command."""

from __future__ import annotations

import json
import logging

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.cmd import main
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.forks import forked

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


def steps_of(caplog):
    """The messages about steps, and whether each step held; the log begins anew."""
    found = [(r.getMessage(), r.step_held) for r in caplog.records if r.name == "os_vif.steps"]
    caplog.clear()
    return found


def test_each_step_is_logged_with_what_was_before(br_int, daemon, caplog):
    """Those of the kernel and those of Open vSwitch; a step that held is another record."""
    caplog.set_level(logging.DEBUG, "os_vif.steps")
    vif = ovs_vif(objects.VIFBridge)
    os_vif.plug(vif, INSTANCE)
    plugged = steps_of(caplog)
    changed = [text for text, held in plugged if not held]
    assert any(t.startswith("EnsureBridge changed qbr0a0b0c0d-11 in ") for t in changed)
    assert any(t.startswith("EnsureOvsPort changed ") and "ms: " in t for t in changed)
    assert any("(to undo: ip link del dev qbr0a0b0c0d-11" in t for t in changed)

    os_vif.plug(vif, INSTANCE)
    again = steps_of(caplog)
    assert len(again) >= len(changed)
    assert {held for _, held in again} == {True}

    run("ip link set dev qvb0a0b0c0d-11 mtu 1300")
    os_vif.plug(vif, INSTANCE)
    (text,) = (text for text, held in steps_of(caplog) if not held)
    assert "to undo: ip link set dev qvb0a0b0c0d-11 mtu 1300" in text


def test_a_failed_plug_logs_the_vif_as_a_document(br_int, daemon, caplog):
    """It can be saved and tried again with the command."""
    caplog.set_level(logging.DEBUG)
    run("ip link add name qbr0a0b0c0d-11 type veth peer name other")
    with pytest.raises(exception.PlugException):
        os_vif.plug(ovs_vif(objects.VIFBridge), INSTANCE)
    (text,) = (r.getMessage() for r in caplog.records if "as a document" in r.getMessage())
    assert json.loads(text.partition(": ")[2])["kind"] == "VIFBridge"


def test_the_command_shows_changes_with_v_and_all_steps_with_vv(
    namespace, vif_json, quick_commands
):
    """Without either it shows none."""

    def steps(*arguments):
        done = forked(lambda: main.main([*arguments, vif_json]), b"")
        assert done.returncode == 0, done.stderr
        return done.stderr.decode().splitlines()

    first = steps("-v", "plug")
    assert any(line.startswith("EnsureBridge changed brq-test in ") for line in first)
    assert not any("held on" in line for line in first)
    assert steps("-v", "plug") == []
    again = steps("-vv", "plug")
    assert again
    assert all(" held on " in line for line in again)
    assert steps("plug") == []
