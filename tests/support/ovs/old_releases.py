# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Databases with schemas of old releases of Open vSwitch, on the installed ovsdb-server."""

from __future__ import annotations

import json
import pathlib

from os_vif.host.ovsdb import database_schema as ovs_schema
from testbed import ovs
from tests.support.ovs.proxy import ASK

#: Additions of each release to ``vswitchd/vswitch.ovsschema``, a file of Open vSwitch under the
#: Apache License 2.0: the version of the schema, and new tables and columns. Unlisted releases
#: added none. No release removed a table or column.
ADDED = {
    "2.0": ("7.3.0", ()),
    "2.3": ("7.6.0", ("Interface.cfm_flap_count", "Flow_Table.prefixes", "Flow_Table.external_ids")),
    "2.4.0": ("7.12.1", (
        "AutoAttach", "Open_vSwitch.datapath_types", "Open_vSwitch.iface_types",
        "Bridge.auto_attach", "Bridge.datapath_version", "Bridge.mcast_snooping_enable",
        "Bridge.rstp_enable", "Bridge.rstp_status", "Port.bond_active_slave",
        "Port.rstp_statistics", "Port.rstp_status", "Interface.error", "Interface.lldp",
        "IPFIX.other_config",
    )),
    "2.6.0": ("7.14.0", ("Interface.mtu_request", "Mirror.snaplen")),
    "2.7.0": ("7.14.0", ("Port.protected",)),
    "2.8.0": ("7.15.0", ("Port.cvlans",)),
    "2.9.0": ("7.15.1", ()),
    "2.10.0": ("7.16.1", ("Open_vSwitch.dpdk_initialized", "Open_vSwitch.dpdk_version")),
    "2.12.0": ("8.0.0", ("Controller.type",)),
    "2.13.0": ("8.2.0", (
        "Datapath", "CT_Zone", "CT_Timeout_Policy", "Open_vSwitch.datapaths",
        "Controller.controller_queue_size",
    )),
    "2.16.0": ("8.3.0", (
        "Interface.ingress_policing_kpkts_burst", "Interface.ingress_policing_kpkts_rate",
    )),
    "3.2.0": ("8.4.0", ("IPFIX.stats_interval", "IPFIX.template_interval")),
    "3.3.0": ("8.5.0", ("Datapath.ct_zone_default_limit", "CT_Zone.limit")),
    "3.4.0": ("8.7.0", ("Mirror.filter", "Flow_Sample_Collector_Set.local_group_id")),
}  # fmt: skip


def schema(release: str) -> dict:
    """Return the schema of a release: the installed schema without later additions."""
    found = json.loads(pathlib.Path(ovs.SCHEMA).read_text())
    releases = list(ADDED)
    tables = found["tables"]
    for later in releases[releases.index(release) + 1 :]:
        for name in ADDED[later][1]:
            table, _, column = name.partition(".")
            if column:
                tables.get(table, {"columns": {}})["columns"].pop(column, None)
            else:
                tables.pop(table, None)
    # Without a checksum in the schema, ovsdb-tool compares none.
    found.pop("cksum", None)
    return found | {"version": ADDED[release][0]}


def least_schema() -> dict:
    """Return the smallest answer to get_schema with all tables and columns that os-vif needs."""
    columns = {table: set(names) for table, names in ovs_schema.REQUIRED.items()}
    for table, column in ovs_schema.OPTIONAL:
        columns[table].add(column)
    tables = {
        table: {"columns": {name: {"type": "string"} for name in sorted(names)}}
        for table, names in columns.items()
    }
    return {"name": "Open_vSwitch", "version": "8.3.1", "tables": tables}


class OldSwitch(ovs.Switch):
    """A switch whose database has the schema of an old release."""

    def __init__(self, directory: pathlib.Path, release: str, *other_config: str) -> None:
        super().__init__(directory, *other_config)
        self._schema = schema(release)

    def create_database(self) -> None:
        path = self._directory / "old.ovsschema"
        path.write_text(json.dumps(self._schema))
        self.run_program("ovsdb-tool", "create", str(self._directory / "conf.db"), str(path))
        self.start_server()


def without_server_database(way: str, data: bytes) -> list[bytes]:
    """Hide the database _Server, which releases before 2.9.1 lack. The function is a rule of a
    proxy.

    The server itself refuses requests for the renamed database in its own words.
    """
    return [data.replace(b'"_Server"', b'"_no_Server"') if way == ASK else data]
