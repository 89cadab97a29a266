# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A port of Open vSwitch that the hypervisor adds, and not os-vif."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from os_vif.steps.ovs.port_names import other_port, twins
from os_vif.steps.ovs.ports import EnsureOvsPort

if TYPE_CHECKING:
    from os_vif.steps.ovs.rows import Changes, Look, OvsStep
    from os_vif.steps.plan import Difference


@dataclasses.dataclass(frozen=True)
class AwaitedOvsPort(EnsureOvsPort):
    """The hypervisor has added a port to a bridge. The engine never runs this step."""

    #: The VIF's own bridge. A port that was plugged into it while ``per_port_bridge`` was on stays
    #: there: traffic passes, and its ``iface-id`` is on the patch port of the integration bridge.
    own: str | None = None

    def commands(self) -> tuple[str, ...]:
        return ()

    def differences(self, look: Look) -> tuple[Difference, ...]:
        if other_port(look, self.name) is not None:
            # The plan's OvsPortName tells it.
            return tuple(twins(look, self))
        if (port := look.port(self.name)) is not None:
            bridge = look.bridge_of(port)
            in_own = bridge is not None and bridge["name"] == self.own
            return () if in_own else super().differences(look)
        missing = self.difference("port", "missing", f"in {self.bridge}", pending=True)
        return (missing, *twins(look, self))

    def change(self, look: Look, changes: Changes) -> tuple[OvsStep, ...]:
        return ()
