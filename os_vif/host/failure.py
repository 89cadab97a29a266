# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What is known of a step that failed, while those before it are undone."""

from __future__ import annotations

from os_vif import exception
from os_vif.escape import printable


class Failure(Exception):
    """It becomes a :class:`~os_vif.exception.StepFailed` when the undo is through."""

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
        """:param said: what is to be said instead of how many changes were undone.
        :param remains: what is to be done by hand with what is left: ``undone`` or ``removed``.
        """
        super().__init__(reason)
        self.step = step
        self.device = device
        self.reason = reason
        self.errno = errno
        #: How many changes were undone.
        self.undone = undone
        #: What was not, as commands.
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
