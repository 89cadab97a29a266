# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the plugin. No other daemon accepts the steps of the plugin."""

from os_vif.privsep import Context
from oslo_privsep import capabilities

from os_vif_vrf.steps import EnsureGateway

vif_plug = Context(
    "os_vif_vrf",
    cfg_section="os_vif_vrf_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
    steps=[EnsureGateway],
)
run, undo, check = vif_plug.entry_points()
