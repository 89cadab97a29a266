# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Queries: hashable descriptions of ``select`` operations (RFC 7047, 5.2.2).

Source: ovs-vswitchd.conf.db(5).
"""

from __future__ import annotations

import functools
import uuid
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb.notation import ref

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.host.ovsdb.notation import Operation, Row

#: Table; column, function and value of the condition; selected columns, none meaning all.
Query = tuple[str, str, str, Any, tuple[str, ...]]

#: The columns that most steps need. ``ports`` of Bridge is left out, as a bridge may have
#: thousands of ports; so is ``statistics`` of Interface.
COLUMNS = {
    "Bridge": ("_uuid", "name", "datapath_id", "datapath_type"),
    "Port": ("_uuid", "name", "interfaces"),
    "Interface": (
        "_uuid", "name", "type", "options", "external_ids", "mtu_request", "ofport", "error",
        "ifindex",
    ),
}  # fmt: skip

#: Columns that ovs-vswitchd writes and no step reads: they are long, or many.
UNREAD_COLUMNS = frozenset({
    "admin_state", "bfd_status", "bond_active_slave", "cfm_fault", "cfm_fault_status",
    "cfm_flap_count", "cfm_health", "cfm_remote_mpids", "cfm_remote_opstate", "duplex",
    "lacp_current", "link_resets", "link_speed", "link_state", "mac_in_use", "rstp_statistics",
    "rstp_status", "statistics", "status",
})  # fmt: skip
#: A UUID that no row has: a condition ``_uuid != NO_ROW`` selects all rows.
_NO_ROW = ("uuid", str(uuid.UUID(int=0)))
#: All mirrors of all bridges. A switch has few mirrors; the mirrors of a port refer to the port.
MIRRORS: Query = ("Mirror", "_uuid", "!=", _NO_ROW, ())
#: The names and ``external_ids`` of all Interfaces.
INTERFACE_IDS: Query = ("Interface", "_uuid", "!=", _NO_ROW, ("name", "external_ids"))
#: All rows, for the inventory of the host.
ALL_INTERFACES: Query = ("Interface", "_uuid", "!=", _NO_ROW, COLUMNS["Interface"])
ALL_PORTS: Query = ("Port", "_uuid", "!=", _NO_ROW, COLUMNS["Port"])
ALL_BRIDGES: Query = ("Bridge", "_uuid", "!=", _NO_ROW, (*COLUMNS["Bridge"], "ports"))
#: The QoS row of a port has an id in ``external_ids``: a UUID of version 5 of the port's name in
#: this namespace, as in the public os-vif.
_QOS_NAMESPACE = uuid.UUID("68da264a-847f-42a8-8ab0-5e774aee3d95")


def root(*columns: str) -> Query:
    """Return the query for the only row of the table Open_vSwitch."""
    return ("Open_vSwitch", "_uuid", "!=", _NO_ROW, columns)


#: The query for the row that all other rows depend on.
ROOT = root("_uuid")


def by_name(table: str, name: str) -> Query:
    """Return the query for a row by name, with the columns of ``COLUMNS``."""
    return (table, "name", "==", name, COLUMNS[table])


def full_row(table: str, name: str) -> Query:
    """Return the query for all columns of a row by name."""
    return (table, "name", "==", name, ())


def by_reference(table: str, reference: Sequence[str]) -> Query:
    """Return the query for all columns of a row by reference."""
    return (table, "_uuid", "==", tuple(reference), ())


def ports_of_bridge(name: str) -> Query:
    """Return the query for the column ``ports`` of a bridge."""
    return ("Bridge", "name", "==", name, ("ports",))


def bridge_with_port(port: Row) -> Query:
    """Return the query for the bridge that a port is in."""
    return ("Bridge", "ports", "includes", _set_of(port), ("_uuid", "name"))


def port_with_interface(interface: Row) -> Query:
    """Return the query for the port that an Interface belongs to."""
    return ("Port", "interfaces", "includes", _set_of(interface), ("_uuid", "name"))


def ports_with_qos(qos: Row) -> Query:
    """Return the query for the ports that refer to a QoS row."""
    return ("Port", "qos", "includes", _set_of(qos), ("_uuid", "name"))


def interfaces_with_id(interface_id: str) -> Query:
    """Return the query for the Interfaces with an ``external_ids:iface-id``."""
    condition = ("map", (("iface-id", interface_id),))
    return ("Interface", "external_ids", "includes", condition, COLUMNS["Interface"])


def qos_rows_for(port: str) -> Query:
    """Return the query for the QoS rows created for a port name, referred to or not."""
    return ("QoS", "external_ids", "includes", ("map", (("id", qos_id(port)),)), ())


def sample_collectors_of(bridge: Row) -> Query:
    """Return the query for the rows of Flow_Sample_Collector_Set that refer to a bridge."""
    return ("Flow_Sample_Collector_Set", "bridge", "==", tuple(ref(bridge)), ())


@functools.lru_cache(4096)
def qos_id(port: str) -> str:
    """Return ``external_ids:id`` of the QoS row of a port."""
    return str(uuid.uuid5(_QOS_NAMESPACE, port))


def select(query: Query) -> Operation:
    """Return the ``select`` operation of a query."""
    table, column, function, value, columns = query
    operation = {"op": "select", "table": table, "where": [[column, function, value]]}
    return operation | {"columns": columns} if columns else operation


def _set_of(row: Row) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """Return the set, in hashable notation, of the reference to a row."""
    return ("set", (tuple(ref(row)),))
