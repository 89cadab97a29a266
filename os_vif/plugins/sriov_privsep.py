# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the ``sriov`` plugin.

``os_vif.plugins.sriov_privsep.vif_plug`` stands in sudoers and rootwrap filters.
"""

from __future__ import annotations

from oslo_privsep import capabilities

from os_vif.privsep import Context

vif_plug = Context(
    "os_vif",
    cfg_section="os_vif_sriov_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
)
run, undo, check = vif_plug.entry_points()
probe = vif_plug.probe_entry_point()
