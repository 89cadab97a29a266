# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""VIFs of each way of plugging, and the port that each has."""

from __future__ import annotations

from os_vif import objects
from tests.support.cases import ovs_vif

TAP = {"create_port": True, "create_tap": True, "datapath_type": "netdev"}


INSTANCE = objects.InstanceInfo(uuid="b0000000-0000-4000-8000-000000000000", name="guest")


VIFS = {
    "native": lambda: ovs_vif(create_port=True),
    "tap": lambda: ovs_vif(**TAP),
    "hybrid": lambda: ovs_vif(objects.VIFBridge),
    "vhost-user": lambda: ovs_vif(objects.VIFVHostUser),
}


def port_of(vif: objects.VIFBase) -> str:
    prefix = {objects.VIFBridge: "qvo", objects.VIFVHostUser: "vhu"}.get(type(vif), "tap")
    return f"{prefix}{vif.id}"[:14]
