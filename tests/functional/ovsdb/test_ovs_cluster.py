# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A database of Open vSwitch that is a cluster; and servers that are of no use."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from os_vif import exception
from os_vif.engine import runner
from os_vif.host.ovsdb import pool
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.steps import DeleteLink, EnsureVeth, SetLink
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.plan import OvsdbTarget as At
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from testbed import ovs
from tests.support.daemons import DAEMON
from tests.support.ovs.cluster import Cluster
from tests.support.ovs.proxy import ASK, COMMIT, WAIT, Nth, Proxy

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def cluster(namespace, tmp_path) -> Iterator[Cluster]:
    if missing := ovs.missing():
        pytest.skip(missing)
    with Cluster(tmp_path) as cluster:
        cluster.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
        yield cluster


@contextlib.contextmanager
def proxies(cluster, tmp_path, rule) -> Iterator[str]:
    """What is said to each of the servers is seen by one rule."""
    with contextlib.ExitStack() as stack:
        names = ("db3", "db1", "db2")
        each = [
            stack.enter_context(Proxy(tmp_path, cluster.remote(n), rule, f"to-{n}")) for n in names
        ]
        yield ",".join(proxy.connection for proxy in each)


def plug(connection, timeout) -> Plan:
    return Plan(
        EnsureVeth("qvb", "qvo"), SetLink("qvo", up=True), EnsureOvsBridge("br", "netdev"),
        EnsureOvsPort("br", "qvo", external_ids=(("iface-id", "i"),), qos="linux-noop", must_open=True),
        switch=At(connection, timeout),
    )  # fmt: skip


def unplug(connection, timeout) -> Plan:
    return Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=At(connection, timeout))


#: When the leader is killed: at what is sent to it, and whether that still reaches it.
KILLS = [
    pytest.param(COMMIT, True, id="commits", marks=pytest.mark.soak),
    pytest.param(b'"lock"', False, id="locks", marks=pytest.mark.soak),
    pytest.param(b'"op": "select", "table": "Port"', True, id="reads", marks=pytest.mark.soak),
    pytest.param(COMMIT, False, id="is-to-commit", marks=pytest.mark.soak),
    pytest.param(WAIT, False, id="waits", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("text", "sent"), KILLS)
def test_an_election_is_survived(cluster, tmp_path, text, sent):
    """The leader is killed in the middle of a plug, and of an unplug."""
    before = snapshot()

    def kill(data):
        if sent:
            yield data
        cluster.kill(cluster.leader())
        yield None

    killed = None
    for plan in (plug, unplug):
        leader = cluster.leader()
        rule = Nth(ASK, text, kill)
        with proxies(cluster, tmp_path, rule) as connection:
            runner.run(plan(connection, 60), DAEMON)
        assert rule.done or text == WAIT
        assert cluster.leader() != leader
        if plan is plug:
            assert runner.check(plan(cluster.connection, 60)) == ()
            cluster.start(leader)
        killed = leader
    assert differences(without_indexes(before), indexes=False) == []
    assert killed is not None


def test_a_leader_that_is_killed_is_followed_by_the_next(namespace, tmp_path):
    """Its successor is asked, and has the locks; without one it is told in time."""
    if missing := ovs.missing():
        pytest.skip(missing)
    cluster = Cluster(tmp_path)
    try:
        cluster.create_database()
        cluster.vsctl("--no-wait", "init")
        with Ovsdb(cluster.connection, 60) as first:
            first.connect()
        # Another may be the leader when the next plan comes.
        assert cluster.connection not in {idle.key[0] for idle in pool._idle}
        with Ovsdb(cluster.connection, 60) as one, Ovsdb(cluster.connection, 60) as other:
            one.lock("os_vif_a")
            insert = {"op": "insert", "table": "QoS", "row": {"type": "x"}}
            one.transact(insert)
            leader = cluster.leader()
            cluster.kill(leader)
            with pytest.raises(exception.OvsdbNoAnswer):
                one.transact(insert)
            assert len(one.select("QoS", [])) == 1
            assert cluster.leader() != leader
            held = pytest.raises(exception.OvsdbNoAnswer, match="another os-vif")
            with Ovsdb(cluster.connection, 1) as late, held:
                late.lock("os_vif_a")
            one.close()
            other.lock("os_vif_a")
            cluster.kill(cluster.leader())
            (last,) = cluster.alive()
            nobody = pytest.raises(exception.OvsdbUnreachable)
            with Ovsdb(cluster.connection, 1) as late, nobody as info:
                late.connect()
            said = str(info.value)
            assert said.count(": Connection refused") == 2
            assert f"{cluster.remote(last)}: the server knows no leader of the cluster" in said
            # The deadline ends an attempt to connect: the fault of the earlier attempt is told.
            stopping = threading.Timer(2, os.kill, (cluster.pid(last), signal.SIGSTOP))
            stopping.start()
            with Ovsdb(cluster.connection, 4) as late, nobody as info:
                late.connect()
            stopping.join()
            os.kill(cluster.pid(last), signal.SIGCONT)
            assert str(info.value) == said
    finally:
        cluster.stop()


@pytest.mark.soak
def test_a_server_alone_is_used_though_it_is_not_the_leader(cluster):
    """It passes on what it is asked."""
    leader = cluster.leader()
    follower = next(name for name in ("db1", "db2", "db3") if name != leader)
    runner.run(plug(cluster.remote(follower), 60), DAEMON)
    assert runner.check(plug(cluster.connection, 60)) == ()
    runner.run(unplug(cluster.remote(follower), 60), DAEMON)


def test_a_server_without_the_database_is_told(switch, tmp_path):
    """It is another program's, say; nothing was touched."""
    schema = {"name": "Other", "version": "1.0.0", "tables": {}}
    (tmp_path / "schema").write_text(json.dumps(schema))
    switch.run_program("ovsdb-tool", "create", f"{tmp_path}/other.db", f"{tmp_path}/schema")
    remote = f"unix:{tmp_path}/other.sock"
    before = snapshot()
    switch.start_daemon(
        "ovsdb-server", f"{tmp_path}/other.db", f"--remote=p{remote}", name="other"
    )
    try:
        with pytest.raises(exception.StepFailed) as info:
            runner.run(plug(remote, 20), DAEMON)
    finally:
        switch.appctl("other", "exit")
    assert str(info.value) == (
        f"Connecting to Open vSwitch failed on br, qvo: Open vSwitch at {remote}: the server has no "
        "database Open_vSwitch (`os-vif doctor` checks the connection). Nothing was done"
    )
    assert snapshot() == before


def test_a_server_that_may_not_be_written_to_is_told(switch):
    """As a backup of another server; nothing was touched."""
    switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
    before = snapshot()
    switch.appctl("ovsdb-server", "ovsdb-server/set-active-ovsdb-server", "tcp:127.0.0.1:1")
    switch.appctl("ovsdb-server", "ovsdb-server/connect-active-ovsdb-server")
    with pytest.raises(exception.StepFailed, match=r"read only\. Nothing was done"):
        runner.run(plug(switch.connection, 20), DAEMON)
    switch.appctl("ovsdb-server", "ovsdb-server/disconnect-active-ovsdb-server")
    assert differences(before) == []
