# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Functions on the rows of ports: types, name conflicts, and QoS rows.

A port of a plug has one Interface, of the name of the port. Source: ovs-vswitchd.conf.db(5),
columns ``interfaces`` of Port and ``type`` of Interface.
"""

from __future__ import annotations

import errno
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.notation import ref, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.host.ovsdb.notation import Reference, Row
    from os_vif.host.ovsdb.snapshot import Snapshot

#: Types of an Interface for the network device of the same name. An operator may have set
#: ``afxdp``, with which ovs-vswitchd opens the device on a faster path.
_DEVICE_TYPES = ("", "system", "afxdp", "afxdp-nonpmd")
#: Expected values in the differences of a port.
DEVICE_TYPE, OWN_INTERFACE = (
    "the type of a network device",
    "a port with one Interface of its own name",
)
#: The number of ports in the message about a bridge in use.
_MAX_SHOWN = 5
#: The first characters of the DPDK types, which have most ``options`` in common.
_DPDK = "dpdk"


def is_of_type(found: str, wanted: str | None) -> bool:
    """Return whether an Interface has a type.

    :param wanted: empty for a network device; None for any type.
    """
    if wanted is None:
        return True
    if wanted in _DEVICE_TYPES:
        return found in _DEVICE_TYPES
    return found == wanted


def keeps_options(found: str, wanted: str | None) -> bool:
    """Return whether present ``options`` remain meaningful after a change of the type."""
    both = found.startswith(_DPDK) and (wanted or "").startswith(_DPDK)
    return both or is_of_type(found, wanted)


def find_conflict(snapshot: Snapshot, name: str) -> str | None:
    """Return, in words, a row of the name other than a port with one Interface of the name."""
    port, interface = snapshot.port(name), snapshot.interface(name)
    if port is not None:
        members = values(port["interfaces"])
        if interface is not None and members == [ref(interface)]:
            return None
        rows = [snapshot.row_at("Interface", member) for member in members]
        names = ", ".join(sorted(row["name"] for row in rows if row is not None)) or "none"
        return f"a port with the interfaces {names}"
    return None if interface is None else _describe_owner(snapshot, interface)


def is_plain_port(snapshot: Snapshot, name: str) -> bool:
    """Return whether a name is the name of a port with one network device."""
    interface = snapshot.interface(name)
    if snapshot.port(name) is None or interface is None:
        return False
    return find_conflict(snapshot, name) is None and is_of_type(interface["type"], "")


def _describe_owner(snapshot: Snapshot, interface: Row) -> str:
    """Return, in words, the port of an Interface."""
    port = snapshot.row(query.port_with_interface(interface))
    if port is None:
        return "an interface of a deleted port"
    bridge = snapshot.bridge_of(port)
    where = "" if bridge is None else f" in {bridge['name']}"
    return f"an interface of the port {port['name']}{where}"


def describe_bridge_in_use(snapshot: Snapshot, bridge: Row, removed: Sequence[Reference]) -> str:
    """Return a sentence for a bridge that remains because of ports in the bridge.

    :param removed: ports that the transaction removes from the bridge.
    """
    rows = [
        snapshot.row_at("Port", port) for port in values(bridge["ports"]) if port not in removed
    ]
    names = sorted(
        row["name"] for row in rows if row is not None and row["name"] != bridge["name"]
    )
    used_by = [
        name
        for name in names
        if (interface := snapshot.interface(name)) is None or interface["type"] != "patch"
    ]
    shown, more = used_by[:_MAX_SHOWN], len(used_by) - _MAX_SHOWN
    shown += [f"{more} more"] if more > 0 else []
    return f"{bridge['name']} stays: {'port' if len(shown) == 1 else 'ports'} {', '.join(shown)}"


def require_type(interface: Row, wanted: str | None) -> None:
    """Raise an error if a network device is wanted and an Interface has another type.

    :raises OSError: ``EEXIST``. os-vif could set the type, but may not: the port may belong to
        another program.
    """
    found = interface["type"]
    if wanted in _DEVICE_TYPES and not is_of_type(found, wanted):
        raise conflict_error(interface["name"], f"a port of type {found}, not of a network device")


def conflict_error(name: str, reason: str) -> OSError:
    """Return the error for a port of another kind."""
    to_do = f"remove it (ovs-vsctl --with-iface del-port {quote(name)}), or use another name"
    return OSError(errno.EEXIST, f"{name} is {reason}; {to_do}")


def unused_qos(snapshot: Snapshot, name: str, port: Row | None = None) -> list[Row]:
    """Return the QoS rows created for a port name, without references from further ports.

    :param port: the port to delete together with the rows; None if missing or kept.
    """
    own = None if port is None else ref(port)
    return [
        row
        for row in snapshot.rows(query.qos_rows_for(name))
        if all(ref(user) == own for user in snapshot.rows(query.ports_with_qos(row)))
    ]
