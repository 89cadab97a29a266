# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Owner and record of VIFs in Open vSwitch, with and without a privileged daemon."""

from __future__ import annotations

import json
import logging
import pathlib
import signal
import subprocess
import sys

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception, serialization
from os_vif.engine import kernel
from os_vif.engine.privsep_context import Context
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.steps import EnsureOvsPort
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import state_files
from os_vif.testing.quick_daemons import use_helper
from tests.support.cases import ovs_vif
from tests.support.ovs.vifs import HYBRID, INSTANCE, TAP, VHOST_USER
from tests.support.requirements import require_tun
from vif_plug_ovs import privsep

pytestmark = pytest.mark.usefixtures("daemon")


def problems(vif) -> list[str]:
    return [str(found) for found in os_vif.check(vif, INSTANCE) if not found.pending]


def record_of(vif):
    with rtnetlink.opened() as net:
        return vif_records.read_record(net, vif.id)


@pytest.fixture
def port(br_int):
    """Return a VIF whose plan has steps of Open vSwitch only."""
    return ovs_vif(VHOST_USER)


def name_of(vif) -> str:
    """Return the name of the port of a vhost-user VIF."""
    return pathlib.Path(vif.path).name


@pytest.fixture
def calls(monkeypatch):
    """Return the names of the steps of each call of the daemon."""
    made = []
    original = privsep.run

    def run_counted(messages):
        steps = messages["steps"] if isinstance(messages, dict) else messages
        made.append([name for name, _ in steps])
        return original(messages)

    monkeypatch.setattr(privsep, "run", run_counted)
    return made


@pytest.fixture
def owner():
    """Set [os_vif] owner."""
    cfg.CONF.set_override("owner", "nova", group="os_vif")
    yield "nova"
    cfg.CONF.clear_override("owner", group="os_vif")


def test_a_port_has_a_record_and_its_owner_in_the_database(port, br_int, owner, calls):
    os_vif.plug(port, INSTANCE)
    assert record_of(port).owner == owner
    ids = br_int.vsctl("get", "Interface", name_of(port), "external_ids:os-vif-owner")
    assert ids == owner
    assert calls == [["WriteVifRecord"]]
    os_vif.plug(port, INSTANCE)
    assert len(calls) == 1
    os_vif.unplug(port, INSTANCE)
    assert record_of(port) is None
    assert calls[1:] == [["DeleteVifRecord"]]
    assert br_int.vsctl("list-ports", "br-int") == ""


def test_the_port_of_another_program_is_not_changed(port, br_int):
    br_int.vsctl("add-port", "br-int", name_of(port), "--", "set", "Interface", name_of(port),
                 f"external_ids:iface-id={port.id}")  # fmt: skip
    os_vif.plug(port, INSTANCE)
    assert "os-vif-owner" not in br_int.vsctl("get", "Interface", name_of(port), "external_ids")
    assert problems(port) == []


def test_a_port_keeps_the_owner_of_its_first_plug(port, br_int, owner):
    os_vif.plug(port, INSTANCE)
    cfg.CONF.set_override("owner", "zun", group="os_vif")
    os_vif.plug(port, INSTANCE)
    ids = br_int.vsctl("get", "Interface", name_of(port), "external_ids:os-vif-owner")
    assert ids == "nova"
    assert record_of(port).owner == "zun"
    assert problems(port) == []


def test_a_missing_record_is_no_difference(port):
    os_vif.plug(port, INSTANCE)
    first = record_of(port)
    with rtnetlink.opened() as net:
        pathlib.Path(vif_records.path_of(net, port.id)).unlink()
    assert problems(port) == []
    os_vif.plug(port, INSTANCE)
    assert record_of(port).document == first.document


@pytest.fixture
def broken_helper(tmp_path):
    """Return a helper command that fails, and the file with a line for each start."""
    started = tmp_path / "started"
    helper = tmp_path / "helper"
    helper.write_text(f"#!/bin/sh\necho >> {started}\nexit 1\n")
    helper.chmod(0o755)
    return helper, started


def test_without_a_daemon_a_port_is_plugged_and_one_warning_is_logged(port, broken_helper, caplog):
    """The helper is started once, by the first plug of the process."""
    helper, started = broken_helper
    before = state_files()
    with use_helper(str(helper)), caplog.at_level(logging.WARNING):
        for _ in range(2):
            os_vif.plug(port, INSTANCE)
            assert problems(port) == []
            os_vif.unplug(port, INSTANCE)
    told = [record for record in caplog.records if record.name == "os_vif.engine.kernel"]
    assert [record.getMessage().partition(":")[0] for record in told] == [
        "The records of VIFs are not updated"
    ]
    assert started.read_text() == "\n"
    assert state_files() == before


