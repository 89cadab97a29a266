# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The commands ``check``, ``plan``, ``plug`` and ``unplug``, for installations of an older tree."""

from __future__ import annotations

from os_vif.cmd.host.check_vif import Check
from os_vif.cmd.host.plan_vif import Plan
from os_vif.cmd.host.plug_vif import Plug
from os_vif.cmd.host.unplug_vif import Unplug

__all__ = ["Check", "Plan", "Plug", "Unplug"]
