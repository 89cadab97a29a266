# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The conformance suite: a correct plugin passes, and each fault gives a report that names it."""

from __future__ import annotations

import pytest

from os_vif import exception, objects
from os_vif.plugins.linux_bridge import LinuxBridgePlugin
from os_vif.steps import EnsureBridge
from os_vif.steps.plan import Plan
from os_vif.testing import (
    Case,
    ConformanceError,
    PodCase,
    Report,
    Verdict,
    conformance,
    conformance_run,
)
from os_vif.testing.conformance_checks import CHECKS
from tests.support.pod_cases import pod_bridge_vif
from tests.support.toys import toy_plugins

pytestmark = pytest.mark.usefixtures("host", "_short_wait")

CASE = Case("veth", toy_plugins.vif(), numbered=lambda n: toy_plugins.vif(n + 1))


@pytest.fixture
def _short_wait(monkeypatch):
    """Wait a shorter time for a state that a faulty plugin never reaches."""
    monkeypatch.setattr(conformance_run, "_SETTLE_S", 0.5)


def verdicts(report: Report) -> dict[str, str]:
    return {result.check: result.verdict for result in report.results}


def test_a_correct_plugin_passes_every_check():
    report = conformance(toy_plugins.Sound, [CASE])
    assert verdicts(report) == dict.fromkeys(CHECKS, Verdict.PASSED), str(report)
    assert report.passed
    report.raise_for_failures()


@pytest.mark.parametrize(
    ("plugin", "check", "reason"),
    [
        (toy_plugins.LeavesDevice, "remains", "tap00000001"),
        (toy_plugins.NotIdempotent, "plug", "queue is 77, should be 78"),
        (toy_plugins.ClassicNotIdempotent, "repeats", "a second plug changed the host"),
        (toy_plugins.NeverClean, "plug", "queue is unknown, should be 77"),
        (toy_plugins.Lies, "describe", "plugs VIFGeneric, and describe() lists VIFHostDevice"),
        (toy_plugins.PlansAct, "plans", "plan_plug() or plan_unplug() changed the host"),
        (toy_plugins.WrongTypes, "plans", "SetQueue.packets is '77'; the class declares int"),
        (toy_plugins.ClassicRace, "concurrency", "a concurrent call failed"),
    ],
)
def test_a_fault_is_named(plugin, check, reason):
    report = conformance(plugin, [CASE], checks=["plug", check])
    assert not report.passed
    found = next(result for result in report.failures if result.check == check)
    assert reason in found.reason
    assert f"FAILED veth, {check}:" in str(report)
    with pytest.raises(ConformanceError) as error:
        report.raise_for_failures()
    assert reason in str(error.value)


class LeavesBridge(LinuxBridgePlugin):
    """A plugin whose unplug leaves a bridge."""

    def plan_plug(self, vif, instance_info):
        return Plan(*super().plan_plug(vif, instance_info), EnsureBridge("forgotten"))


def test_a_fault_in_a_pod_is_named():
    """The pod ends, or the VIF is unplugged; the bridge on the host remains."""
    case = PodCase("pod", pod_bridge_vif(1))
    report = conformance(LeavesBridge, [case], checks=["plug", "remains", "ended pod"], stride=99)
    assert verdicts(report) == {"plug": "passed", "remains": "failed", "ended pod": "failed"}
    for failure in report.failures:
        assert "/host/links" in failure.reason
    assert "after an unplug the host differs" in report.failures[0].reason
    assert "the pod ended after step" in report.failures[1].reason


def test_a_lost_undo_is_named_with_the_step():
    case = Case(
        "shared", CASE.vif, prepare="ip link add tapdeadbeef type veth peer name far",
        unrestored=["tapdeadbeef"],
    )  # fmt: skip
    report = conformance(toy_plugins.LosesUndo, [case], checks=["failures in plug"])
    (failure,) = report.failures
    assert "before step 2 (EnsureVeth of tap00000001) of plug" in failure.reason
    assert "[tapdeadbeef]/txqlen: 1000 became 77" in failure.reason


def test_a_described_class_without_a_case_fails():
    report = conformance(toy_plugins.Lies, [CASE], checks=["describe"])
    assert report.failures[-1].reason == (
        "describe() lists VIFHostDevice, and no case has a VIF of the class"
    )


def test_a_plugin_without_plans_gets_the_other_checks_and_the_reason():
    """The report tells which checks are skipped and why."""
    report = conformance(toy_plugins.Classic, [CASE])
    assert report.passed, str(report)
    skipped = {check for check in CHECKS if check.startswith(("failures", "refusals", "kills"))}
    assert {result.check for result in report.skipped} == skipped | {"plans"}
    for result in report.skipped:
        assert "Classic overrides plug() and unplug() and has no plan" in result.reason


def test_a_missing_requirement_skips_the_case_with_the_reason():
    case = Case("impossible", CASE.vif, probe="ip link add a type no-such-kind")
    report = conformance(toy_plugins.Sound, [case], checks=["plug", "repeats"])
    assert not report.passed
    assert {result.verdict for result in report.results} == {Verdict.SKIPPED}
    assert "no-such-kind" in report.skipped[1].reason


def test_a_vif_that_cannot_be_plugged_skips_the_checks_after_the_plug():
    case = Case("no-name", objects.VIFGeneric(id=CASE.vif.id, plugin="toy"))
    report = conformance(toy_plugins.Sound, [case])
    assert [result.check for result in report.failures] == ["plans", "plug"]
    assert "vif_name" in report.failures[1].reason
    assert {result.reason for result in report.skipped} == {"the VIF cannot be plugged"}


def test_the_table_has_a_row_for_each_check_and_a_column_for_each_case():
    cases = [CASE, Case("second", toy_plugins.vif(9))]
    text = str(conformance(toy_plugins.Lies, cases, checks=["describe"]))
    assert text.splitlines()[2].split() == ["veth", "second", "all", "cases"]
    assert text.splitlines()[3].split() == ["describe", "FAILED", "FAILED", "FAILED"]


def test_an_unknown_plugin_check_or_no_case_is_an_error():
    vif = toy_plugins.vif()
    vif.plugin = "no-such-plugin"
    with pytest.raises(exception.NoMatchingPlugin):
        conformance("no-such-plugin", [Case("unknown", vif)])
    with pytest.raises(ValueError, match="at least one case"):
        conformance("linux_bridge", [])
    with pytest.raises(ValueError, match="no-such-check"):
        conformance("linux_bridge", [CASE], checks=["no-such-check"])
