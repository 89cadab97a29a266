# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The locks of ports: a plan that changes anything waits for another plan of the same port."""

from __future__ import annotations

import threading

import pytest

import os_vif
from os_vif import objects
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.connection_state import lock_name
from os_vif.steps.plan import OvsdbTarget
from os_vif.testing.host_snapshots import changes
from tests.support.cases import ovs_vif
from tests.support.ovs.vifs import INSTANCE
from tests.support.requirements import require_tun

pytestmark = pytest.mark.usefixtures("daemon")

TAP = {"create_port": True, "create_tap": True}


@pytest.fixture
def vif(br_int) -> objects.VIFBase:
    """Return a VIF with a tap device in a bridge in user space."""
    require_tun()
    vif = ovs_vif(**TAP)
    os_vif.plug(vif, INSTANCE)
    return vif


def locked(br_int, vif: objects.VIFBase) -> Ovsdb:
    """Return a connection that has locked the port of a VIF, as another plan does."""
    connection = Ovsdb.to(OvsdbTarget(br_int.connection, 30))
    connection.lock(lock_name(vif.vif_name))
    return connection


def plug_in_thread(plug) -> threading.Thread:
    thread = threading.Thread(target=plug, daemon=True)
    thread.start()
    return thread


def test_a_vif_that_is_plugged_right_waits_for_no_lock(br_int, vif):
    with locked(br_int, vif):
        os_vif.plug(vif, INSTANCE)
        (result,) = os_vif.plug_many([(vif, INSTANCE)])
        assert result.error is None
    assert os_vif.check(vif, INSTANCE) == ()


@pytest.mark.short_form
@pytest.mark.parametrize(
    "change",
    [
        ("set", "Interface", "PORT", "external_ids:attached-mac=none"),
        # As between the transaction of another plan and the answer of ovs-vswitchd.
        ("--no-wait", "clear", "Interface", "PORT", "ofport"),
        ("--no-wait", "del-port", "PORT"),
    ],
    ids=["wrong", "not-seen", "missing"],
)
@pytest.mark.parametrize("many", [False, True], ids=["one", "many"])
def test_a_vif_that_is_not_plugged_right_waits_for_the_lock(br_int, vif, change, many):
    with br_int.standing_still("ovs-vswitchd"):
        br_int.vsctl("--no-wait", *(vif.vif_name if word == "PORT" else word for word in change))
        before = br_int.dump()
        with locked(br_int, vif):
            plug = os_vif.plug_many if many else os_vif.plug
            arguments = ([(vif, INSTANCE)],) if many else (vif, INSTANCE)
            thread = plug_in_thread(lambda: plug(*arguments))
            thread.join(1)
            assert thread.is_alive()
            assert changes(before, br_int.dump()) == []
    thread.join(60)
    assert not thread.is_alive()
    assert os_vif.check(vif, INSTANCE) == ()
