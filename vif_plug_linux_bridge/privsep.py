# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of the ``linux_bridge`` plugin.

``vif_plug_linux_bridge.privsep.vif_plug`` stands in sudoers and rootwrap filters.
"""

from __future__ import annotations

from typing import Any

from oslo_privsep import capabilities

from os_vif.host.privsep import Context

vif_plug = Context(
    "vif_plug_linux_bridge",
    cfg_section="vif_plug_linux_bridge_privileged",
    pypath=f"{__name__}.vif_plug",
    capabilities=[capabilities.CAP_NET_ADMIN],
)


@vif_plug.entrypoint
def run(messages: list[Any]) -> dict[str, Any]:
    """Run typed steps: :func:`os_vif.host.privileged.run`."""
    from os_vif.host import privileged

    return privileged.run(messages)


@vif_plug.entrypoint
def undo(messages: list[Any]) -> dict[str, Any]:
    """Undo what a run has done: :func:`os_vif.host.privileged.undo`."""
    from os_vif.host import privileged

    return privileged.undo(messages)


@vif_plug.entrypoint
def look(messages: list[Any]) -> dict[str, Any]:
    """What of typed steps does not hold: :func:`os_vif.host.privileged.look`."""
    from os_vif.host import privileged

    return privileged.look(messages)
