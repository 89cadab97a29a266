# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What holds for every plan of every plugin: all of it, or nothing; and again, and again."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception, opts
from os_vif.host import engine
from os_vif.host.plan import Plan
from os_vif.host.steps import SetLink
from tests.functional.cases import CASES, PARAMS, Case
from tests.functional.namespaces import differs, snapshot, without_indexes

pytestmark = pytest.mark.usefixtures("daemon")

DAEMON = "vif_plug_linux_bridge.privsep"
#: The kernel refuses it: there is no such device.
FAILS = SetLink("missing", up=True)


@pytest.fixture(params=PARAMS)
def case(request, daemon) -> Case:
    """A host as the case has it."""
    request.param.prepare()
    return request.param


def test_every_plugin_has_cases(instance):
    """Also one that was registered today. The one that cannot plug says so."""
    assert CASES.keys() == opts.IN_TREE.keys()
    assert [name for name, cases in CASES.items() if not cases] == ["ovs"]
    vif = CASES["linux_bridge"][0].vif.obj_clone()
    vif.plugin = "ovs"
    with pytest.raises(exception.PlugException, match="cannot plug yet"):
        os_vif.plug(vif, instance)


def test_plug_and_unplug_again_change_nothing(case, instance):
    """Plug twice is plug; unplug twice is unplug; so is unplug without plug."""
    before = snapshot()
    os_vif.unplug(case.vif, instance)
    assert differs(before) == []
    os_vif.plug(case.vif, instance)
    assert os_vif.check(case.vif, instance) == ()
    plugged = snapshot()
    os_vif.plug(case.vif, instance)
    assert differs(plugged) == []
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    os_vif.unplug(case.vif, instance)
    assert differs(unplugged) == []
    assert not unplugged["files"]


def test_a_failure_at_each_step_of_plug_leaves_the_host_as_it_was(case, instance):
    """Links, addresses, routes, rules, sysctls, files; and the next plug succeeds."""
    before = snapshot()
    steps = tuple(os_vif.plan(case.vif, instance))
    for k in range(len(steps) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            engine.run(Plan(*steps[:k], FAILS, *steps[k:]), DAEMON)
        assert "by hand" not in str(info.value)
        assert differs(without_indexes(before), indexes=False) == [], steps[k - 1]
    os_vif.plug(case.vif, instance)
    assert os_vif.check(case.vif, instance) == ()


def test_a_failure_at_each_step_of_unplug_leaves_the_vif_plugged(case, instance):
    """What was deleted is made again, as it was; and the next unplug succeeds."""
    before = snapshot()
    os_vif.plug(case.vif, instance)
    os_vif.unplug(case.vif, instance)
    unplugged = snapshot()
    os_vif.plug(case.vif, instance)
    plugged = snapshot()
    steps = tuple(os_vif.plan(case.vif, instance, unplug=True))
    for k in range(len(steps) + 1):
        with pytest.raises(exception.StepFailed, match="missing") as info:
            engine.run(Plan(*steps[:k], FAILS, *steps[k:]), DAEMON)
        assert "by hand" not in str(info.value)
        assert differs(without_indexes(plugged), indexes=False) == [], steps[k - 1]
    os_vif.unplug(case.vif, instance)
    assert differs(without_indexes(unplugged), indexes=False) == []
    if not case.keeps_bridge:
        assert unplugged == before
