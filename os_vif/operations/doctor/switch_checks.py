# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Checks of Open vSwitch: database, schema and ovs-vswitchd."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.host.ovsdb import query
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.database_schema import OLDEST, OPTIONAL, UnsupportedSchemaError
from os_vif.operations.doctor.finding import Host, Status
from os_vif.plugins.ovs import ovsdb_target
from os_vif.plugins.ovs.ovs_plugin import OvsPlugin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.steps.plan import OvsdbTarget

Result = tuple[str, Status, str, str]

#: Seconds for each answer of ovsdb-server, and for ovs-vswitchd to apply a change.
TIMEOUT = 5.0
_POLL_SECONDS = 0.02


def check_database(host: Host) -> Iterator[Result]:
    """Yield a result for each plugin of Open vSwitch: whether the database can be read."""
    for name, plugin in _plugins(host):
        try:
            target = _target(plugin)
        except exception.InvalidField as error:
            yield name, Status.FAILED, str(error), "Correct the option."
            continue
        try:
            with Ovsdb.to(target) as ovsdb:
                version = _release(ovsdb)
        except exception.OvsdbError as error:
            if isinstance(error.__cause__, UnsupportedSchemaError):
                yield name, Status.OK, f"{target.connection} answers", ""
                continue
            advice = (
                "Start ovsdb-server (`systemctl status openvswitch-switch`), or set "
                f"[os_vif_{name}]ovsdb_connection to its address, such as "
                "unix:/run/openvswitch/db.sock; `ovs-vsctl set-manager ptcp:6640:127.0.0.1` opens "
                "the default address. Without Open vSwitch on this host, leave the plugin out: "
                "`os-vif doctor --plugin linux_bridge`."
            )
            found = f"{target.connection}: {error.kwargs['reason']}"
            yield name, Status.FAILED, found, advice
        else:
            yield name, Status.OK, f"{target.connection} answers, Open vSwitch {version}", ""


def check_schema(host: Host) -> Iterator[Result]:
    """Yield a result for each plugin of Open vSwitch: whether the database has the columns."""
    for name, plugin in _plugins(host):
        try:
            with Ovsdb.to(_target(plugin)) as ovsdb:
                schema = ovsdb.schema
        except exception.ExceptionBase as error:
            if isinstance(error.__cause__, UnsupportedSchemaError):
                advice = f"Upgrade Open vSwitch to {OLDEST} or later, and convert the database."
                yield name, Status.FAILED, str(error.__cause__), advice
            else:
                yield _unreachable(name)
            continue
        missing = {
            f"{table}.{column}": optional.since
            for (table, column), optional in OPTIONAL.items()
            if not schema.has(table, column)
        }
        if missing:
            columns = " and ".join(missing)
            found = f"schema {schema.version} has no {columns}: os-vif leaves the settings out"
            advice = f"Upgrade Open vSwitch to {list(missing.values())[-1]} or later."
            yield name, Status.WARNING, found, advice
        else:
            yield name, Status.OK, f"schema {schema.version} has all columns", ""


def check_vswitchd(host: Host) -> Iterator[Result]:
    """Yield a result for each plugin of Open vSwitch: whether ovs-vswitchd applies changes."""
    for name, plugin in _plugins(host):
        try:
            with Ovsdb.to(_target(plugin)) as ovsdb:
                seconds = _seconds_to_apply(ovsdb)
        except exception.ExceptionBase:
            yield _unreachable(name)
            continue
        if seconds is not None:
            found = f"ovs-vswitchd applied a change within {seconds * 1000:.0f} ms"
            yield name, Status.OK, found, ""
        else:
            found = f"ovs-vswitchd has not applied a change within {TIMEOUT:g} seconds"
            advice = (
                "Start ovs-vswitchd, or restart it if it hangs: `systemctl status "
                "openvswitch-switch`, `ovs-appctl -t ovs-vswitchd version`, "
                "/var/log/openvswitch/ovs-vswitchd.log."
            )
            yield name, Status.FAILED, found, advice


def _seconds_to_apply(ovsdb: Ovsdb) -> float | None:
    """Return the time until ``cur_cfg`` follows ``next_cfg``; None after :data:`TIMEOUT`.

    ``next_cfg`` is incremented, as by each ``ovs-vsctl`` command. The configuration is unchanged.
    """
    table, _, _, _, _ = query.root()
    operation = {"table": table, "where": []}
    increment = {"op": "mutate", "mutations": [["next_cfg", "+=", 1]], **operation}
    select = {"op": "select", "columns": ["next_cfg"], **operation}
    begun = time.monotonic()
    rows = ovsdb.transact(increment, select)[1]["rows"]
    if not rows:
        return None  # an empty database: ovs-vswitchd has never run
    wanted = rows[0]["next_cfg"]
    while time.monotonic() - begun < TIMEOUT * 0.9:
        if ovsdb.select(table, [], ["cur_cfg"])[0]["cur_cfg"] >= wanted:
            return time.monotonic() - begun
        time.sleep(_POLL_SECONDS)
    return None


def _plugins(host: Host) -> Iterator[tuple[str, OvsPlugin]]:
    """Yield the name and the object of each plugin of Open vSwitch."""
    for name, plugin in sorted(host.plugins.items()):
        if isinstance(plugin, OvsPlugin):
            yield name, plugin


def _target(plugin: OvsPlugin) -> OvsdbTarget:
    """Return the address of the database, with a short timeout.

    :raises os_vif.exception.InvalidField: for an unusable option.
    """
    target = ovsdb_target.read_target(plugin.config, plugin.privsep_module)
    return dataclasses.replace(target, timeout=TIMEOUT)


def _release(ovsdb: Ovsdb) -> str:
    """Return the release of Open vSwitch, as ovs-vswitchd or ovs-ctl has written it."""
    rows = ovsdb.select("Open_vSwitch", [], ["ovs_version"])
    version = rows[0]["ovs_version"] if rows else None
    return version if isinstance(version, str) else "of an unknown release"


def _unreachable(name: str) -> Result:
    return name, Status.SKIPPED, "the database cannot be read", "See the check ovs-database."
