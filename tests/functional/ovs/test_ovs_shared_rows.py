# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A QoS row that was made for a VIF's port, and that others refer to; and its Queue rows."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.engine.ovs import ovs_transaction
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.snapshot import Snapshot
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.testing.host_snapshots import changes
from os_vif.testing.private_namespaces import run
from testbed.ovs import row
from tests.support.cases import ovs_vif
from tests.support.ovs.representors import vif_on_representor
from tests.support.ovs.vifs import HYBRID, INSTANCE, TAP, apply_steps
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

#: By the way of plugging: the VIF, and the port that has the QoS row. A bridge of the VIF's own has
#: a row in a kernel's datapath only.
WAYS = {
    "port": (lambda: ovs_vif(create_port=True), "tap0a0b0c0d-11"),
    "tap": (lambda: ovs_vif(**TAP), "tap0a0b0c0d-11"),
    "hybrid": (lambda: ovs_vif(HYBRID), "qvo0a0b0c0d-11"),
    "representor": (lambda: vif_on_representor(1), "rep1"),
}


@pytest.fixture
def ovsdb(br_int):
    with Ovsdb(br_int.connection, 60) as ovsdb:
        yield ovsdb


def qos_of(switch, port: str) -> str:
    return row(switch, "Port", port, "qos")[0]


def qos_rows(switch) -> set[str]:
    return set(switch.vsctl("--bare", "--columns=_uuid", "list", "QoS").split())


def share(switch, port: str, *others: str) -> str:
    """Have other ports, of other bridges too, refer to a port's QoS row. :returns: the row."""
    uuid = qos_of(switch, port)
    switch.vsctl("--may-exist", "add-br", "br-x", "--", "set", "Bridge", "br-x",
                 "datapath_type=netdev")  # fmt: skip
    for other in others:
        switch.vsctl("--may-exist", "add-port", "br-x", other, "--", "set", "Port", other,
                     f"qos={uuid}")  # fmt: skip
    return uuid


@pytest.fixture(params=WAYS)
def way(request, br_int, ovs_options):
    if request.param == "tap":
        require_tun()
    make, port = WAYS[request.param]
    if request.param == "representor":
        request.getfixturevalue("host")
    if request.param == "port":
        run(f"ip link add name {port} type veth peer name guest")
    ovs_options(default_qos_type="linux-htb")
    return make(), port


@pytest.mark.short_form(2)
def test_a_row_that_others_refer_to_stays_and_the_port_goes(br_int, way, ovs_options):
    """A later plug makes a row of its own, as configured by then, and its unplug deletes that."""
    vif, port = way
    os_vif.plug(vif, INSTANCE)
    shared = share(br_int, port, "one", "two")
    os_vif.plug(vif, INSTANCE)
    assert qos_of(br_int, port) == shared
    os_vif.unplug(vif, INSTANCE)
    for kind in ("linux-sfq", "linux-htb"):
        assert port not in br_int.vsctl("list-ports", "br-int")
        assert qos_rows(br_int) == {shared}
        assert qos_of(br_int, "one") == qos_of(br_int, "two") == shared
        ovs_options(default_qos_type=kind)
        os_vif.plug(vif, INSTANCE)
        own = qos_of(br_int, port)
        assert own != shared
        assert row(br_int, "QoS", own, "type") == [kind]
        assert [d for d in os_vif.check(vif, INSTANCE) if not d.pending] == []
        os_vif.unplug(vif, INSTANCE)
    br_int.vsctl("del-port", "one", "--", "del-port", "two")
    # Nobody refers to it any more: the next unplug deletes it.
    os_vif.unplug(vif, INSTANCE)
    assert qos_rows(br_int) == set()


@pytest.mark.short_form(2)
def test_a_port_that_others_deleted_is_plugged_again(br_int, way, ovs_options):
    """With a row of its own; what was made for it before goes, but for what others refer to."""
    vif, port = way
    os_vif.plug(vif, INSTANCE)
    shared = share(br_int, port, "one")
    br_int.vsctl("del-port", port)
    ovs_options(default_qos_type="linux-codel")
    os_vif.plug(vif, INSTANCE)
    assert row(br_int, "QoS", qos_of(br_int, port), "type") == ["linux-codel"]
    assert qos_rows(br_int) == {shared, qos_of(br_int, port)}
    br_int.vsctl("del-port", port, "--", "del-port", "one")
    os_vif.plug(vif, INSTANCE)
    assert qos_rows(br_int) == {qos_of(br_int, port)}


