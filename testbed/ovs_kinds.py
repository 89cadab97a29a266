# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ways to plug a VIF into Open vSwitch, and any number of VIFs for each way."""

from __future__ import annotations

import dataclasses

from os_vif import objects

BRIDGE = "br-int"


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to plug a VIF, with the resulting devices and ports."""

    cls: type[objects.VIFBase]
    profile: dict[str, bool]
    #: Prefixes of the names of devices, and of ports of the switch.
    devices: tuple[str, ...]
    ports: tuple[str, ...]
    options: dict[str, object] = dataclasses.field(default_factory=dict)


_TAP = {"create_port": True, "create_tap": True, "multiqueue": False}
KINDS = {
    "port": Kind(objects.VIFOpenVSwitch, {"create_port": True, "create_tap": False}, (), ("tap",)),
    "tap": Kind(objects.VIFOpenVSwitch, _TAP, ("tap",), ("tap",)),
    "hybrid": Kind(objects.VIFBridge, {}, ("qbr", "qvb", "qvo"), ("qvo",)),
    "per-port bridge": Kind(
        objects.VIFOpenVSwitch,
        _TAP,
        ("tap",),
        ("tap", "pbp", "ibp"),
        {"per_port_bridge": True},
    ),
}


def vif(kind: Kind, number: int) -> objects.VIFBase:
    vif_id = f"{number:08x}-0b7f-4f6a-9d52-3e8f4c1b2a90"
    profile = objects.VIFPortProfileOpenVSwitch(
        interface_id=vif_id, datapath_type="netdev", **kind.profile
    )
    more = {"bridge_name": name_of("qbr", number)} if kind.cls is objects.VIFBridge else {}
    return kind.cls(
        id=vif_id,
        address=f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}",
        plugin="ovs",
        vif_name=name_of("tap", number),
        network=objects.Network(bridge=BRIDGE, mtu=1450),
        has_traffic_filtering=True,
        port_profile=profile,
        **more,
    )


def name_of(prefix: str, number: int) -> str:
    name = f"{prefix}{number:08x}-0b7f-4f6a-9d52-3e8f4c1b2a90"
    # Patch ports are no devices, so that their names are not cut.
    return name if prefix in ("pbp", "ibp") else name[:14]
