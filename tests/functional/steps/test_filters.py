# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The forwarding rules of a bridge, as iptables has them."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

import os_vif
from os_vif import exception, serialization
from os_vif.engine import runner
from os_vif.engine.privileged import daemon
from os_vif.steps import SetLink
from os_vif.steps.plan import Plan
from os_vif.steps.wire import encode
from os_vif.testing.host_snapshots import differences, filters, snapshot
from os_vif.testing.private_namespaces import run

pytestmark = pytest.mark.usefixtures("daemon")


@pytest.fixture
def filtered(vif):
    vif.has_traffic_filtering = False
    return vif


def test_all_is_accepted_by_default(filtered, instance):
    """In a chain of the bridge's own, which FORWARD jumps to once, however often it is plugged."""
    for _ in range(3):
        os_vif.plug(filtered, instance)
    assert filters("iptables") == [
        ":os-vif-brq-test -",
        "-A FORWARD -j os-vif-brq-test",
        "-A os-vif-brq-test -i brq-test -j ACCEPT",
        "-A os-vif-brq-test -o brq-test -j ACCEPT",
    ]
    assert filters("ip6tables") == []


def test_rules_are_made_for_ipv6_too_if_it_is_used(filtered, instance, options):
    """[os_vif_linux_bridge]use_ipv6; and they go whatever it is by then."""
    before = snapshot()
    options(use_ipv6=True)
    os_vif.plug(filtered, instance)
    assert filters("ip6tables") == filters("iptables")
    options(use_ipv6=False)
    os_vif.unplug(filtered, instance)
    assert differences(before) == []


def test_other_devices_are_dropped_where_some_are_named(filtered, instance, options):
    """[os_vif_linux_bridge]forward_bridge_interface and iptables_drop_action."""
    run("iptables -N LOGDROP")
    options(forward_bridge_interface=["eth0", "eth1"], iptables_drop_action="LOGDROP")
    os_vif.plug(filtered, instance)
    chain = "-A os-vif-brq-test"
    assert [rule for rule in filters("iptables") if rule.startswith(chain)] == [
        f"{chain} -i brq-test -o eth0 -j ACCEPT",
        f"{chain} -i eth0 -o brq-test -j ACCEPT",
        f"{chain} -i brq-test -o eth1 -j ACCEPT",
        f"{chain} -i eth1 -o brq-test -j ACCEPT",
        f"{chain} -i brq-test -o brq-test -j ACCEPT",
        f"{chain} -i brq-test -j LOGDROP",
        f"{chain} -o brq-test -j LOGDROP",
    ]
    assert os_vif.check(filtered, instance) == ()


@pytest.mark.short_form(2)
@pytest.mark.parametrize(
    ("top", "bottom", "position"),
    [("", "", 0), ("KEEP-TOP", "", 2), ("", "KEEP-BOTTOM", 0), ("KEEP-TOP", "KEEP-BOTTOM", 2),
     ("192.0.2.0", "", 3)],
)  # fmt: skip
def test_the_rules_of_others_keep_their_place(filtered, instance, options, top, bottom, position):
    """[os_vif_linux_bridge]iptables_top_regex and iptables_bottom_regex."""
    for comment in ("KEEP-TOP", "KEEP-TOP"):
        run(f"iptables -A FORWARD -m comment --comment {comment} -j ACCEPT")
    run("iptables -A FORWARD -s 192.0.2.0/24 -j DROP")
    run("iptables -A FORWARD -m comment --comment KEEP-BOTTOM -j DROP")
    before = snapshot()
    options(iptables_top_regex=top, iptables_bottom_regex=bottom)
    os_vif.plug(filtered, instance)
    forward = [rule for rule in filters("iptables") if rule.startswith("-A FORWARD")]
    assert forward.index("-A FORWARD -j os-vif-brq-test") == position
    os_vif.unplug(filtered, instance)
    assert differences(before) == []


@pytest.mark.short_form(2)
@pytest.mark.parametrize(
    "damage",
    [
        "iptables -F os-vif-brq-test",
        "iptables -D FORWARD -j os-vif-brq-test",
        "iptables -A FORWARD -j os-vif-brq-test",
        "iptables -I os-vif-brq-test -j DROP",
        "iptables -F",
        "iptables -F; iptables -X",
    ],
)
def test_check_finds_what_somebody_did_and_plug_mends_it(filtered, instance, damage):
    """The chain is the bridge's own: what stands in it is what was asked for."""
    os_vif.plug(filtered, instance)
    plugged = snapshot()
    run(damage)
    (difference,) = os_vif.check(filtered, instance)
    assert difference.attribute == "iptables chain os-vif-brq-test"
    os_vif.plug(filtered, instance)
    assert differences(plugged) == []


def test_rules_stay_with_a_bridge_that_stays(filtered, instance):
    """It has an uplink: the host is reached through it."""
    run("ip link add name uplink type veth peer name far")
    filtered.network.bridge_interface = "uplink"
    os_vif.plug(filtered, instance)
    plugged = filters("iptables")
    os_vif.unplug(filtered, instance)
    assert filters("iptables") == plugged


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("forward_bridge_interface", ["sixteen-bytes-xx"]),
        ("forward_bridge_interface", ["eth0 -j ACCEPT"]),
        ("iptables_drop_action", "DROP; reboot"),
        ("iptables_drop_action", "x" * 29),
        ("iptables_top_regex", "("),
        ("iptables_bottom_regex", "["),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_name(filtered, instance, options, option, value):
    """Before anything is touched."""
    options(**{option: value})
    before = snapshot()
    with pytest.raises(exception.PlugException) as info:
        os_vif.plug(filtered, instance)
    assert f"[os_vif_linux_bridge]{option}" in str(info.value)
    assert snapshot() == before


