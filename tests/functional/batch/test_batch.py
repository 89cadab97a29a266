# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Batches of VIFs of every way of plugging, with failing VIFs, repeated VIFs and several threads."""

from __future__ import annotations

import pathlib
import socket
from concurrent import futures

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.plugin import PluginBase
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.testing import fake_card
from os_vif.testing.conformance_run import disable_kill, kill_before_step
from os_vif.testing.host_snapshots import differences, snapshot, without_addresses
from os_vif.testing.private_namespaces import run
from os_vif.testing.quick_daemons import stop_daemons
from tests.support import cases
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

INSTANCE = objects.InstanceInfo(name="guest", uuid="b0000000-0000-4000-8000-000000000000")


def pairs(*vifs):
    return [(vif, INSTANCE) for vif in vifs]


def now():
    """Return the state of the host, without addresses that the kernel chooses."""
    return without_addresses(snapshot())


def changed_since(state):
    """Return the changes of the host."""
    return differences(state, addresses=False)


def errors(results):
    return [result.error for result in results]


def links():
    """Return the names of the network interfaces."""
    return {name for _, name in socket.if_nameindex()}


def records_of(vifs):
    """Return the VIFs that have a record."""
    return [vif for vif in vifs if [*pathlib.Path("/run/os-vif").glob(f"vif-*{vif.id}*")]]


def enforced(results):
    """Return the differences that are not pending, of all results."""
    assert errors(results) == [None] * len(results)
    return [d for result in results for d in result.differences if not d.pending]


@pytest.fixture
def mixed(br_int, tmp_path):
    """Return a VIF of each way of plugging, on a single host."""
    for number in range(cases.VFS):
        run(f"ip link add name rep{number} type veth peer name far{number}")
    trunk = ["add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev"]
    br_int.vsctl(*trunk)
    ovs, native = cases.ovs_vif, objects.VIFOpenVSwitch
    tap = {"create_port": True, "create_tap": True}
    with fake_card.card(tmp_path / "sys"):
        yield [
            bridge_vif(1), bridge_vif(2), bridge_vif(3, bridge="brq-other"),
            ovs(native, number=1),
            ovs(native, number=2, create_port=True),
            ovs(native, number=4, **tap),
            ovs(native, "tbr-1", number=5, datapath_type="netdev", **tap),
            ovs(objects.VIFBridge, number=6), ovs(objects.VIFBridge, number=7),
            ovs(objects.VIFVHostUser, number=8), ovs(objects.VIFVHostUser, number=9, mode="client"),
            ovs(objects.VIFHostDevice, number=0),
            ovs(objects.VIFHostDevice, number=3, datapath_type="netdev"),
            objects.VIFVHostUser(id="10000000-0000-4000-8000-000000000000", plugin="noop",
                path="/run/vhu1", mode="server", network=objects.Network(bridge="br-int")),
        ]  # fmt: skip


def test_a_batch_plugs_and_unplugs_every_way_as_single_calls_do(mixed):
    for vif, instance in pairs(*mixed):
        os_vif.plug(vif, instance)
    plugged = now()
    for vif, instance in pairs(*mixed):
        os_vif.unplug(vif, instance)
    unplugged = now()
    assert errors(os_vif.plug_many(pairs(*mixed))) == [None] * len(mixed)
    assert changed_since(plugged) == []
    assert enforced(os_vif.check_many(pairs(*mixed))) == []
    again = now()
    assert errors(os_vif.plug_many(pairs(*mixed))) == [None] * len(mixed)
    assert changed_since(again) == []
    assert errors(os_vif.unplug_many(pairs(*mixed))) == [None] * len(mixed)
    assert changed_since(unplugged) == []


@pytest.fixture
def fail_for(monkeypatch):
    """Return a function that makes the plans of VIFs end with a step that fails."""
    plan_plug = {}
    #: The position of the failing step, by the id of the VIF; None for the end.
    bad: dict[str, int | None] = {}

    def faulty(plugin):
        original = plan_plug[plugin]

        def planned(self, vif, instance):
            plan = original(self, vif, instance)
            if vif.id not in bad:
                return plan
            steps, fails = list(plan), SetLink("missing", up=True)
            at = bad[vif.id]
            steps.insert(len(steps) if at is None else at, fails)
            return Plan(*steps, switch=plan.switch, awaits=plan.awaits)

        return planned

    for name in ("linux_bridge", "ovs"):
        plugin = type(os_vif._plugin(name))
        plan_plug[plugin] = plugin.plan_plug
        monkeypatch.setattr(plugin, "plan_plug", faulty(plugin))
    return lambda *vifs, at=None: bad.update(dict.fromkeys((vif.id for vif in vifs), at))


