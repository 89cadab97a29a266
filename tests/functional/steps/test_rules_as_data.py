# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rules that cross the privilege boundary are data, of which the daemon writes each line itself."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from os_vif import exception
from os_vif.host.netlink import rtnetlink
from os_vif.steps import EnsureForwardingRules, wire
from os_vif.steps.ip.forwarding_rules import RestoreForwardingRules
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import filters
from os_vif.testing.private_namespaces import run

#: What iptables-restore takes for an option, a line, a comment, or the end of a word.
_ODD = ["-F", "--mo", "-A", "INPUT", "\n", "COMMIT", "*nat", " ", "\t", "'", '"', "#", "!", "$(id)",
        "\0", "-j", "ACCEPT", "x" * 10240, "br", "eth0", "+", "-", "ü", ""]  # fmt: skip
_PARTS = st.lists(st.sampled_from(_ODD), max_size=3).map("".join) | st.text(max_size=20)
_ANY = st.recursive(
    _PARTS | st.none() | st.booleans() | st.integers() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_PARTS, inner, max_size=2),
    max_leaves=8,
)
_RULE = st.lists(_PARTS | st.just("br"), min_size=3, max_size=3) | _ANY


@given(rules=st.lists(_RULE, max_size=4) | _ANY)
@settings(max_examples=300, deadline=None)
def test_a_rule_that_is_taken_is_one_line_in_the_chain_of_the_bridge(rules):
    """Whatever a caller sends: it is refused, or its line has the words of the closed set alone."""
    try:
        step = wire.decode(["RestoreForwardingRules", {"name": "br", "rules": rules}])
    except exception.InvalidStep:
        return
    for line in step._known or ():
        words = line.split(" ")
        assert len(line.encode()) <= 200
        assert line.splitlines() == [line]
        assert words[:2] == ["-A", "os-vif-br"]
        assert words[-2:][0] in ("-j", "--reject-with")
        assert set(words[2::2]) <= {"-i", "-o", "-j", "--reject-with"}
        assert "br" in words[3::2]


@pytest.mark.parametrize(
    "examples",
    [pytest.param(15, id="short"), pytest.param(600, marks=pytest.mark.soak, id="long")],
)
@pytest.mark.usefixtures("daemon")
def test_hostile_rules_leave_the_chains_of_the_host_alone(examples):
    """With the real iptables, also as an undo that the daemon has issued itself."""
    run("iptables -A INPUT -s 192.0.2.1 -j DROP\niptables -A FORWARD -s 192.0.2.2 -j DROP\n"
        "ip link add name br type bridge\niptables -N os-vif-br")  # fmt: skip
    before = [line for line in filters("iptables") if "os-vif-br" not in line]

    @settings(max_examples=examples, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(rules=st.lists(_RULE | st.just(["br", "", "DROP"]), max_size=3))
    def attack(rules):
        with rtnetlink.opened() as net:
            try:
                step = wire.decode(["RestoreForwardingRules", {"name": "br", "rules": rules}])
                step.apply(net)
            except (exception.InvalidStep, OSError):
                pass
        assert [line for line in filters("iptables") if "os-vif-br" not in line] == before

    attack()


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize("ipv6", [False, True])
@pytest.mark.parametrize("otherwise", ["DROP", "REJECT", "RETURN"])
def test_rules_of_os_vif_are_read_as_data_and_restored(ipv6, otherwise):
    """Of all forms that it writes, none is text; one of another program stays in the daemon."""
    program = "ip6tables" if ipv6 else "iptables"
    run("ip link add name br type bridge")
    first = EnsureForwardingRules(
        "br", ipv6=ipv6, interfaces=("eth0", "tap+"), default_target=otherwise
    )
    with rtnetlink.opened() as net:
        first.apply(net)
        written = filters(program)
        (undo,) = EnsureForwardingRules("br", ipv6=ipv6).apply(net)
        assert undo.kept == ""
        assert undo.rules[-1] == ("", "br", otherwise)
        name, arguments = encode(undo)
        assert all(len(rule) == 3 for rule in arguments["rules"])
        assert wire.decode([name, arguments]) == undo
        undo.apply(net)
        assert filters(program) == written
        run(f"{program} -A os-vif-br -i br -p tcp --dport 22 -j ACCEPT")
        others = filters(program)
        (undo,) = EnsureForwardingRules("br", ipv6=ipv6).apply(net)
        assert undo.kept
        assert not any("tcp" in part for rule in undo.rules for part in rule)
        undo.apply(net)
        assert filters(program) == others


def test_a_refused_rule_says_what_a_rule_is():
    with pytest.raises(exception.InvalidStep, match=r"\(one of them br\), the target"):
        RestoreForwardingRules("br", rules=("-A os-vif-br -i br -j DROP",))
