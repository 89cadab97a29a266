# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the plugin. No other daemon accepts the plugin's step."""

from os_vif_queues_steps import SetQueueLength
from oslo_privsep import capabilities

from os_vif.privsep import Context

vif_plug = Context(
    "os_vif_queues",
    cfg_section="os_vif_queues_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
    steps=[SetQueueLength],
)
run, undo, check = vif_plug.entry_points()
