# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Log of the steps of a plan: changes, previous settings and durations.

The logger is ``os_vif.steps``, and the level is DEBUG. Records have the attribute ``step_held``,
which is true if the step held already and changed nothing. ``os-vif -v`` shows records of changes,
``os-vif -vv`` shows all records.
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
    """Return whether the logger is enabled."""
    return LOG.isEnabledFor(logging.DEBUG)


def log_changed(step: Step, undo: Sequence[str], seconds: float) -> None:
    """Log a step that has changed the host.

    :param undo: the commands that undo the change.
    :param seconds: duration of the step, or of the transaction or batch with the step.
    """
    if is_enabled():
        LOG.debug(
            "%s changed %s in %.1f ms: %s (to undo: %s)",
            type(step).__name__,
            step.device,
            seconds * 1000,
            printable("; ".join(step.commands())),
            printable("; ".join(undo)),
            extra={"step_held": False},
        )


def log_held(step: Step) -> None:
    """Log a step that held already."""
    LOG.debug("%s held on %s", type(step).__name__, step.device, extra={"step_held": True})
