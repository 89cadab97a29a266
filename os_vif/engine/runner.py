# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs a plan, or checks one: order, grouping and rollback.

Each step is applied by an executor: ``kernel`` calls the privileged daemon, and ``ovs_executor``
makes transactions of Open vSwitch. Consecutive steps of an executor form a single call or
transaction.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import operator
from typing import TYPE_CHECKING, Any, cast

from os_vif.engine import recording, remaining_bridges, step_records
from os_vif.engine.executor import NOTHING_DONE, Progress
from os_vif.engine.failure import StepFailure
from os_vif.engine.kernel import KernelExecutor
from os_vif.engine.late_import import first_use
from os_vif.escape import described_error
from os_vif.steps.vif_record import DeleteVifRecord, RequireVifMark, WriteVifRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from os_vif.engine.executor import Checker, Executor
    from os_vif.engine.memos.plan_memo import PlanMemo
    from os_vif.steps.plan import Difference, Plan, Step

LOG = logging.getLogger(__name__)

#: The names of the executors, in ``Step.executor``.
_KERNEL, _OVS = "kernel", "ovs"

#: The steps for the record of a VIF.
RecordStep = WriteVifRecord | DeleteVifRecord

_executor_of = operator.attrgetter("executor")


def run(
    plan: Plan,
    privsep_module: str | None,
    records: Sequence[RecordStep] | None = None,
    *,
    is_new: bool = False,
    memo: PlanMemo | None = None,
) -> tuple[str, ...]:
    """Apply all steps of a plan, or leave the host unchanged.

    After any exception, all changes are rolled back. A forward plan keeps the changes: if the
    kernel refuses a step, all other steps are applied, and the failure lists the remaining
    commands; if ovs-vswitchd is late, the database keeps the changes, and a warning is logged.

    :param privsep_module: import path of the module of the privileged daemon.
    :param records: the steps for the records of several VIFs; None for the record of the plan.
    :param is_new: the VIF is known not to be plugged, so that the host is not read before the call
        of the daemon.
    :param memo: remembers the plan of a plug if all steps hold.
    :returns: a sentence for each bridge that an unplug has kept, because the bridge is in use or
        was not created by os-vif.
    :raises os_vif.exception.StepFailed: for the first step that failed.
    """
    if records is None:
        record = recording.step_for(plan)
        records = () if record is None else (record,)
    if not len(plan) and not any(isinstance(record, DeleteVifRecord) for record in records):
        # Nothing is plugged, so there is no plugged VIF to record.
        return ()
    progress = Progress()
    is_checked = plan.switch is not None and not is_new
    if is_checked and _is_plugged(plan, privsep_module, records, memo):
        step_records.report_held(plan)
        return ()
    if memo is not None:
        # The rows change.
        memo.known = None
    try:
        with _executors(plan, privsep_module, is_new=is_new) as executors:
            groups = _grouped(plan, records)
            if required := recording.required_marks(records):
                _require_marks(required, groups, executors)
            _run_groups(groups, executors, progress)
    except StepFailure as failure:
        progress.records.finish(plan, failure)
        raise failure.error() from failure.__cause__
    progress.records.finish(plan)
    if progress.refused:
        raise _remaining(progress.refused).error()
    return (*remaining_bridges.sentences(plan), *progress.remaining)


def _is_plugged(
    plan: Plan,
    privsep_module: str | None,
    records: Sequence[RecordStep],
    memo: PlanMemo | None,
) -> bool:
    """Call :func:`os_vif.engine.unchanged.is_plugged`."""
    with first_use:
        from os_vif.engine import unchanged
    return unchanged.is_plugged(plan, KernelExecutor(privsep_module), records, memo)


