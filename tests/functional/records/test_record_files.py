# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The files of records: names, damage, hostile content, full and read-only directories."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import subprocess
import sys
import threading
import types

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects, serialization
from os_vif.engine import recording
from os_vif.engine.privileged import daemon
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.host.state.directory import STATE
from os_vif.host.state.vif_records import VifRecord
from os_vif.plugin import PluginBase
from os_vif.steps.plan import Plan
from os_vif.steps.vif_record import DeleteVifRecord, WriteVifRecord
from os_vif.steps.wire import encode
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

#: Ids that are no file names, or name another file.
ODD_IDS = ("../../etc/passwd", ".", "..", "/", "a/b", "%2F", "=", "vif 1", "ü" * 127, "x" * 255)


def files() -> list[str]:
    """Return the names of the files of os-vif, without the files of locks."""
    return sorted({path.name for path in STATE.path.glob("*")} - {"lock", "generation"})


@pytest.fixture
def net(namespace):
    with rtnetlink.opened() as net:
        yield net


def written(vif_id: str, **more: object) -> dict | None:
    """Return the error of a call that writes a record, or None."""
    step = WriteVifRecord(vif_id, "nova", "{}", **more)
    return daemon.run([encode(step)])["error"]


@pytest.mark.parametrize("vif_id", ODD_IDS)
def test_a_record_is_written_only_in_the_state_directory(net, vif_id):
    before = files()
    outside = set(STATE.path.parent.iterdir())
    assert written(vif_id) is None
    (new,) = set(files()) - set(before)
    assert pathlib.Path(vif_records.path_of(net, vif_id)).parent == STATE.path
    assert len(os.path.basename(new)) <= 255  # noqa: PTH119
    assert set(STATE.path.parent.iterdir()) == outside
    record = vif_records.read_record(net, vif_id)
    assert record is not None
    assert record.vif_id == vif_id
    assert daemon.run([encode(DeleteVifRecord(vif_id))])["error"] is None
    assert set(files()) == set(before)


def test_odd_ids_have_different_records(net):
    paths = {vif_records.path_of(net, vif_id) for vif_id in ODD_IDS}
    assert len(paths) == len(ODD_IDS)


@pytest.mark.parametrize(
    "arguments",
    [
        {"vif_id": "a\n"},
        {"vif_id": "x" * 256},
        {"document": "x" * 65_537},
        {"owner": "x" * 65},
        {"owner": "a\x1b[2J"},
        {"since": -1},
        {"since": float("inf")},
        {"since": True},
        {"path": "/etc/passwd"},
        {"document": ["x"]},
    ],
)
def test_the_daemon_refuses_a_malformed_record(net, arguments):
    before = files()
    good = {"vif_id": "v", "owner": "nova", "document": "{}"}
    answer = daemon.run([["WriteVifRecord", good | arguments]])
    assert answer["error"]["errno"] == 22
    assert files() == before


@pytest.mark.short_form(2)
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"vif_id": 1}', '{"vif_id": "x"}', "\udcff"]
)
def test_a_damaged_record_is_unknown_with_a_warning_and_replaced(
    net, vif, instance, content, caplog
):
    os_vif.plug(vif, instance)
    path = pathlib.Path(vif_records.path_of(net, vif.id))
    path.write_bytes(content.encode(errors="surrogateescape"))
    with caplog.at_level(logging.WARNING):
        assert vif_records.read_record(net, vif.id) is None
    assert f"{path} is unusable" in caplog.text
    assert os_vif.check(vif, instance) == ()
    os_vif.plug(vif, instance)
    assert vif_records.read_record(net, vif.id).owner == "os-vif"
    path.write_bytes(content.encode(errors="surrogateescape"))
    os_vif.unplug(vif, instance)
    assert not path.exists()


def test_all_records_are_read_and_damaged_ones_left_out(net, instance):
    vifs = [bridge_vif(number, bridge=f"brq-{number}") for number in range(1, 4)]
    for vif in vifs:
        os_vif.plug(vif, instance)
    pathlib.Path(vif_records.path_of(net, vifs[1].id)).write_text("{")
    (STATE.path / "vif-1-other.json").write_text("{")
    try:
        found = vif_records.read_all(net)
    finally:
        (STATE.path / "vif-1-other.json").unlink()
    assert [record.vif_id for record in found] == [vifs[0].id, vifs[2].id]


def test_a_record_of_a_newer_os_vif_is_read(net, vif, instance):
    os_vif.plug(vif, instance)
    path = pathlib.Path(vif_records.path_of(net, vif.id))
    content = json.loads(path.read_text()) | {"colour": "green"}
    path.write_text(json.dumps(content))
    assert vif_records.read_record(net, vif.id).owner == "os-vif"


def test_a_nearly_full_directory_costs_only_the_record(net, caplog, monkeypatch):
    """A caller of the daemon cannot fill the file system of the locks."""
    monkeypatch.setattr(vif_records, "_RESERVED", 1 << 60)
    with caplog.at_level(logging.WARNING):
        assert written("v") is None
    assert "The owner of VIF v is not recorded" in caplog.text
    assert "nearly full" in caplog.text
    assert vif_records.read_record(net, "v") is None


