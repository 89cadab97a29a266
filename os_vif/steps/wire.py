# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Codec for steps between the calling process and the privileged daemon.

A daemon decodes the classes of its registry and refuses all other messages. The registry of the
daemons of os-vif is :data:`STEPS`; :func:`register` adds the steps of a plugin for the daemon of
that plugin.
"""

from __future__ import annotations

import functools
import inspect
import reprlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
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
from os_vif.steps.link.bond import DeleteBondMember, EnsureBond, EnsureBondMember
from os_vif.steps.link.bridge_users import AddBridgeUser, RemoveBridgeUser
from os_vif.steps.link.bridges import DeleteBridge, EnsureBridge, SetBridgeAddress
from os_vif.steps.link.dummy import EnsureDummy
from os_vif.steps.link.ipvlan import EnsureIpvlan
from os_vif.steps.link.links import DeleteLink
from os_vif.steps.link.macvlan import EnsureMacvlan
from os_vif.steps.link.move_link import MoveLink
from os_vif.steps.link.rename_link import RenameLink
from os_vif.steps.link.restore_link import RestoreLink
from os_vif.steps.link.set_link import SetLink
from os_vif.steps.link.tap import EnsureTap
from os_vif.steps.link.veth import EnsureVeth
from os_vif.steps.link.vlan import EnsureVlan
from os_vif.steps.link.vrf import EnsureVrf
from os_vif.steps.link.vxlan import EnsureVxlan
from os_vif.steps.plan import arguments_of
from os_vif.steps.plugin_step import PluginStep
from os_vif.steps.sriov.vdpa import DeleteVdpa, EnsureVdpa
from os_vif.steps.sriov.vf import ReleaseVf, SetVf
from os_vif.steps.vif_record import DeleteVifRecord, RequireVifMark, WriteVifRecord

if TYPE_CHECKING:
    from os_vif.steps.kernel_step import KernelStep

#: Maximal length of a list in an argument.
_MAX_ENTRIES = 1024
#: The types of plain data, besides None and tuples.
_PLAIN_TYPES = (bool, int, float, str, bytes)
#: Maximal number of characters of a refused message in an error.
_SHOWN = 200

#: The step classes that cross the privilege boundary, by name.
STEPS: dict[str, type[KernelStep]] = {
    step.__name__: step
    for step in (
        AddBridgeUser,
        DeleteAddress,
        DeleteBondMember,
        DeleteBridge,
        DeleteForwardingRules,
        DeleteLink,
        DeleteNeighbour,
        DeleteRoute,
        DeleteVdpa,
        DeleteVifRecord,
        EnsureAddress,
        EnsureBond,
        EnsureBondMember,
        EnsureBridge,
        EnsureDummy,
        EnsureForwardingRules,
        EnsureIpvlan,
        EnsureMacvlan,
        EnsureNeighbour,
        EnsureRoute,
        EnsureTap,
        EnsureVdpa,
        EnsureVeth,
        EnsureVlan,
        EnsureVrf,
        EnsureVxlan,
        Irreversible,
        MoveLink,
        ReleaseVf,
        RemoveBridgeUser,
        RenameLink,
        RequireVifMark,
        RestoreForwardingRules,
        RestoreLink,
        SetBridgeAddress,
        SetInheritedSysctl,
        SetLink,
        SetSysctl,
        SetVf,
        WriteVifRecord,
    )
}
#: The step classes that a daemon accepts, by name.
Registry = Mapping[str, type["KernelStep"]]


def register(steps: Iterable[type[PluginStep]]) -> Registry:
    """Return the registry of a plugin's daemon: the steps of os-vif, and the steps of the plugin.

    :raises TypeError: for a class that is no complete step, or whose name is taken.
    """
    registry = dict(STEPS)
    for step in steps:
        if fault := _fault(step):
            raise TypeError(f"steps: {step!r} {fault}")
        name = step.__name__
        if name in registry:
            owner = "os-vif" if name in STEPS else "the plugin"
            raise TypeError(f"steps: {step!r} has the name of another step of {owner}, {name}")
        registry[name] = step
    return MappingProxyType(registry)


def _fault(step: Any) -> str | None:
    """Return why a class is no step of a plugin, or None."""
    if not (inspect.isclass(step) and issubclass(step, PluginStep)):
        return "is not derived from os_vif.steps.PluginStep"
    if missing := ", ".join(sorted(step.__abstractmethods__)):
        return f"lacks {missing}; the daemon needs every method of a step"
    is_own = "__dataclass_params__" in vars(step)
    if not is_own or not step.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "is not decorated with @dataclasses.dataclass(frozen=True)"
    return None


def require_registered(steps: Iterable[KernelStep], registry: Registry) -> None:
    """Raise InvalidStep for a step that a daemon with a registry cannot receive.

    The class of the step must be in the registry. The arguments of a plugin's step must be plain
    data, which msgpack encodes, and hashable.
    """
    for step in steps:
        if not is_of_os_vif(type(step)):
            for name in _fields(type(step)):
                if not _is_plain(value := getattr(step, name)):
                    expected = "None, a boolean, a number, text, bytes, or a tuple of these"
                    raise exception.InvalidStep(
                        step=type(step).__name__, field=name, found=value, expected=expected
                    )
        if registry.get(type(step).__name__) is not type(step):
            kind = f"{type(step).__module__}.{type(step).__qualname__}"
            expected = "a class of os_vif.steps, or of steps= of the daemon's Context"
            raise exception.InvalidStep(
                step=type(step).__name__, field="the class", found=kind, expected=expected
            )


@functools.cache
def is_of_os_vif(step: type[KernelStep]) -> bool:
    """Return whether a class of steps is part of os-vif, so that its arguments are plain data."""
    return not issubclass(step, PluginStep) or step.__module__.startswith("os_vif.steps.")


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, _PLAIN_TYPES)


@functools.cache
def _fields(step: type[KernelStep]) -> frozenset[str]:
    """Return the names of the arguments of a step."""
    return frozenset(name for name, _ in arguments_of(step))


def decode(message: Any, registry: Registry = STEPS) -> KernelStep:
    """Decode a message to a step.

    :param registry: the accepted classes, by name.
    :raises os_vif.exception.InvalidStep: if the message is not an encoded step.
    """
    is_pair = isinstance(message, list | tuple) and len(message) == 2  # noqa: PLR2004 - name and arguments
    name, arguments = message if is_pair else (None, None)
    if not isinstance(name, str) or not isinstance(arguments, dict) or name not in registry:
        raise malformed(message, f"a step out of {', '.join(sorted(registry))}")
    step = registry[name]
    for argument in arguments.values():
        if isinstance(argument, list | tuple) and len(argument) > _MAX_ENTRIES:
            raise malformed(message, f"lists of at most {_MAX_ENTRIES} entries")
    known = _fields(step)
    if not arguments.keys() <= known:
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
    kind = type(step)
    arguments = {
        name: value
        for name, default in arguments_of(kind)
        if (value := getattr(step, name)) != default
    }
    return [kind.__name__, arguments]