@contextlib.contextmanager
def _executors(
    plan: Plan, privsep_module: str | None, *, is_new: bool
) -> Iterator[Mapping[str, Executor[Any]]]:
    """Return the executors of a plan by name, after making sure that all can be used.

    :raises StepFailure: if an executor cannot be used; then nothing was done.
    """
    kernel = KernelExecutor(privsep_module, forward=plan.forward, is_new=is_new)
    if plan.switch is None:
        if (step := next((s for s in plan if s.executor == _OVS), None)) is not None:
            name, reason = type(step).__name__, "the plan names no switch"
            raise StepFailure(name, step.device, reason, outcome=NOTHING_DONE)
        yield {_KERNEL: kernel}
        return
    with first_use:
        from os_vif.engine.ovs import ovs_executor
    with ovs_executor.connected(plan.switch, plan) as ovs:
        kernel_steps: list[Any] = [step for step in plan if step.executor == _KERNEL]
        if kernel_steps and next(iter(plan)).executor != _KERNEL:
            # A daemon that does not start must not fail a plan after a transaction.
            kernel.require_daemon(kernel_steps)
        yield {_KERNEL: kernel, _OVS: ovs}


@dataclasses.dataclass
class _Group:
    """Consecutive steps of an executor."""

    executor: str
    steps: list[Step]
    #: The steps for the records of VIFs, in a group of the kernel.
    records: Sequence[RecordStep] = ()


def _grouped(plan: Plan, records: Sequence[RecordStep]) -> list[_Group]:
    """Return the groups of a plan. The first group has the records of a plug, the last of an unplug.

    The records have a group of their own if Open vSwitch is changed first, or last in an unplug.
    """
    groups = [_Group(name, list(steps)) for name, steps in itertools.groupby(plan, _executor_of)]
    if not records:
        return groups
    place = -1 if isinstance(records[0], DeleteVifRecord) else 0
    if not groups or groups[place].executor != _KERNEL:
        groups.insert(len(groups) if place else 0, _Group(_KERNEL, []))
    groups[place].records = records
    return groups


def _require_marks(
    required: Sequence[RequireVifMark],
    groups: Sequence[_Group],
    executors: Mapping[str, Executor[Any]],
) -> None:
    """Require that the VIFs of an unplug were not plugged since the marks were set.

    A plug deletes the mark before the plug reads the host, under the same locks: of the ports of
    Open vSwitch, which the executors hold; or of the devices, which the daemon locks. The daemon
    checks the marks again if its steps are the first.

    :raises StepFailure: for the first VIF without the mark; then nothing was done.
    """
    kernel = cast("KernelExecutor", executors[_KERNEL])
    kernel.require_marks(required)
    if groups[0].executor == _KERNEL:
        kernel.attach_marks(required)


def _run_groups(
    groups: Sequence[_Group], executors: Mapping[str, Executor[Any]], progress: Progress
) -> None:
    """Run each group of consecutive steps; roll back after a failure.

    :raises StepFailure: for the first step that failed.
    """
    current: Sequence[Step] = ()
    try:
        for executor in executors.values():
            executor.reopen_devices(progress)
        earlier: dict[str, list[Step]] = {name: [] for name in executors}
        for group in groups:
            name, current = group.executor, group.steps
            is_new = current and progress.has_device_changes
            if is_new and executors[name].reopen_devices(progress):
                # ovs-vswitchd may have changed the flags of a new device when closing the old one.
                _run_other_groups(executors, name, earlier, progress)
            _run_group(executors, name, current, progress, group.records)
            earlier[name] += current
        # The daemon writes the records while ovs-vswitchd applies the transaction.
        for executor in reversed([*executors.values()]):
            executor.finish()
        for name, executor in executors.items():
            if executor.open_new_devices(progress):
                _run_other_groups(executors, name, earlier, progress)
    except StepFailure as failure:
        progress.roll_back(failure)
        raise
    except BaseException as error:
        unexpected = _unexpected(error, current)
        progress.records.add_left(current)
        progress.roll_back(unexpected)
        if isinstance(error, Exception):
            raise unexpected from error
        # An exception that stops the thread, such as KeyboardInterrupt or a timeout of eventlet,
        # must reach the caller unchanged.
        LOG.warning("%s", unexpected.error())
        progress.records.finish([s for group in groups for s in group.steps], unexpected)
        raise


