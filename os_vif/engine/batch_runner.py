# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs the plans of many VIFs as few merged plans.

A merged plan has the steps of all its plans, with the steps of the kernel in one call of the
privileged daemon, and the steps of Open vSwitch in one transaction. A merged plan that fails is
rolled back as a whole, and split until the plan that fails stands alone: the plan fails with an
error of its own, and has left nothing on the host. All other plans are carried out.

A merged plan of unplugs goes forward instead: after a failure, the split finds the plans with a
refused step, and the repeated steps of the others hold.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import operator
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.engine import recording, runner, step_records
from os_vif.steps.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from os_vif.engine.runner import RecordStep
    from os_vif.engine.step_records import StepRecord
    from os_vif.steps.plan import Step

LOG = logging.getLogger(__name__)

#: The number of plans, and of steps, of a merged plan at most: the locks of a merged plan are held
#: for less than a second or two, and its steps are far below the limit of a call of the daemon.
MAX_PLANS, MAX_STEPS = 256, 4000
#: The number of failures after which a batch is split by the device of the error. A batch in which
#: more plans fail is split in halves, as each part without a failing plan runs once then.
_BLAMED = 4

#: The executor of the first phase of a merged plan, and of the second; the phases alternate.
_PHASES = ("kernel", "ovs")

#: The steps that :func:`os_vif.steps.link.move_addresses.move` returns.
_MOVES = (
    "DeleteAddress", "DeleteNeighbour", "DeleteRoute", "EnsureAddress", "EnsureNeighbour",
    "EnsureRoute",
)  # fmt: skip

_executor_of = operator.attrgetter("executor")


@dataclasses.dataclass(eq=False)
class Job:
    """The plan of a VIF, and the result."""

    plan: Plan
    #: Import path of the module of the privileged daemon.
    privsep_module: str | None
    #: The error of the plan; None for a plan that was carried out.
    error: exception.StepFailed | None = None
    #: A sentence for each bridge that an unplug has kept.
    remaining: tuple[str, ...] = ()
    #: The records of the steps, of the last run of the plan; for a caller that asks for records.
    records: tuple[StepRecord, ...] = ()


def run_many(
    jobs: Sequence[Job],
    run: Callable[[Plan, str | None, Sequence[RecordStep]], tuple[str, ...]] = runner.run,
    *,
    is_recording: bool = False,
) -> None:
    """Run the plans of jobs; set the result of each job.

    No two plans may have a key of :func:`conflict_keys` in common.

    :param run: runs a merged plan with the daemon of a module, and the records of the VIFs.
    :param is_recording: also set the records of the steps of each job.
    """
    by_place: dict[Hashable, list[Job]] = {}
    for job in jobs:
        key = (_place_of(job.plan), job.privsep_module, job.plan.forward)
        by_place.setdefault(key, []).append(job)
    for members in by_place.values():
        for chunk in _chunks(members):
            if is_recording:
                with step_records.recording() as found:
                    _run(chunk, run)
                _set_records(chunk, found)
            else:
                _run(chunk, run)


def _set_records(jobs: Iterable[Job], found: Iterable[StepRecord]) -> None:
    """Set the records of the steps of each job: those of the last run of a step."""
    by_step = {id(record.step): record for record in found}
    for job in jobs:
        job.records = tuple(
            record for step in job.plan if (record := by_step.get(id(step))) is not None
        )


def conflict_keys(plan: Plan) -> set[Hashable]:
    """Return keys of a plan. Plans with a common key must run one after another.

    The keys are the ports and the deleted bridges of Open vSwitch, whose rows a transaction can
    insert or delete only once; and the devices with addresses and routes that a plan moves, because
    the second plan depends on the result of the first.
    """
    keys: set[Hashable] = set()
    for step in plan:
        if step.executor == "ovs":
            keys.add(("port", getattr(step, "port", None) or _deleted_bridge(step)))
        elif type(step).__name__ in _MOVES:
            keys.add(("device", step.device))
    return keys - {("port", None)}


def _deleted_bridge(step: Step) -> str | None:
    """Return the bridge that a step deletes, or None."""
    return step.device if type(step).__name__ == "DeleteOvsBridge" else None