@pytest.mark.short_form(4)
@pytest.mark.parametrize("number", range(13))
def test_a_failing_vif_of_each_way_is_as_before_and_the_others_are_plugged(
    mixed, fail_for, number
):
    others = [vif for vif in mixed if vif is not mixed[number]]
    os_vif.plug_many(pairs(*others))
    wanted = now()
    os_vif.unplug_many(pairs(*others))
    fail_for(mixed[number])
    results = os_vif.plug_many(pairs(*mixed))
    assert isinstance(results[number].error, exception.PlugException)
    assert "missing" in str(results[number].error)
    assert [r.error for r in results if r.vif is not mixed[number]] == [None] * len(others)
    assert changed_since(wanted) == []


@pytest.mark.soak
@pytest.mark.parametrize("number", range(13))
def test_a_failure_of_each_step_in_a_batch_leaves_the_others_plugged(mixed, fail_for, number):
    """Each step of the plan of each VIF is followed by a step that fails."""
    culprit = mixed[number]
    others = [vif for vif in mixed if vif is not culprit]
    os_vif.plug_many(pairs(*others))
    wanted = now()
    os_vif.unplug_many(pairs(*others))
    for at in range(len(os_vif.plan(culprit, INSTANCE)) + 1):
        fail_for(culprit, at=at)
        results = os_vif.plug_many(pairs(*mixed))
        assert [r.vif for r in results if r.error is not None] == [culprit]
        assert changed_since(wanted) == [], at
        os_vif.unplug_many(pairs(*others))


def test_several_failing_vifs_are_found_and_leave_nothing(mixed, fail_for):
    culprits = [mixed[2], mixed[5], mixed[8]]
    others = [vif for vif in mixed if vif not in culprits]
    os_vif.plug_many(pairs(*others))
    wanted = now()
    os_vif.unplug_many(pairs(*others))
    fail_for(*culprits)
    results = os_vif.plug_many(pairs(*mixed))
    assert [r.vif for r in results if r.error is not None] == culprits
    assert changed_since(wanted) == []


def test_a_port_in_another_bridge_fails_alone(br_int):
    br_int.vsctl("add-br", "other", "--", "set", "Bridge", "other", "datapath_type=netdev")
    vifs = [cases.ovs_vif(number=number, create_port=True) for number in range(5)]
    br_int.vsctl("add-port", "other", vifs[2].vif_name)
    results = os_vif.plug_many(pairs(*vifs))
    assert [result.ok for result in results] == [True, True, False, True, True]
    assert vifs[2].vif_name in str(results[2].error)


def test_a_vif_that_cannot_be_planned_fails_before_anything_is_touched(br_int):
    vifs = [cases.ovs_vif(number=number, create_port=True) for number in range(3)]
    vifs[1].address = None
    results = os_vif.plug_many(pairs(*vifs))
    assert isinstance(results[1].error.__cause__, exception.InvalidField)
    assert [result.ok for result in results] == [True, False, True]


def test_wrong_arguments_are_refused_before_anything_is_touched(br_int):
    good = cases.ovs_vif(number=1, create_port=True)
    before = now()
    for many in (os_vif.plug_many, os_vif.unplug_many, os_vif.check_many):
        for wrong in ((INSTANCE, good), "text", good, (good,), (good, {})):
            with pytest.raises(exception.InvalidField, match=r"pairs\[1\]"):
                many([(good, INSTANCE), wrong])
    assert changed_since(before) == []


def test_an_unknown_plugin_is_the_error_of_its_vif_only(br_int):
    vifs = [cases.ovs_vif(number=number, create_port=True) for number in range(2)]
    vifs[0].plugin = "unknown"
    results = os_vif.plug_many(pairs(*vifs))
    assert isinstance(results[0].error, exception.NoMatchingPlugin)
    assert results[1].ok


def test_each_result_has_a_report_by_step_if_asked_for_and_observers_receive_reports(
    br_int, fail_for
):
    vifs = [cases.ovs_vif(objects.VIFBridge, number=number) for number in range(3)]
    fail_for(vifs[1])
    received = []
    with os_vif.observe(received.append):
        results = os_vif.plug_many(pairs(*vifs), reports=True)
        os_vif.check_many(pairs(*vifs))
    assert [r.report.outcome for r in results] == ["changed", "undone", "changed"]
    assert [step.step for step in results[0].report.steps] == list(os_vif.plan(vifs[0], INSTANCE))
    assert [step.state for step in results[1].report.steps][-1] == "failed"
    assert [(r.operation, r.vif_id) for r in received] == [
        (operation, vif.id) for operation in ("plug", "check") for vif in vifs
    ]
    assert [r.report for r in results] == received[:3]
    assert os_vif.plug_many(pairs(*vifs))[0].report is None


def test_an_empty_batch_touches_nothing(daemon):
    before = now()
    for many in (os_vif.plug_many, os_vif.unplug_many, os_vif.check_many):
        assert many([]) == ()
        assert many(iter(())) == ()
    assert changed_since(before) == []


def test_a_vif_that_occurs_several_times_is_plugged_once(mixed):
    repeated = [*mixed, *mixed[:9], mixed[5]]
    assert errors(os_vif.plug_many(pairs(*repeated))) == [None] * len(repeated)
    assert enforced(os_vif.check_many(pairs(*repeated))) == []
    assert errors(os_vif.unplug_many(pairs(*repeated))) == [None] * len(repeated)


