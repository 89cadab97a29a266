# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A stream to ovsdb-server has one plan after the other as its owner, and no two at a time."""

from __future__ import annotations

import os
import threading

import pytest

from os_vif import exception
from os_vif.host.ovsdb import lookups, pool
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.steps.plan import OvsdbTarget as At
from tests.support.ovs.proxy import Proxy


class Counting(Proxy):
    """It knows how many connections there have been."""

    def __init__(self, *arguments, **more) -> None:
        super().__init__(*arguments, **more)
        self.opened: list[int] = []

    def _pump(self, way, source, sink) -> None:
        self.opened += [source.fileno()] if way == "ask" else []
        super()._pump(way, source, sink)


@pytest.fixture
def proxy(switch, tmp_path):
    pool.clear()
    with Counting(tmp_path, switch.connection) as proxy:
        yield proxy
    pool.clear()


def look(proxy) -> None:
    assert lookups.ports_of(At(proxy.connection, 60), "nobody") == {}


def test_the_next_plan_has_the_stream_of_the_one_before(proxy):
    """In whatever thread; two that are at work at once have one each, which both stay."""
    for _ in range(3):
        look(proxy)
    thread = threading.Thread(target=look, args=(proxy,))
    thread.start()
    thread.join()
    assert len(proxy.opened) == 1
    for _ in range(2):
        with Ovsdb(proxy.connection, 60) as one, Ovsdb(proxy.connection, 60) as other:
            assert one.select("QoS", []) == other.select("QoS", []) == []
    assert len(proxy.opened) == 2


def test_a_repeated_grant_is_not_taken_for_a_lock_of_the_next_user_of_a_stream(proxy, switch):
    """ovsdb-server tells the holder of a lock again that it holds the lock when a client in the queue
    gives up. The notification may still be unread when the connection has the next user.
    """
    with Ovsdb(switch.connection, 60) as other:
        with Ovsdb(proxy.connection, 60) as holder:
            holder.lock("os_vif_a")
            other.queue_lock_requests("os_vif_a")
            other.select("QoS", [])
            assert not other.has_locks()
            # The holder is told once more, and does not read the connection any more.
            other.release_locks()
        other.lock("os_vif_a")
        for is_queued in (False, True):
            with Ovsdb(proxy.connection, 60) as next_user:
                if is_queued:
                    next_user.queue_lock_requests("os_vif_a")
                next_user.select("QoS", [])
                assert not next_user.has_locks("os_vif_a")
        assert len(proxy.opened) == 1


def test_a_lock_is_not_kept_with_a_stream(proxy, switch):
    """Another process has it as soon as the plan has ended; and what failed leaves no stream."""
    with Ovsdb(proxy.connection, 60) as ovsdb:
        ovsdb.lock("os_vif_a", "os_vif_b")
    with Ovsdb(switch.connection, 10) as other:
        other.lock("os_vif_b", "os_vif_a")
        assert other.has_locks()
    refused = pytest.raises(exception.OvsdbRefused)
    with refused, Ovsdb(proxy.connection, 60) as ovsdb:
        ovsdb.select("nonsense", [])
    look(proxy)
    assert len(proxy.opened) == 2


def test_a_stream_that_was_closed_meanwhile_is_opened_anew(proxy, switch):
    """By a server that has started again, which the next plan does not notice."""
    look(proxy)
    switch.kill("ovsdb-server")
    switch.start_server()
    look(proxy)
    # A loaded server may refuse a connection or two while it starts.
    assert len(proxy.opened) >= 2


def test_streams_that_idle_are_few_and_young(proxy, monkeypatch):
    """Those above the limit are closed, and those that a server may have given up."""
    all_of_them = [Ovsdb(proxy.connection, 60) for _ in range(pool.MAX_IDLE + 2)]
    for ovsdb in all_of_them:
        ovsdb.connect()
    for ovsdb in all_of_them:
        ovsdb.__exit__(None)
    assert len(pool._idle) == pool.MAX_IDLE
    monkeypatch.setattr(pool, "MAX_IDLE_SECONDS", 0)
    look(proxy)
    assert len(proxy.opened) == pool.MAX_IDLE + 3
    assert pool._idle == []


def test_a_child_has_no_stream_of_its_parent(proxy):
    """It opens its own; the parent goes on with the one that it has."""
    look(proxy)
    if (child := os.fork()) == 0:
        status = 1
        try:
            status = len(pool._idle)
            look(proxy)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    look(proxy)
    assert len(proxy.opened) == 2


def test_what_was_seen_before_is_asked_for_and_not_believed(proxy, switch):
    """A port that is in another bridge by now, under the same name."""
    at = At(proxy.connection, 60)
    switch.vsctl("add-br", "br", "--", "add-br", "br2", "--", "add-port", "br", "p")
    assert (lookups.is_in(at, "p", "br"), lookups.bridge_of(at, "p")) == (True, "br")
    switch.vsctl("del-port", "p", "--", "add-port", "br2", "p")
    assert lookups.bridge_of(at, "p") == "br2"
    assert not lookups.is_in(at, "p", "br")
    switch.vsctl("del-port", "p")
    assert lookups.bridge_of(at, "p") is None
    assert len(proxy.opened) == 1