def test_a_refusal_of_iptables_is_quoted_and_undone(filtered, instance, options):
    """A chain that is not there, say."""
    options(iptables_drop_action="NOSUCHCHAIN", forward_bridge_interface=["eth0"])
    before = snapshot()
    with pytest.raises(
        exception.PlugException, match="EnsureForwardingRules failed on brq-test"
    ) as info:
        os_vif.plug(filtered, instance)
    assert "NOSUCHCHAIN" in str(info.value)
    assert differences(before) == []


def test_rules_of_others_are_not_lost_while_many_plug(filtered, instance):
    """Somebody adds rules at the same time."""
    program = "for n in $(seq 40); do iptables -w 10 -A INPUT -s 10.0.0.$n -j ACCEPT; done"
    with subprocess.Popen(["sh", "-c", program]) as others:
        for _ in range(10):
            os_vif.plug(filtered, instance)
            os_vif.unplug(filtered, instance)
        others.wait()
    assert len([rule for rule in filters("iptables") if "10.0.0." in rule]) == 40


LEGACY = r"""
set -e
mount --make-rprivate /
# The same program, whose name is iptables, is of the other kind now.
mount --bind "$(readlink -f "$(command -v iptables-legacy)")" "$(readlink -f "$(command -v iptables)")"
iptables --version | grep -q legacy
ip link set lo up
iptables -A FORWARD -j ACCEPT
iptables-save -t filter >before
"$1" plug vif.json
iptables-save -t filter
"$1" unplug vif.json
iptables-save -t filter >after
diff before after | grep -v '#' | grep '^[<>] [-:]' && exit 1
exit 0
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("iptables-legacy") is None,
    reason="needs root and an iptables of the legacy kind",
)
def test_rules_are_made_by_an_iptables_of_the_legacy_kind(filtered, tmp_path, os_vif_command):
    """It opens raw sockets, and a program has no capability that the daemon has not."""
    (tmp_path / "vif.json").write_text(serialization.dumps(filtered))
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", LEGACY, "sh", os_vif_command],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "-A FORWARD -j os-vif-brq-test" in done.stdout


def without_iptables(monkeypatch) -> None:
    """A host on which iptables is not installed."""

    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("os_vif.host.iptables.subprocess.run", missing)


def another(vif, **changes):
    """A VIF of the same bridge."""
    other = vif.obj_clone()
    for field, value in changes.items():
        setattr(other, field, value)
    return other


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("ipv6", [True, False])
def test_rules_go_with_the_last_vif_whether_it_had_them_made_or_not(
    vif, instance, options, first, ipv6
):
    """One of two VIFs of a bridge is filtered by another program, which os-vif makes no rules for."""
    before = snapshot()
    options(use_ipv6=ipv6)
    ruled = another(vif, id="5a1d3c2e-0000-4000-8000-000000000001", has_traffic_filtering=False)
    plain = another(vif, id="5a1d3c2e-0000-4000-8000-000000000002", has_traffic_filtering=True)
    for one in (ruled, plain) if first else (plain, ruled):
        os_vif.plug(one, instance)
    options(use_ipv6=False)
    os_vif.unplug(ruled, instance)
    assert any("os-vif-brq-test" in line for line in filters("iptables"))
    os_vif.unplug(plain, instance)
    assert differences(before) == []
    os_vif.unplug(plain, instance)
    assert differences(before) == []


def test_a_host_that_never_filters_needs_no_iptables(vif, instance, monkeypatch):
    """Neither to plug nor to unplug, nor does an unplug wait for whoever changes rules."""
    vif.has_traffic_filtering = True
    before = snapshot()
    os_vif.plug(vif, instance)
    plan = os_vif.plan(vif, instance, unplug=True)
    assert not any("rules" in device for step in plan for device in step.devices)
    assert "iptables" not in str(plan)
    without_iptables(monkeypatch)
    answer = daemon.run([encode(step) for step in plan])
    assert answer["error"] is None
    monkeypatch.undo()
    assert differences(before) == []


def test_the_chain_of_a_bridge_whose_name_iptables_does_not_take_is_none(vif, instance):
    """Its unplug is no error."""
    vif.bridge_name, vif.has_traffic_filtering = "br'q", True
    before = snapshot()
    os_vif.plug(vif, instance)
    os_vif.unplug(vif, instance)
    assert differences(before) == []


def test_a_plug_that_fails_leaves_no_note_of_rules(filtered, instance):
    """Before and after its rules were made."""
    before = snapshot()
    plan = os_vif.plan(filtered, instance)
    for k in range(len(plan) + 1):
        steps = (*plan.steps[:k], SetLink("missing", up=True), *plan.steps[k:])
        with pytest.raises(exception.StepFailed):
            runner.run(Plan(*steps), "vif_plug_linux_bridge.privsep")
        assert differences(before) == []
