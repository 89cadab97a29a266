# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The failure of a step, from the daemon's answer to the error that the caller receives."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypedDict

from os_vif import exception
from os_vif.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.steps.rollback import Rollback

#: The end of an error about a daemon that does not start, or does not answer.
HINT = "; `os-vif doctor` checks the daemon"


class EncodedFailure(TypedDict):
    """A :class:`StepFailure` as plain data, in an answer of the daemon."""

    step: str
    device: str
    errno: int | None
    reason: str
    undone: int
    not_undone: list[str]
    not_done: list[str]


class NotStartedError(Exception):
    """A call of the privileged daemon has not started: nothing was changed."""

    #: The failed action, as the beginning of a sentence.
    what = "Starting the privileged daemon"


@dataclasses.dataclass(eq=False)
class StepFailure(Exception):
    """A failed step and the progress of the rollback; becomes ``StepFailed``."""

    #: The class of the step, or the operation that failed.
    step: str
    device: str
    reason: str
    errno: int | None = None
    #: The number of changes that were rolled back.
    undone: int = 0
    #: Commands for the changes that could not be rolled back.
    not_undone: list[str] = dataclasses.field(default_factory=list)
    #: Commands for the steps that were not carried out, of a plan that is not rolled back.
    not_done: list[str] = dataclasses.field(default_factory=list)
    #: The state of the host after the failure, if the number of undone changes does not tell.
    outcome: str | None = None
    #: True for a failure of the host, and not of a step: any other plan would fail too.
    common: bool = False

    def __str__(self) -> str:
        return self.reason

    def add(self, rollback: Rollback) -> None:
        """Record the result of rolling back a part of the plan."""
        self.undone += rollback.undone
        self.not_undone += rollback.not_undone

    def encode(self) -> EncodedFailure:
        """Encode the failure as plain data."""
        return {
            "step": self.step,
            "device": self.device,
            "errno": self.errno,
            "reason": self.reason,
            "undone": self.undone,
            "not_undone": self.not_undone,
            "not_done": self.not_done,
        }

    @classmethod
    def decode(cls, message: EncodedFailure) -> StepFailure:
        """Decode a failure from an answer of the daemon."""
        return cls(
            message["step"],
            message["device"],
            message["reason"],
            message["errno"],
            message["undone"],
            list(message["not_undone"]),
            list(message["not_done"]),
        )

    def error(self) -> exception.StepFailed:
        """Return the error for the caller of the engine."""
        undone = f"Undone: {self.undone} changes before it"
        if self.outcome is None:
            aftermath = undone
        else:
            aftermath = self.outcome if not self.undone else f"{self.outcome}. {undone}"
        aftermath += _to_type("done", self.not_done) + _to_type("undone", self.not_undone)
        return exception.StepFailed(
            step=self.step,
            device=self.device,
            reason=printable(self.reason),
            errno=self.errno,
            aftermath=aftermath,
            common=self.common,
        )


def _to_type(verb: str, commands: Iterable[str]) -> str:
    """Return the end of a message: the commands to type, each on a line."""
    lines = "\n  ".join(map(printable, commands))
    return f"; still to be {verb} by hand:\n  {lines}" if lines else ""
