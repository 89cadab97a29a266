# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The state of bridges and ports as ovs-vswitchd reports the state in the database.

Source: ovs-vswitchd.conf.db(5), columns ``error`` and ``ofport`` of Interface, ``iface_types`` and
``dpdk_initialized`` of Open_vSwitch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.lookups import is_userspace
from os_vif.host.ovsdb.notation import values
from os_vif.host.ovsdb.replies import text_of
from os_vif.steps import validate

if TYPE_CHECKING:
    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.snapshot import Snapshot

_DATAPATH = "is its datapath_type one of ovs-vswitchd's, and for system the kernel module openvswitch loaded?"


def open_error(interface: Row) -> str | None:
    """Return why ovs-vswitchd has not opened a port, or None for an open port."""
    errors = values(interface["error"])
    if errors:
        return text_of(errors[0])
    (ofport,) = values(interface["ofport"]) or (None,)
    if ofport is None:
        return "not seen by ovs-vswitchd"
    # Without an error: a patch port without a peer, or a DPDK device in a switch without DPDK.
    return "not opened by ovs-vswitchd" if ofport < 0 else None


def has_seen(interface: Row) -> bool:
    """Return whether ovs-vswitchd has tried to open a port, with or without success."""
    return bool(values(interface["error"]) or values(interface["ofport"]))


def bridge_error(snapshot: Snapshot, name: str) -> str | None:
    """Return why ovs-vswitchd has not opened a bridge, or None for an open bridge."""
    bridge, interface = snapshot.bridge(name), snapshot.interface(name)
    error = (
        "the bridge has no port of its own name" if interface is None else open_error(interface)
    )
    if error is None:
        return None
    if (
        bridge is not None
        and validate.is_long(name)
        and is_userspace(bridge["datapath_type"])
        and values(bridge["datapath_id"])
    ):
        # The bridge forwards. A bridge with the same first 15 bytes in the name has the tap
        # device.
        return None
    return f"{error} ({_DATAPATH})"


def has_dpdk(snapshot: Snapshot) -> bool:
    """Return whether ovs-vswitchd can open DPDK ports."""
    if snapshot.has_column("Open_vSwitch", "dpdk_initialized"):
        row = snapshot.row(query.root("dpdk_initialized"))
        return bool(row and row["dpdk_initialized"])
    # ovs-vswitchd registers the DPDK types after the initialization of DPDK
    # (netdev_dpdk_register).
    row = snapshot.row(query.root("iface_types"))
    return row is not None and "dpdk" in values(row["iface_types"])
