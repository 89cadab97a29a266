# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Recognises remains of unplugged VIFs of the ``ovs`` plugin: devices and bridges without a port.

The names of devices have the first 11 characters of the id of a VIF, so the VIF of a candidate has
an id that begins with these characters: an unplug deletes the same devices and bridges. The id of
the candidate is the known characters.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from os_vif import objects
from os_vif.device_names import (
    HYBRID_BRIDGE,
    HYBRID_BRIDGE_HALF,
    HYBRID_PORT_HALF,
    INTEGRATION_PATCH,
    PER_PORT_BRIDGE,
    PER_PORT_PATCH,
    TAP,
    TRUNK_BRIDGE,
)
from os_vif.plugins.ovs import names
from os_vif.recognition import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from os_vif.host.netlink.rtnetlink import Link
    from os_vif.host.ovsdb.port_tables import PortTables
    from os_vif.recognition import HostSnapshot

#: The first characters of the UUID of a port.
_BEGINNING = re.compile(r"[0-9a-f]{8}-[0-9a-f]{2,3}")
_NIL = "00000000-0000-0000-0000-000000000000"
_HYBRID = {HYBRID_BRIDGE: "bridge", HYBRID_BRIDGE_HALF: "veth", HYBRID_PORT_HALF: "veth"}


def recognise(
    snapshot: HostSnapshot, tables: PortTables, claimed: AbstractSet[str]
) -> Iterator[Candidate]:
    """Yield the remains of unplugged VIFs.

    :param claimed: the names of the ports and devices of plugged VIFs.
    """
    yield from _hybrid(snapshot, claimed)
    yield from _taps(snapshot, tables, claimed)
    yield from _bridges(tables, claimed)


def _candidate(
    cls: type[objects.VIFBase],
    beginning: str,
    reason: str,
    devices: tuple[str, ...],
    **fields: Any,
) -> Candidate:
    """Return a candidate for remains.

    :param beginning: the known first characters of the VIF's id.
    """
    is_uuid = _BEGINNING.fullmatch(beginning)
    vif = cls(
        id=beginning + _NIL[len(beginning) :] if is_uuid else beginning,
        has_traffic_filtering=True,
        port_profile=objects.VIFPortProfileOpenVSwitch(),
        **{"network": objects.Network(), **fields},
    )
    way = "hybrid" if cls is objects.VIFBridge else "port"
    return Candidate(
        vif, objects.InstanceInfo(), way, devices, name=beginning, left_over=(reason,)
    )


def _without_id(
    name: str, tap: str, reason: str, way: str, devices: tuple[str, ...] = ()
) -> Candidate:
    """Return a candidate for remains whose names do not tell the id of the VIF.

    :param name: the id of the entry: the name of the device or the bridge.
    """
    bridge = None if devices else name
    vif = objects.VIFOpenVSwitch(
        vif_name=tap,
        has_traffic_filtering=True,
        network=objects.Network() if bridge is None else objects.Network(bridge=bridge),
        port_profile=objects.VIFPortProfileOpenVSwitch(),
    )
    return Candidate(
        vif, objects.InstanceInfo(), way, devices, bridge=bridge, name=name, left_over=(reason,)
    )


def _hybrid(snapshot: HostSnapshot, claimed: AbstractSet[str]) -> Iterator[Candidate]:
    """Yield the Linux bridges and pairs of devices of hybrid VIFs without a port."""
    found: dict[str, dict[str, Link]] = {}
    for link in snapshot.links.values():
        prefix, beginning = link.name[:3], link.name[3:]
        is_hybrid = link.kind == _HYBRID.get(prefix, "")
        if is_hybrid and (link.is_managed or _BEGINNING.fullmatch(beginning)):
            found.setdefault(beginning, {})[prefix] = link
    for beginning, links in found.items():
        present = tuple(link.name for link in links.values())
        if names.device_name(HYBRID_PORT_HALF, beginning) in claimed or claimed & {*present}:
            continue
        half = links.get(HYBRID_BRIDGE_HALF)
        master = snapshot.net.link_at(half.master) if half is not None and half.master else None
        bridge = names.device_name(HYBRID_BRIDGE, beginning) if master is None else master.name
        reason = f"{', '.join(present)} exist without a port of Open vSwitch"
        yield _candidate(
            objects.VIFBridge, beginning, reason, present,
            vif_name=names.device_name(TAP, beginning), bridge_name=bridge,
        )  # fmt: skip


def _taps(
    snapshot: HostSnapshot, tables: PortTables, claimed: AbstractSet[str]
) -> Iterator[Candidate]:
    """Yield the tap devices of os-vif that are in no bridge."""
    for link in snapshot.links.values():
        is_free = link.master is None and link.name not in claimed
        if link.kind != "tun" or not link.is_managed or not is_free:
            continue
        if tables.bridge_of_port(link.name) is None:
            reason = f"the tap device {link.name} of os-vif is in no bridge"
            beginning = link.name.removeprefix(TAP)
            if _BEGINNING.fullmatch(beginning):
                yield _candidate(
                    objects.VIFOpenVSwitch, beginning, reason, (link.name,), vif_name=link.name
                )
            else:
                yield _without_id(link.name, link.name, reason, "port", (link.name,))


def _bridges(tables: PortTables, claimed: AbstractSet[str]) -> Iterator[Candidate]:
    """Yield the bridges of a single VIF or trunk without a guest's port."""
    for bridge in tables.bridges:
        ports = tables.port_names(bridge)
        name = bridge.removeprefix(PER_PORT_BRIDGE)
        if bridge.startswith(PER_PORT_BRIDGE):
            patch = next((name for name in ports if name.startswith(PER_PORT_PATCH)), None)
            vif_id = patch.removeprefix(PER_PORT_PATCH) if patch else name
            is_own = names.device_name(PER_PORT_BRIDGE, vif_id) == bridge
            is_known = patch is not None or _BEGINNING.match(name)
            if not is_known or not is_own or f"{INTEGRATION_PATCH}{vif_id}" in claimed:
                continue
            guest = next((name for name in ports if not name.startswith(PER_PORT_PATCH)), None)
            reason = f"the bridge {bridge} of a VIF is not connected to the integration bridge"
            yield _candidate(
                objects.VIFOpenVSwitch, vif_id, reason, (),
                vif_name=guest or names.device_name(TAP, vif_id),
            )  # fmt: skip
        elif bridge.startswith(TRUNK_BRIDGE) and not ports:
            # Ports of Neutron's agent connect the bridge of a trunk whose guest does not run yet.
            reason = f"the bridge {bridge} of a trunk has no port"
            # Without an id, an unplug deletes the bridge, and a tap device that does not exist.
            yield _without_id(bridge, names.device_name(TAP, bridge), reason, "trunk")