def test_after_a_failed_start_records_are_written_as_soon_as_a_daemon_runs(port, broken_helper):
    """The steps of a later plug have started the daemon."""
    require_tun()
    with use_helper(str(broken_helper[0])):
        os_vif.plug(port, INSTANCE)
        assert record_of(port) is None
    os_vif.plug(port, INSTANCE)
    assert record_of(port) is None
    os_vif.plug(ovs_vif(number=1, **TAP), INSTANCE)
    os_vif.plug(port, INSTANCE)
    assert record_of(port) is not None


def test_some_time_after_a_failed_start_a_record_starts_the_daemon(
    port, broken_helper, monkeypatch
):
    monkeypatch.setattr(kernel, "_START_AGAIN", 0)
    with use_helper(str(broken_helper[0])):
        os_vif.plug(port, INSTANCE)
        assert record_of(port) is None
    os_vif.plug(port, INSTANCE)
    assert record_of(port) is not None


def test_a_transaction_that_fails_leaves_no_record(port, monkeypatch):
    """The record is written before the transaction, and restored after its rollback."""
    plugin = os_vif._plugin("ovs")
    good = plugin.plan_plug(port, INSTANCE)
    bad = Plan(*good, EnsureOvsPort("br-int", "absent0", must_open=True), switch=good.switch)
    monkeypatch.setattr(plugin, "plan_plug", lambda *_: bad)
    with pytest.raises(exception.PlugException, match="absent0"):
        os_vif.plug(port, INSTANCE)
    assert record_of(port) is None


@pytest.mark.parametrize("vif", [ovs_vif(**TAP), ovs_vif(HYBRID)], ids=["tap", "hybrid"])
def test_the_record_needs_no_second_call_of_the_daemon(vif, br_int, calls):
    require_tun()
    os_vif.plug(vif, INSTANCE)
    (first,) = calls
    assert first[0] == "WriteVifRecord"
    assert len(first) > 1
    os_vif.plug(vif, INSTANCE)
    assert len(calls) == 1
    os_vif.unplug(vif, INSTANCE)
    assert len(calls) == 2
    assert calls[1][-1] == "DeleteVifRecord"
    assert len(calls[1]) > 1


def test_a_running_daemon_writes_the_record_while_the_transaction_runs(port, monkeypatch):
    """The call is sent, and the plan does not wait for the answer before the transaction."""
    os_vif.plug(port, INSTANCE)
    os_vif.unplug(port, INSTANCE)
    is_sent = []
    original = Context.begin_call

    def begin_call(*arguments):
        pending = original(*arguments)
        is_sent.append(pending is not None)
        return pending

    monkeypatch.setattr(Context, "begin_call", begin_call)
    os_vif.plug(port, INSTANCE)
    assert record_of(port) is not None
    os_vif.unplug(port, INSTANCE)
    assert record_of(port) is None
    assert is_sent == [True, True]


def test_a_row_that_outlives_its_record_names_the_owner(port, br_int, owner):
    """As after a reboot, when /run is empty."""
    os_vif.plug(port, INSTANCE)
    for path in pathlib.Path("/run/os-vif").glob("vif-*"):
        path.unlink()
    found = br_int.vsctl("--format=json", "--columns=name", "find", "Interface",
                         f"external_ids:os-vif-owner={owner}")  # fmt: skip
    assert json.loads(found)["data"] == [[name_of(port)]]


_KILLED = """
import os, signal, sys
import os_vif
from os_vif import objects, serialization
from os_vif.engine.ovs import ovs_transaction
from oslo_config import cfg

cfg.CONF([], project="killed", default_config_files=[], default_config_dirs=[])
os_vif.initialize()
cfg.CONF.set_override("ovsdb_connection", sys.argv[1], group="os_vif_ovs")
ovs_transaction.commit = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
os_vif.plug(serialization.loads(sys.stdin.read()), objects.InstanceInfo(name="guest"))
"""


@pytest.mark.parametrize("then", ["plug", "unplug"])
def test_a_record_of_a_killed_plug_is_replaced_or_removed(port, br_int, quick_commands, then):
    """The caller is killed between the record and the transaction."""
    command = [sys.executable, "-W", "ignore", "-c", _KILLED, br_int.connection]
    done = subprocess.run(command, input=serialization.dumps(port), text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert record_of(port).owner == "killed"
    assert br_int.vsctl("list-ports", "br-int") == ""
    if then == "plug":
        os_vif.plug(port, INSTANCE)
        assert record_of(port).owner == "os-vif"
        assert problems(port) == []
    else:
        os_vif.unplug(port, INSTANCE)
        assert record_of(port) is None
