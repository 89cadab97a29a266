# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs and checks kernel steps: the caller's side of the privileged daemon.

Consecutive steps are one call of the daemon. Steps that hold already need no call: the caller reads
the kernel without privileges, under the sequence lock of the devices.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import functools
import itertools
import logging
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from os_vif import exception
from os_vif.engine import privsep_module
from os_vif.engine.executor import NOTHING_DONE
from os_vif.engine.failure import NotStartedError, StepFailure
from os_vif.escape import described_error
from os_vif.host.netlink import link_table, rtnetlink
from os_vif.host.state import locks
from os_vif.steps.plan import Difference
from os_vif.steps.rollback import commands_with_reason
from os_vif.steps.wire import decode, encode, require_registered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from os_vif.engine.answers import EncodedStep, RunAnswer
    from os_vif.engine.executor import Progress
    from os_vif.engine.privsep_module import PrivsepModule
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Plan
    from os_vif.steps.vif_record import DeleteVifRecord, RequireVifMark, WriteVifRecord
    from os_vif.steps.wire import Registry

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_CALL = "The call of the privileged daemon"
#: The time from which on a daemon may be started again to write a record, by module, in seconds of
#: :func:`time.monotonic`. A start that fails takes up to several seconds.
_no_records_until: dict[str, float] = {}
#: The time in seconds between two starts to write a record, after a failed start.
_START_AGAIN = 600.0
#: The number of devices from which on a dump of all links is read.
_MANY = 24
#: The number of steps whose conditions a call of the daemon reads ahead.
_READ_AHEAD = 2000
#: The differences that :func:`read_ahead` has read, by identity of the step.
_differences_ahead: contextvars.ContextVar[Mapping[int, Sequence[Difference]]] = (
    contextvars.ContextVar("_differences_ahead", default=MappingProxyType({}))
)


