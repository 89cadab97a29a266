# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Public API for plugin authors: ``Plan``, ``Difference`` and the classes of steps.

A plugin returns plans of steps; the engine runs the plans. The contract of a step:

1. A step states a condition of the host, such as "a bridge of the name exists". The constructor
   checks the arguments and raises :class:`os_vif.exception.InvalidStep`, which names the field.
2. A step is idempotent: if the condition holds, ``apply()`` changes nothing.
3. ``apply()`` returns the undo steps of the change, in order of execution.
4. A failed ``apply()`` leaves the host unchanged and raises :class:`OSError`. The engine then rolls
   back the preceding steps in reverse order and raises :class:`os_vif.exception.StepFailed`.
5. ``differences()`` reads the host and changes nothing; :func:`os_vif.check` reports the result.
6. A step is plain data. The privileged daemon receives name and arguments, and checks the
   arguments and the policy again before the first change.

Classes are imported at first use: a process that plugs Linux bridges does not load the steps of
Open vSwitch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os_vif.steps.ip.addresses import DeleteAddress as DeleteAddress
    from os_vif.steps.ip.addresses import EnsureAddress as EnsureAddress
    from os_vif.steps.ip.forwarding_rules import DeleteForwardingRules as DeleteForwardingRules
    from os_vif.steps.ip.forwarding_rules import EnsureForwardingRules as EnsureForwardingRules
    from os_vif.steps.ip.neighbours import DeleteNeighbour as DeleteNeighbour
    from os_vif.steps.ip.neighbours import EnsureNeighbour as EnsureNeighbour
    from os_vif.steps.ip.routes import DeleteRoute as DeleteRoute
    from os_vif.steps.ip.routes import EnsureRoute as EnsureRoute
    from os_vif.steps.ip.sysctl import SetInheritedSysctl as SetInheritedSysctl
    from os_vif.steps.ip.sysctl import SetSysctl as SetSysctl
    from os_vif.steps.kernel_step import KernelStep as KernelStep
    from os_vif.steps.link.bond import DeleteBondMember as DeleteBondMember
    from os_vif.steps.link.bond import EnsureBond as EnsureBond
    from os_vif.steps.link.bond import EnsureBondMember as EnsureBondMember
    from os_vif.steps.link.bridge_users import AddBridgeUser as AddBridgeUser
    from os_vif.steps.link.bridge_users import RemoveBridgeUser as RemoveBridgeUser
    from os_vif.steps.link.bridges import DeleteBridge as DeleteBridge
    from os_vif.steps.link.bridges import EnsureBridge as EnsureBridge
    from os_vif.steps.link.bridges import SetBridgeAddress as SetBridgeAddress
    from os_vif.steps.link.dummy import EnsureDummy as EnsureDummy
    from os_vif.steps.link.ipvlan import EnsureIpvlan as EnsureIpvlan
    from os_vif.steps.link.links import DeleteLink as DeleteLink
    from os_vif.steps.link.macvlan import EnsureMacvlan as EnsureMacvlan
    from os_vif.steps.link.move_link import MoveLink as MoveLink
    from os_vif.steps.link.rename_link import RenameLink as RenameLink
    from os_vif.steps.link.set_link import SetLink as SetLink
    from os_vif.steps.link.tap import EnsureTap as EnsureTap
    from os_vif.steps.link.veth import EnsureVeth as EnsureVeth
    from os_vif.steps.link.vlan import EnsureVlan as EnsureVlan
    from os_vif.steps.link.vrf import EnsureVrf as EnsureVrf
    from os_vif.steps.link.vxlan import EnsureVxlan as EnsureVxlan
    from os_vif.steps.ovs.bridge import DeleteOvsBridge as DeleteOvsBridge
    from os_vif.steps.ovs.bridge import EnsureOvsBridge as EnsureOvsBridge
    from os_vif.steps.ovs.port import DeleteOvsPort as DeleteOvsPort
    from os_vif.steps.ovs.port import EnsureOvsPort as EnsureOvsPort
    from os_vif.steps.plan import Difference as Difference
    from os_vif.steps.plan import OvsdbTarget as OvsdbTarget
    from os_vif.steps.plan import Plan as Plan
    from os_vif.steps.plan import Step as Step
    from os_vif.steps.plugin_step import PluginStep as PluginStep
    from os_vif.steps.sriov.vdpa import DeleteVdpa as DeleteVdpa
    from os_vif.steps.sriov.vdpa import EnsureVdpa as EnsureVdpa
    from os_vif.steps.sriov.vf import ReleaseVf as ReleaseVf
    from os_vif.steps.sriov.vf import SetVf as SetVf