@pytest.mark.short_form(2)
def test_a_row_of_others_that_the_port_refers_to_stays(br_int, way):
    """As Neutron's agent gives a port one for its own rules; ours of it goes."""
    vif, port = way
    os_vif.plug(vif, INSTANCE)
    br_int.vsctl("--id=@q", "create", "QoS", "type=linux-htb", "--", "set", "Port", port, "qos=@q")
    others = qos_of(br_int, port)
    os_vif.plug(vif, INSTANCE)
    assert qos_of(br_int, port) == others
    os_vif.unplug(vif, INSTANCE)
    assert qos_rows(br_int) == {others}


@pytest.mark.short_form(2)
def test_queues_of_the_row_are_those_of_whoever_made_them(br_int, way):
    """They stay, as QoS rows do that os-vif has not made; a second plug keeps them in use."""
    vif, port = way
    os_vif.plug(vif, INSTANCE)
    br_int.vsctl("--id=@q", "create", "Queue", "other_config:max-rate=1000000", "--", "add", "QoS",
                 qos_of(br_int, port), "queues", "0=@q")  # fmt: skip
    queue = br_int.vsctl("--bare", "--columns=_uuid", "list", "Queue").strip()
    os_vif.plug(vif, INSTANCE)
    assert queue in row(br_int, "QoS", qos_of(br_int, port), "queues")[0]
    os_vif.unplug(vif, INSTANCE)
    assert qos_rows(br_int) == set()
    assert br_int.vsctl("--bare", "--columns=_uuid", "list", "Queue").strip() == queue


def test_the_undo_of_an_unplug_refers_to_the_row_that_stayed(br_int, ovsdb):
    """And to its queues; one that was deleted with the port is made again."""
    apply_steps(ovsdb, [EnsureOvsPort("br-int", "qvo1", qos="linux-htb")])
    br_int.vsctl("--id=@q", "create", "Queue", "dscp=1", "--", "add", "QoS",
                 qos_of(br_int, "qvo1"), "queues", "0=@q")  # fmt: skip
    before = br_int.dump()
    undo = apply_steps(ovsdb, [DeleteOvsPort("qvo1")])
    apply_steps(ovsdb, undo)
    assert changes(before, br_int.dump()) == []
    shared = share(br_int, "qvo1", "one")
    before = br_int.dump()
    undo = apply_steps(ovsdb, [DeleteOvsPort("qvo1")])
    apply_steps(ovsdb, undo)
    assert changes(before, br_int.dump()) == []
    assert qos_of(br_int, "qvo1") == shared


def test_what_check_says_of_a_row_that_stays(br_int, ovsdb):
    """Nothing; of one that nobody refers to, that it should be gone."""
    apply_steps(ovsdb, [EnsureOvsPort("br-int", "qvo1", qos="linux-htb")])
    share(br_int, "qvo1", "one")
    step = DeleteOvsPort("qvo1")
    assert [d.attribute for d in step.differences(Snapshot(ovsdb))] == ["port"]
    br_int.vsctl("del-port", "one")
    assert [d.attribute for d in step.differences(Snapshot(ovsdb))] == ["port", "QoS"]


def test_the_undo_of_a_plug_leaves_the_row_of_a_namesake(br_int, ovsdb):
    """Somebody has deleted the port and made it again, with the row that was made for the first."""
    (undo,) = apply_steps(ovsdb, [EnsureOvsPort("br-int", "qvo1", qos="linux-htb")])
    uuid = qos_of(br_int, "qvo1")
    br_int.vsctl("del-port", "qvo1")
    br_int.vsctl("add-port", "br-int", "qvo1", "--", "set", "Port", "qvo1", f"qos={uuid}")
    before = br_int.dump()
    apply_steps(ovsdb, [undo])
    assert changes(before, br_int.dump()) == []


def test_who_refers_to_the_row_between_look_and_act_keeps_it(br_int, ovsdb, monkeypatch):
    """The database refuses the deletion, and the next look sees the other port."""
    apply_steps(ovsdb, [EnsureOvsPort("br-int", "qvo1", qos="linux-htb")])
    br_int.vsctl("add-port", "br-int", "one")
    change, looks = DeleteOvsPort.add_operations, []

    def late(step, look, changes):
        looks.append(look)
        done = change(step, look, changes)
        if len(looks) == 1:
            br_int.vsctl("set", "Port", "one", f"qos={qos_of(br_int, 'qvo1')}")
        return done

    monkeypatch.setattr(DeleteOvsPort, "add_operations", late)
    ovs_transaction.commit(ovsdb, [DeleteOvsPort("qvo1")]).wait_for_vswitchd()
    assert len(looks) == 2
    assert br_int.vsctl("list-ports", "br-int") == "one"
    assert qos_rows(br_int) == {qos_of(br_int, "one")}
