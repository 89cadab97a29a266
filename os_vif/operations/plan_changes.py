# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plan as a difference: the change that each step would make to the host now."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, Any

from os_vif import engine
from os_vif.engine.planned.plan_preview import Change, PlannedStep
from os_vif.escape import printable
from os_vif.operations.report import difference_to_dict, step_to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.steps.plan import Plan

__all__ = ["Change", "PlanChanges", "PlannedStep", "read_changes"]

#: The words for the changes in JSON and in the summary.
_WORDS = {
    Change.MAKES: "makes",
    Change.CHANGES: "changes",
    Change.REMOVES: "removes",
    Change.HOLDS: "holds",
    Change.UNKNOWN: "unknown",
}


@dataclasses.dataclass(frozen=True)
class PlanChanges:
    """The steps of a plan, each with the change that the step would make."""

    plan: Plan
    steps: tuple[PlannedStep, ...]

    def count(self, change: Change) -> int:
        """Return the number of steps with a change."""
        return sum(planned.change is change for planned in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the steps and the numbers of changes as plain data, for JSON."""
        return {
            "steps": [
                {"change": str(planned.change), "state": _WORDS[planned.change]}
                | step_to_dict(planned.step)
                | {
                    "differences": [difference_to_dict(d) for d in planned.differences],
                    "reason": planned.reason,
                }
                for planned in self.steps
            ],
            "summary": {word: self.count(change) for change, word in _WORDS.items()},
        }

    def lines(self, *, include_held: bool = False) -> Iterator[str]:
        """Yield a line for each step that would change the host, and a line with the numbers.

        :param include_held: yield a line for each step that holds, too.
        """
        for planned in self.steps:
            if include_held or planned.change is not Change.HOLDS:
                yield printable(_describe(planned))
        yield self._summary()

    def reasons(self) -> tuple[str, ...]:
        """Return the reasons why changes are unknown, each once."""
        return tuple(collections.Counter(p.reason for p in self.steps if p.reason is not None))

    def _summary(self) -> str:
        """Return the numbers of changes in words."""
        counts = [
            f"{number} {word}"
            for change, word in (
                (Change.MAKES, "to make"),
                (Change.CHANGES, "to change"),
                (Change.REMOVES, "to remove"),
                (Change.UNKNOWN, "unknown"),
            )
            if (number := self.count(change))
        ]
        held = self.count(Change.HOLDS)
        total = f"{len(self.steps)} step" + ("" if len(self.steps) == 1 else "s")
        if not counts:
            return f"{total}: nothing to do"
        return f"{total}: {', '.join(counts)}; {held} held already"


def read_changes(plan: Plan, privsep_module: str | None) -> PlanChanges:
    """Return the changes that a plan would make now. The host is not changed.

    A step whose condition cannot be read has the change ``UNKNOWN`` and a reason.

    :param privsep_module: import path of the module of the privileged daemon, which reads the
        conditions that only root can read.
    """
    return PlanChanges(plan, engine.preview(plan, privsep_module))


def _describe(planned: PlannedStep) -> str:
    """Return a step as a line: the change, the class, the device, and the values from and to."""
    step = planned.step
    title = f"{planned.change} {type(step).__name__} {step.device}"
    if planned.differences:
        values = [f"{d.attribute} {d.found} -> {d.expected}" for d in planned.differences]
        return f"{title}: {', '.join(values)}"
    if planned.change is Change.HOLDS:
        return title
    return f"{title}: {'; '.join(step.commands())}" if step.commands() else title
