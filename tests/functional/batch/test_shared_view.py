# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plans and checks in a shared view of the host are those of separate reads."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.host.netlink import link_table, rtnetlink
from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.snapshot import Snapshot
from os_vif.host.ovsdb.table_snapshot import TableSnapshot
from os_vif.operations.shared_view import shared_view
from os_vif.testing.private_namespaces import run
from tests.support import cases

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.mark.parametrize("plugged", [False, True], ids=["new", "plugged"])
@pytest.mark.parametrize("case", cases.PARAMS_SHORT)
def test_plans_and_checks_of_a_shared_view_equal_those_of_separate_reads(case, plugged, instance):
    with case.prepared():
        if plugged:
            os_vif.plug(case.vif, instance)
        separate = [os_vif.plan(case.vif, instance, unplug=unplug) for unplug in (False, True)]
        differences = os_vif.check(case.vif, instance)
        with shared_view():
            shared = [os_vif.plan(case.vif, instance, unplug=unplug) for unplug in (False, True)]
            checked = os_vif.check(case.vif, instance)
        (result,) = os_vif.check_many([(case.vif, instance)])
    assert [list(plan) for plan in shared] == [list(plan) for plan in separate]
    assert checked == differences
    assert (result.error, result.differences) == (None, differences)


def test_a_view_of_links_finds_names_alternative_names_indexes_and_ports(namespace):
    run("ip link add br0 type bridge; ip link add v0 type veth peer name v1; "
        "ip link set v0 master br0; ip link property add dev v1 altname a-long-alternative-name "
        "altname short")  # fmt: skip
    with rtnetlink.opened() as net, link_table.shared_links(), rtnetlink.opened() as table:
        assert table.links() == net.links()
        for name in ("br0", "v0", "v1", "short", "a-long-alternative-name", "missing"):
            assert table.link(name) == net.link(name)
            assert table.resolve(name) == net.resolve(name)
        for link in net.links():
            assert table.link_at(link.index) == link
            assert table.ports(link) == net.ports(link)
        assert table.link_at(9999) is None
        # The view is of the beginning of the block, until a change through the view.
        run("ip link del v0")
        assert table.link("v0") is not None
        table.delete(table.require("br0"))
        assert table.link("v0") is None
        assert table.links() == net.links()


def test_complete_tables_answer_each_kind_of_query_as_the_server_does(br_int, ovsdb):
    br_int.vsctl("add-br", "other", "--", "set", "Bridge", "other", "datapath_type=netdev")
    for number in range(3):
        br_int.vsctl(
            "add-port", "br-int", f"p{number}", "--",
            "set", "Interface", f"p{number}", "type=internal", f"external_ids:iface-id=id{number}",
            "--", "set", "Port", f"p{number}", "qos=@q", "--", "--id=@q", "create", "QoS",
            "type=linux-htb", f"external_ids:id={query.qos_id(f'p{number}')}",
            "--", "--id=@m", "create", "Mirror", f"name=m{number}",
        )  # fmt: skip
    plain, tables = Snapshot(ovsdb), TableSnapshot(ovsdb)
    port, interface = plain.port("p1"), plain.interface("p1")
    (qos,) = plain.rows(query.qos_rows_for("p1"))
    for asked in (
        query.root("_uuid"),
        query.root("iface_types"),
        *(query.by_name(table, name) for table in query.COLUMNS for name in ("p1", "other", "x")),
        query.full_row("Port", "p1"),
        query.full_row("Bridge", "br-int"),
        query.full_row("Interface", "p2"),
        query.by_reference("Interface", interface["_uuid"]),
        query.ports_of_bridge("br-int"),
        query.bridge_with_port(port),
        query.port_with_interface(interface),
        query.ports_with_qos(qos),
        query.interfaces_with_id("id2"),
        query.interfaces_with_id("unknown"),
        query.qos_rows_for("p1"),
        query.MIRRORS,
        query.INTERFACE_IDS,
        query.sample_collectors_of(plain.bridge("other")),
    ):
        wanted = [_without_status(row) for row in plain.rows(asked)]
        columns = asked[4] or tuple(wanted[0] if wanted else ())
        found = [{c: row[c] for c in columns} for row in tables.rows(asked)]
        key = str
        assert sorted(found, key=key) == sorted(
            ({c: row[c] for c in columns} for row in wanted), key=key
        )


def _without_status(row):
    left_out = query.UNREAD_COLUMNS | {"_version"}
    return {column: value for column, value in row.items() if column not in left_out}


def test_a_server_that_cannot_be_reached_is_asked_once(daemon, ovs_options, instance, tmp_path):
    ovs_options(ovsdb_connection=f"unix:{tmp_path}/missing")
    vifs = [cases.ovs_vif(number=number) for number in range(3)]
    found = os_vif.check_many([(vif, instance) for vif in vifs])
    assert all("missing" in str(result.error) for result in found)
    assert [result.vif for result in found] == vifs
