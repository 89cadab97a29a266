# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The user of a record: a caller can neither backdate a record nor change another user's."""

from __future__ import annotations

import logging
import time

from os_vif import engine
from os_vif.engine.privileged import policy_records
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import vif_records
from os_vif.steps.plan import Plan
from os_vif.steps.vif_record import DeleteVifRecord, WriteVifRecord
from tests.support.shared_daemon.daemon_callers import MODULE
from tests.support.shared_daemon.shared_daemons import FRIEND, STRANGER, call_as


def run_as(user, *steps):
    assert not call_as(user, lambda: bool(engine.run(Plan(*steps), MODULE)))


def write_as(user, vif_id, owner, since=None):
    run_as(user, WriteVifRecord(vif_id, owner, "", since=since))


def start_with_log(daemon):
    """Start the daemon, with a log in ``daemon.log``."""
    handler = logging.FileHandler(daemon.log, delay=True)
    daemon.start(prepare=lambda: logging.getLogger("os_vif").addHandler(handler))


def records():
    with rtnetlink.opened() as net:
        return {record.vif_id: record for record in vif_records.read_all(net)}


def test_a_record_has_the_user_of_the_connection(running):
    write_as(FRIEND, "a", "nova")
    write_as(0, "b", "kuryr")
    assert {r.vif_id: (r.uid, r.owner) for r in records().values()} == {
        "a": (FRIEND, "nova"),
        "b": (0, "kuryr"),
    }


def test_a_caller_cannot_backdate_a_record(running):
    before = time.time()
    write_as(FRIEND, "a", "nova", since=1000.0)
    assert records() == {}
    write_as(FRIEND, "a", "nova")
    written = records()["a"]
    assert written.since >= before
    write_as(FRIEND, "a", "nova", since=1000.0)
    assert records() == {"a": written}
    write_as(FRIEND, "a", "other")
    assert (records()["a"].since, records()["a"].owner) == (written.since, "other")


def test_another_user_neither_changes_nor_deletes_a_record(daemon):
    daemon.users = (str(FRIEND), str(STRANGER))
    start_with_log(daemon)
    write_as(FRIEND, "a", "nova")
    written = records()
    write_as(STRANGER, "a", "evil")
    run_as(STRANGER, DeleteVifRecord("a"))
    assert records() == written
    assert f"belongs to user {FRIEND}; user {STRANGER} cannot" in daemon.log.read_text()
    write_as(0, "a", "repaired")
    assert (records()["a"].owner, records()["a"].uid) == ("repaired", FRIEND)
    run_as(FRIEND, DeleteVifRecord("a"))
    assert records() == {}


def test_the_records_of_a_user_are_limited(daemon, monkeypatch):
    monkeypatch.setattr(policy_records, "MAX_RECORDS", 3)
    start_with_log(daemon)
    write_as(0, "root", "os-vif")
    run_as(FRIEND, *(WriteVifRecord(str(n), "nova", "") for n in range(6)))
    assert sorted(records()) == ["0", "1", "2", "root"]
    assert daemon.log.read_text().count("has 3 records of VIFs, the maximum") == 1
    run_as(FRIEND, DeleteVifRecord("0"), WriteVifRecord("5", "nova", ""))
    assert sorted(records()) == ["1", "2", "5", "root"]
