# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Entries of an inventory for pictures: each way of plugging, each state, hostile names."""

from __future__ import annotations

import datetime as dt

from os_vif import objects
from os_vif.operations.plugged import Plugged, State
from os_vif.recognition import Uplink, UplinkKind

#: Plugin, class, prefix of the port, prefixes of the devices and bridge of each way of plugging.
WAYS = {
    "hybrid": ("ovs", objects.VIFBridge, "qvo", ("qbr", "qvb", "qvo"), "br-int"),
    "tap": ("ovs", objects.VIFOpenVSwitch, "tap", ("tap",), "br-int"),
    "port": ("ovs", objects.VIFOpenVSwitch, "tap", (), "br-int"),
    "per-port bridge": ("ovs", objects.VIFOpenVSwitch, "ibp", ("tap",), "br-int"),
    "trunk": ("ovs", objects.VIFOpenVSwitch, "tap", ("tap",), "tbr-1"),
    "vhost-user": ("ovs", objects.VIFVHostUser, "vhu", (), "br-int"),
    "representor": ("ovs", objects.VIFHostDevice, "tap", ("tap",), "br-int"),
    "bridge": ("linux_bridge", objects.VIFBridge, None, ("brq",), "brq-1"),
    "virtual function": ("sriov", objects.VIFHostDevice, None, (), None),
    "macvtap": ("sriov", objects.VIFDirect, None, ("mvt",), None),
    "recorded": ("other", objects.VIFGeneric, None, (), None),
}
STATES = (
    *[(State.RIGHT, ())] * 5,
    (State.DIFFERS, ("tap1: MTU is 1400, should be 1450", "tap1: device is down, should be up")),
    (State.PENDING, (f"tap1: ofport is {'could not open network device ' * 5}, should be open",)),
    (State.LEFT_OVER, ("the bridge has no port and no user",)),
    (State.UNKNOWN, ("Open vSwitch cannot be read",)),
)
#: Markup, a wide text, a control character, and a text without a place to break.
HOSTILE = (
    '</title><script>console.error("x")</script>&\x1b[31m'
    + "W" * 60
    + "\N{FULLWIDTH LATIN CAPITAL LETTER A}" * 40
)


def entries(count: int) -> list[Plugged]:
    """Return entries with all ways and states in turn; some have hostile names."""
    return [_entry(number) for number in range(count)]


def uplinks() -> list[Uplink]:
    """Return connections of each kind of the bridges of :func:`entries`, with hostile names."""
    return [
        Uplink("brq-1", UplinkKind.DEVICE, "vlan100", "eth0", is_managed=True),
        Uplink("br-int", UplinkKind.DEVICE, "bond0"),
        Uplink("br-int", UplinkKind.DEVICE, HOSTILE),
        Uplink("br-int", UplinkKind.PATCH, "int-br-ex", "br-ex"),
        Uplink("br-ex", UplinkKind.PATCH, "phy-br-ex", "br-int"),
        Uplink("br-ex", UplinkKind.DEVICE, "eth1"),
        *(Uplink("br-int", UplinkKind.PATCH, f"tpi-{n}", f"tbr-{n}") for n in range(1, 30)),
        *(Uplink("br-int", UplinkKind.TUNNEL, f"ovn-{n}-0", "geneve") for n in range(12)),
        Uplink("tbr-1", UplinkKind.PATCH, "tpt-1", "br-int"),
        *(Uplink("tbr-1", UplinkKind.PATCH, f"spt-{n}", HOSTILE) for n in range(3)),
        # The port of a VIF has a row.
        Uplink("br-int", UplinkKind.DEVICE, "tap00000001-0b"),
    ]


def _entry(number: int) -> Plugged:
    names = list(WAYS)
    way = names[number % len(names)]
    plugin, kind, port, devices, bridge = WAYS[way]
    vif_id = f"{number:08x}-0b7f-4f6a-9d52-3e8f4c1b2a90"
    state, reasons = STATES[number % len(STATES)]
    fields = {"id": vif_id}
    if kind in (objects.VIFHostDevice, objects.VIFDirect):
        fields["dev_address"] = f"0000:03:{number % 32:02x}.1"
    elif way == "bridge":
        fields["vif_name"] = f"tap{vif_id[:11]}"
    instance = objects.InstanceInfo(uuid=f"b0000000-0000-4000-8000-{number:012d}")
    if number % 3 == 0:
        instance = objects.InstanceInfo(name=HOSTILE if number % 9 == 0 else f"guest-{number}")
    return Plugged(
        id=vif_id,
        vif=kind(**fields),
        instance=instance,
        plugin=plugin,
        way=way,
        owner=(None, "nova-compute", HOSTILE)[number % 3],
        since=dt.datetime(2026, 11, 29, tzinfo=dt.UTC) if number % 2 else None,
        devices=tuple(f"{prefix}{vif_id[:11]}" for prefix in devices),
        # The name of a patch port has the whole id.
        port=None if port is None else f"{port}{vif_id if port == 'ibp' else vif_id[:11]}",
        bridge=bridge,
        state=state,
        reasons=reasons,
    )
