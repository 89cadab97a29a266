# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the ``linux_bridge`` plugin.

``vif_plug_linux_bridge.privsep.vif_plug`` stands in sudoers and rootwrap filters.
"""

from __future__ import annotations

from oslo_privsep import capabilities

from os_vif.host.privsep import Context


def _of_iptables() -> tuple[int, ...]:
    """Return the capabilities of ``iptables``; its module is loaded in the daemon only."""
    from os_vif.host import iptables

    return iptables.needed_capabilities()


vif_plug = Context(
    "vif_plug_linux_bridge",
    cfg_section="vif_plug_linux_bridge_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
    of_programs=_of_iptables,
)
run, undo, look = vif_plug.entry_points()
