# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Recognises the VIFs of the ``linux_bridge`` plugin by the recorded users of a bridge.

The bridge of another program, such as Neutron or the public os-vif, has neither a mark nor recorded
users. A VIF in such a bridge is known by the record of the VIF, or by the name of the tap device,
which has the first characters of the id. An unplug of the latter has nothing to do: the hypervisor
deletes the tap device, and the program deletes the bridge.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from os_vif import device_names, objects
from os_vif.recognition import OTHER_BRIDGE, Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link
    from os_vif.recognition import HostSnapshot, Uplink

#: The name of the tap device of a VIF: the prefix, and the first characters of a UUID.
_TAP = re.compile(rf"(?:{device_names.TAP}|{device_names.NIC})([0-9a-f]{{8}}-[0-9a-f]{{2}})")
_NIL = "00000000-0000-0000-0000-000000000000"


def recognise(snapshot: HostSnapshot) -> Iterator[Candidate]:
    """Yield the users of bridges, and the bridges of os-vif without users and ports."""
    snapshot.uplinks.extend(_uplinks(snapshot))
    yield from _users_of_other_bridges(snapshot)
    for name, users in snapshot.bridge_users.items():
        bridge = snapshot.links[name]
        ports = snapshot.net.ports(bridge)
        uplink = _uplink(bridge, ports)
        for vif_id in sorted(users.vif_ids):
            yield _user(snapshot, bridge, ports, uplink, vif_id)
        is_hybrid = name.startswith(device_names.HYBRID_BRIDGE)
        # An unplug keeps a bridge with an uplink.
        if not (users.vif_ids or users.incomplete or ports or is_hybrid):
            reason = f"the bridge {name} of os-vif has neither a recorded VIF nor a port"
            vif = _vif(snapshot, bridge, uplink)
            yield Candidate(
                vif, objects.InstanceInfo(), "bridge", (name,), bridge=name, name=name,
                left_over=(reason,),
            )  # fmt: skip


def _uplinks(snapshot: HostSnapshot) -> Iterator[Uplink]:
    """Yield the devices that connect Linux bridges to the network."""
    for link in snapshot.links.values():
        bridge = None if link.master is None else snapshot.net.link_at(link.master)
        if bridge is None or bridge.kind != "bridge":
            continue
        if (found := snapshot.uplink_of(bridge.name, link)) is not None:
            yield found


def _uplink(bridge: Link, ports: list[Link]) -> Link | None:
    """Return the uplink of a bridge, or None.

    A bridge with an uplink has the MAC address of the uplink. A tap device, and the half of a pair
    whose other half is in another network namespace, belong to guests.
    """
    return next(
        (
            port
            for port in ports
            if port.address == bridge.address and port.kind != "tun" and port.lower_netns is None
        ),
        None,
    )


def _user(
    snapshot: HostSnapshot, bridge: Link, ports: list[Link], uplink: Link | None, vif_id: str
) -> Candidate:
    """Return the VIF that is recorded as a user of a bridge."""
    guests = {port.name for port in ports if port is not uplink}
    prefixes = (device_names.TAP, device_names.NIC)
    known = [f"{prefix}{vif_id}"[: device_names.MAX_LENGTH] for prefix in prefixes]
    tap = next((name for name in (vif_id, *known) if name in guests), None)
    vif = _vif(snapshot, bridge, uplink)
    vif.id = vif_id
    vif.vif_name = tap or known[0]
    way = "bridge" if uplink is None else "bridge with uplink"
    if uplink is not None and uplink.kind == "vlan":
        way = "bridge with VLAN"
    devices = (bridge.name, *((tap,) if tap is not None else ()))
    return Candidate(vif, objects.InstanceInfo(), way, devices, tap, bridge.name)


def _vif(snapshot: HostSnapshot, bridge: Link, uplink: Link | None) -> objects.VIFBridge:
    """Return a VIF in a bridge, without an id."""
    network = objects.Network(bridge=bridge.name, mtu=bridge.mtu, should_provide_bridge=True)
    if uplink is not None:
        parent = snapshot.net.link_at(uplink.lower) if uplink.lower else None
        vlan = uplink.data.get("IFLA_VLAN_ID")
        if uplink.kind == "vlan" and parent is not None and uplink.name == f"vlan{vlan}":
            network.should_provide_vlan, network.vlan = True, vlan
            network.bridge_interface = parent.name
        else:
            network.bridge_interface = uplink.name
    return objects.VIFBridge(
        bridge_name=bridge.name,
        has_traffic_filtering=bridge.name not in snapshot.filtered_bridges,
        network=network,
    )


def _users_of_other_bridges(snapshot: HostSnapshot) -> Iterator[Candidate]:
    """Yield the VIFs without a record in bridges of other programs."""
    recorded = [vif_id[: len("00000000-00")] for vif_id in snapshot.vif_records]
    for link in snapshot.links.values():
        name = _TAP.fullmatch(link.name)
        if name is None or link.kind != "tun" or link.master is None or name[1] in recorded:
            continue
        bridge = snapshot.net.link_at(link.master)
        if (
            bridge is None
            or bridge.kind != "bridge"
            or bridge.is_managed
            or bridge.name.startswith(device_names.HYBRID_BRIDGE)
        ):
            continue
        vif = objects.VIFBridge(
            id=name[1] + _NIL[len(name[1]) :],
            vif_name=link.name,
            bridge_name=bridge.name,
            has_traffic_filtering=True,
            network=objects.Network(bridge=bridge.name, mtu=bridge.mtu),
        )
        instance = objects.InstanceInfo()
        yield Candidate(
            vif, instance, OTHER_BRIDGE, (link.name,), link.name, bridge.name, name=name[1]
        )