#: The module of each class.
_MODULES = {
    "AddBridgeUser": "os_vif.steps.link.bridge_users",
    "DeleteAddress": "os_vif.steps.ip.addresses",
    "DeleteBondMember": "os_vif.steps.link.bond",
    "DeleteBridge": "os_vif.steps.link.bridges",
    "DeleteForwardingRules": "os_vif.steps.ip.forwarding_rules",
    "DeleteLink": "os_vif.steps.link.links",
    "DeleteNeighbour": "os_vif.steps.ip.neighbours",
    "DeleteOvsBridge": "os_vif.steps.ovs.bridge",
    "DeleteOvsPort": "os_vif.steps.ovs.port",
    "DeleteRoute": "os_vif.steps.ip.routes",
    "DeleteVdpa": "os_vif.steps.sriov.vdpa",
    "Difference": "os_vif.steps.plan",
    "EnsureAddress": "os_vif.steps.ip.addresses",
    "EnsureBond": "os_vif.steps.link.bond",
    "EnsureBondMember": "os_vif.steps.link.bond",
    "EnsureBridge": "os_vif.steps.link.bridges",
    "EnsureDummy": "os_vif.steps.link.dummy",
    "EnsureForwardingRules": "os_vif.steps.ip.forwarding_rules",
    "EnsureIpvlan": "os_vif.steps.link.ipvlan",
    "EnsureMacvlan": "os_vif.steps.link.macvlan",
    "EnsureNeighbour": "os_vif.steps.ip.neighbours",
    "EnsureOvsBridge": "os_vif.steps.ovs.bridge",
    "EnsureOvsPort": "os_vif.steps.ovs.port",
    "EnsureRoute": "os_vif.steps.ip.routes",
    "EnsureTap": "os_vif.steps.link.tap",
    "EnsureVdpa": "os_vif.steps.sriov.vdpa",
    "EnsureVeth": "os_vif.steps.link.veth",
    "EnsureVlan": "os_vif.steps.link.vlan",
    "EnsureVrf": "os_vif.steps.link.vrf",
    "EnsureVxlan": "os_vif.steps.link.vxlan",
    "KernelStep": "os_vif.steps.kernel_step",
    "MoveLink": "os_vif.steps.link.move_link",
    "OvsdbTarget": "os_vif.steps.plan",
    "Plan": "os_vif.steps.plan",
    "PluginStep": "os_vif.steps.plugin_step",
    "ReleaseVf": "os_vif.steps.sriov.vf",
    "RemoveBridgeUser": "os_vif.steps.link.bridge_users",
    "RenameLink": "os_vif.steps.link.rename_link",
    "SetBridgeAddress": "os_vif.steps.link.bridges",
    "SetInheritedSysctl": "os_vif.steps.ip.sysctl",
    "SetLink": "os_vif.steps.link.set_link",
    "SetSysctl": "os_vif.steps.ip.sysctl",
    "SetVf": "os_vif.steps.sriov.vf",
    "Step": "os_vif.steps.plan",
}

__all__ = [
    "AddBridgeUser",
    "DeleteAddress",
    "DeleteBondMember",
    "DeleteBridge",
    "DeleteForwardingRules",
    "DeleteLink",
    "DeleteNeighbour",
    "DeleteOvsBridge",
    "DeleteOvsPort",
    "DeleteRoute",
    "DeleteVdpa",
    "Difference",
    "EnsureAddress",
    "EnsureBond",
    "EnsureBondMember",
    "EnsureBridge",
    "EnsureDummy",
    "EnsureForwardingRules",
    "EnsureIpvlan",
    "EnsureMacvlan",
    "EnsureNeighbour",
    "EnsureOvsBridge",
    "EnsureOvsPort",
    "EnsureRoute",
    "EnsureTap",
    "EnsureVdpa",
    "EnsureVeth",
    "EnsureVlan",
    "EnsureVrf",
    "EnsureVxlan",
    "KernelStep",
    "MoveLink",
    "OvsdbTarget",
    "Plan",
    "PluginStep",
    "ReleaseVf",
    "RemoveBridgeUser",
    "RenameLink",
    "SetBridgeAddress",
    "SetInheritedSysctl",
    "SetLink",
    "SetSysctl",
    "SetVf",
    "Step",
]


if not TYPE_CHECKING:
    # With this function, type checkers would accept any name.

    def __getattr__(name: str) -> Any:
        """Import a class at first use (PEP 562)."""
        if name not in _MODULES:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(importlib.import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
