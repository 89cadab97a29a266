# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The boxes on the right of a bridge in the picture of a host: uplinks, tunnels and patch ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from os_vif.recognition import Uplink, UplinkKind

#: Largest number of boxes of a bridge; the last box then has the number of further connections.
MAX_BOXES = 8


@dataclasses.dataclass(frozen=True)
class UplinkBox:
    """A box with one connection of a bridge, or with several of a kind."""

    kind: str
    name: str
    note: str
    external: bool


def boxes(bridge: str, uplinks: Sequence[Uplink], vif_ports: Collection[str]) -> list[UplinkBox]:
    """Return the boxes of a bridge.

    Patch ports to one bridge share a box, and so do tunnels of one type.

    :param uplinks: the connections of all bridges.
    :param vif_ports: the ports and devices of VIFs, which have rows of their own.
    """
    groups: dict[tuple[UplinkKind, str], list[Uplink]] = {}
    for uplink in uplinks:
        if uplink.bridge == bridge and uplink.port not in vif_ports:
            is_single = uplink.kind is UplinkKind.DEVICE
            key = uplink.kind, uplink.port if is_single else uplink.peer
            groups.setdefault(key, []).append(uplink)
    devices = _devices_by_bridge(uplinks)
    found = [_box(members, devices) for _, members in sorted(groups.items())]
    if len(found) > MAX_BOXES:
        more = len(found) - (MAX_BOXES - 1)
        found[MAX_BOXES - 1 :] = [UplinkBox("guest", f"{more} more", "connections", external=True)]
    return found


def _devices_by_bridge(uplinks: Iterable[Uplink]) -> Mapping[str, list[str]]:
    """Return the names of the network devices in each bridge."""
    found: dict[str, list[str]] = {}
    for uplink in uplinks:
        if uplink.kind is UplinkKind.DEVICE:
            found.setdefault(uplink.bridge, []).append(uplink.port)
    return found


def _box(members: Sequence[Uplink], devices: Mapping[str, list[str]]) -> UplinkBox:
    """Return the box of the connections of a kind."""
    first = members[0]
    count = len(members)
    name = first.port if count == 1 else f"{count} ports"
    kind = "kernel" if first.kind is UplinkKind.DEVICE else "switch"
    if first.kind is UplinkKind.PATCH:
        name = first.port if count == 1 else f"{count} patch ports"
        note = f"patch to {first.peer}" if first.peer else "patch without a peer"
        if behind := devices.get(first.peer):
            note += f", {', '.join(behind)}"
    elif first.kind is UplinkKind.TUNNEL:
        note = f"{first.peer} tunnel" if count == 1 else f"{first.peer} tunnels"
    else:
        note = f"VLAN of {first.peer}" if first.peer else "uplink"
    return UplinkBox(kind, name, note, external=not first.is_managed)
