# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that applies another step in the network namespace of a pod."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from shlex import quote
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from os_vif import exception
from os_vif.host.netlink.pod_namespaces import GoneError
from os_vif.host.state import lent_devices
from os_vif.steps.ip.addresses import DeleteAddress, EnsureAddress
from os_vif.steps.ip.routes import DeleteRoute, EnsureRoute
from os_vif.steps.ip.sysctl import SetSysctl
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.links import DeleteLink
from os_vif.steps.link.set_link import SetLink
from os_vif.steps.plan import arguments_of
from os_vif.steps.pod.pod_step import PodStep
from os_vif.steps.trust import is_trusted

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.plan import Difference
    from os_vif.steps.plugin_step import Host

#: The steps that a pod may have, by name.
_INNER: Mapping[str, type[KernelStep]] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            DeleteAddress,
            DeleteLink,
            DeleteRoute,
            EnsureAddress,
            EnsureRoute,
            Irreversible,
            SetLink,
            SetSysctl,
        )
    }
)
_LOOPBACK = "lo"


@dataclasses.dataclass(frozen=True)
class InPod(PodStep):
    """A step holds in the network namespace of a pod.

    Permitted are steps for addresses, routes, settings and kernel parameters of a device of os-vif,
    and the loopback device being up.

    :raises OSError: the errors of the inner step, and of each step in a pod.

    Equivalent to: ``nsenter --net=NETNS`` before each command of the inner step
    """

    #: Class of the inner step.
    step: str
    #: Arguments of the inner step, as pairs of name and value.
    arguments: tuple[tuple[str, Any], ...]
    #: The step holds while the namespace is missing, as in an undo.
    missing_ok: bool = False

    def __post_init__(self) -> None:
        # msgpack may have made lists of the tuples.
        if isinstance(self.arguments, list | tuple):
            pairs = tuple(
                tuple(pair) if isinstance(pair, list) else pair for pair in self.arguments
            )
            object.__setattr__(self, "arguments", pairs)
        super().__post_init__()

    @classmethod
    def of(cls, netns: str, netns_id: str, inner: KernelStep, *, missing_ok: bool = False) -> Self:
        """Return the step for an inner step in a namespace.

        The constructor of the inner step has validated the arguments, which are not validated again.
        """
        arguments = tuple(
            (name, value)
            for name, default in arguments_of(type(inner))
            if name != "name" and (value := getattr(inner, name)) != default
        )
        step = object.__new__(cls)
        step.__dict__.update(
            name=inner.device,
            netns=netns,
            netns_id=netns_id,
            step=type(inner).__name__,
            arguments=arguments,
            missing_ok=missing_ok,
            inner=inner,
        )
        if not is_trusted():
            step.validate()
        return step

    @property
    def device(self) -> str:
        return f"{self.name} in {self.netns}"

    @functools.cached_property
    def inner(self) -> KernelStep:
        """The inner step.

        :raises os_vif.exception.InvalidStep: if the arguments are wrong.
        """
        kind = _INNER.get(self.step)
        if kind is None:
            raise self._invalid("step", self.step, f"one of {', '.join(sorted(_INNER))}")
        create: Callable[..., KernelStep] = kind
        try:
            return create(self.name, **dict(self.arguments))
        except (TypeError, ValueError) as error:
            expected = f"the arguments of {self.step}: {error}"
            raise self._invalid("arguments", self.arguments, expected) from None

    def _invalid(self, field: str, found: object, expected: str) -> exception.InvalidStep:
        return exception.InvalidStep(
            step=type(self).__name__, field=field, found=found, expected=expected
        )

    def validate(self) -> None:
        super().validate()
        if not isinstance(self.step, str):
            raise self._invalid("step", self.step, "the name of a step")
        if not isinstance(self.arguments, tuple):
            raise self._invalid("arguments", self.arguments, "pairs of name and value")
        # The constructor of the inner step validates the arguments.
        if type(self.inner) is not _INNER.get(self.step):
            raise self._invalid("step", self.step, f"one of {', '.join(sorted(_INNER))}")

    def commands(self) -> tuple[str, ...]:
        return tuple(f"nsenter --net={quote(self.netns)} {c}" for c in self.inner.commands())

    def refusal(self, host: Host) -> str | None:
        if (reason := super().refusal(host)) is not None:
            return reason
        if dict(self.arguments).get("replaces") is not None:
            return "a step in a pod replaces no route of another device"
        if self.name == _LOOPBACK:
            permitted = self.step == "SetLink" and dict(self.arguments) in (
                {"up": True},
                {"up": False, "missing_ok": True},
            )
            return None if permitted else "only the state of the loopback device may be set"
        try:
            with self.opened() as pod, pod.entered() as net:
                link = net.link(self.name)
                if link is None or link.is_managed or lent_devices.is_lent(self.netns_id, link):
                    return None
        except GoneError:
            return None
        return "the device is not of os-vif"

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        try:
            with self.opened() as pod, pod.entered() as inside:
                found = self.inner.differences(inside)
        except GoneError as error:
            if self.missing_ok:
                return ()
            return (self.difference("network namespace", error.strerror, "there"),)
        return tuple(
            dataclasses.replace(each, step=type(self).__name__, device=self.device)
            for each in found
        )

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        try:
            with self.opened() as pod, pod.entered() as inside:
                undo = self.inner.apply(inside)
        except GoneError:
            if self.missing_ok:
                return ()
            raise
        # A namespace that goes before the roll back needs none.
        return tuple(self.of(self.netns, self.netns_id, step, missing_ok=True) for step in undo)
