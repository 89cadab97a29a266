# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Old releases of Open vSwitch: schemas without newer columns, servers without ``_Server``."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import re
import shlex

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine import runner
from os_vif.host.ovsdb import database_schema
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.snapshot import Snapshot
from os_vif.host.ovsdb.transaction import Transaction
from os_vif.steps import SetLink
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.plan import OvsdbTarget, Plan
from os_vif.testing.host_snapshots import differences, snapshot
from testbed import ovs_kinds
from testbed.ovs import SCHEMA, missing_requirement, row
from tests.support.ovs import old_releases
from tests.support.ovs.proxy import ANSWER, ASK, Proxy, pass_on
from vif_plug_ovs import privsep

ROOT = pathlib.Path(__file__).parents[3]
PORT_ID = "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"
#: Supported ones that differ in what os-vif uses; whether the server has ``_Server``; and how the
#: database is reached. A new server may have an old database, until that is converted.
RELEASES = [
    ("2.4.0", False, "native"),
    ("2.4.0", False, "vsctl"),
    ("2.4.0", True, "native"),
    ("2.6.0", False, "native"),
    ("2.9.0", True, "native"),
    ("2.10.0", True, "native"),
]


@pytest.fixture(params=RELEASES, ids=lambda found: "-".join(map(str, found)))
def release(request):
    """Its name, and whether its server has the database ``_Server``."""
    return request.param


@contextlib.contextmanager
def running(tmp_path, release: str, *, server: bool):
    """Yield a switch of a release, and its connection."""
    if (missing := missing_requirement()) is not None:
        pytest.skip(missing)
    rule = pass_on if server else old_releases.without_server_database
    with (
        old_releases.OldSwitch(tmp_path, release) as switch,
        Proxy(tmp_path, switch.connection, rule) as proxy,
    ):
        switch.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
        yield switch, proxy.connection


@pytest.fixture
def old(daemon, ovs_options, tmp_path, release):
    """The switch of a release, which the options name."""
    name, server, interface = release
    with running(tmp_path, name, server=server) as (switch, connection):
        ovs_options(ovsdb_connection=connection, ovs_vsctl_timeout=10, ovsdb_interface=interface)
        yield switch


def vhost_user(mode: str = "server", bridge: str = "br-int") -> objects.VIFVHostUser:
    profile = objects.VIFPortProfileOpenVSwitch(interface_id=PORT_ID, datapath_type="netdev")
    return objects.VIFVHostUser(
        id=PORT_ID, address="fa:16:3e:00:00:01", plugin="ovs", mode=mode, path="/run/vhu1",
        vif_name="vhu", network=objects.Network(bridge=bridge, mtu=1450), port_profile=profile,
    )  # fmt: skip


@pytest.mark.short_form
@pytest.mark.parametrize("name", ovs_kinds.KINDS)
def test_every_way_of_plugging_works_with_old_releases(old, ovs_options, instance, name):
    """Plug, again, check and unplug; what is there afterwards is what was there before."""
    kind = ovs_kinds.KINDS[name]
    ovs_options(isolate_vif=True, **kind.options)
    before = snapshot()
    vif = ovs_kinds.vif(kind, 1)
    for _ in range(2):
        os_vif.plug(vif, instance)
        assert [found for found in os_vif.check(vif, instance) if not found.pending] == []
    for prefix in kind.ports:
        assert row(old, "Interface", ovs_kinds.name_of(prefix, 1), "name")
    os_vif.unplug(vif, instance)
    os_vif.unplug(vif, instance)
    assert differences(before) == []


