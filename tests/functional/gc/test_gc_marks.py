# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A collection sees each plug since the first observation, also a plug that changes nothing."""

from __future__ import annotations

import contextlib
import json
import logging
import pathlib

import pytest
from oslo_config import cfg

import os_vif
from os_vif import exception
from os_vif.engine import batch_runner
from os_vif.host.netlink import rtnetlink
from os_vif.host.state.directory import STATE
from os_vif.operations import observations
from os_vif.operations.collect.identities import Identities
from os_vif.testing.private_namespaces import run
from tests.support.cases import PARAMS_SHORT, ovs_vif
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

NOW = {"older_than": 0, "observations": 1, "pending": True}
TWICE = {"older_than": 0, "observations": 2, "pending": True}


def keep_nothing(_):
    return False


def outcomes(report):
    return {result.entry.id: str(result.outcome) for result in report.results}


def state_names(vif):
    """Return the names of the record and of the mark of a VIF in this network namespace."""
    with rtnetlink.opened() as net:
        return [path.name for path in STATE.path.glob(f"*-{net.netns}-{vif.id[:11]}*")]


def right(vif, instance):
    return [d for d in os_vif.check(vif, instance) if not d.pending] == []


@pytest.fixture
def owned():
    """Provide a function that sets the owner of the next plugs."""
    yield lambda name: cfg.CONF.set_override("owner", name, group="os_vif")
    cfg.CONF.clear_override("owner", group="os_vif")


@pytest.fixture(params=[param for param in PARAMS_SHORT if param.id != "noop"])
def case(request, daemon):
    """A host as the case has it."""
    with request.param.prepared():
        yield request.param


def test_a_plug_between_two_collections_starts_the_observations_anew(case, instance):
    """Nova plugs the right VIF of a guest that starts again."""
    os_vif.plug(case.vif, instance)
    first = outcomes(os_vif.collect(keep_nothing, **TWICE))
    assert set(first.values()) == {"waiting"}
    os_vif.plug(case.vif, instance)
    assert outcomes(os_vif.collect(keep_nothing, **TWICE)) == first
    assert right(case.vif, instance)
    assert set(outcomes(os_vif.collect(keep_nothing, **TWICE)).values()) == {"removed"}
    assert state_names(case.vif) == []


@pytest.mark.parametrize("part", ["device", "port"])
def test_a_device_or_port_created_again_by_another_program_starts_the_observations_anew(
    br_int, instance, part
):
    """The public os-vif and Neutron delete no mark; statistics of the port do not count."""
    vif = ovs_vif(create_port=True)
    os_vif.plug(vif, instance)
    name = vif.vif_name
    ids = [f"external_ids:{key}={value}" for key, value in (
        ("iface-id", vif.id), ("iface-status", "active"), ("attached-mac", vif.address),
        ("vm-uuid", instance.uuid),
    )]  # fmt: skip
    run(f"ip link add name {name} type veth peer name far")

    def collect():
        (result,) = os_vif.collect(keep_nothing, **TWICE).results
        return str(result.outcome), result.reason

    assert collect() == ("waiting", "seen 1 of 2 times")
    if part == "device":
        run(f"ip link del {name} && ip link add name {name} type veth peer name far")
    else:
        br_int.vsctl("del-port", name, "--", "add-port", "br-int", name,
                     "--", "set", "Interface", name, *ids)  # fmt: skip
    assert collect() == ("waiting", "seen 1 of 2 times")
    br_int.vsctl("set", "Interface", name, "other_config:unrelated=1")
    assert collect()[0] == "removed"


@contextlib.contextmanager
def called_before_removal(monkeypatch, function):
    """Call a function after the last check of the caller, immediately before the batch runs."""
    run_many = batch_runner.run_many

    def run(*arguments, **options):
        monkeypatch.setattr(batch_runner, "run_many", run_many)
        function()
        return run_many(*arguments, **options)

    monkeypatch.setattr(batch_runner, "run_many", run)
    yield


@pytest.mark.parametrize("plugged_again", ["right", "unplugged before"])
def test_a_plug_immediately_before_the_removal_is_seen(case, instance, monkeypatch, plugged_again):
    os_vif.plug(case.vif, instance)

    def plug():
        if plugged_again != "right":
            os_vif.unplug(case.vif, instance)
        os_vif.plug(case.vif, instance)

    with called_before_removal(monkeypatch, plug):
        report = os_vif.collect(keep_nothing, **NOW)
    assert set(outcomes(report).values()) == {"changed"}
    assert "plugged again" in report.results[0].reason
    assert right(case.vif, instance)


def test_a_vif_of_a_batch_that_was_plugged_again_leaves_the_others(br_int, instance, monkeypatch):
    vifs = [*(bridge_vif(n) for n in range(1, 5)), ovs_vif(create_port=True)]
    for vif in vifs:
        os_vif.plug(vif, instance)
    again = (vifs[1], vifs[4])

    def plug():
        for vif in again:
            os_vif.plug(vif, instance)

    with called_before_removal(monkeypatch, plug):
        found = outcomes(os_vif.collect(keep_nothing, **NOW))
    expected = {vif.id: "changed" if vif in again else "removed" for vif in vifs}
    assert found == expected
    assert all(right(vif, instance) for vif in again)


