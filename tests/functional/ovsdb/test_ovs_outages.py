# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A database of Open vSwitch that goes, stands still, drips or is cut off while it is asked.

A plug completes, or fails in time with the host as before; and the next one converges.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from os_vif import exception
from os_vif.engine import runner
from os_vif.engine.ovs import ovs_transaction
from os_vif.host.ovsdb import lookups, pool
from os_vif.steps import DeleteLink, EnsureVeth, SetLink
from os_vif.steps.ovs.bridge import EnsureOvsBridge
from os_vif.steps.ovs.port import DeleteOvsPort, EnsureOvsPort
from os_vif.steps.plan import OvsdbTarget as At
from os_vif.steps.plan import Plan
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from tests.support.daemons import DAEMON
from tests.support.ovs.proxy import ANSWER, ASK, COMMIT, WAIT, Nth, Proxy, drip, pass_on

pytestmark = pytest.mark.usefixtures("daemon")

#: What is asked to see what is there.
LOOK = b'"op": "select", "table": "Port"'
#: Seconds for a plug that will fail: enough to come as far as that on a busy machine.
TIME = 2
#: More messages than a plug or an unplug has, either way.
MESSAGES = 7


@pytest.fixture
def proxy(switch, tmp_path):
    switch.vsctl("add-br", "br", "--", "set", "Bridge", "br", "datapath_type=netdev")
    with Proxy(tmp_path, switch.connection) as proxy:
        yield proxy


@pytest.fixture
def soon(monkeypatch) -> None:
    """What takes back gives up soon, so that no test waits for long."""
    monkeypatch.setattr(ovs_transaction, "ROLLBACK_SECONDS", 0.5)


def plug(proxy, timeout: float) -> Plan:
    return Plan(
        EnsureVeth("qvb", "qvo"), SetLink("qvo", up=True), EnsureOvsBridge("br", "netdev"),
        EnsureOvsPort("br", "qvo", external_ids=(("iface-id", "i"),), qos="linux-noop", must_open=True),
        switch=At(proxy.connection, timeout),
    )  # fmt: skip


def unplug(proxy, timeout: float) -> Plan:
    return Plan(DeleteOvsPort("qvo"), DeleteLink("qvo"), switch=At(proxy.connection, timeout))


def rests(proxy) -> None:
    """A connection is there for the next plan, and all that was asked has been answered."""
    proxy.rule = pass_on
    lookups.ports_of(At(proxy.connection, 60), "nobody")


def converges(proxy, before) -> None:
    """Whatever was left: a plug plugs, and an unplug leaves nothing."""
    proxy.rule = pass_on
    runner.run(plug(proxy, 60), DAEMON)
    assert runner.check(plug(proxy, 60)) == ()
    runner.run(unplug(proxy, 60), DAEMON)
    assert differences(without_indexes(before), indexes=False) == []


