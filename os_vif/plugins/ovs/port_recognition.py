# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Recognises the VIFs of the ``ovs`` plugin by the rows of ports and the names of devices.

A port of a VIF has ``external_ids`` with ``iface-id``, ``attached-mac`` and ``iface-status``. The
name and the type of the Interface tell the way of plugging. Ports of Neutron's agents have the same
keys, and are of the type ``internal``, or are a half of a veth pair without an instance.
"""

from __future__ import annotations

import dataclasses
import logging
import pathlib
from typing import TYPE_CHECKING, Any

from os_vif import objects, opts
from os_vif.device_names import (
    DPDK_REPRESENTOR,
    HYBRID_BRIDGE,
    HYBRID_BRIDGE_HALF,
    HYBRID_PORT_HALF,
    INTEGRATION_PATCH,
    PER_PORT_BRIDGE,
    PER_PORT_PATCH,
    TAP,
    VHOST_USER,
)
from os_vif.host.ovsdb import remotes
from os_vif.host.ovsdb.notation import mapping, ref, values
from os_vif.plugins.ovs import names, unplugged_remains
from os_vif.recognition import Candidate, Uplink, UplinkKind
from os_vif.steps.ovs.port import OWNER_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link
    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.port_tables import PortTables
    from os_vif.recognition import HostSnapshot

LOG = logging.getLogger(__name__)

#: Types of an Interface for a network device.
_DEVICE_TYPES = ("", "system", "afxdp", "afxdp-nonpmd")
#: Types of an Interface for a tunnel: vswitch.xml of Open vSwitch.
_TUNNEL_TYPES = (
    "bareudp",
    "erspan",
    "geneve",
    "gre",
    "gtpu",
    "ip6erspan",
    "ip6gre",
    "lisp",
    "srv6",
    "stt",
    "vxlan",
)
#: The devices of the datapaths, and of a hybrid VIF.
_TRACES = ("ovs-system", "ovs-netdev", HYBRID_PORT_HALF)
#: Mode of QEMU by the type of a vhost-user port.
_VHOST_MODES = {"dpdkvhostuser": "client", "dpdkvhostuserclient": "server"}


@dataclasses.dataclass(frozen=True)
class _Port:
    """A port with the ``external_ids`` of a VIF."""

    name: str
    interface: Row
    #: Name and ``datapath_type`` of the bridge.
    bridge: str
    datapath: str
    ids: dict[str, str]

    @property
    def instance(self) -> objects.InstanceInfo:
        """The virtual machine or pod; libvirt writes ``vm-id``."""
        uuid = self.ids.get("vm-uuid") or self.ids.get("vm-id")
        return objects.InstanceInfo(uuid=uuid) if uuid else objects.InstanceInfo()

    def vif_id(self, prefix: str = "") -> str | None:
        """Return the id of the VIF, if the name of the port is *prefix* and a part of the id.

        The id of the VIF is ``iface-id``, unless the name tells another.
        """
        interface_id = self.ids["iface-id"]
        if not self.name.startswith(prefix):
            return None
        is_own = self.name == names.device_name(prefix, interface_id)
        return interface_id if is_own else self.name.removeprefix(prefix)

    def vif(self, cls: type[objects.VIFBase], vif_id: str, mtu: int | None, **more: Any) -> Any:
        """Return a VIF of a class with the fields of all ways of plugging.

        :param more: further fields of the VIF, and ``profile``: fields of the port profile.
        """
        profile = more.pop("profile", {})
        return cls(
            id=vif_id,
            address=self.ids["attached-mac"],
            has_traffic_filtering=True,
            network=objects.Network(bridge=self.bridge, mtu=mtu),
            port_profile=objects.VIFPortProfileOpenVSwitch(
                interface_id=self.ids["iface-id"], **profile
            ),
            **more,
        )

    @property
    def datapath_field(self) -> dict[str, str]:
        """The field ``datapath_type`` of the port profile; empty for the default."""
        return {"datapath_type": self.datapath} if self.datapath else {}


def may_have_switch(snapshot: HostSnapshot, config: Any) -> bool:
    """Return whether Open vSwitch runs on the host, for a switch that cannot be reached.

    A host without Open vSwitch has no address of a database in the configuration, no socket of
    Open vSwitch, and neither the device of a datapath nor the device of a VIF.

    :param config: the option group ``[os_vif_ovs]``.
    """
    return (
        config.ovsdb_connection != opts.OVSDB_CONNECTION
        or pathlib.Path(remotes.DEFAULT_SOCKET).parent.exists()
        or any(
            link.kind == "openvswitch" or link.name.startswith(_TRACES)
            for link in snapshot.links.values()
        )
    )


def recognise(snapshot: HostSnapshot, tables: PortTables) -> Iterator[Candidate]:
    """Yield the VIFs with a port of Open vSwitch, and the remains of unplugged VIFs."""
    claimed: set[str] = set()
    for interface, bridge in tables:
        ids = mapping(interface["external_ids"])
        if "attached-mac" not in ids or not ids.get("iface-id") or "iface-status" not in ids:
            _note_uplink(snapshot, tables, interface, bridge["name"])
            continue
        port = _Port(interface["name"], interface, bridge["name"], bridge["datapath_type"], ids)
        try:
            found = _recognise_port(snapshot, tables, port)
        except ValueError as error:
            # Another program has written the row.
            LOG.warning("Port %s is left out of the inventory: %s", port.name, error)
            continue
        if found is not None:
            claimed.update((port.name, *found.devices))
            yield dataclasses.replace(found, owner=ids.get(OWNER_ID), row=ref(interface)[1])
        elif interface["type"] == "patch":
            # Neutron writes the ids of the parent port of a trunk to the patch port.
            _note_uplink(snapshot, tables, interface, port.bridge)
    yield from unplugged_remains.recognise(snapshot, tables, claimed)


def _note_uplink(snapshot: HostSnapshot, tables: PortTables, interface: Row, bridge: str) -> None:
    """Add the connection that an interface is for a bridge, unless the interface is of a guest."""
    name, kind = interface["name"], interface["type"]
    link = snapshot.links.get(name) if kind in _DEVICE_TYPES else None
    if kind == "patch":
        peer = tables.bridge_of_port(mapping(interface["options"]).get("peer", ""))
        snapshot.uplinks.append(Uplink(bridge, UplinkKind.PATCH, name, peer or ""))
    elif kind in _TUNNEL_TYPES:
        snapshot.uplinks.append(Uplink(bridge, UplinkKind.TUNNEL, name, kind))
    elif kind == "dpdk":
        snapshot.uplinks.append(Uplink(bridge, UplinkKind.DEVICE, name))
    elif link is not None and (found := snapshot.uplink_of(bridge, link)) is not None:
        snapshot.uplinks.append(found)


def _recognise_port(snapshot: HostSnapshot, tables: PortTables, port: _Port) -> Candidate | None:
    """Return the VIF of a port; None for a port of another program."""
    kind = port.interface["type"]
    if kind == "patch":
        return _own_bridge(snapshot, tables, port)
    if kind in _VHOST_MODES:
        return _vhost_user(port)
    if kind == "dpdk":
        return _dpdk_representor(port)
    return _device(snapshot, port) if kind in _DEVICE_TYPES else None


def _device(snapshot: HostSnapshot, port: _Port) -> Candidate | None:
    """Return the VIF of a port with a network device; None for a port of another program."""
    if port.name.startswith(HYBRID_PORT_HALF):
        return _hybrid(snapshot, port)
    link = snapshot.links.get(port.name)
    if (link is None or link.kind != "tun") and (
        address := snapshot.function_of_representor(port.name)
    ):
        return _representor(port, link, address)
    has_instance = "vm-uuid" in port.ids or "vm-id" in port.ids
    if not has_instance and link is not None and link.kind == "veth" and not link.is_managed:
        return None
    return _native(port, port.name, link, "trunk" if "bridge_name" in port.ids else "port")


def _native(port: _Port, name: str, link: Link | None, way: str) -> Candidate:
    """Return the VIF whose device is itself a port.

    :param name: the name of the device.
    """
    is_tap = link is not None and link.kind == "tun" and link.is_managed
    profile: dict[str, Any] = {**port.datapath_field}
    if is_tap:
        profile |= {"create_tap": True, "multiqueue": bool(link and _has_queues(link))}
    if "vm-id" not in port.ids:
        # libvirt writes vm-id, os-vif does not.
        profile["create_port"] = True
    return Candidate(
        port.vif(
            objects.VIFOpenVSwitch,
            port.ids["iface-id"] if way != "per-port bridge" else port.name[3:],
            link.mtu if link is not None else None,
            vif_name=name,
            bridge_name=port.bridge,
            profile=profile,
        ),
        port.instance,
        "tap" if is_tap and way == "port" else way,
        (name,) if link is not None else (),
        port.name,
        port.bridge,
    )


def _has_queues(link: Link) -> bool:
    """Return whether a tap device has several queues."""
    return bool(link.data.get("IFLA_TUN_MULTI_QUEUE"))


def _own_bridge(snapshot: HostSnapshot, tables: PortTables, port: _Port) -> Candidate | None:
    """Return the VIF in a bridge of the VIF's own, by the patch port in the integration bridge."""
    if not port.name.startswith(INTEGRATION_PATCH):
        return None
    vif_id = port.name.removeprefix(INTEGRATION_PATCH)
    own = names.device_name(PER_PORT_BRIDGE, vif_id)
    members = (m for m in tables.port_names(own) if not m.startswith(PER_PORT_PATCH))
    name = next(members, names.device_name(TAP, vif_id))
    return _native(port, name, snapshot.links.get(name), "per-port bridge")


