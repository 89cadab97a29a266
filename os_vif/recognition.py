# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The host as plugins see it when they recognise plugged VIFs, for :func:`os_vif.inventory`.

A :class:`HostSnapshot` has the devices, rows and records of the host, each read once. A plugin
returns a :class:`Candidate` for each VIF in ``recognise(snapshot)``; see
:meth:`os_vif.plugin.PluginBase.recognise`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import functools
import json
import logging
from typing import TYPE_CHECKING

from os_vif.host.netlink import link_table, rtnetlink
from os_vif.host.state import bridge_user_record, vif_records
from os_vif.host.state.bridge_user_record import Users
from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from os_vif import objects
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.host.ovsdb.port_tables import PortTables
    from os_vif.host.ovsdb.remotes import Target
    from os_vif.host.state.vif_records import VifRecord

LOG = logging.getLogger(__name__)


#: The way of a VIF whose bridge another program has created: an unplug has nothing to do.
OTHER_BRIDGE = "bridge of another program"
#: Kinds of network devices that connect a bridge to the network; None is hardware.
_DEVICE_KINDS = (None, "bond", "dummy", "team", "vlan")
#: Kinds of network devices that are tunnels.
_TUNNEL_KINDS = ("geneve", "gretap", "ip6gretap", "vxlan")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A VIF that a plugin has recognised on the host."""

    #: The VIF: fields that the host does not tell are unset. ``plugin`` may be unset.
    vif: objects.VIFBase
    #: The virtual machine or pod; unknown fields are unset.
    instance: objects.InstanceInfo
    #: The way of plugging, such as ``hybrid`` or ``port``.
    way: str
    #: Names of the network devices of the VIF that exist.
    devices: tuple[str, ...] = ()
    #: Name of the port; None without a port.
    port: str | None = None
    #: Name of the bridge with the port; None without a bridge.
    bridge: str | None = None
    #: The recorded owner in the database of Open vSwitch; None if unknown.
    owner: str | None = None
    #: The id of the entry, if ``vif.id`` is unset or a guess: the name of an empty bridge, or the
    #: known first characters of the id.
    name: str = ""
    #: A sentence for each reason why the candidate remains of an unplugged VIF; empty for a
    #: plugged VIF.
    left_over: tuple[str, ...] = ()
    #: The UUID of the row of the port; a new port of the same name has a new row.
    row: str = ""

    @property
    def id(self) -> str:
        """Id of the entry."""
        # oslo.versionedobjects stores the value of a field in the attribute _obj_<field>.
        return self.name or str(getattr(self.vif, "_obj_id", None) or "")


class UplinkKind(enum.StrEnum):
    """The kind of a connection of a bridge."""

    #: A network device, such as a network card, a bond or a VLAN device.
    DEVICE = "device"
    #: A pair of patch ports, or one of the two.
    PATCH = "patch"
    #: A port of a tunnel, such as VXLAN.
    TUNNEL = "tunnel"


@dataclasses.dataclass(frozen=True, order=True)
class Uplink:
    """A connection of a bridge to the network or to another bridge."""

    #: Name of the bridge.
    bridge: str
    kind: UplinkKind
    #: Name of the port or the device.
    port: str
    #: The bridge with the other patch port, the type of the tunnel, or the lower device of a VLAN
    #: device; empty if there is none.
    peer: str = ""
    #: True if os-vif created the device.
    is_managed: bool = False


class HostSnapshot:
    """The devices, rows and records of the host. Each source is read once, at first use.

    While the snapshot is open, reads of devices and rows by plans and checks in the current thread
    are answered from the same dumps. ``opened()`` creates the object.
    """

    def __init__(self, net: Netlink) -> None:
        #: The network devices of the network namespace, for reads by index and master.
        self.net = net
        #: All network devices, by name.
        self.links: Mapping[str, Link] = {link.name: link for link in net.links()}
        #: A sentence for each source that the host seems not to have, and that cannot be read.
        self.absent: list[str] = []
        #: The connections of bridges, which plugins add in ``recognise()``, for the picture.
        self.uplinks: list[Uplink] = []

    def port_tables(self, target: Target) -> PortTables:
        """Return the bridges, ports and interfaces of an Open vSwitch.

        :raises os_vif.exception.OvsdbError: if the database cannot be read.
        """
        from os_vif.host.ovsdb import port_tables

        return port_tables.read_port_tables(target)

    def uplink_of(self, bridge: str, link: Link) -> Uplink | None:
        """Return the connection that a device is for a bridge; None for a device of a guest.

        A pair of devices in the same network namespace connects bridges, unless os-vif has created
        the pair.
        """
        if link.kind in _TUNNEL_KINDS:
            return Uplink(bridge, UplinkKind.TUNNEL, link.name, str(link.kind), link.is_managed)
        is_pair = link.kind == "veth" and link.lower_netns is None and not link.is_managed
        if link.kind not in _DEVICE_KINDS and not is_pair:
            return None
        lower = self.net.link_at(link.lower) if link.kind == "vlan" and link.lower else None
        peer = "" if lower is None else lower.name
        return Uplink(bridge, UplinkKind.DEVICE, link.name, peer, link.is_managed)

    @functools.cached_property
    def bridge_users(self) -> Mapping[str, Users]:
        """The recorded users of the Linux bridges of os-vif, by name of the bridge."""
        return {
            link.name: bridge_user_record.read_users(self.net, link)
            for link in self.links.values()
            if link.kind == "bridge" and link.is_managed
        }

    @functools.cached_property
    def vif_records(self) -> Mapping[str, VifRecord]:
        """The records of plugged VIFs, by id."""
        return {record.vif_id: record for record in vif_records.read_all(self.net)}

    @functools.cached_property
    def filtered_bridges(self) -> frozenset[str]:
        """The names of the bridges with recorded forwarding rules, present or deleted."""
        found = set()
        for path in STATE.path.glob(f"rules-{self.net.netns}-*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.add(str(json.loads(path.read_bytes())["bridge"]))
        return frozenset(found)

    @functools.cached_property
    def vf_owners(self) -> Mapping[str, str]:
        """The ids of the VIFs that own a virtual function, by PCI address."""
        from os_vif.host.state import vf_allocations

        return vf_allocations.owners()

    def function_of_representor(self, name: str) -> str | None:
        """Return the PCI address of the virtual function of a representor; None for other names."""
        if not self._virtual_functions:
            return None
        from os_vif.host.sriov import functions

        return self._representors.get(name) if functions.switch_of(name) is not None else None

    @functools.cached_property
    def _virtual_functions(self) -> tuple[str, ...]:
        """The PCI addresses of all virtual functions of the host."""
        from os_vif.host.sriov import inventory

        return tuple(vf.address for pf in inventory.physical_functions() for vf in pf.vfs)

    @functools.cached_property
    def _representors(self) -> Mapping[str, str]:
        """The PCI addresses of virtual functions by representor."""
        from os_vif.host.sriov import functions

        found = {}
        for address in self._virtual_functions:
            # A virtual function without a representor, or removed since the listing.
            with contextlib.suppress(OSError):
                found[functions.representor(functions.vf(address))] = address
        return found


@contextlib.contextmanager
def opened() -> Iterator[HostSnapshot]:
    """Read the network devices, and share all reads of the current thread, for a block.

    :raises OSError: if the kernel refuses the list of devices.
    """
    from os_vif.host.ovsdb import table_snapshot

    with (
        link_table.shared_links(),
        table_snapshot.shared_tables(),
        rtnetlink.opened() as net,
    ):
        yield HostSnapshot(net)
