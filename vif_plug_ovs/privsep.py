# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the ``ovs`` plugin.

Sudoers files and rootwrap filters name ``vif_plug_ovs.privsep.vif_plug``. Do not rename the path.
"""

from __future__ import annotations

from oslo_config import cfg
from oslo_privsep import capabilities

from os_vif.privsep import Context

vif_plug = Context(
    "vif_plug_ovs",
    cfg_section="vif_plug_ovs_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
)
run, undo, check = vif_plug.entry_points()
probe = vif_plug.probe_entry_point()


def _configured() -> list[str]:
    """Return the paths of unix sockets in ``ovsdb_connection``.

    The list is empty unless the option is set in a configuration file that only root can change:
    the daemon opens the sockets with root's privileges for an unprivileged process.
    """
    from os_vif import opts
    from os_vif.engine import ovsdb_socket
    from os_vif.host.ovsdb import remotes

    group, option = "os_vif_ovs", "ovsdb_connection"
    cfg.CONF.register_opts(list(opts.OVS), group=group)
    location = cfg.CONF.get_location(option, group)
    if location is None or location.location is not cfg.Locations.user:
        return []
    if not ovsdb_socket.only_root_can_change(location.detail):
        return []
    return remotes.unix_paths(cfg.CONF[group][option])


connect = vif_plug.ovsdb_entry_point(_configured)
