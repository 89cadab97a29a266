# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Check of the services of the host that a plugin needs for plugging a pod."""

from __future__ import annotations

import dataclasses

import os_vif
from os_vif.host.ovsdb.connection import Ovsdb, retry_read
from os_vif.plugins.ovs.ovs_plugin import OvsPlugin

#: Seconds for the answer of ovsdb-server.
_TIMEOUT = 2.0


def require_usable(plugin_name: str) -> None:
    """Check that a plugin is loaded, and that ovsdb-server answers a plugin of Open vSwitch.

    The check reads a row of the database.

    :raises os_vif.exception.NoMatchingPlugin: if no plugin of the name is installed.
    :raises os_vif.exception.PluginNotLoaded: if the plugin is not loaded.
    :raises os_vif.exception.InvalidField: if an option for the database has an unusable value.
    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    plugin = os_vif._plugin(plugin_name)  # noqa: SLF001 - no public function returns a plugin
    if not isinstance(plugin, OvsPlugin):
        return
    target = dataclasses.replace(plugin.switch(), timeout=_TIMEOUT)
    with Ovsdb.to(target) as ovsdb:
        retry_read(ovsdb, lambda: ovsdb.select("Open_vSwitch", [], ["cur_cfg"]))
