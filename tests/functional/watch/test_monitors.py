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
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.connection_state import lock_name
from os_vif.host.ovsdb.row_monitor import RowMonitor
from os_vif.steps.plan import OvsdbTarget
from os_vif.testing.private_namespaces import run


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


def test_probes_are_answered_and_the_timeout_is_that_of_a_message(br_int):
    """The server closes connections whose client does not answer a probe."""
    run("ip link set dev lo up")
    br_int.vsctl(
        "--", "--id=@m", "create", "Manager", r'target="ptcp:6640:127.0.0.1"', "inactivity_probe=200",
        "--", "set", "Open_vSwitch", ".", "manager_options=@m",
    )  # fmt: skip
    remote = "db:Open_vSwitch,Open_vSwitch,manager_options"
    br_int.appctl("ovsdb-server", "ovsdb-server/add-remote", remote)
    with RowMonitor(OvsdbTarget("tcp:127.0.0.1:6640", 0.5)) as rows:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            select.select([rows], [], [], 0.1)
            rows.read()
        br_int.vsctl("add-port", "br-int", "p1")
        collect(rows, lambda r: names(r).get("p1") is True)


def test_the_lock_of_a_port_is_seen_and_not_kept(br_int, rows):
    with Ovsdb(br_int.connection, 10) as plan:
        plan.lock(lock_name("tap1b2c3d4e-00"))
        assert rows.is_locked("tap1b2c3d4e-00")
        assert not rows.is_locked("tap9b2c3d4e-00")
        br_int.vsctl("add-port", "br-int", "p1")
        # A change that arrives before an answer is not lost.
        assert rows.is_locked("tap1b2c3d4e-00")
        assert names([rows.read(), *collect(rows, lambda _: True)]).get("p1") is True
    # The server may read the unlock of the other connection later.
    end = time.monotonic() + 20
    while rows.is_locked("tap1b2c3d4e-00"):
        assert time.monotonic() < end


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
