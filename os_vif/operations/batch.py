# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Operations on many VIFs at once: plug, unplug and check.

All arguments are validated, and all plans made, before the first VIF is touched. The plans read one
view of the host (:mod:`os_vif.operations.shared_view`), and run as few merged plans
(:mod:`os_vif.engine.batch_runner`). The result of each VIF is separate: the failure of a VIF does not
affect the other VIFs.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from os_vif import call_errors, engine, exception, objects
from os_vif.engine import batch_runner, step_records
from os_vif.engine.batch_comparison import BatchComparison, Candidate, make_candidate
from os_vif.escape import printable
from os_vif.host.ovsdb import table_snapshot
from os_vif.operations import observers
from os_vif.operations.shared_view import shared_view
from os_vif.plugin import PluginBase
from os_vif.steps.plan import Difference, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from os_vif.engine.memos.plan_memo import PlanMemo
    from os_vif.engine.step_records import StepRecord
    from os_vif.operations.report import Report

    #: A VIF, and the virtual machine or pod of the VIF.
    Pair = tuple[objects.VIFBase, objects.InstanceInfo]
    PluginOf = Callable[[objects.VIFBase, objects.InstanceInfo], PluginBase]

LOG = logging.getLogger("os_vif")


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of an operation on one VIF of many."""

    vif: objects.VIFBase
    instance_info: objects.InstanceInfo
    #: The exception that the function for a single VIF would raise; None after a success.
    error: exception.ExceptionBase | None = None
    #: After an unplug: a sentence for each bridge that remains.
    remaining: tuple[str, ...] = ()
    #: After a check: the differences between the host and the VIF.
    differences: tuple[Difference, ...] = ()
    #: The report by step, as from :func:`os_vif.apply`; None unless asked for. The time is that of
    #: the whole batch.
    report: Report | None = None

    @property
    def ok(self) -> bool:
        """Return whether the operation succeeded. A check with differences succeeded."""
        return self.error is None


@dataclasses.dataclass
class _Job:
    """A VIF of a batch, with the progress of the operation."""

    vif: objects.VIFBase
    instance_info: objects.InstanceInfo
    plugin: PluginBase | None = None
    plan: Plan | None = None
    error: exception.ExceptionBase | None = None
    remaining: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    records: tuple[StepRecord, ...] = ()
    #: The plan of a plug, which may hold.
    candidate: Candidate | None = None

    def result(self, report: Report | None = None) -> Result:
        """Return the result for the caller."""
        return Result(
            self.vif, self.instance_info, self.error, self.remaining, self.differences, report
        )


#: The exception for a failed operation, by the name of the operation.
_FAILURES: dict[str, type[exception.ExceptionBase]] = {
    "plug": exception.PlugException,
    "unplug": exception.UnplugException,
}


def change_many(
    pairs: Iterable[Pair], plugin_of: PluginOf, action: str, *, reports: bool
) -> tuple[Result, ...]:
    """Plug or unplug many VIFs; see :func:`os_vif.plug_many` and :func:`os_vif.unplug_many`.

    :param plugin_of: returns the plugin of a VIF.
    :param action: ``plug`` or ``unplug``.
    :param reports: whether each result has a report. Observers receive reports anyway.
    """
    reporter = _Reporter(action, reports=reports)
    jobs = _jobs(pairs, plugin_of)
    planned = [job for job in jobs if job.plugin is not None and _acts_by_plan(job, action)]
    # The rows of Open vSwitch stay shared with the first plan that runs.
    with table_snapshot.shared_tables():
        with _shared_or_none():
            comparison = BatchComparison() if action == "plug" else None
            find_memo = _memo_finder()
            for job in planned:
                _plan_change(job, action, find_memo)
            waiting = [job for job in planned if job.error is None]
            if comparison is not None:
                waiting = _drop_held(waiting, comparison, is_recording=reporter.is_needed)
        while waiting:
            waiting = _run_wave(waiting, action, is_recording=reporter.is_needed)
    for job in jobs:
        if job.plugin is not None and not _acts_by_plan(job, action):
            _call_plugin(job, action)
    return reporter.results(jobs)


def _acts_by_plan(job: _Job, action: str) -> bool:
    """Return whether the plugin of a job acts by a plan, which a batch can merge."""
    plugin = job.plugin
    return isinstance(plugin, PluginBase) and plugin.has_plan_for(action)


@contextlib.contextmanager
def _shared_or_none() -> Iterator[None]:
    """Share a view of the host; if the links cannot be read, each plan reports the error."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(shared_view())
        yield


