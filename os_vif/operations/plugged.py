# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The entry of a VIF in the inventory of the host."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum

from os_vif import objects
from os_vif.steps.plan import Difference


class State(enum.StrEnum):
    """The state of a VIF on the host."""

    #: The host has all settings of the VIF.
    RIGHT = "right"
    #: A plug would change settings of the host.
    DIFFERS = "differs"
    #: The hypervisor or the guest has not connected yet. No fault.
    PENDING = "pending"
    #: Remains of an unplugged VIF: a bridge without ports, or half of a pair of devices.
    LEFT_OVER = "left over"
    #: The host or the plugin could not be read.
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Plugged:
    """A VIF on the host, found by :func:`os_vif.inventory`."""

    #: Id of the VIF. Of remains: the name of the bridge, or the known first characters of the id.
    id: str
    #: The recorded VIF, or a VIF reconstructed from devices and rows. An argument for
    #: :func:`os_vif.unplug` and the other functions.
    vif: objects.VIFBase
    #: The virtual machine or pod; empty fields are unknown.
    instance: objects.InstanceInfo
    #: Name of the plugin.
    plugin: str
    #: The way of plugging, such as ``hybrid`` or ``port``.
    way: str
    #: ``[os_vif] owner`` of the plugging process; None if unknown.
    owner: str | None
    #: When the VIF was plugged first, in UTC; None if unknown.
    since: dt.datetime | None
    #: Names of the network devices of the VIF.
    devices: tuple[str, ...]
    #: Name of the port; None without a port.
    port: str | None
    #: Name of the bridge with the port; None without a bridge.
    bridge: str | None
    state: State
    #: A sentence for each reason of the state; empty for ``right``.
    reasons: tuple[str, ...] = ()
    #: The differences of :func:`os_vif.check`.
    differences: tuple[Difference, ...] = ()
    #: UUID of the row of the port in Open vSwitch; empty without a port. A port that was deleted
    #: and created again has another row.
    row: str = ""

    @property
    def kind(self) -> str:
        """Name of the VIF's class, such as ``VIFBridge``."""
        return self.vif.obj_name()
