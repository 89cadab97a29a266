# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A garbage collection removes VIFs of the public os-vif 5.3.0 only if told to."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.testing.host_snapshots import changes, snapshot
from tests.support.interop import ovs_turns as turns

public, rights = turns.public, turns.rights


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(name, marks=() if name == "tap" else [pytest.mark.interop])
        for name in turns.INVENTORY_WAYS
    ],
)
def test_a_vif_of_5_3_0_is_spared_and_then_collected_as_unowned(public, tmp_path, kind):
    """Compare the host after the collection with the host before the plug."""
    name, kind = kind, turns.ALL[kind]
    options = {"has_card": kind.card, **kind.options}
    with turns.host(public, tmp_path / "switch", **options) as switch:
        before = snapshot()
        vif = kind.make()
        turns.by_public(public, switch, "plug", vif)
        plugged = snapshot()

        def collect(**rules):
            (result,) = os_vif.collect(
                lambda _: False, older_than=0, observations=1, pending=True, **rules
            ).results
            return result.entry.id, str(result.outcome)

        assert collect() == (vif.id, "spared")
        assert changes(plugged, snapshot()) == []
        assert collect(unowned=True) == (vif.id, "removed")
        assert os_vif.inventory() == ()
        if name != "vhost-user-without-a-datapath":
            assert turns.is_gone(before, switch)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(name, marks=() if name == "hybrid" else [pytest.mark.interop])
        for name in ("hybrid", "tap", "port", "vhost-user")
    ],
)
def test_a_hard_reboot_by_5_3_0_between_two_collections_starts_the_observations_anew(
    public, tmp_path, kind
):
    """Nova's hard reboot unplugs and plugs; 5.3.0 does not delete the mark of the first collection."""
    kind = turns.ALL[kind]
    with turns.host(public, tmp_path / "switch", has_card=kind.card, **kind.options) as switch:
        vif = kind.make()
        # The record of the first plug stays, because 5.3.0 does not know the records.
        os_vif.plug(vif, turns.INSTANCE)

        def collect():
            report = os_vif.collect(
                lambda _: False, older_than=0, observations=2, pending=True, unowned=True
            )
            (result,) = report.results
            return str(result.outcome), result.reason

        assert collect() == ("waiting", "seen 1 of 2 times")
        turns.by_public(public, switch, "unplug", vif)
        turns.by_public(public, switch, "plug", vif)
        assert collect() == ("waiting", "seen 1 of 2 times")
        assert collect()[0] == "removed"
