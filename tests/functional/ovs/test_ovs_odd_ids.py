# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs with an id that no device name can contain: an unplug accepts each VIF that a plug accepts."""

from __future__ import annotations

import pytest

import os_vif
from os_vif import exception, objects
from os_vif.testing.host_snapshots import snapshot, without_indexes
from tests.support.cases import ovs_vif
from tests.support.vifs import bridge_vif

pytestmark = pytest.mark.usefixtures("daemon")

NETDEV = {"datapath_type": "netdev"}
TAP = NETDEV | {"create_port": True, "create_tap": True}
IDS = ("../../etc/x", "a b", "'; rm -rf", "%2e", "a:b", "*", "x" * 255)
VIFS = {
    "bridge only": lambda: ovs_vif(**NETDEV),
    "tap": lambda: ovs_vif(**TAP),
    "hybrid": lambda: ovs_vif(objects.VIFBridge, **NETDEV),
    "vhost-user": lambda: ovs_vif(objects.VIFVHostUser),
    "linux bridge": lambda: bridge_vif(1),
}


@pytest.mark.short_form(2)
@pytest.mark.parametrize("kind", VIFS)
def test_an_unplug_accepts_what_a_plug_accepts(br_int, instance, kind):
    """A VIF is refused before any change, or plugged and unplugged completely."""
    for vif_id in IDS:
        vif = VIFS[kind]()
        vif.id = vif_id
        if kind != "linux bridge":
            vif.port_profile.interface_id = vif_id
        before = without_indexes(snapshot())
        try:
            os_vif.plug(vif, instance)
        except exception.PlugException as error:
            assert isinstance(error.__cause__, exception.InvalidField)  # noqa: PT017
            assert without_indexes(snapshot()) == before
        else:
            os_vif.unplug(vif, instance)
            assert os_vif.inventory() == ()
