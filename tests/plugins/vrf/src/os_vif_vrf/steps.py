# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step for the address of a gateway on the device of a VIF.

The daemons of os-vif permit addresses of the host's uplinks only. The daemon of this plugin
permits addresses on devices of VIFs.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from os_vif.steps import EnsureAddress, PluginStep

if TYPE_CHECKING:
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Difference
    from os_vif.steps.plugin_step import Host, Netlink


@dataclasses.dataclass(frozen=True)
class EnsureGateway(PluginStep):
    """The device of a VIF has the address of a gateway."""

    #: Name of the device.
    name: str
    #: Address with prefix length, such as ``192.0.2.1/24``.
    address: str

    @property
    def device(self) -> str:
        """The device that the step changes."""
        return self.name

    @property
    def _step(self) -> EnsureAddress:
        """The step of os-vif with the same effect."""
        return EnsureAddress(self.name, self.address)

    def validate(self) -> None:
        """Check the arguments: the step of os-vif checks them when it is created."""
        _ = self._step

    def commands(self) -> tuple[str, ...]:
        """Return the shell commands for ``os-vif plan``."""
        return self._step.commands()

    def refusal(self, host: Host) -> str | None:
        """Permit devices of VIFs only.

        ``host.is_hosts()`` is no condition: the address of the gateway makes the device an
        interface of the host.
        """
        link = host.link(self.name)
        if link is None or host.is_vif(link):
            return None
        return "the device does not belong to a VIF"

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        """Compare the host with the step."""
        return self._step.differences(net)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        """Change the host; return the steps that undo the change."""
        return self._step.apply(net)
