# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A privileged daemon without CAP_NET_ADMIN, which the steps need."""

from oslo_privsep import capabilities

from os_vif.privsep import Context
from tests.support.toys import toy_steps

vif_plug = Context(
    "tests.support.toys",
    cfg_section="tests_toys_weak_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_RAW],
    steps=toy_steps.ALL,
)
run, undo, check = vif_plug.entry_points()