def test_a_plug_of_a_vif_without_a_record_is_seen(br_int, instance):
    """The rows of the public os-vif; the first plug of this os-vif comes between two collections."""
    vif = ovs_vif(create_port=True)
    os_vif.plug(vif, instance)
    for path in STATE.path.glob("vif-*.json"):
        path.unlink()
    br_int.vsctl("remove", "Interface", vif.vif_name, "external_ids", "os-vif-owner")
    rules = {**TWICE, "unowned": True}
    assert outcomes(os_vif.collect(keep_nothing, **rules)) == {vif.id: "waiting"}
    os_vif.plug(vif, instance)
    assert outcomes(os_vif.collect(keep_nothing, **rules)) == {vif.id: "waiting"}


def test_a_marked_vif_is_listed_as_before(vif, instance):
    os_vif.plug(vif, instance)

    def listed():
        (entry,) = os_vif.inventory()
        return entry.id, entry.owner, entry.since, entry.state, entry.devices, entry.reasons

    before = listed()
    os_vif.collect(keep_nothing, **TWICE)
    assert listed() == before
    os_vif.unplug(vif, instance)
    assert state_names(vif) == []


def test_collections_of_two_owners_count_separately(instance, owned):
    for owner, vif in (("nova", bridge_vif(1)), ("kuryr", bridge_vif(2))):
        owned(owner)
        os_vif.plug(vif, instance)
    removed = []
    for owner in ("nova", "kuryr") * 2:
        report = os_vif.collect(keep_nothing, owner=owner, **TWICE)
        removed.append([result.entry.owner for result in report.removed])
    assert removed == [[], [], ["nova"], ["kuryr"]]


def test_observations_of_another_network_namespace_are_kept(vif, instance):
    os_vif.plug(vif, instance)
    os_vif.collect(keep_nothing, **TWICE)
    path = pathlib.Path(STATE.file(observations.FILE))
    content = json.loads(path.read_text())
    (seen,) = content["seen"].values()
    content["seen"]["1/ovs/x"] = seen
    path.write_text(json.dumps(content))
    os_vif.collect([vif.id], **TWICE)
    assert list(json.loads(path.read_text())["seen"]) == ["1/ovs/x"]


def test_failed_unplugs_do_not_use_the_limit_of_later_collections(
    br_int, instance, monkeypatch, ovs_options
):
    broken, other = ovs_vif(create_port=True), bridge_vif(1)
    # Collections unplug in the order of the ids.
    other.id = "0b000000-0000-4000-8000-000000000000"
    for vif in (broken, other):
        os_vif.plug(vif, instance)
    ovs_options(ovs_vsctl_timeout=1)
    assert broken.id < other.id

    def collect():
        with called_before_removal(monkeypatch, lambda: br_int.kill("ovsdb-server")):
            report = os_vif.collect(keep_nothing, limit=1, **NOW)
        br_int.start_server()
        return outcomes(report)

    assert collect() == {broken.id: "failed", other.id: "waiting"}
    assert collect() == {broken.id: "waiting", other.id: "removed"}


def test_a_failed_write_after_removals_leaves_the_report(vif, instance, monkeypatch):
    os_vif.plug(vif, instance)
    write = observations.Observations.write

    def fail_later(self):
        if self.removed:
            raise exception.CollectException(err="No space left on device")
        write(self)

    monkeypatch.setattr(observations.Observations, "write", fail_later)
    report = os_vif.collect(keep_nothing, **NOW)
    assert outcomes(report) == {vif.id: "removed"}
    assert any("No space left" in text for text in report.errors)


def test_a_record_that_vanishes_during_the_scan_leaves_the_others(vif, instance, monkeypatch):
    os_vif.plug(vif, instance)
    # A file that vanishes between the list of the directory and stat(2).
    name = STATE.path / "vif-0-gone.json"
    for number in range(3):
        (STATE.path / f"{name.stem}{number}.json").symlink_to("/nonexistent")
    before = Identities()
    assert before.changes_of(os_vif.inventory()) == [None]


def test_an_error_of_the_keep_function_is_an_error_of_the_library(vif, instance):
    os_vif.plug(vif, instance)

    def fail(_):
        raise KeyError("x")

    with pytest.raises(exception.CollectException, match="the keep function failed"):
        os_vif.collect(fail, **NOW)
    assert right(vif, instance)


def test_an_owner_without_a_vif_is_a_warning(vif, instance, caplog):
    os_vif.plug(vif, instance)
    with caplog.at_level(logging.WARNING):
        os_vif.collect(keep_nothing, owner="nosuch", **NOW)
    assert "No VIF of this host has the owner nosuch" in caplog.text