@pytest.mark.short_form
@pytest.mark.parametrize("mode", ["client", "server"])
def test_a_column_that_a_release_lacks_is_left_away_and_told_once(
    old, release, instance, caplog, mode
):
    """The MTU of a vhost-user port; nothing differs because of it, and no plug sets it anew."""
    has = release[0] != "2.4.0"
    vif = vhost_user(mode)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            os_vif.plug(vif, instance)
            assert [found for found in os_vif.check(vif, instance) if not found.pending] == []
    said = [record.getMessage() for record in caplog.records]
    lacks = "Open vSwitch has no column Interface.mtu_request, which 2.6.0 added: 1450 is not set"
    assert sum(lacks in text for text in said) == (not has), said
    name = f"vhu{PORT_ID}"[:14]
    assert row(old, "Interface", name, "external_ids:iface-id") == [f'"{PORT_ID}"']
    if has:
        assert row(old, "Interface", name, "mtu_request") == ["1450"]
    # What was changed is what a failed plug puts back.
    old.vsctl("set", "Interface", name, "external_ids:iface-id=other")
    plan = Plan(
        EnsureOvsPort(
            "br-int", name, "dpdkvhostuserclient", external_ids=(("iface-id", PORT_ID),)
        ),
        EnsureOvsPort("no-such-br", "x"),
        switch=OvsdbTarget(old.connection, 10),
    )
    with pytest.raises(exception.StepFailed, match="there is no bridge no-such-br"):
        runner.run(plan, None)
    assert row(old, "Interface", name, "external_ids:iface-id") == ["other"]
    os_vif.unplug(vif, instance)
    assert old.vsctl("list-ports", "br-int") == ""


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize(("types", "fails"), [("system", False), ("dpdk,system", True)])
def test_before_2_10_the_types_of_interfaces_tell_whether_dpdk_is_initialised(
    tmp_path, types, fails
):
    """A port of DPDK that does not open is an error only where DPDK is."""
    with (
        running(tmp_path, "2.9.0", server=False) as (switch, connection),
        switch.standing_still("ovs-vswitchd"),
    ):
        # vswitchd would write its own types.
        switch.vsctl("--no-wait", "set", "Open_vSwitch", ".", f"iface_types=[{types}]")
        port = EnsureOvsPort("br-int", "vhu1", "dpdkvhostuserclient", must_open=True)
        plan = Plan(port, switch=OvsdbTarget(connection, 10, wait=False))
        runner.run(plan, None)
        found = runner.check(plan)
    assert [difference.pending for difference in found] == [not fails]


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("server", [True, False])
@pytest.mark.parametrize("release", ["2.0", "2.3"])
def test_an_older_release_is_refused_in_one_sentence(tmp_path, release, server):
    """By the version of its schema, at once, and before anything is touched."""
    rule = pass_on if server else old_releases.without_server_database
    switch = old_releases.OldSwitch(tmp_path, release)
    try:
        switch.create_database()
        switch.vsctl("--no-wait", "init")
        before = snapshot()
        with Proxy(tmp_path, switch.connection, rule) as proxy:
            plan = Plan(EnsureOvsBridge("br-int"), switch=OvsdbTarget(proxy.connection, 10))
            for call in (runner.check, lambda plan: runner.run(plan, None)):
                with pytest.raises(exception.ExceptionBase) as info:
                    call(plan)
                said = str(info.value)
                assert (
                    f"its schema {old_releases.ADDED[release][0]} lacks Open_vSwitch.iface_types; the "
                    "oldest release that os-vif supports is Open vSwitch 2.4.0 (schema 7.12.1)"
                ) in said
        assert differences(before) == []
    finally:
        switch.stop()


@pytest.mark.usefixtures("namespace")
def test_a_server_without_the_database_is_told_from_an_old_one(tmp_path):
    """An ovsdb-server of that age that serves another database."""
    switch = old_releases.OldSwitch(tmp_path, "2.4.0")
    switch._schema |= {"name": "Other"}
    try:
        switch.create_database()
        with Proxy(tmp_path, switch.connection, old_releases.without_server_database) as proxy:
            plan = Plan(EnsureOvsBridge("br-int"), switch=OvsdbTarget(proxy.connection, 10))
            with pytest.raises(exception.StepFailed, match="has no database Open_vSwitch"):
                runner.run(plan, None)
    finally:
        switch.stop()


class Recorder:
    """Notes what is asked."""

    def __init__(self) -> None:
        self.asked = b""

    def __call__(self, way: str, data: bytes) -> list[bytes]:
        self.asked += data if way == ASK else b""
        return [data]


@pytest.mark.usefixtures("namespace")
def test_a_connection_asks_for_the_schema_once(tmp_path):
    """And anew when the server has converted the database meanwhile, as an upgrade does."""
    recorder = Recorder()
    with (
        old_releases.OldSwitch(tmp_path, "2.4.0") as switch,
        Proxy(tmp_path, switch.connection, recorder) as proxy,
    ):
        plan = Plan(
            EnsureOvsBridge("br", "netdev"),
            EnsureOvsPort("br", "vhu1", "dpdkvhostuser", mtu_request=1450),
            switch=OvsdbTarget(proxy.connection, 10),
        )
        for _ in range(3):
            runner.run(plan, None)
            assert [found for found in runner.check(plan) if not found.pending] == []
        assert recorder.asked.count(b"get_schema") == 1
        switch.run_program("ovsdb-client", "convert", switch.connection, str(SCHEMA))
        assert [found.attribute for found in runner.check(plan) if not found.pending] == [
            "mtu_request"
        ]
        runner.run(plan, None)
        assert [found for found in runner.check(plan) if not found.pending] == []


