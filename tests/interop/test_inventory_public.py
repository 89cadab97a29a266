# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The inventory lists the VIFs that the public 5.3.0 and 4.3.1 have plugged, by rows and names."""

from __future__ import annotations

import pytest

import os_vif
from os_vif.testing.host_snapshots import snapshot
from testbed import environments
from tests.support.interop import ovs_turns as turns
from tests.support.interop.public import OVS_PINS, RELEASE, Public

public, rights = turns.public, turns.rights

#: Settings of the halves of a pair that a plug by this os-vif changes: the public releases leave
#: IPv6 on, and 4.3.1 sets no promiscuous mode.
_KNOWN = ("disable_ipv6", "promiscuity")


@pytest.fixture(scope="module")
def public_4_3_1(rights, tmp_path_factory) -> Public:
    """Return the public release 4.3.1, in a private environment."""
    scratch = tmp_path_factory.mktemp("public-4.3.1")
    try:
        subject = environments.Subject.from_public_release(scratch, RELEASE)
        pinned = environments.pins("public") + OVS_PINS
        python = environments.environment("public-4.3.1", pinned, subject.requirements)
    except environments.Unavailable as reason:
        pytest.skip(str(reason))
    return Public("4.3.1", python, subject, scratch, turns.INSTANCE)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(name, marks=() if name == "hybrid" else [pytest.mark.interop])
        for name in turns.INVENTORY_WAYS
    ],
)
def test_a_vif_of_5_3_0_is_listed_and_unplugged_through_the_entry(public, tmp_path, kind):
    """Compare the entry with the VIF, and the host after the unplug with the host before."""
    list_and_unplug(public, tmp_path, kind)


@pytest.mark.interop
@pytest.mark.parametrize("kind", turns.INVENTORY_WAYS)
def test_a_vif_of_4_3_1_is_listed_and_unplugged_through_the_entry(public_4_3_1, tmp_path, kind):
    """Compare the entry with the VIF, and the host after the unplug with the host before."""
    list_and_unplug(public_4_3_1, tmp_path, kind)


def list_and_unplug(release, tmp_path, name):
    """Plug by a public release; list, and unplug through the entry."""
    kind = turns.ALL[name]
    options = {"has_card": kind.card, **kind.options}
    with turns.host(release, tmp_path / "switch", **options) as switch:
        before = snapshot()
        vif = kind.make()
        turns.by_public(release, switch, "plug", vif)
        (entry,) = os_vif.inventory()
        expected = (vif.id, vif.obj_name(), turns.INVENTORY_WAYS[name], "ovs", turns.INSTANCE.uuid)
        found = (entry.id, entry.kind, entry.way, entry.plugin, entry.instance.uuid)
        assert found == expected
        assert (entry.owner, entry.since) == (None, None)
        wrong = [d for d in entry.differences if not d.pending and d.attribute not in _KNOWN]
        assert wrong == []
        real = os_vif.plan(vif, turns.INSTANCE, unplug=True)
        assert os_vif.plan(entry.vif, entry.instance, unplug=True) == real
        os_vif.unplug(entry.vif, entry.instance)
        assert os_vif.inventory() == ()
        if name != "vhost-user-without-a-datapath":
            assert turns.is_gone(before, switch)
