# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The record of a plugged VIF in ``/run/os-vif``: owner, time, instance, document."""

from __future__ import annotations

import os
import stat
import sys
import time
import types

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects, serialization
from os_vif.engine import recording
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.testing.host_snapshots import state_files
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")


def record_of(vif: objects.VIFBase) -> vif_records.VifRecord | None:
    with rtnetlink.opened() as net:
        return vif_records.read_record(net, vif.id)


def test_a_plug_records_owner_time_instance_and_document(vif, instance):
    before = time.time()
    os_vif.plug(vif, instance)
    record = record_of(vif)
    assert record is not None
    assert before <= record.since <= time.time()
    assert record.owner == "os-vif"
    assert (record.instance_uuid, record.instance_name) == (instance.uuid, instance.name)
    loaded = serialization.loads(record.document)
    assert type(loaded) is objects.VIFBridge
    assert serialization.dumps(loaded) == serialization.dumps(vif) == record.document
    with rtnetlink.opened() as net:
        status = os.stat(vif_records.path_of(net, vif.id))  # noqa: PTH116
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o644, 0)


def test_an_unplug_deletes_the_record_and_leaves_no_file(vif, instance):
    before = state_files()
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert record_of(vif) is None
    assert state_files() == before


def test_a_second_plug_keeps_the_time_and_has_the_latest_document(vif, instance):
    os_vif.plug(vif, instance)
    first = record_of(vif)
    vif.has_traffic_filtering = True
    vif.network.label = "renamed"
    instance.name = "other"
    os_vif.plug(vif, instance)
    second = record_of(vif)
    assert first is not None
    assert second is not None
    assert second.since == first.since
    assert serialization.loads(second.document).network.label == "renamed"
    assert second.instance_name == "other"


def test_a_repair_keeps_the_owner(vif, instance, monkeypatch):
    monkeypatch.setattr(recording, "owner", lambda: "nova")
    os_vif.plug(vif, instance)
    monkeypatch.setattr(recording, "owner", lambda: "operator")
    with recording.keeping_owner():
        os_vif.plug(vif, instance)
    assert record_of(vif).owner == "nova"
    os_vif.plug(vif, instance)
    assert record_of(vif).owner == "operator"


@pytest.mark.parametrize("prog", ["-c", "-", "__main__.py", ""])
def test_a_program_without_a_name_is_the_owner_python(prog, monkeypatch):
    """``CONF.prog`` is the file name of ``sys.argv[0]``, such as ``-c`` of ``python -c``."""
    conf = cfg.ConfigOpts()
    conf([], prog=prog, default_config_files=[], default_config_dirs=[])
    monkeypatch.setattr(
        recording, "cfg", types.SimpleNamespace(CONF=conf, NoSuchOptError=cfg.NoSuchOptError)
    )
    monkeypatch.setattr(sys, "argv", [prog])
    assert recording.owner() == "python"


def test_a_plug_that_fails_restores_the_earlier_record(vif, instance, monkeypatch):
    from os_vif.steps import SetLink
    from os_vif.steps.plan import Plan

    os_vif.plug(vif, instance)
    before = record_of(vif)
    plugin = os_vif._plugin(vif.plugin)
    steps = plugin.plan_plug(vif, instance).steps
    monkeypatch.setattr(plugin, "plan_plug", lambda *_: Plan(*steps, SetLink("missing", up=True)))
    instance.name = "other"
    with pytest.raises(exception.PlugException, match="missing"):
        os_vif.plug(vif, instance)
    assert record_of(vif) == before
    other = bridge_vif(2)
    with pytest.raises(exception.PlugException, match="missing"):
        os_vif.plug(other, instance)
    assert record_of(other) is None


def test_an_unplug_with_a_refused_step_keeps_the_record(vif, instance, monkeypatch):
    from os_vif.steps import SetLink
    from os_vif.steps.plan import Plan

    os_vif.plug(vif, instance)
    plugin = os_vif._plugin(vif.plugin)
    steps = plugin.plan_unplug(vif, instance).steps
    with monkeypatch.context() as patch:
        patch.setattr(plugin, "plan_unplug", lambda *_: Plan(SetLink("missing", up=True), *steps))
        with pytest.raises(exception.UnplugException, match="missing"):
            os_vif.unplug(vif, instance)
    assert record_of(vif) is not None
    os_vif.unplug(vif, instance)
    assert record_of(vif) is None
