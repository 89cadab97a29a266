# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The report of the conformance suite names the mistake of an author in a sentence."""

from __future__ import annotations

import dataclasses

import pytest

from os_vif import exception, objects
from os_vif.testing import Case, conformance, conformance_run, time_limits
from tests.support.toys import careless_plugins, toy_plugins, toy_privsep

pytestmark = pytest.mark.usefixtures("host", "_short_wait")

CASE = Case("veth", toy_plugins.vif())


@pytest.fixture
def _short_wait(monkeypatch):
    """Wait a shorter time for a state that a faulty plugin never reaches."""
    monkeypatch.setattr(conformance_run, "_SETTLE_S", 0.5)


def reason(plugin, check, case=CASE, **more):
    """Return the reason of the failed check."""
    report = conformance(plugin, [case], checks=["plug", check], **more)
    return next(result.reason for result in report.failures if result.check == check)


@pytest.mark.parametrize(
    ("plugin", "check", "expected"),
    [
        ("MisspeltOption", "plug", "no such option queue_lenght in group [os_vif_toy] (in plan_plug()"),
        ("WrongField", "plans", "has no attribute 'name' (in plan_unplug() (careless_plugins.py, line "),
        ("ReturnsNone", "plug", "ReturnsNone.plan_plug() returns a NoneType; expected an os_vif.steps.Plan"),
        ("ReturnsList", "plans", "ReturnsList.plan_unplug() returns a list; expected an os_vif.steps.Plan"),
        ("WithoutDaemon", "plans", "plan_plug() has the step EnsureVeth, and the plugin names no privsep_module"),
        ("ForeignDaemon", "plug", "the daemon of vif_plug_linux_bridge.privsep does not accept the step"),
        ("CannotDecide", "plug", "refusal() of the step raised KeyError: 'zone'"),
        ("DescribesHalf", "describe", "describe() leaves max_version of VIFGeneric unset"),
        ("DescribesUnknown", "describe", "describe() lists 'VIFGenric'; expected the name of a VIF class"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(plugin, check, expected):
    assert expected in reason(getattr(careless_plugins, plugin), check)


def test_a_missing_capability_is_told_with_those_of_the_daemon():
    found = reason(careless_plugins.WeakDaemon, "plug")
    assert "EnsureVeth failed on tap00000001: Operation not permitted" in found
    assert found.endswith(
        "The daemon of tests.support.toys.toy_weak_privsep keeps CAP_NET_RAW; a step may need "
        "another capability."
    )


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        ("RaisesInInit", "KeyError: 'zone' (in __init__() (careless_plugins.py, line "),
        ("NamesNoModule", "No module named 'tests.support.toys.no_such_module'"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_one_error(plugin, expected):
    with pytest.raises(exception.PluginNotLoaded) as error:
        conformance(getattr(careless_plugins, plugin), [CASE])
    assert expected in str(error.value)


def test_a_hanging_step_ends_at_the_limit_and_is_named():
    # The daemon runs before the limited call, which is then independent of the start.
    case = dataclasses.replace(CASE, prepare=lambda: toy_privsep.check([]) and None)
    found = reason(careless_plugins.StepHangs, "plug", case, timeout=6)
    assert found == (
        "plug() did not return within 6 s, in the privileged daemon; the first step that does not "
        "hold is SetQueueThatHangs of tap00000001"
    )


def test_a_hanging_plan_ends_at_the_limit_and_is_named(monkeypatch):
    monkeypatch.setattr(time_limits, "_GRACE_S", 0.5)
    found = reason(careless_plugins.PlanHangs, "plug", timeout=1)
    assert "did not return within 1 s, in plan_plug() (careless_plugins.py, line " in found


@pytest.mark.parametrize(
    ("case", "check", "expected"),
    [
        ({"options": {"quue": 7}}, "plug", "no option 'quue' in [os_vif_toy]; expected queue_length"),
        ({"prepare": "ip link add a type no-such"}, "plug", "Case.prepare ended with status"),
        ({"numbered": lambda _: toy_plugins.vif()}, "concurrency",
         "Case.numbered(1) returns a VIF with the id of Case.vif, 00000001-"),
        ({"numbered": lambda _: {}["zone"]}, "concurrency",
         "KeyError: 'zone' (in <lambda>() (test_conformance_mistakes.py, line "),
    ],
)  # fmt: skip
def test_a_mistake_in_a_case_is_named(case, check, expected):
    class WithOption(toy_plugins.Sound):
        CONFIG_OPTS = careless_plugins.MisspeltOption.CONFIG_OPTS

    assert expected in reason(WithOption, check, dataclasses.replace(CASE, **case))


def test_a_case_of_another_plugin_or_class_is_refused():
    with pytest.raises(ValueError, match="the case 'veth' is 'toy'; expected 'linux_bridge'"):
        conformance("linux_bridge", [CASE])
    nameless = Case("nameless", objects.VIFGeneric(id=CASE.vif.id))
    with pytest.raises(ValueError, match="the case 'nameless' is 'unset'; expected 'toy'"):
        conformance(toy_plugins.Sound, [CASE, nameless])
    with pytest.raises(TypeError, match="the vif of the case 'veth' is a str; expected a VIF"):
        conformance("toy", [dataclasses.replace(CASE, vif="tap1")])
    with pytest.raises(TypeError, match=r"cases\[0\] is a tuple; expected an os_vif.testing.Case"):
        conformance("toy", [("veth", CASE.vif)])
