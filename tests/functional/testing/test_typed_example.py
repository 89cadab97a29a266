# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The typed example of the page "Testing plugins" runs."""

from __future__ import annotations

from tests.typing import conformance_usage


def test_the_example_of_a_conformance_report_passes(host):
    report = conformance_usage.check_plugin("describe", "plans", "plug", "remains")
    assert {result.case for result in report.results} == {"bridge", "bridge-of-others"}


def test_the_example_of_a_pod_passes(host):
    report = conformance_usage.check_pods("plug", "remains", "ended pod")
    assert [result.check for result in report.results] == ["plug", "remains", "ended pod"]


def test_the_example_of_objects_passes():
    assert conformance_usage.check_objects().passed


def test_the_example_of_the_fixture_runs(host):
    conformance_usage.plug_on(host)