def _apply_records(
    executors: Mapping[str, Executor[Any]],
    records: Sequence[RecordStep],
    steps: Sequence[Step],
    progress: Progress,
) -> None:
    """Write or delete the records of VIFs, in the same call as kernel steps or alone."""
    kernel = cast("KernelExecutor", executors[_KERNEL])
    if steps:
        kernel.attach_records(records)
    elif not progress.refused:
        with executors[_OVS].idle() if _OVS in executors else contextlib.nullcontext():
            kernel.run_records(records, progress)


def _run_group(
    executors: Mapping[str, Executor[Any]],
    name: str,
    steps: Sequence[Step],
    progress: Progress,
    records: Sequence[RecordStep] = (),
) -> None:
    if records:
        _apply_records(executors, records, steps, progress)
    if not steps:
        return
    with contextlib.ExitStack() as idle:
        for other in executors.keys() - {name}:
            idle.enter_context(executors[other].idle())
        executors[name].run(steps, progress)


def _run_other_groups(
    executors: Mapping[str, Executor[Any]],
    name: str,
    steps: Mapping[str, Sequence[Step]],
    progress: Progress,
) -> None:
    """Apply steps again, except those of an executor.

    :param steps: the steps that have been applied, by executor.
    """
    for other in executors.keys() - {name}:
        _run_group(executors, other, steps[other], progress)


def _remaining(refused: Sequence[StepFailure]) -> StepFailure:
    """Return the failure of a forward plan, with the commands of all refused steps."""
    first = refused[0]
    return StepFailure(
        first.step,
        first.device,
        first.reason,
        first.errno,
        not_undone=[command for failure in refused for command in failure.not_undone],
        not_done=[command for failure in refused for command in failure.not_done],
        outcome=first.outcome or "All that could be done of the rest was done",
    )


def _unexpected(error: BaseException, steps: Sequence[Step]) -> StepFailure:
    """Return the failure of a plan that ended with an exception of an unexpected class."""
    how = "unexpected" if isinstance(error, Exception) else "interrupted by"
    reason = f"{how} {described_error(error)}"
    names = ", ".join(dict.fromkeys(type(step).__name__ for step in steps)) or "The plan"
    devices = ", ".join(sorted({step.device for step in steps}))
    return StepFailure(names, devices, reason)


def check(
    plan: Plan, privsep_module: str | None = None, *, is_privileged: bool = False
) -> tuple[Difference, ...]:
    """Return the differences between a plan and the host, each once. Changes nothing.

    :param privsep_module: import path of the module of the privileged daemon, which reads the
        conditions that only root can read.
    :param is_privileged: this process may read the conditions itself, and calls no daemon.
    :raises os_vif.exception.StepFailed: if the condition of a step cannot be read.
    """
    checkers: dict[str, Checker[Any]] = {_KERNEL: KernelExecutor(privsep_module)}
    if is_privileged:
        with first_use:
            from os_vif.engine.privileged.root_checker import RootChecker
        checkers[_KERNEL] = RootChecker(checkers[_KERNEL])
    steps = [*plan, *plan.awaits]
    if plan.switch is not None and any(step.executor == _OVS for step in steps):
        with first_use:
            from os_vif.engine.ovs import ovs_executor
        checkers[_OVS] = ovs_executor.OvsChecker(plan.switch)
    found: dict[tuple[str, str], Difference] = {}
    try:
        for name, checker in checkers.items():
            for difference in checker.check([s for s in steps if s.executor == name]):
                found.setdefault((difference.device, difference.attribute), difference)
    except StepFailure as failure:
        raise failure.error() from failure.__cause__
    return tuple(found.values())