def test_an_incomplete_file_of_a_killed_daemon_is_removed(net, vif, instance):
    os_vif.plug(vif, instance)
    incomplete = pathlib.Path(f"{vif_records.path_of(net, vif.id)}.new")
    incomplete.write_text('{"vif_id": "')
    assert vif_records.read_record(net, vif.id) is not None
    os_vif.unplug(vif, instance)
    assert not incomplete.exists()


def test_concurrent_plugs_leave_a_whole_record(vif, instance):
    """The readers see a record of one of the plugs at any time."""
    stop = threading.Event()
    seen: list[VifRecord | None] = []
    os_vif.plug(vif, instance)

    def read() -> None:
        with rtnetlink.opened() as net:
            while not stop.is_set():
                seen.append(vif_records.read_record(net, vif.id))

    def plug(number: int) -> None:
        mine = objects.InstanceInfo(uuid=instance.uuid, name=f"guest{number}")
        for _ in range(10):
            os_vif.plug(bridge_vif(1), mine)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=plug, args=(number,)) for number in range(4)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert None not in seen
    assert {serialization.loads(record.document).id for record in seen} == {vif.id}


def test_the_owner_is_the_option_or_the_program(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/zun-compute"])
    assert recording.owner() == "os-vif"
    # reset() would also remove the defaults of the privileged daemons.
    cfg.CONF.clear()
    monkeypatch.setattr(cfg.CONF, "project", None, raising=False)
    monkeypatch.setattr(cfg.CONF, "prog", None, raising=False)
    assert recording.owner() == "zun-compute"
    monkeypatch.setattr(sys, "argv", ["-c"])
    assert recording.owner() == "python"
    cfg.CONF.set_override("owner", " cell\x07 " + "ü" * 64, group="os_vif")
    try:
        assert recording.owner() == "cell? " + "ü" * 29
    finally:
        cfg.CONF.clear_override("owner", group="os_vif")


def test_a_vif_without_steps_has_no_record(net, instance):
    vif = bridge_vif(1)
    vif.network.should_provide_bridge = False
    os_vif.plug(vif, instance)
    assert vif_records.read_all(net) == ()


def test_an_unplug_without_steps_deletes_an_earlier_record(net, vif, instance):
    os_vif.plug(vif, instance)
    vif.network.should_provide_bridge = False
    os_vif.unplug(vif, instance)
    assert vif_records.read_all(net) == ()


def test_a_vif_that_cannot_be_serialized_is_recorded_without_a_document(instance):
    record = recording.record_of(types.SimpleNamespace(id=7, vif_name=None), instance)
    assert record is not None
    assert (record.vif_id, record.document) == ("7", "")
    named = recording.record_of(types.SimpleNamespace(vif_name="tap1"), None)
    assert named is not None
    assert (named.vif_id, named.instance_uuid) == ("tap1", "")
    assert recording.record_of(types.SimpleNamespace(), instance) is None


def test_a_document_that_is_too_long_is_left_out(vif, instance):
    vif.network.label = "x" * 70_000
    record = recording.record_of(vif, instance)
    assert record is not None
    assert record.document == ""


def test_a_plugin_of_a_third_party_gets_records(net, vif, instance):
    """The base class adds the record to every plan."""

    class Theirs(PluginBase):
        privsep_module = "vif_plug_linux_bridge.privsep"

        def describe(self):
            raise NotImplementedError

        def plan_plug(self, vif, instance_info) -> Plan:
            return os_vif._plugin("linux_bridge").plan_plug(vif, instance_info)

        def plan_unplug(self, vif, instance_info) -> Plan:
            return os_vif._plugin("linux_bridge").plan_unplug(vif, instance_info)

    plugin = Theirs(None)
    plugin.plug(vif, instance)
    assert vif_records.read_record(net, vif.id).instance_name == instance.name
    plugin.unplug(vif, instance)
    assert vif_records.read_record(net, vif.id) is None


def test_the_command_plug_keeps_the_owner(
    net, vif, instance, vif_json, os_vif_command, quick_commands
):
    cfg.CONF.set_override("owner", "nova", group="os_vif")
    try:
        os_vif.plug(vif, instance)
    finally:
        cfg.CONF.clear_override("owner", group="os_vif")
    subprocess.run([os_vif_command, "plug", vif_json], check=True)
    assert vif_records.read_record(net, vif.id).owner == "nova"
    other = bridge_vif(1)
    os_vif.unplug(other, instance)
    subprocess.run([os_vif_command, "plug", vif_json], check=True)
    assert vif_records.read_record(net, vif.id).owner == "os-vif"


def test_a_failed_plug_of_an_unknown_device_records_nothing(net, instance):
    vif = bridge_vif(1, bridge="lo")
    with pytest.raises(exception.PlugException):
        os_vif.plug(vif, instance)
    assert vif_records.read_all(net) == ()
