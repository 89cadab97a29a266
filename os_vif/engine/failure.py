# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The error of a failed step, which is completed while the steps before it are rolled back."""

from __future__ import annotations

from os_vif import exception
from os_vif.escape import printable


class Failure(Exception):
    """A step failed; raised as :class:`~os_vif.exception.StepFailed` after the roll back."""

    def __init__(
        self,
        step: str,
        device: str,
        reason: str,
        *,
        errno: int | None = None,
        undone: int = 0,
        left: list[str] | None = None,
        said: str | None = None,
        remains: str = "undone",
    ) -> None:
        """Describe a failed step.

        :param said: text for the error message, in place of the number of changes that were
            rolled back.
        :param remains: the verb for the commands in ``left``: ``undone`` or ``removed``.
        """
        super().__init__(reason)
        self.step = step
        self.device = device
        self.reason = reason
        self.errno = errno
        #: The number of changes that were rolled back.
        self.undone = undone
        #: Commands for the changes that were not rolled back.
        self.left = left or []
        self.said = said
        self.remains = remains

    def error(self) -> exception.StepFailed:
        undone = f"Undone: {self.undone} changes before it"
        if self.said is None:
            aftermath = undone
        else:
            aftermath = self.said if not self.undone else f"{self.said}. {undone}"
        if self.left:
            # A line each: they are there to be typed.
            left = "\n  ".join(map(printable, self.left))
            aftermath += f"; still to be {self.remains} by hand:\n  {left}"
        return exception.StepFailed(
            step=self.step,
            device=self.device,
            reason=printable(self.reason),
            errno=self.errno,
            aftermath=aftermath,
        )
