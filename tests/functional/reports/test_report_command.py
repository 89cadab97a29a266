# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Reports of ``os-vif plug`` and ``os-vif unplug``, and of many VIFs at once."""

from __future__ import annotations

import json

import pytest

import os_vif as library
from os_vif import objects, serialization
from os_vif.operations.report import Outcome
from os_vif.testing.private_namespaces import run
from tests.support.vifs import bridge_vif

INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


@pytest.fixture
def commands(namespace, quick_commands, os_vif):
    """Return a function that runs the command os-vif."""
    return os_vif


def test_a_plug_prints_the_report_as_json(commands, vif_json, vif):
    report = json.loads(commands("plug", "-f", "json", vif_json).stdout)
    assert (report["operation"], report["outcome"], report["vif"]) == ("plug", "changed", vif.id)
    assert {step["state"] for step in report["steps"]} == {"changed"}
    again = json.loads(commands("plug", "-f", "json", vif_json).stdout)
    assert (again["outcome"], again["changed"]) == ("held", 0)
    gone = json.loads(commands("unplug", "-f", "json", vif_json).stdout)
    assert (gone["operation"], gone["outcome"]) == ("unplug", "changed")


def test_a_failed_plug_prints_the_report_too(commands, vif_json):
    run("ip link add name brq-test type veth peer name other")
    done = commands("plug", "-f", "json", vif_json)
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert (report["outcome"], report["error_type"]) == ("failed", "PlugException")
    assert report["steps"][0]["state"] == "failed"
    assert "Could not plug" in done.stderr


def test_the_report_as_text_has_a_line_for_each_step(commands, vif_json):
    lines = commands("plug", "-f", "text", vif_json).stdout.splitlines()
    assert lines[0].startswith("plug of VIFBridge ")
    assert "  changed EnsureBridge brq-test in " in lines[1]
    assert commands("plug", vif_json).stdout == ""


def test_several_vifs_print_a_list_of_reports(commands, tmp_path):
    path = tmp_path / "vifs.json"
    vifs = [bridge_vif(number, f"brq-{number}") for number in range(3)]
    path.write_text("\n".join(serialization.dumps(vif) for vif in vifs))
    reports = json.loads(commands("plug", "-f", "json", str(path)).stdout)
    assert [report["vif"] for report in reports] == [vif.id for vif in vifs]
    assert {report["outcome"] for report in reports} == {"changed"}


def test_many_vifs_are_reported_one_by_one(daemon):
    """A VIF that fails has its own report; the others are changed."""
    vifs = [bridge_vif(number, f"brq-{number}") for number in range(4)]
    run("ip link add name brq-2 type veth peer name other")
    reports = []
    with library.observe(reports.append):
        results = library.plug_many([(vif, INSTANCE) for vif in vifs])
        library.check_many([(vif, INSTANCE) for vif in vifs])
    plugged, checked = reports[:4], reports[4:]
    assert [report.vif_id for report in plugged] == [vif.id for vif in vifs]
    assert [report.outcome for report in plugged] == [
        Outcome.CHANGED, Outcome.CHANGED, Outcome.FAILED, Outcome.CHANGED,
    ]  # fmt: skip
    assert results[2].error.report is plugged[2]
    for number, report in enumerate(plugged):
        assert {record.step.device for record in report.steps} == {f"brq-{number}"}
    assert [report.outcome for report in checked] == [
        Outcome.HELD, Outcome.HELD, Outcome.DIFFERS, Outcome.HELD,
    ]  # fmt: skip