def _hybrid(snapshot: HostSnapshot, port: _Port) -> Candidate:
    """Return the VIF with a Linux bridge and a veth pair."""
    vif_id = port.vif_id(HYBRID_PORT_HALF) or port.ids["iface-id"]
    by_name = snapshot.links
    half = by_name.get(names.device_name(HYBRID_BRIDGE_HALF, vif_id))
    master = None
    if half is not None and half.master:
        master = snapshot.net.link_at(half.master)
    if master is None:
        master = by_name.get(names.device_name(HYBRID_BRIDGE, vif_id))
    bridge = names.device_name(HYBRID_BRIDGE, vif_id) if master is None else master.name
    members = [] if master is None else snapshot.net.ports(master)
    tap = next((link.name for link in members if link.kind == "tun"), None)
    own = by_name.get(port.name)
    devices = (
        *((bridge,) if master is not None else ()),
        *((half.name,) if half is not None else ()),
        *((port.name,) if own is not None else ()),
    )
    return Candidate(
        port.vif(
            objects.VIFBridge,
            vif_id,
            own.mtu if own is not None else None,
            vif_name=tap or names.device_name(TAP, vif_id),
            bridge_name=bridge,
            profile=port.datapath_field,
        ),
        port.instance,
        "hybrid",
        devices,
        port.name,
        port.bridge,
    )


