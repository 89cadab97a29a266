# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A log of the steps of a plan: which changed something, what was there before, how long it took.

The logger is ``os_vif.steps``, and the level is DEBUG. A record has the attribute ``step_held``:
true for a step that held already, so that nothing was changed. ``os-vif -v`` shows those of
changes, ``os-vif -vv`` all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from os_vif.escape import printable

if TYPE_CHECKING:
    from os_vif.steps.plan import Step

LOG = logging.getLogger("os_vif.steps")


def is_enabled() -> bool:
    """Return whether steps are logged at all."""
    return LOG.isEnabledFor(logging.DEBUG)


def log_applied(step: Step, undo: Sequence[Step], seconds: float) -> None:
    """Log a step that was applied.

    :param undo: the steps that restore what was there before; none if the step held already.
    :param seconds: how long the step took, or the transaction or batch that it was part of.
    """
    if not undo:
        log_held(step)
        return
    before = "; ".join(command for back in undo for command in back.commands())
    LOG.debug(
        "%s changed %s in %.1f ms: %s (to restore what was before: %s)",
        type(step).__name__,
        step.device,
        seconds * 1000,
        printable("; ".join(step.commands())),
        printable(before),
        extra={"step_held": False},
    )


def log_held(step: Step) -> None:
    """Log a step that held already."""
    LOG.debug("%s held on %s", type(step).__name__, step.device, extra={"step_held": True})


def log_all_held(steps: Sequence[Step]) -> None:
    """Log steps all of which held already."""
    if is_enabled():
        for step in steps:
            log_held(step)
