# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the ``linux_bridge`` plugin.

Sudoers files and rootwrap filters name ``vif_plug_linux_bridge.privsep.vif_plug``. Do not rename
the path.
"""

from __future__ import annotations

from oslo_privsep import capabilities

from os_vif.privsep import Context


def _of_iptables() -> tuple[int, ...]:
    """Return the capabilities that ``iptables`` needs. Only the daemon imports the module."""
    from os_vif.host import iptables

    return iptables.needed_capabilities()


vif_plug = Context(
    "vif_plug_linux_bridge",
    cfg_section="vif_plug_linux_bridge_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
    program_capabilities=_of_iptables,
)
run, undo, check = vif_plug.entry_points()
probe = vif_plug.probe_entry_point()