def _vhost_user(port: _Port) -> Candidate | None:
    """Return the VIF with a vhost-user port."""
    vif_id = port.vif_id(VHOST_USER)
    if vif_id is None:
        return None
    options = mapping(port.interface["options"])
    path = options.get("vhost-server-path")
    return Candidate(
        port.vif(
            objects.VIFVHostUser,
            vif_id,
            _mtu_request(port),
            mode=_VHOST_MODES[port.interface["type"]],
            **({"path": path} if path else {}),
            profile=port.datapath_field,
        ),
        port.instance,
        "vhost-user",
        (),
        port.name,
        port.bridge,
    )


def _mtu_request(port: _Port) -> int | None:
    """Return the ``mtu_request`` of a port in bytes, or None."""
    requested = values(port.interface["mtu_request"])
    return requested[0] if requested else None


def _representor(port: _Port, link: Link | None, address: str) -> Candidate:
    """Return the VIF of a representor that is a network device.

    :param address: PCI address of the virtual function.
    """
    return Candidate(
        port.vif(
            objects.VIFHostDevice,
            port.ids["iface-id"],
            link.mtu if link is not None else None,
            dev_type="ethernet",
            dev_address=address,
        ),
        port.instance,
        "representor",
        (port.name,) if link is not None else (),
        port.name,
        port.bridge,
    )


def _dpdk_representor(port: _Port) -> Candidate | None:
    """Return the VIF of a representor that DPDK opens."""
    vif_id = port.vif_id(DPDK_REPRESENTOR)
    if vif_id is None:
        return None
    address = _address_of_devargs(mapping(port.interface["options"]).get("dpdk-devargs", ""))
    return Candidate(
        port.vif(
            objects.VIFHostDevice,
            vif_id,
            _mtu_request(port),
            dev_type="ethernet",
            **({"dev_address": address} if address else {}),
            profile={"datapath_type": port.datapath or "netdev"},
        ),
        port.instance,
        "DPDK representor",
        (),
        port.name,
        port.bridge,
    )


def _address_of_devargs(devargs: str) -> str | None:
    """Return the PCI address of the virtual function in ``dpdk-devargs``, or None."""
    from os_vif.host.sriov import functions

    address, _, representor = devargs.partition(",representor=[")
    number = representor.removesuffix("]")
    path = functions.SYS / "bus/pci/devices" / address / f"virtfn{number}"
    if not number.isdigit() or not path.is_symlink():
        return None
    return path.readlink().name
