# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The audit log: a JSON line for each change, in a file or in the systemd journal."""

from __future__ import annotations

import array
import json
import logging
import mmap
import os
import socket
import stat
import subprocess
import sys
import threading

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, objects
from os_vif.operations import audit, observers
from os_vif.testing.private_namespaces import run
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture
def configured(daemon):
    """Provide a function that sets ``[os_vif] audit``, as a configuration file does."""

    def configure(target):
        cfg.CONF.set_override("audit", str(target), group="os_vif")
        cfg.CONF.set_override("owner", "tests", group="os_vif")
        os_vif.initialize(reset=True)

    yield configure
    for name in ("audit", "owner"):
        cfg.CONF.clear_override(name, group="os_vif")
    os_vif.initialize(reset=True)
    assert not observers.is_observed()


@pytest.fixture
def journal(tmp_path):
    """Provide a socket in place of systemd-journald's."""
    path = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        yield server, path


def fields_of(data):
    return dict(line.split("=", 1) for line in data.decode().splitlines())


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_change_is_a_line_with_the_values_and_the_undo(configured, vif, tmp_path):
    path = tmp_path / "audit.log"
    configured(path)
    os_vif.plug(vif, INSTANCE)
    first = lines_of(path)
    assert [line["step"] for line in first if line["step"] == "EnsureBridge"] == ["EnsureBridge"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    os_vif.plug(vif, INSTANCE)
    assert lines_of(path) == first

    run("ip link set dev brq-test mtu 1300")
    os_vif.plug(vif, INSTANCE)
    (line,) = lines_of(path)[len(first) :]
    assert (line["owner"], line["operation"], line["outcome"]) == ("tests", "plug", "changed")
    assert (line["vif"], line["kind"], line["plugin"]) == (vif.id, "VIFBridge", "linux_bridge")
    assert line["instance"] == {"uuid": INSTANCE.uuid, "name": "guest"}
    assert (line["step"], line["device"], line["process"]) == ("SetLink", "brq-test", os.getpid())
    assert line["changes"] == [
        {"device": "brq-test", "attribute": "MTU", "from": "1300", "to": "1450", "pending": False}
    ]
    assert line["commands"] == ["ip link set dev brq-test mtu 1450 up"]
    assert line["undo"] == ["ip link set dev brq-test mtu 1300  # if it is there"]
    assert line["time"].endswith("Z")


def test_changes_that_were_rolled_back_are_lines_too(br_int, configured, tmp_path):
    path = tmp_path / "audit.log"
    configured(path)
    run("ip link add name qvo0a0b0c0d-11 type bridge")
    with pytest.raises(exception.PlugException):
        os_vif.plug(ovs_vif(objects.VIFBridge), INSTANCE)
    lines = lines_of(path)
    assert {(line["state"], line["outcome"]) for line in lines} == {("undone", "undone")}
    assert "EnsureBridge" in {line["step"] for line in lines}


def test_a_file_that_cannot_be_written_is_an_error_of_the_log_alone(
    configured, vif, caplog, tmp_path
):
    configured(tmp_path / "missing" / "audit.log")
    os_vif.plug(vif, INSTANCE)
    (record,) = (r for r in caplog.records if r.levelno == logging.ERROR)
    assert "changes of VIFBridge" in record.getMessage()
    assert record.getMessage().endswith("audit.log: No such file or directory")


def test_no_link_is_followed(configured, vif, caplog, tmp_path):
    target = tmp_path / "target"
    (tmp_path / "audit.log").symlink_to(target)
    configured(tmp_path / "audit.log")
    os_vif.plug(vif, INSTANCE)
    assert not target.exists()
    assert any("symbolic links" in r.getMessage() for r in caplog.records)


def test_a_fifo_without_a_reader_does_not_block_an_operation(configured, vif, caplog, tmp_path):
    path = tmp_path / "audit.log"
    os.mkfifo(path)
    configured(path)
    os_vif.plug(vif, INSTANCE)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        os_vif.unplug(vif, INSTANCE)
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
    errors = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert "No such device or address" in errors[0]
    assert errors[1].endswith("audit.log: not a regular file")


def test_a_relative_path_is_an_error_of_the_configuration(configured, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(exception.InvalidField, match=r"^\[os_vif\]audit is 'audit.log'; expected"):
        configured("audit.log")
    assert not list(tmp_path.iterdir())


def test_the_command_reports_a_relative_path_in_one_line(tmp_path):
    """A new process reads the option; os_vif is initialized in this process already."""
    config = tmp_path / "os-vif.conf"
    config.write_text("[os_vif]\naudit = audit.log\n")
    command = [sys.executable, "-W", "ignore", "-m", "os_vif.cmd.main"]
    done = subprocess.run(
        [*command, "--config-file", str(config), "list"],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("[os_vif]audit is 'audit.log'; expected")


def test_blanks_around_the_option_are_ignored(configured, vif, journal, monkeypatch, tmp_path):
    server, path = journal
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(audit.AuditLog.__init__, "__defaults__", (path,))
    configured("journal ")
    os_vif.plug(vif, INSTANCE)
    assert fields_of(server.recv(65536))["OS_VIF_ID"] == vif.id
    assert not (tmp_path / "journal ").exists()


def test_lines_of_threads_do_not_mix(configured, tmp_path):
    path = tmp_path / "audit.log"
    configured(path)
    threads = [
        threading.Thread(target=os_vif.plug, args=[bridge_vif(n, f"brq-{n}"), INSTANCE])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({line["vif"] for line in lines_of(path)}) == 4


def test_the_journal_receives_a_datagram_for_each_change(configured, vif, journal, monkeypatch):
    server, path = journal
    monkeypatch.setattr(audit.AuditLog.__init__, "__defaults__", (path,))
    configured("journal")
    os_vif.plug(vif, INSTANCE)
    fields = fields_of(server.recv(65536))
    assert json.loads(fields["MESSAGE"])["step"] == fields["OS_VIF_STEP"]
    assert (fields["SYSLOG_IDENTIFIER"], fields["PRIORITY"]) == ("os-vif", "6")
    assert (fields["OS_VIF_ID"], fields["OS_VIF_OWNER"]) == (vif.id, "tests")
    assert fields["OS_VIF_INSTANCE"] == INSTANCE.uuid


def test_a_message_that_is_too_large_arrives_as_a_sealed_file(journal, configured, vif):
    """The journal reads the file descriptor of such a message."""
    server, path = journal
    configured("journal")
    large = {**next(iter(audit.audit_entries(os_vif.apply(vif, INSTANCE)))), "undo": ["x" * 10**6]}
    audit.AuditLog("journal", path)._send([large])
    _, ancillary, _, _ = server.recvmsg(1, socket.CMSG_SPACE(4))
    (descriptor,) = array.array("i", ancillary[0][2])
    with (
        os.fdopen(descriptor, "rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data,
    ):
        assert len(json.loads(fields_of(data[:])["MESSAGE"])["undo"][0]) == 10**6


def test_a_journal_that_is_missing_is_an_error_of_the_log_alone(
    configured, vif, caplog, monkeypatch
):
    monkeypatch.setattr(audit.AuditLog.__init__, "__defaults__", ("/nonexistent/socket",))
    configured("journal")
    os_vif.plug(vif, INSTANCE)
    assert any("to the audit log journal: No such file" in r.getMessage() for r in caplog.records)