@pytest.mark.usefixtures("namespace")
def test_a_wait_that_times_out_is_told_as_such_by_releases_before_2_16(tmp_path):
    """They send the answer with what they do next: nothing may come for five seconds."""
    held: list[bytes] = []

    def holding(way: str, data: bytes) -> list[bytes]:
        if way == ASK and b'"echo"' in data:
            return [data]
        if way == ANSWER and b"timed out" in data:
            held.append(data)
            return []
        if way == ANSWER and held:
            return [held.pop(), data]
        return [data]

    with (
        old_releases.OldSwitch(tmp_path, "2.9.0") as switch,
        Proxy(tmp_path, switch.connection, holding) as proxy,
        switch.standing_still("ovs-vswitchd"),
    ):
        port = EnsureOvsPort("br", "vhu1", "dpdkvhostuser")
        plan = Plan(EnsureOvsBridge("br", "netdev"), port, switch=OvsdbTarget(proxy.connection, 2))
        with pytest.raises(exception.StepFailed, match="has not applied it within 2 seconds"):
            runner.run(plan, None)


def test_an_undo_sets_no_condition_on_an_empty_column(daemon, tmp_path):
    """Before release 2.10.1 such a condition is false, and the mirror would lose its output."""
    recorder = Recorder()
    with (
        old_releases.OldSwitch(tmp_path, "2.4.0") as switch,
        Proxy(tmp_path, switch.connection, recorder) as proxy,
    ):
        switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
        switch.vsctl(
            *("add-port", "br", "p", "--", "set", "Interface", "p", "type=internal"),
            *("--", "--id=@p", "get", "Port", "p", "--", "--id=@m", "create", "Mirror", "name=m"),
            *("output_port=@p", "select_all=true", "--", "set", "Bridge", "br", "mirrors=@m"),
        )
        before = switch.dump()
        plan = Plan(
            DeleteOvsPort("p"),
            SetLink("no-such-device", up=True),
            switch=OvsdbTarget(proxy.connection, 10),
        )
        with pytest.raises(exception.StepFailed, match="no-such-device") as info:
            runner.run(plan, privsep.__name__)
        assert "by hand" not in str(info.value)
        assert switch.dump() == before
    asked = recorder.asked.replace(b" ", b"")
    assert b'"Mirror"' in asked
    assert re.search(rb'"where":\[[^{]*\["set",\[\]\]\]', asked) is None


def test_a_printed_undo_names_no_column_that_a_release_lacks(daemon, tmp_path):
    """So that it can be typed."""
    with old_releases.OldSwitch(tmp_path, "2.4.0") as switch:
        switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
        switch.vsctl("add-port", "br", "p", "--", "set", "Interface", "p", "type=internal")
        port = EnsureOvsPort(
            "br", "p", "internal", external_ids=(("iface-id", "x"),), mtu_request=1450
        )
        steps = []
        with Ovsdb(switch.connection, 10) as ovsdb:
            steps += port.add_operations(Snapshot(ovsdb, [port]), Transaction().owned_by(port))
        (command,) = steps[0].commands()
        assert "mtu_request" not in command
        switch.vsctl(*shlex.split(command)[1:])


def test_the_oldest_release_is_the_first_that_has_what_is_needed():
    """And the page says so, with what is left away for those before another release."""
    accepted = [
        release
        for release in old_releases.ADDED
        if database_schema.Schema(old_releases.schema(release)).fault() is None
    ]
    assert accepted[0] == database_schema.OLDEST
    assert old_releases.ADDED[database_schema.OLDEST][0] == database_schema.OLDEST_SCHEMA
    assert set(accepted) == set(
        list(old_releases.ADDED)[list(old_releases.ADDED).index(accepted[0]) :]
    )
    page = (ROOT / "doc/source/operators/ovs.rst").read_text()
    words = " ".join(page.split())
    readme = " ".join((ROOT / "README.rst").read_text().split())
    assert f"Open vSwitch {database_schema.OLDEST} or newer" in readme
    assert (
        f"oldest supported release is Open vSwitch {database_schema.OLDEST}, "
        f"whose schema has the version {database_schema.OLDEST_SCHEMA}" in words
    )
    for (table, column), optional in database_schema.OPTIONAL.items():
        assert re.search(rf"``{table}\.{column}``\s+- {re.escape(optional.since)}\b", page)
        version, added = old_releases.ADDED[optional.since]
        assert f"{table}.{column}" in added
        assert f"({version})" in page
