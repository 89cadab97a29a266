# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Records of the steps of a running plan: the source of the log and of reports.

The executors add each applied step to the :class:`StepRecords` of the plan. The log receives each
record at once (:mod:`os_vif.engine.step_log`). A caller receives the records of all plans of a
:func:`recording` block, also after a failure. Differences are read inside of such a block only:
without a caller, a plan costs no more.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import enum
import re
import time
from typing import TYPE_CHECKING

from os_vif.engine import step_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from os_vif.engine.failure import StepFailure
    from os_vif.steps.plan import Difference, Plan, Step


#: Beginnings of the names of fields that are conditions of a step, and no settings of the host.
_CONDITIONS = ("only_", "include_", "missing_ok", "index", "uuid")


class StepState(enum.StrEnum):
    """The result of a step."""

    #: The host had all settings of the step before.
    HELD = "held"
    #: The step has changed the host.
    CHANGED = "changed"
    #: A later step failed, and the change was rolled back.
    UNDONE = "undone"
    #: The change could not be rolled back, or the removal was refused: a part of the VIF remains,
    #: or may remain, on the host.
    LEFT = "left"
    #: The step failed and changed nothing.
    FAILED = "failed"
    #: An earlier step failed.
    NOT_RUN = "not run"


@dataclasses.dataclass(frozen=True)
class StepRecord:
    """A step of a plan that has run, with the result."""

    step: Step
    state: StepState
    #: Seconds of the step. Steps of Open vSwitch have the seconds of their transaction.
    seconds: float = 0.0
    #: The time when the step began, in seconds since the epoch; 0 for a step that did not run.
    started: float = 0.0
    #: The differences before the change. Empty for a step that held, and for a step whose
    #: condition only root can read.
    differences: tuple[Difference, ...] = ()
    #: Commands that undo the change.
    undo: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the step's class."""
        return type(self.step).__name__


_current: contextvars.ContextVar[list[StepRecord] | None] = contextvars.ContextVar(
    "os_vif_step_records", default=None
)


@contextlib.contextmanager
def recording() -> Iterator[list[StepRecord]]:
    """Collect the records of the plans that this thread runs inside the block.

    :returns: a list that each plan extends when the plan ends, in the order of the steps.
    """
    records: list[StepRecord] = []
    token = _current.set(records)
    try:
        yield records
    finally:
        _current.reset(token)


class StepRecords:
    """The records of the steps of a running plan.

    :param log_only: pass no records to the caller, as for the steps of a rollback.
    """

    def __init__(self, *, log_only: bool = False) -> None:
        self._recorded = None if log_only else _current.get()
        #: By the identity of the step: a plan may have equal steps.
        self._by_step: dict[int, StepRecord] = {}

    @property
    def is_recording(self) -> bool:
        """Return whether a caller receives the records, so that differences are read."""
        return self._recorded is not None

    @property
    def is_needed(self) -> bool:
        """Return whether the log or a caller receives the records."""
        return self._recorded is not None or step_log.is_enabled()

    def add_held(self, steps: Iterable[Step]) -> None:
        """Add steps that held already."""
        if not self.is_needed:
            return
        for step in steps:
            step_log.log_held(step)
            self._record(StepRecord(step, StepState.HELD))

    def add(
        self,
        step: Step,
        undo: Sequence[Step],
        seconds: float,
        differences: Sequence[Difference] = (),
    ) -> None:
        """Add an applied step.

        :param undo: the undo steps; empty if the step held already.
        :param seconds: duration of the step, which has just ended.
        """
        if not undo:
            self.add_held([step])
            return
        commands = tuple(command for back in undo for command in back.commands())
        step_log.log_changed(step, commands, seconds)
        self._record(
            StepRecord(
                step,
                StepState.CHANGED,
                seconds,
                time.time() - seconds,
                _differences_of_change(step, undo, differences),
                commands,
            )
        )

    def add_rolled_back(
        self, step: Step, seconds: float, differences: Sequence[Difference]
    ) -> None:
        """Add a change that the daemon has rolled back itself; the daemon sends no undo steps then."""
        began = time.time() - seconds
        self._record(StepRecord(step, StepState.CHANGED, seconds, began, tuple(differences)))

    def add_left(
        self, steps: Iterable[Step], differences: Sequence[Sequence[Difference]] = ()
    ) -> None:
        """Add steps whose result is unknown, or that a forward plan could not apply.

        Steps with a record keep the record.

        :param differences: the differences of each step, if known.
        """
        for number, step in enumerate(steps):
            before = tuple(differences[number]) if number < len(differences) else ()
            if id(step) not in self._by_step:
                self._record(StepRecord(step, StepState.LEFT, differences=before))

    def _record(self, record: StepRecord) -> None:
        """Keep a record. A step that ran twice has changed the host if a run did."""
        if self._recorded is None:
            return
        key = id(record.step)
        earlier = self._by_step.get(key)
        if earlier is None or record.state is not StepState.HELD:
            self._by_step[key] = record

    def finish(self, plan: Iterable[Step], failure: StepFailure | None = None) -> None:
        """Pass the records to the caller, in the order of the plan.

        :param plan: the steps of the plan.
        :param failure: the failure after which the plan was rolled back; None if the changes stay.
        """
        if self._recorded is None:
            return
        steps = list(plan)
        records = [self._by_step.get(id(step)) for step in steps]
        remaining = _Remaining(failure, [record for record in records if record is not None])
        for step, record in zip(steps, records, strict=True):
            if record is None:
                state = StepState.NOT_RUN
                if failure is not None and _is_culprit(step, failure):
                    state = StepState.FAILED
                self._recorded.append(StepRecord(step, state))
            elif failure is not None and record.state is StepState.CHANGED:
                state = StepState.LEFT if remaining.includes(record) else StepState.UNDONE
                self._recorded.append(dataclasses.replace(record, state=state))
            else:
                self._recorded.append(record)