def _memo_finder() -> Callable[[_Job], PlanMemo | None]:
    """Return a function that returns the memo of the plan of a job. The options are read once."""
    finders: dict[PluginBase, Callable[..., PlanMemo | None]] = {}

    def find_memo(job: _Job) -> PlanMemo | None:
        plugin = _required(job)
        finder = finders.get(plugin)
        if finder is None:
            finder = finders[plugin] = plugin.memo_finder()
        return finder(job.vif, job.instance_info)

    return find_memo


def _plan_change(
    job: _Job, action: str, find_memo: Callable[[_Job], PlanMemo | None] | None = None
) -> None:
    """Make the plan of a job; record the error of the operation for a job without a plan.

    :param find_memo: returns the memo of a plug. A plug takes the plan if the rows are equal; an
        unplug forgets the plan.
    """
    try:
        with call_errors.raised_as(_FAILURES[action], job.vif):
            memo = None if find_memo is None else find_memo(job)
            if find_memo is not None and action == "plug":
                job.candidate = make_candidate(memo, lambda: _recorded_plan(job, action))
                job.plan = job.candidate.plan
            else:
                job.candidate, job.plan = None, _recorded_plan(job, action)
                if memo is not None:
                    memo.known = None
    except exception.ExceptionBase as error:
        job.error = error


def _recorded_plan(job: _Job, action: str) -> Plan:
    """Return the plan of a job, with the record of the VIF."""
    plugin = _required(job)
    plan = call_errors.plan_of(plugin, job.vif, job.instance_info, action)
    return plugin.recorded(plan, job.vif, job.instance_info)


def _drop_held(
    jobs: Sequence[_Job], comparison: BatchComparison, *, is_recording: bool
) -> list[_Job]:
    """Return the jobs whose plans do not hold; the result of each other job is set.

    A job stays if an earlier job that stays has a port or device of the job.
    """
    candidates = [job.candidate for job in jobs if job.candidate is not None]
    held = comparison.find_held(candidates)
    remaining: list[_Job] = []
    taken: set[Hashable] = set()
    for job, holds in zip(jobs, held, strict=True):
        plan = _required_plan(job)
        if holds and (not taken or batch_runner.conflict_keys(plan).isdisjoint(taken)):
            if is_recording:
                job.records = step_records.held_records(plan)
            else:
                step_records.report_held(plan)
            _note_change(job, (), None, "plug")
            continue
        if job.candidate is not None and job.candidate.known is not None:
            # The names of devices may have changed since the plan was made.
            _plan_change(job, "plug")
        if job.error is None:
            taken |= batch_runner.conflict_keys(_required_plan(job))
            remaining.append(job)
    return remaining


def _run_wave(jobs: Sequence[_Job], action: str, *, is_recording: bool) -> list[_Job]:
    """Run the jobs whose plans do not depend on each other; return the remaining jobs.

    The remaining jobs have new plans, of the changed host.
    """
    wave: list[tuple[_Job, batch_runner.Job]] = []
    later: list[_Job] = []
    taken: set[Hashable] = set()
    for job in jobs:
        plan = _required_plan(job)
        keys = batch_runner.conflict_keys(plan)
        if keys.isdisjoint(taken):
            wave.append((job, batch_runner.Job(plan, _required(job).privsep_module)))
        else:
            later.append(job)
        taken |= keys
    batch_runner.run_many([run for _, run in wave], is_recording=is_recording)
    for job, run in wave:
        job.records = run.records
        _note_change(job, run.remaining, run.error, action)
    with _shared_or_none():
        for job in later:
            _plan_change(job, action)
    return [job for job in later if job.error is None]


def _call_plugin(job: _Job, action: str) -> None:
    """Plug or unplug a VIF through a plugin that acts without a plan."""
    error: Exception | None = None
    result: object = None
    try:
        result = getattr(job.plugin, action)(job.vif, job.instance_info)
    except Exception as raised:  # noqa: BLE001 - the result has the error
        error = raised
    remaining = result if isinstance(result, tuple) and action == "unplug" else ()
    _note_change(job, remaining, error, action)


def _note_change(
    job: _Job, remaining: Iterable[object], error: Exception | None, action: str
) -> None:
    """Record the result of a job, and log the result."""
    if error is not None:
        job.error = _failure(_FAILURES[action], job, error)
        return
    job.remaining = tuple(printable(str(text)) for text in remaining)
    if LOG.isEnabledFor(logging.INFO):
        done = "Plugged" if action == "plug" else "Unplugged"
        LOG.info("%s", "; ".join((f"{done} {call_errors.summary(job.vif)}", *job.remaining)))


