# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the plugins with faults."""

from oslo_privsep import capabilities

from os_vif.privsep import Context
from tests.support.toys import toy_steps

vif_plug = Context(
    "tests.support.toys",
    cfg_section="tests_toys_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
    steps=toy_steps.ALL,
)
run, undo, check = vif_plug.entry_points()
