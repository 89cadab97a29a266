# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Codec for steps between the calling process and the privileged daemon.

The daemon decodes only the classes of :data:`STEPS`, a closed list, and refuses unknown messages.
"""

from __future__ import annotations

import dataclasses
import reprlib
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.steps.ip.addresses import DeleteAddress, EnsureAddress
from os_vif.steps.ip.forwarding_rules import (
    DeleteForwardingRules,
    EnsureForwardingRules,
    RestoreForwardingRules,
)
from os_vif.steps.ip.neighbours import DeleteNeighbour, EnsureNeighbour
from os_vif.steps.ip.routes import DeleteRoute, EnsureRoute
from os_vif.steps.ip.sysctl import SetInheritedSysctl, SetSysctl
from os_vif.steps.kernel_step import Irreversible
from os_vif.steps.link.bridge_users import AddBridgeUser, RemoveBridgeUser
from os_vif.steps.link.bridges import DeleteBridge, EnsureBridge, SetBridgeAddress
from os_vif.steps.link.links import DeleteLink
from os_vif.steps.link.macvlan import EnsureMacvlan
from os_vif.steps.link.move_link import MoveLink
from os_vif.steps.link.rename_link import RenameLink
from os_vif.steps.link.set_link import SetLink
from os_vif.steps.link.tap import EnsureTap
from os_vif.steps.link.veth import EnsureVeth
from os_vif.steps.link.vlan import EnsureVlan
from os_vif.steps.sriov.vdpa import DeleteVdpa, EnsureVdpa
from os_vif.steps.sriov.vf import ReleaseVf, SetVf

if TYPE_CHECKING:
    from os_vif.steps.kernel_step import KernelStep

#: Maximal length of a list in an argument.
_MAX_ENTRIES = 1024
#: Maximal number of characters of a refused message in an error.
_SHOWN = 200

#: The step classes that cross the privilege boundary, by name.
STEPS: dict[str, type[KernelStep]] = {
    step.__name__: step
    for step in (
        AddBridgeUser,
        DeleteAddress,
        DeleteBridge,
        DeleteForwardingRules,
        DeleteLink,
        DeleteNeighbour,
        DeleteRoute,
        DeleteVdpa,
        EnsureAddress,
        EnsureBridge,
        EnsureForwardingRules,
        EnsureMacvlan,
        EnsureNeighbour,
        EnsureRoute,
        EnsureTap,
        EnsureVdpa,
        EnsureVeth,
        EnsureVlan,
        Irreversible,
        MoveLink,
        ReleaseVf,
        RemoveBridgeUser,
        RenameLink,
        RestoreForwardingRules,
        SetBridgeAddress,
        SetInheritedSysctl,
        SetLink,
        SetSysctl,
        SetVf,
    )
}
_FIELDS = {
    name: frozenset(field.name for field in dataclasses.fields(step))
    for name, step in STEPS.items()
}


def decode(message: Any) -> KernelStep:
    """Decode a message to a step.

    :raises os_vif.exception.InvalidStep: if the message is not an encoded step.
    """
    match message:
        case [str(name), dict(arguments)] if name in STEPS:
            step = STEPS[name]
        case _:
            raise malformed(message, f"a step out of {', '.join(sorted(STEPS))}")
    known = _FIELDS[name]
    if any(
        isinstance(argument, list | tuple) and len(argument) > _MAX_ENTRIES
        for argument in arguments.values()
    ):
        raise malformed(message, f"lists of at most {_MAX_ENTRIES} entries")
    if not all(isinstance(argument, str) for argument in arguments) or arguments.keys() - known:
        raise malformed(message, f"arguments out of {', '.join(sorted(known))}")
    try:
        return step(**arguments)
    except TypeError as error:
        raise malformed(message, str(error)) from None


def malformed(message: Any, expected: str) -> exception.InvalidStep:
    """Return the error for a message that is not an encoded step."""
    # The message may be large, and may be of any type.
    return exception.InvalidStep(
        step="message", field="its content", found=_brief(message), expected=expected
    )


def _brief(message: Any) -> str:
    """Return the ``repr`` of a message, abbreviated."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = short.maxlong = _SHOWN
    return short.repr(message)[:_SHOWN]


def encode(step: KernelStep) -> list[Any]:
    """Encode a step as plain data: class name and arguments. Default values are left out."""
    arguments = {
        field.name: value
        for field in dataclasses.fields(step)
        if (value := getattr(step, field.name)) != field.default
    }
    return [type(step).__name__, arguments]