def check_many(pairs: Iterable[Pair], plugin_of: PluginOf) -> tuple[Result, ...]:
    """Compare the host with many VIFs; see :func:`os_vif.check_many`.

    :param plugin_of: returns the plugin of a VIF.
    """
    reporter = _Reporter("check", reports=False)
    jobs = _jobs(pairs, plugin_of)
    try:
        with shared_view():
            for job in jobs:
                _make_plan(job, "plug")
            with engine.read_ahead(_plans_with_modules(jobs)):
                for job in jobs:
                    _check(job)
    except OSError as error:
        _fail_rest(jobs, exception.CheckException, error)
    return reporter.results(jobs)


class _Reporter:
    """Makes the reports of a batch, and passes the reports to the observers.

    :param reports: whether the caller asks for the reports, too.
    """

    def __init__(self, operation: str, *, reports: bool) -> None:
        self._operation, self._reports = operation, reports
        self._started, self._begin = time.time(), time.monotonic()
        #: Whether reports are made.
        self.is_needed = reports or observers.is_observed()

    def results(self, jobs: Iterable[_Job]) -> tuple[Result, ...]:
        """Return the result of each job."""
        if not self.is_needed:
            return tuple(job.result() for job in jobs)
        seconds = time.monotonic() - self._begin
        found = []
        for job in jobs:
            report = observers.make_report(
                self._operation,
                job.vif,
                job.instance_info,
                job.records,
                started=self._started,
                seconds=seconds,
                remaining=job.remaining,
                differences=job.differences,
                error=job.error,
                has_plan=self._operation == "check"
                or job.plugin is None
                or _acts_by_plan(job, self._operation),
            )
            observers.notify(report)
            found.append(job.result(report if self._reports else None))
        return tuple(found)


def _jobs(pairs: Iterable[Pair], plugin_of: PluginOf) -> list[_Job]:
    """Return a job for each pair, after a check of all arguments.

    :raises os_vif.exception.InvalidField: if an argument has a wrong type; the field names the
        position in *pairs*.
    """
    jobs = []
    for number, pair in enumerate(pairs):
        try:
            vif, instance_info = pair
        except (TypeError, ValueError):
            raise exception.InvalidField(
                field=f"pairs[{number}]",
                found=f"of the type {type(pair).__name__}",
                expected="a pair of a VIF and an InstanceInfo",
            ) from None
        try:
            call_errors.check_arguments(vif, instance_info)
        except exception.InvalidField as error:
            fields = error.kwargs | {"field": f"pairs[{number}]: {error.kwargs['field']}"}
            raise exception.InvalidField(**fields) from None
        jobs.append(_Job(vif, instance_info))
    for job in jobs:
        try:
            job.plugin = plugin_of(job.vif, job.instance_info)
        except exception.ExceptionBase as error:
            job.error = error
    return jobs


def _make_plan(job: _Job, action: str) -> None:
    """Make the plan of a job; record the error of a job without a plan."""
    if job.error is not None or job.plugin is None:
        return
    try:
        job.plan = call_errors.make_plan(job.plugin, job.vif, job.instance_info, action)
    except exception.ExceptionBase as error:
        job.error = error


def _plans_with_modules(jobs: Iterable[_Job]) -> Iterator[tuple[Plan, str | None]]:
    """Yield each plan with the import path of the module of the daemon."""
    for job in jobs:
        if job.plan is not None and job.plugin is not None:
            yield job.plan, job.plugin.privsep_module


def _check(job: _Job) -> None:
    """Compare the host with the plan of a job."""
    if job.error is not None or job.plan is None or job.plugin is None:
        return
    try:
        with call_errors.raised_as(exception.CheckException, job.vif):
            job.differences = engine.check(job.plan, job.plugin.privsep_module)
    except exception.CheckException as error:
        job.error = error


def _fail_rest(
    jobs: Iterable[_Job], failure: type[exception.ExceptionBase], error: Exception
) -> None:
    """Record an error of the whole batch for each job without an error."""
    for job in jobs:
        if job.error is None:
            job.error = _failure(failure, job, error)


def _failure(
    failure: type[exception.ExceptionBase], job: _Job, error: Exception
) -> exception.ExceptionBase:
    """Return the exception of an operation, chained to the original exception, and log it."""
    try:
        with call_errors.raised_as(failure, job.vif):
            raise error
    except exception.ExceptionBase as failed:
        return failed


def _required(job: _Job) -> PluginBase:
    """Return the plugin of a job that has a plugin."""
    if job.plugin is None:  # pragma: no cover - the callers have checked
        raise AssertionError
    return job.plugin


def _required_plan(job: _Job) -> Plan:
    """Return the plan of a job that has a plan."""
    if job.plan is None:  # pragma: no cover - the callers have checked
        raise AssertionError
    return job.plan
