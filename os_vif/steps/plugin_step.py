# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of steps that a plugin brings along, for the privileged daemon of the plugin."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, Protocol

from os_vif.steps.kernel_step import KernelStep

if TYPE_CHECKING:
    # For the annotations of plugins, which import the names from here.
    from os_vif.host.netlink.rtnetlink import Link as Link  # noqa: PLC0414
    from os_vif.host.netlink.rtnetlink import Netlink as Netlink  # noqa: PLC0414


class Host(Protocol):
    """The host, as the daemon sees the host when a step asks for permission."""

    @property
    def net(self) -> Netlink:
        """The network interfaces."""

    def link(self, name: str) -> Link | None:
        """Return the device with a name, or None."""

    def is_vif(self, link: Link) -> bool:
        """Return whether a device belongs to a VIF.

        A device belongs to a VIF if os-vif created the device, if the name is that of a VIF's
        device (``tap`` and eight hexadecimal digits, ...), or if the device is a virtual function
        or a representor.
        """

    def is_hosts(self, link: Link) -> bool:
        """Return whether the host is reached through a device, or through the device's bridge."""

    def is_bridge(self, link: Link) -> bool:
        """Return whether a device is a bridge that VIFs may use.

        The bridge belongs to a VIF, or an ``EnsureBridge`` of the same call names the bridge.
        """


@dataclasses.dataclass(frozen=True)
class PluginStep(KernelStep):
    """A step of a plugin. Pass the class to ``os_vif.privsep.Context(..., steps=[...])``.

    A subclass is a frozen dataclass, and has the methods of a :class:`~os_vif.steps.kernel_step.KernelStep` and
    :meth:`refusal`. The constructor of the context refuses a class without one of the methods.
    """

    @abc.abstractmethod
    def refusal(self, host: Host) -> str | None:
        """Return why the daemon must not apply the step, or None to permit the step.

        The daemon calls the method as root, before ``apply()``. The caller of the daemon is an
        ordinary user and chooses all arguments of the step, so the method is the only protection
        of the host's own devices: permit a step on devices with ``host.is_vif(link)`` only, and
        not on devices with ``host.is_hosts(link)``. The method does not change the host.
        """