class KernelExecutor:
    """Runs and checks kernel steps in a privileged daemon.

    :param module: import path of the module of the daemon; None for plans without kernel steps.
    :param forward: whether a failed step neither stops nor rolls back the other steps.
    :param is_new: whether the steps are known not to hold all, so that reading is in vain.
    """

    def __init__(self, module: str | None, *, forward: bool = False, is_new: bool = False) -> None:
        self._module = module
        self._is_new = is_new
        self._forward = forward
        self._records: Sequence[WriteVifRecord | DeleteVifRecord] = ()
        #: Waits for the call for records that has been sent, and returns the undo steps.
        self._pending_records: Callable[[], list[EncodedStep]] | None = None
        self._marks: Sequence[RequireVifMark] = ()

    def require_marks(self, steps: Sequence[RequireVifMark]) -> None:
        """Raise StepFailure for the first VIF without the mark."""
        with rtnetlink.opened() as net:
            for step in steps:
                if not step.holds(net):
                    name = type(step).__name__
                    raise StepFailure(
                        name, step.device, step.reason, errno.ECANCELED, outcome=NOTHING_DONE
                    )

    def attach_marks(self, steps: Sequence[RequireVifMark]) -> None:
        """Require the marks of VIFs in the next call, before the first change."""
        self._marks = steps

    def attach_records(self, steps: Sequence[WriteVifRecord | DeleteVifRecord]) -> None:
        """Apply the steps for the records of VIFs in the same call as the next steps."""
        self._records = steps

    def run_records(
        self, steps: Sequence[WriteVifRecord | DeleteVifRecord], progress: Progress
    ) -> None:
        """Apply the steps for the records of VIFs in a call of their own.

        A running daemon receives the call at once, and writes the records while Open vSwitch runs
        the transaction, even if the caller is killed. :meth:`finish` waits for the answer.

        A failure is logged as a warning: a plan without kernel steps needs no daemon otherwise. A
        daemon that could not be started is not started again for ten minutes.
        """
        if self._module is None or _are_recorded(steps):
            return
        marks, self._marks = self._marks, ()
        messages = [encode(step) for step in (*marks, *steps)]
        pending = privsep_module.begin_run(privsep_module.load(self._module), messages)
        if pending is None and time.monotonic() < _no_records_until.get(self._module, 0):
            return
        finish = functools.cache(functools.partial(self._finish_records, pending, messages))
        progress.undo_record.append(lambda failure: self._roll_back(finish(), failure))
        if pending is None:
            finish()
        else:
            self._pending_records = finish

    def _finish_records(
        self, pending: Callable[[], RunAnswer | None] | None, messages: list[EncodedStep]
    ) -> list[EncodedStep]:
        """Return the undo steps of a call for records; none after a logged failure.

        :param pending: waits for the answer of a call that has been sent; None makes the call.
        """
        try:
            # A call that writes or deletes records can be repeated.
            answer = (pending and pending()) or _call(
                privsep_module.load(self._module).run, messages
            )
        except Exception as error:  # noqa: BLE001 - the error is logged
            if isinstance(error, NotStartedError) and self._module is not None:
                _no_records_until[self._module] = time.monotonic() + _START_AGAIN
            LOG.warning("The records of VIFs are not updated: %s", described_error(error))
            return []
        if answer["error"] is not None:
            reason = StepFailure.decode(answer["error"]).reason
            LOG.warning("The records of VIFs are not updated: %s", reason)
            return []
        return answer["undo"]

    def require_daemon(self, steps: Sequence[KernelStep]) -> None:
        """Raise StepFailure unless the daemon can be called, or all steps hold.

        The daemon may not start, or may be in another network namespace.
        """
        module = privsep_module.load(self._module)
        if privsep_module.is_confirmed(module) or self.holds(steps):
            return
        try:
            _call(module.check, [])
        except NotStartedError as error:
            failure = _call_failure(error.what, steps, error, NOTHING_DONE)
            failure.common = True
            raise failure from error

    def holds(
        self, steps: Sequence[KernelStep], before: list[Sequence[Difference]] | None = None
    ) -> bool:
        """Return whether all steps hold, as far as a caller without privileges can read.

        The result is False while another plan changes the devices, because the other plan may be
        rolled back.

        :param before: receives the differences of each step, for a report; None reads no more than
            the result needs.
        """
        # A record is replaced atomically, so reading a record needs no lock.
        devices = {device for step in steps if step.is_counted for device in step.devices}
        # A device that is missing in a pod tells at once that a plug has to run.
        ordered = sorted(steps, key=lambda step: not step.check_requires_root)
        try:
            with _reading(len(devices)) as net:
                generations = locks.read_generations(net.netns, devices)
                if before is not None:
                    before += [_read_differences(step, net) for step in steps]
                if generations is None or not all(step.holds(net) for step in ordered):
                    return False
                return locks.read_generations(net.netns, devices) == generations
        except OSError:
            # The daemon fails in the same way, and reports the error with the step.
            return False

    def _records_hold(
        self,
        count: int,
        records: Sequence[WriteVifRecord | DeleteVifRecord],
        steps_hold: bool,
        before: list[Sequence[Difference]] | None,
    ) -> bool:
        """Return whether the steps for records hold, as :meth:`holds`.

        The records are not read, and the result is False, if the plan has to run anyway and no report
        needs the differences.

        :param count: the number of the other steps of the plan.
        :param steps_hold: whether the other steps hold.
        :param before: the differences of the other steps; receives those of the records.
        """
        if before is not None:
            # Devices that could not be read have no differences in the report.
            before += [()] * (count - len(before))
        elif not steps_hold:
            return False
        return not records or self.holds(records, before)

    def run(self, steps: Sequence[KernelStep], progress: Progress) -> None:
        """Apply consecutive steps in the daemon, unless all of them hold.

        A forward plan with earlier changes goes on after a failure, which is added to *progress*.
        """
        records, self._records = self._records, ()
        if self._forward and progress.refused:
            # A part of the VIF remains, and so does the record.
            records = ()
        before: list[Sequence[Difference]] | None = [] if progress.records.is_recording else None
        is_read = before is not None or not self._is_new
        steps_hold = is_read and self.holds(steps, before)
        records_hold = self._records_hold(len(steps), records, steps_hold, before)
        if steps_hold and records_hold:
            progress.records.add_held(steps)
            return
        if records and steps_hold:
            # The plan itself needs no daemon, unless an unplug came before the record of a plug.
            self.run_records(records, progress)
            if not self._forward:
                self.finish()
            if self._forward or self.holds(steps):
                progress.records.add_held(steps)
                return
            records = ()
        try:
            self._run(steps, progress, records, before or [])
        except StepFailure as failure:
            if not self._forward or not progress.has_changes or failure.errno == errno.ECANCELED:
                raise
            if failure.outcome == NOTHING_DONE:
                # The outcome is about the kernel steps only.
                failure.outcome = None
            if not failure.not_done:
                failure.not_done = [command for step in steps for command in step.commands()]
            progress.refused.append(failure)
            progress.records.add_left(steps, before or ())

    def idle(self) -> AbstractContextManager[None]:
        """Return a context without effect: a call of the daemon has no timeout."""
        return contextlib.nullcontext()

    def reopen_devices(self, _: Progress) -> bool:
        """Return False: the kernel holds no deleted device."""
        return False

    def open_new_devices(self, _: Progress) -> bool:
        """Return False: the kernel opens no devices."""
        return False

    def finish(self) -> None:
        """Wait for the records. The kernel has applied a step when the call of the daemon ends."""
        if self._pending_records is not None:
            self._pending_records()

    def _run(
        self,
        steps: Sequence[KernelStep],
        progress: Progress,
        records: Sequence[WriteVifRecord | DeleteVifRecord],
        before: Sequence[Sequence[Difference]],
    ) -> None:
        """Apply steps in the daemon.

        :param records: the steps for the records of VIFs: first in a plug, last in an unplug.
        :param before: the differences of each step, and of *records* at the end, for a report.
        :raises StepFailure: for the first step that failed.
        """
        module = privsep_module.load(self._module)
        _require_registered(steps, module, self._module)
        marks, self._marks = self._marks, ()
        sent: list[KernelStep] = [*marks, *steps, *records]
        before = [*[()] * len(marks), *before]
        if not self._forward:
            sent = [*records, *steps]
            before = [*before[len(steps) :], *before[: len(steps)]]
        messages: Any = [encode(step) for step in sent]
        if self._forward:
            messages = {"steps": messages, "forward": True}
        try:
            answer = _call(module.run, messages)
        except NotStartedError as error:
            failure = _call_failure(error.what, steps, error, NOTHING_DONE)
            failure.common = True
            raise failure from error
        except Exception as error:
            outcome = "What it had done is unknown; plugging or unplugging again converges"
            progress.records.add_left(sent, before)
            raise _call_failure(_CALL, steps, error, outcome) from error
        if self._module is not None:
            _no_records_until.pop(self._module, None)
        if progress.records.is_needed:
            _record(sent, answer, privsep_module.registry_of(module), progress, before)
        if answer["error"] is not None:
            failure = StepFailure.decode(answer["error"])
            if marks and failure.step == type(marks[0]).__name__:
                failure.outcome = NOTHING_DONE
            raise failure
        progress.undo.append(functools.partial(self._roll_back, answer["undo"]))
        progress.has_device_changes = True
        progress.refused += [StepFailure.decode(refused) for refused in answer["refused"]]

    def _roll_back(self, undo: list[EncodedStep], failure: StepFailure) -> None:
        """Undo an earlier call in the daemon; record the result in *failure*."""
        if not undo:
            return
        module = privsep_module.load(self._module)
        try:
            answer = _call(module.undo, undo)
        except Exception as error:  # noqa: BLE001 - the failure lists the error
            registry = privsep_module.registry_of(module)
            steps = [decode(message, registry) for message in undo]
            reason = str(error) or type(error).__name__
            failure.not_undone += commands_with_reason(steps, reason)
        else:
            failure.undone += answer["undone"]
            failure.not_undone += answer["not_undone"]

    def check(self, steps: Sequence[KernelStep]) -> list[Difference]:
        """Return the differences of steps; ask the daemon for those that require root.

        :raises StepFailure: if the daemon cannot read a step's condition.
        """
        found: list[Difference] = []
        with _reading(len(steps)) as net:
            for step in steps:
                if not step.check_requires_root:
                    found += step.differences(net)
        ahead = _differences_ahead.get()
        hidden = [step for step in steps if step.check_requires_root]
        found += itertools.chain.from_iterable(ahead.get(id(step), ()) for step in hidden)
        unread = [step for step in hidden if id(step) not in ahead]
        return found + self._check_in_daemon(unread) if unread else found

    def _check_in_daemon(self, steps: Sequence[KernelStep]) -> list[Difference]:
        module = privsep_module.load(self._module)
        _require_registered(steps, module, self._module)
        answer = _call(module.check, [encode(step) for step in steps])
        if answer["error"] is not None:
            failure = StepFailure.decode(answer["error"])
            failure.outcome = "Nothing was changed"
            raise failure
        return [Difference(**difference) for difference in answer["differences"]]


