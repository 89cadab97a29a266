# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for the address of a gateway on the device of a VIF.

The daemons of os-vif permit addresses of the host's uplinks only. The daemon of this plugin
permits addresses on devices of VIFs.
"""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING

from os_vif.steps import DeleteAddress, EnsureAddress, PluginStep

if TYPE_CHECKING:
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Difference
    from os_vif.steps.plugin_step import Host, Netlink


@dataclasses.dataclass(frozen=True)
class _Gateway(PluginStep):
    #: Name of the device of a VIF.
    name: str
    #: Address with prefix length, such as ``192.0.2.1/24``.
    address: str

    @property
    @abc.abstractmethod
    def step(self) -> EnsureAddress | DeleteAddress:
        """The step of os-vif with the same effect."""

    @property
    def device(self) -> str:
        """The device that the step changes."""
        return self.name

    def validate(self) -> None:
        """Check the arguments: the step of os-vif checks them when it is created."""
        _ = self.step

    def commands(self) -> tuple[str, ...]:
        """Return the shell commands for ``os-vif plan``."""
        return self.step.commands()

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
        return self.step.differences(net)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        """Change the host; return the steps that undo the change."""
        return self.step.apply(net)


@dataclasses.dataclass(frozen=True)
class EnsureGateway(_Gateway):
    """The device of a VIF has the address of a gateway."""

    @property
    def step(self) -> EnsureAddress:
        """The step of os-vif with the same effect."""
        return EnsureAddress(self.name, self.address)


@dataclasses.dataclass(frozen=True)
class DeleteGateway(_Gateway):
    """The device of a VIF, if there is one, does not have the address of a gateway."""

    @property
    def step(self) -> DeleteAddress:
        """The step of os-vif with the same effect."""
        return DeleteAddress(self.name, self.address)
