# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Rolling back: applying undo steps, and collecting the failed steps."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from os_vif.escape import described_error
from os_vif.steps.plan import Step

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.kernel_step import KernelStep

LOG = logging.getLogger(__name__)

S = TypeVar("S", bound=Step)


@dataclasses.dataclass
class Rollback:
    """The result of a rollback."""

    #: The number of applied undo steps.
    undone: int = 0
    #: Commands for the failed undo steps, each with the reason.
    not_undone: list[str] = dataclasses.field(default_factory=list)


def roll_back(undo: Iterable[S], apply: Callable[[S], object]) -> Rollback:
    """Apply undo steps in order, also after a failed step.

    :param apply: applies a step; any exception counts as a failure of the step.
    """
    result = Rollback()
    for step in undo:
        try:
            apply(step)
        except Exception as error:
            LOG.exception("Could not undo: %s", step)
            result.not_undone += commands_with_reason([step], reason_of(error))
        else:
            result.undone += getattr(step, "is_counted", True)
    return result


def commands_with_reason(steps: Iterable[Step], reason: str) -> list[str]:
    """Return the commands of failed steps, each with the reason as a comment."""
    return [f"{command}  # {reason}" for step in steps for command in step.commands()]


def reason_of(error: Exception) -> str:
    """Return the text of a system error, or the class and the text of another exception."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return described_error(error)


def roll_back_partial(net: Netlink, undo: Iterable[KernelStep], error: OSError) -> None:
    """Roll back a step that the kernel has carried out in part; add failures to the text of *error*.

    :param undo: the undo steps of the changes that were made.
    """
    result = roll_back(undo, lambda step: step.apply(net))
    if result.not_undone:
        error.strerror = f"{error.strerror}; and then not undone: {'; '.join(result.not_undone)}"