@contextlib.contextmanager
def read_ahead(
    plans: Iterable[tuple[Plan, str | None]],
) -> Iterator[Mapping[str, NotStartedError]]:
    """Read the conditions of many plans that require root, in one call of each daemon.

    The checks of the plans in the block, in the calling thread, use the result. A condition that
    cannot be read here is read by the check of the plan, which reports the error.

    :param plans: plans, each with the import path of the module of the daemon.
    :returns: the error of each daemon that does not start, by module.
    """
    hidden: dict[str, list[KernelStep]] = {}
    for plan, module in plans:
        # A step is no kernel step without the attribute.
        steps: list[Any] = [step for step in plan if getattr(step, "check_requires_root", False)]
        if steps and module is not None:
            hidden.setdefault(module, []).extend(steps)
    found: dict[int, Sequence[Difference]] = {}
    unstarted: dict[str, NotStartedError] = {}
    for module, steps in hidden.items():
        try:
            found.update(_read_in_daemon(module, steps))
        except NotStartedError as error:
            unstarted[module] = error
        except Exception as error:  # noqa: BLE001 - the check of each plan reports the error
            LOG.debug("Conditions of %d steps cannot be read at once: %s", len(steps), error)
    token = _differences_ahead.set(found)
    try:
        # The caller keeps the plans, and so the identities of the steps, for the block.
        yield unstarted
    finally:
        _differences_ahead.reset(token)