def report_held(plan: Plan) -> None:
    """Pass the steps of a plan that held to the log and to the caller of a recording block."""
    records = StepRecords()
    if records.is_needed:
        records.add_held(plan)
        records.finish(plan)


def held_records(plan: Plan) -> tuple[StepRecord, ...]:
    """Return the records of a plan whose steps held, and pass the steps to the log."""
    with recording() as found:
        report_held(plan)
    return tuple(found)


def _differences_of_change(
    step: Step, undo: Sequence[Step], before: Sequence[Difference]
) -> tuple[Difference, ...]:
    """Return the differences before a change, from the undo steps if these tell more.

    When the plan began, the device of the step may have been missing, or only root could read the
    condition. An undo step of the same class has the values before the change.
    """
    if before and any(difference.attribute != "device" for difference in before):
        return tuple(before)
    from_undo = tuple(
        step.difference(getattr(step, "key", field.name), was, wanted)
        for back in undo
        if type(back) is type(step) and back.device == step.device
        for field in dataclasses.fields(step)
        if not field.name.startswith(_CONDITIONS)
        and (was := getattr(back, field.name)) != (wanted := getattr(step, field.name))
        and was is not None
        and wanted is not None
    )
    return from_undo or tuple(before)


def _is_culprit(step: Step, failure: StepFailure) -> bool:
    """Return whether a failure names a step, by class and device."""
    names, devices = failure.step.split(", "), failure.device.split(", ")
    return type(step).__name__ in names and step.device in devices


class _Remaining:
    """The changes that a rollback has left, from the lines of a failure."""

    def __init__(self, failure: StepFailure | None, records: Sequence[StepRecord]) -> None:
        lines = [] if failure is None else failure.not_undone
        #: A line is a command, then the reason as a comment.
        self._commands = {line.rpartition("  # ")[0] or line for line in lines}
        known = {command for record in records for command in record.undo}
        #: Lines that name no undo command of a record, such as a setting that was not restored.
        self._others = self._commands - known

    def includes(self, record: StepRecord) -> bool:
        """Return whether a change remains, or may remain."""
        if not self._commands.isdisjoint(record.undo):
            return True
        device = re.compile(rf"(?<![\w.-]){re.escape(record.step.device)}(?![\w.-])")
        return any(device.search(line) or line.startswith(_UNKNOWN_PART) for line in self._others)


#: The beginning of the line for a group of steps whose rollback ended with an unexpected error.
_UNKNOWN_PART = "# a part of the plan"
