# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Waits for ovs-vswitchd.

After applying a configuration, ovs-vswitchd sets ``cur_cfg`` to the ``next_cfg`` of the configuration.

Source: ovs-vswitchd.conf.db(5), table Open_vSwitch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.ovsdb.connection import retry_read

if TYPE_CHECKING:
    from os_vif.host.ovsdb.connection import Ovsdb
    from os_vif.host.ovsdb.notation import Operation


def wait_for_cfg(ovsdb: Ovsdb, next_cfg: int) -> None:
    """Wait until ovs-vswitchd has applied a configuration.

    :raises os_vif.exception.OvsdbError: if ovs-vswitchd is late, or the connection is lost.
    """
    retry_read(ovsdb, lambda: ovsdb.transact(wait_operation(ovsdb, next_cfg)))


def wait_operation(ovsdb: Ovsdb, next_cfg: int) -> Operation:
    """Return the operation that waits for ovs-vswitchd; refused as "timed out" at the timeout."""
    wait = {
        "op": "wait",
        "table": "Open_vSwitch",
        "where": [["cur_cfg", "<", next_cfg]],
        "columns": ["cur_cfg"],
        "until": "==",
        "rows": [],
    }
    timeout = ovsdb.wait_milliseconds()
    return wait if timeout is None else wait | {"timeout": timeout}
