# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The Linux bridges kept by an unplug, because of further users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.netlink import rtnetlink
from os_vif.steps.link.bridges import DeleteBridge

if TYPE_CHECKING:
    from os_vif.steps.plan import Plan


def sentences(plan: Plan) -> list[str]:
    """Return a sentence for each Linux bridge kept by an executed plan."""
    found: list[str] = []
    deletions = [step for step in plan if isinstance(step, DeleteBridge)]
    if deletions:
        try:
            with rtnetlink.opened() as net:
                found += [left for step in deletions if (left := step.left(net)) is not None]
        except OSError as error:
            names = ", ".join(step.name for step in deletions)
            found.append(f"cannot read whether {names} remains: {error.strerror}")
    return found
