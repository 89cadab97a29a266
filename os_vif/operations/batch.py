# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Operations on many VIFs at once: check.

All arguments are validated, and all plans made, before the first VIF is touched. The plans read one
view of the host (:mod:`os_vif.operations.shared_view`). The result of each VIF is separate: the
failure of a VIF does not affect the other VIFs.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from os_vif import call_errors, engine, exception, objects
from os_vif.operations.shared_view import shared_view
from os_vif.steps.plan import Difference, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from os_vif.plugin import PluginBase

    #: A VIF, and the virtual machine or pod of the VIF.
    Pair = tuple[objects.VIFBase, objects.InstanceInfo]
    PluginOf = Callable[[objects.VIFBase, objects.InstanceInfo], PluginBase]


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

    def result(self) -> Result:
        """Return the result for the caller."""
        return Result(self.vif, self.instance_info, self.error, self.remaining, self.differences)


def check_many(pairs: Iterable[Pair], plugin_of: PluginOf) -> tuple[Result, ...]:
    """Compare the host with many VIFs; see :func:`os_vif.check_many`.

    :param plugin_of: returns the plugin of a VIF.
    """
    jobs = _jobs(pairs, plugin_of)
    try:
        with shared_view():
            for job in jobs:
                _make_plan(job, "plug")
            for job in jobs:
                _check(job)
    except OSError as error:
        _fail_rest(jobs, exception.CheckException, error)
    return tuple(job.result() for job in jobs)


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
            try:
                with call_errors.raised_as(failure, job.vif):
                    raise error
            except exception.ExceptionBase as failed:
                job.error = failed
