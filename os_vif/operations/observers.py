# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Observers: functions that receive the report of each operation of this process.

Observers are called in the thread of the operation, after the operation has ended, in the order of
their registration. An exception of an observer is logged at ERROR and affects neither the operation
nor other observers. All functions are safe to call from several threads.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self

from os_vif.engine import step_records
from os_vif.engine.step_records import StepState
from os_vif.forking import ForkSafeLock
from os_vif.operations.report import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif import objects
    from os_vif.engine.step_records import StepRecord
    from os_vif.steps.plan import Difference

LOG = logging.getLogger(__name__)

Observer = Callable[[Report], object]

_lock = ForkSafeLock()
#: Replaced as a whole, so that readers need no lock.
_observations: tuple[Observation, ...] = ()


class Observation:
    """The registration of an observer. A context manager, whose end removes the observer."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def remove(self) -> None:
        """Remove the observer. Idempotent. A running call of the observer is not interrupted."""
        global _observations
        with _lock:
            _observations = tuple(o for o in _observations if o is not self)

    def notify(self, report: Report) -> None:
        """Call the observer; log any exception of the observer."""
        try:
            self._observer(report)
        except Exception:
            LOG.exception("Observer %r failed", self._observer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def observe(observer: Observer) -> Observation:
    """Register an observer.

    :raises TypeError: if *observer* cannot be called.
    """
    global _observations
    if not callable(observer):
        raise TypeError(f"observer is {observer!r}; expected a callable with a Report as argument")
    observation = Observation(observer)
    with _lock:
        _observations = (*_observations, observation)
    return observation


def is_observed() -> bool:
    """Return whether an observer is registered."""
    return bool(_observations)


def notify(report: Report) -> None:
    """Call all observers with a report."""
    for observation in _observations:
        observation.notify(report)


@dataclasses.dataclass
class RunningOperation:
    """An operation that has begun. The caller sets the results before the end of the block."""

    operation: str
    vif: objects.VIFBase
    instance: objects.InstanceInfo
    #: Whether the plugin acts by a plan, so that the steps are known.
    has_plan: bool
    #: A sentence for each bridge that an unplug has kept.
    remaining: tuple[str, ...] = ()
    #: The differences of a check.
    differences: Sequence[Difference] = ()
    #: The report; set when the operation has ended.
    report: Report = dataclasses.field(init=False)

    def finish(
        self,
        records: Sequence[StepRecord],
        started: float,
        seconds: float,
        error: BaseException | None,
    ) -> Report:
        """Create the report, and attach the report to the error."""
        self.report = make_report(
            self.operation,
            self.vif,
            self.instance,
            records,
            started=started,
            seconds=seconds,
            remaining=self.remaining,
            differences=self.differences,
            error=error,
            has_plan=self.has_plan,
        )
        return self.report


@contextlib.contextmanager
def operation(
    name: str, vif: objects.VIFBase, instance: objects.InstanceInfo, *, has_plan: bool = True
) -> Iterator[RunningOperation]:
    """Report the operation of the block; call the observers at the end, also after a failure.

    :param name: ``plug``, ``unplug`` or ``check``.
    :param has_plan: whether the plugin acts by a plan, so that the steps are known.
    """
    running = RunningOperation(name, vif, instance, has_plan)
    started, begin = time.time(), time.monotonic()
    failure: BaseException | None = None
    records: Sequence[StepRecord] = ()
    try:
        with step_records.recording() as records:
            yield running
    except BaseException as error:
        failure = error
        raise
    finally:
        notify(running.finish(records, started, time.monotonic() - begin, failure))


def observed_operation(
    name: str, vif: objects.VIFBase, instance: objects.InstanceInfo, *, has_plan: bool = True
) -> contextlib.AbstractContextManager[RunningOperation | None]:
    """Return :func:`operation`, or a context without effect if no observer is registered."""
    if not is_observed():
        return contextlib.nullcontext()
    return operation(name, vif, instance, has_plan=has_plan)


def make_report(
    name: str,
    vif: objects.VIFBase,
    instance: objects.InstanceInfo,
    records: Sequence[StepRecord],
    *,
    started: float,
    seconds: float,
    remaining: Sequence[str] = (),
    differences: Sequence[Difference] = (),
    error: BaseException | None = None,
    has_plan: bool = True,
) -> Report:
    """Return the report of an operation, and attach the report to the error as ``report``.

    :param name: ``plug``, ``unplug`` or ``check``.
    :param records: the steps, from :func:`os_vif.engine.step_records.recording`.
    :param started: seconds since the epoch.
    """
    report = Report(
        operation=name,
        plugin=_text(vif, "plugin"),
        kind=vif.obj_name(),
        vif_id=_text(vif, "id") or _text(vif, "vif_name"),
        instance_uuid=_text(instance, "uuid"),
        instance_name=_text(instance, "name"),
        outcome=_outcome(records, differences, error, has_plan=has_plan),
        started=started,
        seconds=seconds,
        steps=tuple(records),
        remaining=tuple(remaining),
        differences=tuple(differences),
        error=None if error is None else str(error) or type(error).__name__,
        error_type=None if error is None else type(error).__name__,
    )
    if error is not None:
        with contextlib.suppress(AttributeError):
            error.report = report  # type: ignore[attr-defined]
    return report


def _outcome(
    records: Sequence[StepRecord],
    differences: Sequence[Difference],
    error: BaseException | None,
    *,
    has_plan: bool,
) -> Outcome:
    """Return the outcome of an operation."""
    states = {record.state for record in records}
    if error is not None:
        if not has_plan or not states.isdisjoint({StepState.LEFT, StepState.CHANGED}):
            return Outcome.LEFT
        return Outcome.UNDONE if StepState.UNDONE in states else Outcome.FAILED
    if any(not difference.pending for difference in differences):
        return Outcome.DIFFERS
    if not has_plan:
        return Outcome.DONE
    return Outcome.CHANGED if StepState.CHANGED in states else Outcome.HELD


def _text(owner: Any, field: str) -> str:
    """Return the text of a field; empty if the field is unset or None."""
    try:
        value = getattr(owner, field)
    except (AttributeError, NotImplementedError):
        return ""
    return "" if value is None else str(value)