def test_two_threads_with_the_same_and_with_different_vifs_do_not_wait_for_each_other(br_int):
    groups = [
        [cases.ovs_vif(objects.VIFBridge, number=n) for n in order]
        for order in (range(8), reversed(range(8)), range(4, 10), [9, 0, 5])
    ]
    with futures.ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for many in (os_vif.plug_many, os_vif.unplug_many):
                done = pool.map(lambda group, many=many: many(pairs(*group)), groups)
                for results in done:
                    assert errors(results) == [None] * len(results)
    assert "qvo" not in str(br_int.dump())


def test_a_daemon_killed_in_a_batch_leaves_no_vif_half_plugged(br_int, monkeypatch):
    vifs = [cases.ovs_vif(objects.VIFBridge, number=n) for n in range(4)]
    before = now()
    for k in (0, 19):
        kill_before_step(k)
        results = os_vif.plug_many(pairs(*vifs))
        disable_kill()
        # The daemon of each further part of the batch is killed, too, until a part has fewer steps.
        again = os_vif.plug_many(pairs(*(r.vif for r in results if r.error is not None)))
        assert errors(again) == [None] * len(again)
        assert enforced(os_vif.check_many(pairs(*vifs))) == []
        assert errors(os_vif.unplug_many(pairs(*vifs))) == [None] * len(vifs)
        assert changed_since(before) == []
        stop_daemons()


def test_a_refused_deletion_is_the_error_of_its_vif_only(br_int):
    vifs = [cases.ovs_vif(objects.VIFBridge, number=n) for n in range(4)]
    os_vif.plug_many(pairs(*vifs))
    half = vifs[1].bridge_name.replace("qbr", "qvb")
    # The kernel deletes no loopback device, under any name.
    run(f"ip link delete {half}; ip link set lo down; ip link set lo name {half} alias os-vif")
    try:
        results = os_vif.unplug_many(pairs(*vifs))
    finally:
        run(f"ip link set {half} name lo alias ''; ip link set lo up")
    assert [result.ok for result in results] == [True, False, True, True]
    assert isinstance(results[1].error, exception.UnplugException)
    assert half in str(results[1].error)
    assert br_int.vsctl("list-ports", "br-int") == ""
    assert not {name for name in links() if name.startswith(("qbr", "qvo", "qvb"))}
    # The record of a VIF with a part on the host stays until the part is deleted.
    assert records_of(vifs) == [vifs[1]]
    assert errors(os_vif.unplug_many(pairs(*vifs))) == [None] * 4
    assert records_of(vifs) == []


class _ActsItself(PluginBase):
    """A plugin of a third party that changes the host itself, without plans."""

    def describe(self):
        return objects.host_info.HostPluginInfo(plugin_name="own", vif_info=[])

    def plug(self, vif, instance_info):
        run(f"ip link add {vif.vif_name} type bridge")

    def unplug(self, vif, instance_info):
        run(f"ip link delete {vif.vif_name}")


def test_a_plugin_without_plans_acts_for_each_vif_of_a_batch(namespace, monkeypatch):
    """The failure of a VIF does not affect the other VIFs, of this plugin and of others."""
    plugin = _ActsItself.load("own")
    original = os_vif._plugin_of

    def plugin_of(vif, instance_info):
        return plugin if vif.plugin == "own" else original(vif, instance_info)

    monkeypatch.setattr(os_vif, "_plugin_of", plugin_of)
    own = [
        objects.VIFGeneric(plugin="own", id=f"a000000{n}-0000-4000-8000-000000000000",
                           vif_name=f"own{n}")
        for n in range(3)
    ]  # fmt: skip
    vifs = [own[0], bridge_vif(1, "brq-1"), own[1], own[2]]
    run("ip link add own1 type bridge")
    results = os_vif.plug_many(pairs(*vifs))
    assert [result.ok for result in results] == [True, True, False, True]
    assert isinstance(results[2].error, exception.PlugException)
    assert results[2].error.__cause__ is not None
    assert {"own0", "own1", "own2", "brq-1"} <= links()
    run("ip link delete own1")
    results = os_vif.unplug_many(pairs(*vifs))
    assert [result.ok for result in results] == [True, True, False, True]
    assert isinstance(results[2].error, exception.UnplugException)
    assert not {"own0", "own1", "own2", "brq-1"} & links()


def test_remaining_bridges_are_told_for_their_vif(namespace, daemon):
    vifs = [bridge_vif(1, "brq-1"), bridge_vif(2, "brq-2"), bridge_vif(3, "brq-2")]
    os_vif.plug_many(pairs(*vifs))
    results = os_vif.unplug_many(pairs(*vifs[:2]))
    assert results[0].remaining == ()
    assert "brq-2 stays" in results[1].remaining[0]
    assert os_vif.unplug_many(pairs(vifs[2]))[0].remaining == ()
