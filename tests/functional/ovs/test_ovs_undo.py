# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What an undone unplug gives back of rows that refer to each other, and what it cannot."""

from __future__ import annotations

import pytest

from os_vif.engine.failure import StepFailure
from os_vif.engine.ovs import ovs_transaction
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.steps.ovs.bridge import DeleteOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from os_vif.testing.private_namespaces import run
from testbed.ovs import row

_PAIR = "ip link add name qvb type veth peer name qvo"
_MIRROR = (
    "add-br br -- set Bridge br datapath_type=netdev -- add-port br qvo -- --id=@p get Port qvo "
    "-- --id=@m create Mirror name=m select_dst_port=@p output_port=@p -- set Bridge br mirrors=@m"
)


@pytest.fixture
def ovsdb(switch):
    run(_PAIR)
    with Ovsdb(switch.connection, 60) as ovsdb:
        yield ovsdb


def unplugged(ovsdb, *steps):
    committed = ovs_transaction.commit(ovsdb, steps)
    committed.wait_for_vswitchd()
    return committed


def taken_back(committed) -> StepFailure:
    failure = StepFailure("DeleteLink", "qvo", "no")
    committed.roll_back(failure)
    return failure


def test_a_bridge_and_its_last_port_come_back_with_the_mirror_of_both(switch, ovsdb):
    """The mirror, which went with the bridge, refers to the ports that were made again."""
    switch.vsctl(*_MIRROR.replace("br", "tbr-1").replace("add-tbr-1", "add-br").split())
    switch.vsctl(
        "--id=@l", "get", "Port", "tbr-1", "--", "add", "Mirror", "m", "select_src_port", "@l"
    )
    before = snapshot()
    committed = unplugged(ovsdb, DeleteOvsPort("qvo"), DeleteOvsBridge("tbr-1"))
    assert switch.dump() == {"bridges": {}, "unused": []}
    failure = taken_back(committed)
    assert failure.not_undone == []
    assert differences(without_indexes(before), indexes=False) == []


def test_a_row_that_another_bridge_has_kept_is_referred_to_again(switch, ovsdb):
    """It is not made twice: both bridges have one and the same sFlow again."""
    switch.vsctl(
        "add-br", "br", "--", "add-br", "tbr-1", "--", "--id=@s", "create", "sFlow",
        'targets="10.0.0.1:6343"', "--", "--id=@c", "create", "Controller",
        'target="tcp:127.0.0.1:6653"', "--", "set", "Bridge", "br", "datapath_type=netdev",
        "sflow=@s", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev", "sflow=@s",
        "controller=@c",
    )  # fmt: skip
    before = snapshot()
    committed = unplugged(ovsdb, DeleteOvsBridge("tbr-1"))
    assert taken_back(committed).not_undone == []
    assert differences(before) == []
    (kept,) = row(switch, "Bridge", "br", "sflow")
    assert row(switch, "Bridge", "tbr-1", "sflow") == [kept]


def test_two_bridges_that_shared_a_row_share_it_again(switch, ovsdb):
    switch.vsctl(
        "add-br", "pb1", "--", "add-br", "tbr-1", "--", "--id=@s", "create", "sFlow",
        'targets="10.0.0.1:6343"', "--", "set", "Bridge", "pb1", "datapath_type=netdev",
        "sflow=@s", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev", "sflow=@s",
    )  # fmt: skip
    before = snapshot()
    committed = unplugged(ovsdb, DeleteOvsBridge("pb1"), DeleteOvsBridge("tbr-1"))
    assert taken_back(committed).not_undone == []
    assert differences(without_indexes(before), indexes=False) == []
    assert row(switch, "Bridge", "pb1", "sflow") == row(switch, "Bridge", "tbr-1", "sflow")


def test_a_bridge_with_sample_collectors_is_gone(switch, ovsdb):
    """A row that refers to it kept it in the database, where the next plug found it."""
    switch.vsctl(
        "add-br", "tbr-1", "--", "set", "Bridge", "tbr-1", "datapath_type=netdev", "--",
        "--id=@b", "get", "Bridge", "tbr-1", "--", "create", "Flow_Sample_Collector_Set", "id=1",
        "bridge=@b",
    )  # fmt: skip
    unplugged(ovsdb, DeleteOvsBridge("tbr-1"))
    assert switch.dump() == {"bridges": {}, "unused": []}


@pytest.mark.parametrize(
    ("meanwhile", "left"),
    [
        ("clear Bridge br mirrors", "# mirror m was deleted: qvo cannot be added to it"),
        (
            "--id=@b get Port br -- set Mirror m output_port=@b",
            "# mirror m has another output_port than qvo",
        ),
    ],
)
def test_a_mirror_that_was_changed_meanwhile_is_told(switch, ovsdb, meanwhile, left):
    """What others have done since stays; the error says what is not as it was."""
    switch.vsctl(*_MIRROR.split())
    committed = unplugged(ovsdb, DeleteOvsPort("qvo"))
    switch.vsctl(*meanwhile.split())
    failure = taken_back(committed)
    assert failure.not_undone == [left]
    assert failure.undone == 1
    assert switch.vsctl("port-to-br", "qvo") == "br"


def test_a_qos_row_of_others_that_has_gone_meanwhile_is_told(switch, ovsdb):
    """The port comes back all the same."""
    switch.vsctl(
        "add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev", "--", "add-port",
        "br", "qvo", "--", "--id=@q", "create", "QoS", "type=linux-htb", "--", "set", "Port",
        "qvo", "qos=@q", "tag=3",
    )  # fmt: skip
    committed = unplugged(ovsdb, DeleteOvsPort("qvo"))
    switch.vsctl("--all", "destroy", "QoS")
    failure = taken_back(committed)
    assert failure.not_undone == ["# Port qvo: a row of QoS that it referred to was deleted"]
    assert row(switch, "Port", "qvo", "qos", "tag") == ["[]", "3"]
