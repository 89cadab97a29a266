# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugs and unplugs of which one answer of ovsdb-server is spoiled on its way, or all are.

A real ovsdb-server, a real ovs-vswitchd and the kernel; only the answers are changed.
"""

from __future__ import annotations

import collections
import logging
import random
import re
import resource
import sys
from collections.abc import Callable

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.engine.ovs import ovs_transaction
from os_vif.host.ovsdb import pool
from os_vif.testing.host_snapshots import differences, snapshot, without_indexes
from tests.support.cases import ovs_vif
from tests.support.ovs.hostile import HARMLESS, SPOILS, Hostile
from tests.support.ovs.proxy import Proxy, pass_on
from tests.support.ovs.vifs import INSTANCE
from tests.support.requirements import require_tun

#: Seconds of a plug that succeeds, and of one whose answer may not come.
TIME, SHORT = 30, 1
#: Seconds to roll back with a server that answers nothing rightly.
TAKE_BACK = 1.0
#: Messages of the server within a plug or an unplug, and with a new connection.
MESSAGES = 8
#: What an error of ours never says.
_UNEXPECTED = re.compile(
    r"unexpected|Traceback|(Type|Key|Attribute|Index|Value|Recursion|Assertion|Memory|Unicode\w+)Error"
)
#: KiB that the whole of this process may grow by, whatever is sent.
_GROWTH = 300 * 1024


@pytest.fixture
def proxy(br_int, tmp_path, ovs_options, monkeypatch):
    """What stands between os-vif and the server."""
    monkeypatch.setattr("os_vif.host.ovsdb.replies.MAX_MESSAGE", 1 << 20)
    with Proxy(tmp_path, br_int.connection) as proxy:
        ovs_options(ovsdb_connection=proxy.connection, ovs_vsctl_timeout=TIME)
        yield proxy
        pool.clear()


class Host:
    """The host before and after a plug, and what came of the runs."""

    def __init__(self, proxy, switch, ovs_options, monkeypatch, vif) -> None:
        self.proxy, self._switch = proxy, switch
        self._options, self._monkeypatch = ovs_options, monkeypatch
        self.vif = vif
        self.counts: collections.Counter[str] = collections.Counter()
        self.before = without_indexes(snapshot())
        self.unplugged = switch.dump()
        os_vif.plug(self.vif, INSTANCE)
        self.plugged = self._state()
        os_vif.unplug(self.vif, INSTANCE)
        self._require_unplugged("the first plug and unplug")

    def _state(self):
        return self._switch.dump(), {link["ifname"] for link in snapshot()["links"]}

    def _require_unplugged(self, what: str) -> None:
        assert differences(self.before, indexes=False) == [], what
        assert self._switch.dump() == self.unplugged, what

    def run(self, kind: str, *, plugs: bool, n: int, seed: int, ever: bool) -> None:
        """Plug or unplug with spoiled answers, and see what is there afterwards."""
        what = f"{kind}, message {n}, seed {seed}, {'plug' if plugs else 'unplug'}, ever {ever}"
        if not plugs:
            os_vif.plug(self.vif, INSTANCE)
        if seed % 3 == 0:
            pool.clear()
        rule = Hostile(kind, n, seed, ever=ever)
        self._options(ovs_vsctl_timeout=TIME if kind in HARMLESS else SHORT)
        said = self._spoiled(rule, os_vif.plug if plugs else os_vif.unplug, ever)
        self._options(ovs_vsctl_timeout=TIME)
        self.counts[
            f"{'refused' if said else 'done'}: {kind}" if rule.spoiled else "unspoiled"
        ] += 1
        what = f"{what}: {said}"
        assert not _UNEXPECTED.search(said), what
        assert said.count("\n") == said.count("\n  "), what
        assert not said or kind not in HARMLESS, what
        if ever and said:
            # A server that never answers rightly cannot be rolled back: the kernel can.
            made = self.plugged[1] - self._plain[1] - self.plugged[0]["bridges"].keys()
            assert (made & self._state()[1]) == (set() if plugs else made), what
        elif said and not rule.lied:
            assert "by hand" not in said, what
            assert self._state() == (self._plain if plugs else self.plugged), what
        elif not said and (kind in HARMLESS or not rule.spoiled):
            assert self._state() == (self.plugged if plugs else self._plain), what
        # Whatever was left, and whatever was believed: the next ones converge.
        os_vif.plug(self.vif, INSTANCE)
        assert os_vif.check(self.vif, INSTANCE) == (), what
        os_vif.unplug(self.vif, INSTANCE)
        self._require_unplugged(what)

    def _spoiled(self, rule: Hostile, call: Callable[..., None], ever: bool) -> str:
        """Return the error of a plug or an unplug with spoiled answers; empty if it succeeds."""
        self.proxy.rule = rule
        try:
            with self._monkeypatch.context() as patch:
                if ever:
                    patch.setattr(ovs_transaction, "ROLLBACK_SECONDS", TAKE_BACK)
                call(self.vif, INSTANCE)
        except (exception.PlugException, exception.UnplugException) as error:
            return str(error)
        finally:
            self.proxy.rule = pass_on
            if rule.kind not in HARMLESS:
                # What comes late would be told by the next plan.
                pool.clear()
        return ""

    @property
    def _plain(self):
        return self.unplugged, {link["ifname"] for link in self.before["links"]}


#: VIFs with what is made of them, in the kernel and in the switch: a hybrid one, and one whose port
#: is in a bridge of its own.
KINDS = {
    "hybrid": (lambda: ovs_vif(objects.VIFBridge), {}),
    "own-bridge": (
        lambda: ovs_vif(create_port=True, create_tap=True, datapath_type="netdev"),
        {"per_port_bridge": True},
    ),
}


@pytest.fixture(params=KINDS)
def host(request, proxy, br_int, ovs_options, monkeypatch, caplog) -> Host:
    caplog.set_level(logging.CRITICAL)
    make, options = KINDS[request.param]
    if options:
        require_tun()
    ovs_options(**options)
    return Host(proxy, br_int, ovs_options, monkeypatch, make())


def _fuzz(host: Host, runs: int, seed: int) -> collections.Counter[str]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(seed, seed + runs):
        chance = random.Random(number)  # noqa: S311 - no secret
        kind = list(SPOILS)[number % len(SPOILS)]
        host.run(
            kind,
            plugs=chance.random() < 0.6,
            n=chance.randrange(1, MESSAGES),
            seed=number,
            ever=chance.random() < 0.15 and kind not in HARMLESS,
        )
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < _GROWTH, f"{grown} KiB"
    return host.counts


def test_a_spoiled_answer_is_one_error_and_the_plan_is_rolled_back(host):
    """Each way to spoil an answer once."""
    counts = _fuzz(host, len(SPOILS), 0)
    assert sum(count for name, count in counts.items() if "refused" in name) > len(SPOILS) // 4


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", [10_000, 20_000, 30_000])
def test_spoiled_answers_for_long(host, capsys, seed):
    counts = _fuzz(host, 100 * len(SPOILS), seed)
    with capsys.disabled():
        sys.stdout.write(f"\n{dict(sorted(counts.items()))}\n")
