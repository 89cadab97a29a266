# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The base class of steps about the kernel, which the privileged daemon applies."""

from __future__ import annotations

import abc
import dataclasses
import errno
from typing import TYPE_CHECKING, ClassVar

from os_vif.steps import validate
from os_vif.steps.plan import Difference, NamedStep, Step

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink


@dataclasses.dataclass(frozen=True)
class KernelStep(Step):
    """A condition of the kernel, which the privileged daemon establishes."""

    executor = "kernel"
    #: Whether reading the condition requires root.
    check_requires_root: ClassVar[bool] = False
    #: Whether an error counts the step as an undone change.
    is_counted: ClassVar[bool] = True

    @abc.abstractmethod
    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        """Return the differences between the condition and the host. Changes nothing.

        Needs no privileges unless ``check_requires_root`` is true.
        """

    def holds(self, net: Netlink) -> bool:
        """Return whether :meth:`apply` would change nothing."""
        return not self.check_requires_root and not self.differences(net)

    @abc.abstractmethod
    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        """Establish the condition.

        :returns: the undo steps, in order of execution; empty if the condition held already.
        :raises OSError: if the kernel refuses the change. The host is unchanged then.
        """


@dataclasses.dataclass(frozen=True)
class Irreversible(NamedStep, KernelStep):
    """Placeholder undo step for an irreversible change.

    ``apply()`` always fails, so the error of the plan lists the change as not undone.
    """

    #: The change, for the error.
    description: str

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.text(self, "description", 400)

    def commands(self) -> tuple[str, ...]:
        return (f"# {self.name}: {self.description}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        raise OSError(errno.EOPNOTSUPP, "os-vif cannot undo that")
