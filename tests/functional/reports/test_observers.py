# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Observers receive the report of each operation."""

from __future__ import annotations

import logging
import threading

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.operations import observers
from os_vif.operations.report import Outcome
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture
def seen(daemon):
    """Return the reports of the test's operations."""
    reports = []
    with os_vif.observe(reports.append):
        yield reports
    assert not observers.is_observed()


def test_each_operation_is_reported(vif, seen):
    os_vif.plug(vif, INSTANCE)
    os_vif.check(vif, INSTANCE)
    run("ip link set dev brq-test down")
    os_vif.check(vif, INSTANCE)
    os_vif.unplug(vif, INSTANCE)
    assert [(r.operation, r.outcome) for r in seen] == [
        ("plug", Outcome.CHANGED),
        ("check", Outcome.HELD),
        ("check", Outcome.DIFFERS),
        ("unplug", Outcome.CHANGED),
    ]
    assert {(r.plugin, r.kind, r.vif_id) for r in seen} == {("linux_bridge", "VIFBridge", vif.id)}
    assert seen[0].changed == sum(r.state == "changed" for r in seen[0].steps) > 0
    assert seen[2].differences
    assert all(report.seconds > 0 for report in seen)


def test_apply_is_reported_once_with_the_report_that_it_returns(vif, seen):
    report = os_vif.apply(vif, INSTANCE)
    assert seen == [report]


def test_a_failure_is_reported_and_carried_by_the_exception(vif, seen):
    run("ip link add name brq-test type veth peer name other")
    with pytest.raises(exception.PlugException) as raised:
        os_vif.plug(vif, INSTANCE)
    (report,) = seen
    assert report is raised.value.report
    assert (report.outcome, report.error_type) == (Outcome.FAILED, "PlugException")
    assert "is a device of kind veth" in report.error


def test_an_exception_of_an_observer_is_logged_and_breaks_neither_plug_nor_other_observers(
    vif, seen, caplog
):
    def fail(report):
        raise ValueError("no room for metrics")

    with os_vif.observe(fail):
        os_vif.plug(vif, INSTANCE)
    with os_vif.observe(seen.append):
        os_vif.unplug(vif, INSTANCE)
    assert [r.operation for r in seen] == ["plug", "unplug", "unplug"]
    (record,) = (r for r in caplog.records if r.levelno == logging.ERROR)
    assert "no room for metrics" in record.exc_text


def test_a_removed_observer_is_not_called_and_removal_is_idempotent(vif, seen):
    other = []
    handle = os_vif.observe(other.append)
    os_vif.check(vif, INSTANCE)
    handle.remove()
    handle.remove()
    os_vif.check(vif, INSTANCE)
    assert (len(other), len(seen)) == (1, 2)


def test_an_observer_must_be_callable():
    with pytest.raises(TypeError, match="expected a callable"):
        os_vif.observe("metrics")


def test_each_thread_has_the_steps_of_its_own_operations(seen):
    vifs = [bridge_vif(number, f"brq-{number}") for number in range(4)]
    failures = []

    def plug_and_unplug(vif):
        try:
            for _ in range(5):
                os_vif.plug(vif, INSTANCE)
                with os_vif.observe(lambda report: None):
                    os_vif.unplug(vif, INSTANCE)
        except exception.ExceptionBase as error:
            failures.append(error)

    threads = [threading.Thread(target=plug_and_unplug, args=[vif]) for vif in vifs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(seen) == 40
    for report in seen:
        bridge = f"brq-{int(report.vif_id[:8], 16)}"
        assert {r.step.device for r in report.steps if r.name.endswith("Bridge")} == {bridge}


def test_a_plugin_without_a_plan_is_reported_as_done():
    """Its steps are unknown."""
    report = observers.make_report(
        "plug", objects.VIFBridge(plugin="classic"), INSTANCE, [], started=0, seconds=0,
        has_plan=False,
    )  # fmt: skip
    assert (report.outcome, report.steps, report.vif_id) == (Outcome.DONE, (), "")