def _place_of(plan: Plan) -> Hashable:
    """Return the switch of a plan, without the function that opens the socket."""
    switch = plan.switch
    if switch is None:
        return None
    # A copy of the dataclass takes longer, for each VIF.
    return switch.connection, switch.timeout, switch.tls, switch.wait, switch.opener is None


def _chunks(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Yield jobs in groups of at most MAX_PLANS plans and MAX_STEPS steps."""
    chunk: list[Job] = []
    steps = 0
    for job in jobs:
        if chunk and (len(chunk) == MAX_PLANS or steps + len(job.plan) > MAX_STEPS):
            yield chunk
            chunk, steps = [], 0
        chunk.append(job)
        steps += len(job.plan)
    if chunk:
        yield chunk


def _run(
    jobs: list[Job], run: Callable[[Plan, str | None, Sequence[RecordStep]], tuple[str, ...]]
) -> None:
    """Run jobs as a merged plan; split the jobs after a failure."""
    pending, failures = [jobs], 0
    while pending:
        members = pending.pop()
        plans = [job.plan for job in members]
        records = [
            step
            for plan in plans
            # A plug without steps plugs nothing, and has no record.
            if (len(plan) or plan.forward) and (step := recording.step_for(plan)) is not None
        ]
        try:
            remaining = run(merge(plans), members[0].privsep_module, records)
        except exception.StepFailed as error:
            if len(members) == 1 or is_common(error):
                for job in members:
                    job.error = error if len(members) == 1 else _copy(error)
                continue
            LOG.debug("A batch of %d VIFs failed, and is split: %s", len(members), error)
            failures += 1
            pending += reversed(split(members, error, by_device=failures <= _BLAMED))
        else:
            for job in members:
                job.error = None
                job.remaining = tuple(_sentences_of(job.plan, remaining))


def merge(plans: Sequence[Plan]) -> Plan:
    """Return a plan with the steps of all plans, in the order of each plan.

    The groups of consecutive steps of an executor become phases: the first group of a plan is in
    the first phase of the executor, each further group in the next phase of its executor. The
    record is that of the first plan: all plans have the owner in common.
    """
    if len(plans) == 1:
        return plans[0]
    phases: list[list[Step]] = []
    for plan in plans:
        at = 0
        for name, group in itertools.groupby(plan, _executor_of):
            while _PHASES[at % len(_PHASES)] != name:
                at += 1
            while len(phases) <= at:
                phases.append([])
            phases[at] += group
    steps = itertools.chain.from_iterable(phases)
    return Plan(*steps, switch=plans[0].switch, forward=plans[0].forward, record=plans[0].record)


def split(
    jobs: list[Job], error: exception.StepFailed, *, by_device: bool = True
) -> list[list[Job]]:
    """Return the jobs of a failed merged plan in two parts, to run one after another.

    :param by_device: the jobs with the device that the error names are a part, unless all jobs
        have the device. Otherwise each part is a half.
    """
    devices = set(str(error.kwargs.get("device", "")).split(", "))
    blamed = [job for job in jobs if any(step.device in devices for step in job.plan)]
    if by_device and 0 < len(blamed) < len(jobs):
        culprits = {id(job) for job in blamed}
        return [[job for job in jobs if id(job) not in culprits], blamed]
    half = len(jobs) // 2
    return [jobs[:half], jobs[half:]]


def is_common(error: exception.StepFailed) -> bool:
    """Return whether a failure is of the host, and not of a step: each plan fails in the same way.

    Open vSwitch cannot be reached or does not apply changes, or the daemon does not start.
    """
    return bool(error.kwargs.get("common"))


def _copy(error: exception.StepFailed) -> exception.StepFailed:
    """Return an equal error, for another VIF."""
    copy = exception.StepFailed(str(error), **error.kwargs)
    copy.__cause__ = error.__cause__
    return copy


def _sentences_of(plan: Plan, sentences: Iterable[str]) -> Iterator[str]:
    """Yield the sentences about bridges that a plan deletes. A sentence begins with the bridge."""
    bridges = {step.device for step in plan if type(step).__name__.startswith("Delete")}
    for sentence in dict.fromkeys(sentences):
        if any(sentence.startswith((f"{name} ", f"{name}:")) or f" {name} " in sentence
               for name in bridges):  # fmt: skip
            yield sentence