CUTS = {
    "before": lambda _data: [None],
    "within": lambda data: [data[: len(data) // 2], 0.01, None],
    "after": lambda data: [data, 0.05, None],
}


#: What is asked, cut in the middle of it or when it was sent; its answer; and these in turn.
KINDS = [
    pytest.param([(ASK, "within"), (ANSWER, "before")], id="in-turn"),
    pytest.param([(ASK, "within")], id="ask-within", marks=pytest.mark.soak),
    pytest.param([(ASK, "after")], id="ask-after", marks=pytest.mark.soak),
    pytest.param([(ANSWER, "before")], id="answer-before", marks=pytest.mark.soak),
    pytest.param([(ANSWER, "within")], id="answer-within", marks=pytest.mark.soak),
]


@pytest.mark.parametrize("kinds", KINDS)
def test_a_connection_that_is_cut_at_any_message_is_opened_again(proxy, switch, kinds):
    """What was done is found, what was not is done; once, in both cases."""
    before = without_indexes(snapshot())
    runner.run(plug(proxy, 60), DAEMON)
    plugged = switch.dump()
    runner.run(unplug(proxy, 60), DAEMON)
    unplugged = switch.dump()
    cut = 0
    for n in range(1, MESSAGES):
        way, kind = kinds[n % len(kinds)]
        for plan in (plug, unplug):
            rests(proxy)
            if n == 1 and kind != "after":
                # It was never there, as far as this plan knows: nothing was done.
                pool.clear()
                proxy.rule = Nth(way, n, CUTS[kind])
                with pytest.raises(exception.StepFailed, match="Nothing was done"):
                    runner.run(plan(proxy, 60), DAEMON)
                # One that another plan has left is another matter.
                rests(proxy)
            proxy.rule = rule = Nth(way, n, CUTS[kind])
            runner.run(plan(proxy, 60), DAEMON)
            cut += rule.done
            rule.done = True
            assert switch.dump() == (plugged if plan is plug else unplugged), n
    assert differences(before, indexes=False) == []
    assert MESSAGES < cut < 2 * (MESSAGES - 1), "MESSAGES are too few, or nothing was cut"


@pytest.mark.usefixtures("soon")
def test_a_server_that_does_not_come_back_fails_the_plug_in_time(proxy):
    """The kernel is as before. Only of what was sent it is said that its outcome is unknown."""
    before = snapshot()
    committing = Nth(ASK, COMMIT, lambda data: [data])

    def unanswered(way, data):
        list(committing(way, data))
        return [None] if committing.done and way == ANSWER else [data]

    # The second look: the first comes before the kernel is touched.
    looked = Nth(ASK, LOOK, lambda data: [data])
    again = Nth(ASK, LOOK, CUTS["within"], ever=True)

    def looking(way, data):
        return again(way, data) if looked.done else looked(way, data)

    for rule, unknown in ((looking, False), (unanswered, True)):
        proxy.rule = rule
        with pytest.raises(
            exception.StepFailed, match=r"closed the connection|no answer w"
        ) as info:
            runner.run(plug(proxy, TIME), DAEMON)
        said = str(info.value)
        assert ("unknown; plugging or unplugging again converges" in said) == unknown
        assert said.startswith("The transaction of Open vSwitch failed on br, qvo: ")
        assert "Undone: 2 changes" in said
        assert "by hand" not in said
        now = snapshot()
        if rule is unanswered:
            now["switches"] = before["switches"]
        assert now == before
    converges(proxy, before)


@pytest.mark.parametrize("sent", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_a_server_that_restarts_is_found_again(proxy, switch, sent):
    """While it is asked to commit, before it knows or after; and before a plug begins."""
    before = snapshot()

    def restart(data):
        if sent:
            yield data
        switch.kill("ovsdb-server")
        yield 0.01
        switch.start_server()
        yield None

    proxy.rule = rule = Nth(ASK, COMMIT, restart)
    runner.run(plug(proxy, 60), DAEMON)
    assert rule.done
    assert runner.check(plug(proxy, 60)) == ()
    list(restart(b""))
    converges(proxy, before)


@pytest.mark.usefixtures("soon")
def test_a_server_that_stands_still_fails_the_plug_in_time(proxy, switch):
    """When it goes on it commits what it finds in its socket: the next plug finds that."""
    before = snapshot()
    pid = switch.pid("ovsdb-server")

    def stop(data):
        os.kill(pid, signal.SIGSTOP)
        yield data

    sent = (
        "The transaction of Open vSwitch failed on br, qvo: ",
        "unknown; plugging or unplugging again converges. Undone: 2 changes",
    )
    answered = (
        "The transaction of Open vSwitch failed on br, qvo: the database has it, but the wait for ovs-vswitchd failed: ",
        "Undone: 2 changes before it; still to be undone by hand:\n  ovs-vsctl --if-exists del-port",
    )
    for text, (begins, has) in ((COMMIT, sent), (WAIT, answered)):
        proxy.rule = Nth(ASK, text, stop)
        try:
            with pytest.raises(exception.StepFailed) as info:
                runner.run(plug(proxy, TIME), DAEMON)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert str(info.value).startswith(begins)
        assert "no answer within 2 seconds" in str(info.value)
        assert has in str(info.value)
        assert "qvo" in {port["name"] for port in switch.dump()["bridges"]["br"]["ports"]}
        converges(proxy, before)


@pytest.mark.usefixtures("soon")
def test_what_is_taken_back_without_an_answer_is_unknown(proxy, switch):
    """vswitchd stands still, and then the server too, when it has to take back."""
    before = snapshot()
    pid = switch.pid("ovsdb-server")
    committed = Nth(ASK, COMMIT, lambda data: [data])

    def rule(way, data):
        if committed.done and way == ASK and COMMIT in data:
            os.kill(pid, signal.SIGSTOP)
        return committed(way, data)

    proxy.rule = rule
    with switch.standing_still("ovs-vswitchd"):
        try:
            with pytest.raises(exception.StepFailed) as info:
                runner.run(plug(proxy, TIME), DAEMON)
        finally:
            os.kill(pid, signal.SIGCONT)
    said = str(info.value)
    assert (
        "failed on br, qvo: ovs-vswitchd has not applied it within 2 seconds. The state of Open v"
        in said
    )
    assert "unknown; plugging or unplugging again converges. Undone: 2 changes" in said
    assert "del-port qvo  # Open vSwitch at" in said
    converges(proxy, before)


@pytest.mark.parametrize("kind", ["after", pytest.param("before", marks=pytest.mark.soak)])
def test_what_vswitchd_does_not_do_is_taken_back_also_over_a_cut(proxy, switch, kind):
    """The connection is lost once, when it takes back: what was sent was done, or is sent anew."""
    before = snapshot()
    committed = Nth(ASK, COMMIT, lambda data: [data])
    cut = Nth(ASK, COMMIT, CUTS[kind])
    proxy.rule = lambda way, data: cut(way, data) if committed.done else committed(way, data)
    late = pytest.raises(exception.StepFailed, match="not applied it within 2 seconds")
    with switch.standing_still("ovs-vswitchd"), late as info:
        runner.run(plug(proxy, TIME), DAEMON)
    assert "by hand" not in str(info.value)
    assert cut.done
    assert differences(before) == []


def test_an_answer_that_drips_is_an_answer(proxy, switch):
    """Two bytes at a time, and with characters that take several."""
    switch.vsctl("set", "Bridge", "br", "external_ids:owner=Zürich 東京")
    switch.vsctl(
        "--", "add-port", "br", "qvo", "--", "set", "Interface", "qvo", "external_ids:x=東"
    )
    switch.vsctl("del-port", "qvo")
    before = snapshot()
    proxy.rule = drip(0.0001, 2)
    runner.run(plug(proxy, 60), DAEMON)
    switch.vsctl("set", "Interface", "qvo", "external_ids:owner=東京都東京都東京都")
    runner.run(plug(proxy, 60), DAEMON)
    assert "東京" in switch.vsctl("get", "Interface", "qvo", "external_ids")
    runner.run(unplug(proxy, 60), DAEMON)
    assert differences(without_indexes(before), indexes=False) == []


@pytest.mark.usefixtures("soon")
def test_all_answers_of_a_plan_share_one_deadline(proxy):
    """Each comes in time by itself; all of them do not."""
    before = snapshot()

    def slow(way, data):
        if way == ANSWER:
            yield 0.4
        yield data

    proxy.rule = slow
    begun = time.monotonic()
    with pytest.raises(exception.StepFailed, match="no answer within 2 seconds"):
        runner.run(plug(proxy, TIME), DAEMON)
    with pytest.raises(exception.StepFailed, match=r"no answer within 0\.3 seconds"):
        runner.check(plug(proxy, 0.3))
    assert time.monotonic() - begun < 30
    converges(proxy, before)