def _read_in_daemon(
    path: str, steps: Sequence[KernelStep]
) -> Iterator[tuple[int, Sequence[Difference]]]:
    """Yield the identity and the differences of each step that the daemon of a module can read."""
    module = privsep_module.load(path)
    for start in range(0, len(steps), _READ_AHEAD):
        batch = steps[start : start + _READ_AHEAD]
        answer = _call(module.check, [encode(step) for step in batch])
        differences = iter(answer["differences"])
        for step, count in zip(batch, answer.get("counts", ()), strict=False):
            yield id(step), [Difference(**each) for each in itertools.islice(differences, count)]


def _are_recorded(steps: Sequence[WriteVifRecord | DeleteVifRecord]) -> bool:
    """Return whether the steps for records hold. A record is replaced atomically."""
    try:
        with rtnetlink.opened() as net:
            return all(step.holds(net) for step in steps)
    except OSError:
        return False


@contextlib.contextmanager
def _reading(count: int) -> Iterator[rtnetlink.CachedNetlink]:
    """Yield a view of the devices for a number of reads: of a single dump for many reads."""
    if count >= _MANY:
        with link_table.opened_table() as net:
            yield net
        return
    with rtnetlink.opened() as uncached, uncached.cached() as net:
        yield net


def _call(entry_point: Callable[[Any], T], messages: Any) -> T:
    try:
        return entry_point(messages)
    except BrokenPipeError:
        # The daemon had died before the call, which has not reached it. This call starts a daemon.
        return entry_point(messages)


def _call_failure(
    what: str, steps: Sequence[KernelStep], error: Exception, outcome: str
) -> StepFailure:
    """Return the failure of a call that the daemon has not answered."""
    devices = ", ".join(sorted({step.device for step in steps}))
    return StepFailure(what, devices, str(error) or type(error).__name__, outcome=outcome)


def _require_registered(
    steps: Sequence[KernelStep], module: PrivsepModule, path: str | None
) -> None:
    """Raise StepFailure for a step that the daemon of a module does not accept."""
    registry = privsep_module.registry_of(module)
    for step in steps:
        try:
            require_registered([step], registry)
        except exception.InvalidStep as error:
            reason = f"the daemon of {path} does not accept the step: {error}".rstrip(".")
            raise StepFailure(
                type(step).__name__, step.device, reason, outcome=NOTHING_DONE
            ) from error


def _read_differences(step: KernelStep, net: rtnetlink.Netlink) -> Sequence[Difference]:
    """Return the differences of a step, for a report; none if the step cannot be read.

    A step that cannot be read fails when the daemon applies the step, with a better error.
    """
    if step.check_requires_root:
        return ()
    try:
        return step.differences(net)
    except OSError as error:
        LOG.debug("Cannot read %s for the report: %s", step, error)
        return ()


def _record(
    steps: Sequence[KernelStep],
    answer: RunAnswer,
    registry: Registry,
    progress: Progress,
    before: Sequence[Sequence[Difference]],
) -> None:
    """Record the steps that the daemon has applied. The undo steps of the first step are last."""
    undo = list(answer["undo"])
    records = progress.records
    for index, (step, (number, seconds)) in enumerate(zip(steps, answer["applied"], strict=False)):
        differences = before[index] if index < len(before) else ()
        if number < 0:
            records.add_left([step], [differences])
        elif number and answer["error"] is not None:
            records.add_rolled_back(step, seconds, differences)
        else:
            own = undo[len(undo) - number :]
            del undo[len(undo) - number :]
            own_steps = [decode(message, registry) for message in own]
            records.add(step, own_steps, seconds, differences)
