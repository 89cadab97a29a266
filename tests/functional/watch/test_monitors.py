# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Notifications of the kernel about links, and of ovsdb-server about rows."""

from __future__ import annotations

import contextlib
import select
import time

import pytest

from os_vif import exception
from os_vif.host.netlink.link_monitor import LinkMonitor, Overrun
from os_vif.host.ovsdb.row_monitor import RowMonitor
from os_vif.steps.plan import OvsdbTarget
from testbed.namespaces import run


def collect(monitor, is_complete, seconds=20):
    """Read a monitor until a condition on the list of all results holds."""
    found = []
    end = time.monotonic() + seconds
    while not is_complete(found):
        assert time.monotonic() < end, found
        select.select([monitor], [], [], 1)
        found.append(monitor.read())
    return found


@pytest.fixture
def links(namespace):
    with contextlib.closing(LinkMonitor()) as monitor:
        yield monitor


def events_until(monitor, is_complete):
    found = collect(monitor, lambda reads: is_complete([e for read in reads for e in read]))
    return [event for read in found for event in read]


def test_a_created_and_a_deleted_interface_are_told_by_name(links):
    run("ip link add name a1 type veth peer name b1; ip link del dev a1")
    events = events_until(
        links, lambda e: {n for x in e if x.link is None for n in x.names} >= {"a1", "b1"}
    )
    assert {x.link.kind for x in events if x.link is not None} == {"veth"}


def test_a_renamed_interface_is_told_by_both_names(links):
    run("ip link add name a1 type veth peer name b1; ip link set dev a1 name a2")
    events = events_until(links, lambda e: any("a2" in x.names for x in e))
    assert ("a1", "a2") in [x.names for x in events]


def test_a_port_that_leaves_a_bridge_is_no_deleted_interface(links):
    run(
        "ip link add name br type bridge; ip link add name a1 type veth peer name b1; "
        "ip link set dev a1 master br; ip link set dev a1 nomaster"
    )
    events = events_until(
        links,
        lambda e: (
            any(x.link and x.link.name == "a1" and x.link.master for x in e)
            and any(x.link and x.link.name == "a1" and not x.link.master for x in e[-3:])
        ),
    )
    assert events


def test_lost_notifications_are_an_overrun_and_later_ones_are_told(namespace):
    with contextlib.closing(LinkMonitor(receive_buffer=4096)) as monitor:
        run("for n in $(seq 60); do ip link add name d$n type bridge; done")
        with pytest.raises(Overrun):
            monitor.read()
        with contextlib.suppress(Overrun):
            monitor.read()
        run("ip link del dev d7")
        events_until(monitor, lambda e: any(x.names == ("d7",) and x.link is None for x in e))


@pytest.fixture
def rows(br_int):
    with RowMonitor(OvsdbTarget(br_int.connection, 10)) as monitor:
        yield monitor


def names(reads):
    return {name: there for read in reads for name, there in read.items()}


def test_a_new_changed_and_deleted_port_is_told_by_name(br_int, rows):
    br_int.vsctl("add-port", "br-int", "p1", "--", "set", "Interface", "p1", "type=internal")
    # The row of the bridge has another list of ports, and no other change.
    assert "br-int" not in names(collect(rows, lambda r: names(r).get("p1") is True))
    br_int.vsctl("set", "Port", "p1", "tag=7")
    # Later changes of vswitchd, such as the number of the port, may arrive first.
    collect(rows, lambda r: names(r).get("p1") is True)
    br_int.vsctl("del-port", "p1")
    collect(rows, lambda r: names(r).get("p1") is False)


def test_a_stopped_server_is_an_error(br_int, rows):
    br_int.kill("ovsdb-server")
    with pytest.raises(exception.OvsdbNoAnswer):
        collect(rows, lambda _: False)


def test_a_server_without_conditions_has_the_monitor_of_the_rfc(br_int, monkeypatch):
    call = RowMonitor._call

    def refuse(self, method, *arguments):
        if method == "monitor_cond":
            raise exception.OvsdbRefused(
                connection="", reason="unknown method", error="", operation=None
            )
        return call(self, method, *arguments)

    monkeypatch.setattr(RowMonitor, "_call", refuse)
    with RowMonitor(OvsdbTarget(br_int.connection, 10)) as rows:
        for port in ("p1", "p2"):
            br_int.vsctl("add-port", "br-int", port)
            collect(rows, lambda r, port=port: names(r).get(port) is True)
        br_int.vsctl("del-port", "p2")
        found = names(collect(rows, lambda r: names(r).get("p2") is False))
        # The new list of ports of the bridge names all ports; only one has changed.
        assert "p1" not in found
