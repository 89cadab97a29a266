# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Every step that a plan can have. The privileged side takes these and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif.host.addresses import DeleteAddress, EnsureAddress
from os_vif.host.attributes import SetLink
from os_vif.host.bridges import DeleteBridge, EnsureBridge, FixBridgeAddress
from os_vif.host.filters import ForwardingRules, NoForwardingRules, RestoreRules
from os_vif.host.links import DeleteLink, EnsureMacvlan, EnsureTap, EnsureVeth, EnsureVlan
from os_vif.host.neighbours import DeleteNeighbour, EnsureNeighbour
from os_vif.host.netns import MoveLink
from os_vif.host.plan import Lost
from os_vif.host.record import JoinBridge, LeaveBridge
from os_vif.host.rename import RenameLink
from os_vif.host.routes import DeleteRoute, EnsureRoute
from os_vif.host.sysctl import InheritSysctl, Sysctl
from os_vif.host.vdpa import DeleteVdpa, EnsureVdpa
from os_vif.host.vf import ReleaseVf, SetVf

if TYPE_CHECKING:
    from os_vif.host.plan import Step

__all__ = [
    "STEPS",
    "DeleteAddress",
    "DeleteBridge",
    "DeleteLink",
    "DeleteNeighbour",
    "DeleteRoute",
    "DeleteVdpa",
    "EnsureAddress",
    "EnsureBridge",
    "EnsureMacvlan",
    "EnsureNeighbour",
    "EnsureRoute",
    "EnsureTap",
    "EnsureVdpa",
    "EnsureVeth",
    "EnsureVlan",
    "FixBridgeAddress",
    "ForwardingRules",
    "InheritSysctl",
    "JoinBridge",
    "LeaveBridge",
    "Lost",
    "MoveLink",
    "NoForwardingRules",
    "ReleaseVf",
    "RenameLink",
    "RestoreRules",
    "SetLink",
    "SetVf",
    "Sysctl",
]

#: Each by its name.
STEPS: dict[str, type[Step]] = {name: globals()[name] for name in __all__ if name != "STEPS"}
