# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The functions of the privileged daemon: :func:`run`, :func:`undo` and :func:`check`.

A caller sends steps as plain data. The daemon decodes the steps of a closed list, validates the
arguments again, locks the devices, and asks the policy before each step. The daemon accepts neither
functions nor command lines. Every answer is data, also for a malformed message or a failure:
oslo.privsep cannot carry every exception.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import time
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.engine.failure import StepFailure
from os_vif.engine.privileged import empty_bridges, policy, undo_ledger
from os_vif.engine.privileged.host_view import Call
from os_vif.host.netlink import batch_delete, pod_namespaces, rtnetlink
from os_vif.host.state import locks
from os_vif.steps import (
    DeleteAddress,
    DeleteNeighbour,
    DeleteRoute,
    EnsureAddress,
    EnsureNeighbour,
    EnsureRoute,
    SetBridgeAddress,
    SetInheritedSysctl,
    SetSysctl,
    wire,
)
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.link.devices import DeleteDevice
from os_vif.steps.plan import Difference
from os_vif.steps.rollback import (
    Rollback,
    commands_with_reason,
    reason_of,
    roll_back,
    roll_back_partial,
)
from os_vif.steps.trust import trusted
from os_vif.steps.vif_record import DeleteVifRecord, RequireVifMark
from os_vif.steps.wire import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from os_vif.engine.answers import CheckAnswer, RunAnswer, UndoAnswer
    from os_vif.engine.failure import EncodedFailure
    from os_vif.steps.wire import Registry

#: The largest number of steps in a call. A plan has a handful for each VIF, and two for each moved
#: address.
MAX_STEPS = 10_000

#: The steps that :func:`os_vif.steps.link.move_addresses.move` returns.
MOVES = (
    DeleteAddress, DeleteNeighbour, DeleteRoute, EnsureAddress, EnsureNeighbour, EnsureRoute,
    SetBridgeAddress, SetInheritedSysctl, SetSysctl,
)  # fmt: skip
#: The kind of the consecutive steps of a move, for grouping.
_MOVE = EnsureRoute


def run(messages: Any, registry: Registry = wire.STEPS) -> RunAnswer:
    """Apply steps in order; roll back after the first failure.

    :param messages: a list of steps, encoded by :func:`os_vif.steps.wire.encode`. Or a dict of
        such ``steps`` and ``forward``: if true, a failed step neither stops nor rolls back the
        other steps, as in an unplug.
    :param registry: the classes of steps that the daemon accepts, by name.
    :returns: ``undo``, the encoded undo steps for a caller that fails later; ``applied``, the
        number of undo steps and the seconds of each step; ``error``, the failure or None; and
        ``refused``, the failures of a forward run. See ``os_vif.engine.answers``.
    """
    forward = False
    if isinstance(messages, dict) and messages.keys() == {"steps", "forward"}:
        messages, forward = messages["steps"], messages["forward"] is True
    try:
        steps = _decode_all(messages, registry)
    except exception.InvalidStep as error:
        return _failed(StepFailure("message", "", str(error), errno.EINVAL))
    devices = {device for step in steps for device in step.devices}
    try:
        uncached = rtnetlink.thread_socket()
        with (
            locks.locked(uncached.netns, devices),
            pod_namespaces.keeping(),
            uncached.cached() as net,
        ):
            for step in steps:
                if isinstance(step, RequireVifMark) and not step.holds(net):
                    return _failed(_without_mark(step))
            answer = (_run_forward if forward else _run)(net, steps, registry)
    except OSError as error:
        named = {device for step in steps if step.is_counted for device in step.devices}
        return _failed(_failure_of("Locking", ", ".join(named or devices), error))
    empty_bridges.finish_empty_bridges(uncached, steps)
    return answer


def _without_mark(step: RequireVifMark) -> StepFailure:
    return StepFailure(type(step).__name__, step.device, step.reason, errno.ECANCELED)


def _failed(failure: StepFailure, applied: Sequence[tuple[int, float]] = ()) -> RunAnswer:
    return {"undo": [], "applied": list(applied), "error": failure.encode(), "refused": []}


@dataclasses.dataclass
class _Progress:
    """The steps of a call that have been applied so far."""

    request: Call
    registry: Registry
    undo: list[KernelStep] = dataclasses.field(default_factory=list)
    applied: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    refused: list[EncodedFailure] = dataclasses.field(default_factory=list)

    def apply(self, net: rtnetlink.Netlink, step: KernelStep) -> Sequence[KernelStep]:
        """Apply a step if the policy permits; return the undo steps."""
        with trusted():
            undo = step.apply(net) if policy.permitted(net, step, self.request) else ()
        if self.registry is not wire.STEPS:
            _require_registered(net, undo, self.registry)
        return undo

    def answer(self, net: rtnetlink.Netlink) -> RunAnswer:
        """Return the answer of a call that has not failed."""
        return {
            "undo": undo_ledger.issue(net, self.undo),
            "applied": self.applied,
            "error": None,
            "refused": self.refused,
        }


def _require_registered(
    net: rtnetlink.Netlink, undo: Sequence[KernelStep], registry: Registry
) -> None:
    """Roll back and raise OSError if the caller could not send undo steps of a plugin back."""
    try:
        wire.require_registered(undo, registry)
        for step in undo:
            if not wire.is_of_os_vif(type(step)):
                step.validate()
    except exception.InvalidStep as error:
        first = OSError(errno.EINVAL, f"an undo step cannot be sent: {error}".rstrip("."))
        roll_back_partial(net, undo, first)
        raise first from error


def _run(
    net: rtnetlink.Netlink, steps: list[KernelStep], registry: Registry = wire.STEPS
) -> RunAnswer:
    progress = _Progress(Call(net, steps), registry)
    for deletes, group in itertools.groupby(steps, lambda step: isinstance(step, DeleteDevice)):
        # Deleted devices are recreated only if the deletions were sent.
        recreate: list[KernelStep] = []
        members = list(group)
        current: KernelStep | None = None
        #: The number of steps before the group. Deletions are sent when the group ends.
        complete = len(progress.applied)
        try:
            with batch_delete.batched(net) if deletes else contextlib.nullcontext(net) as view:
                for current in members:
                    started = time.monotonic()
                    undo = progress.apply(view, current)
                    # Recorded at once, because the next step may fail.
                    (recreate if deletes else progress.undo)[:0] = undo
                    progress.applied.append((len(undo), time.monotonic() - started))
                # The deletions of the group are sent when the block ends.
                current = None
        except Exception as error:  # noqa: BLE001 - any error is answered, after a rollback
            failure = _blame(members if current is None else [current], error)
            failure.add(_roll_back(net, progress.undo))
            applied = progress.applied[:complete] if deletes else progress.applied
            return _failed(failure, applied)
        progress.undo[:0] = recreate
    return progress.answer(net)


def _blame(steps: Sequence[KernelStep], error: Exception) -> StepFailure:
    """Return the failure of the step, of the possible ones, whose device the error names."""
    name = error.filename if isinstance(error, OSError) else None
    blamed = [step for step in steps if step.device == name][:1] or steps
    kinds = dict.fromkeys(type(step).__name__ for step in blamed)
    devices = dict.fromkeys(step.device for step in blamed)
    return _failure_of(", ".join(kinds), ", ".join(devices), error)


def _run_forward(
    net: rtnetlink.Netlink, steps: list[KernelStep], registry: Registry = wire.STEPS
) -> RunAnswer:
    """Apply steps that are independent of each other: a failed step stops no other step.

    The steps of a move of addresses and routes depend on each other: all are applied, or none.
    """
    progress = _Progress(Call(net, steps), registry)
    for kind, group in itertools.groupby(steps, _kind):
        members = list(group)
        if kind is _MOVE:
            _run_move(net, members, progress)
        elif kind is DeleteVifRecord and progress.refused:
            # A part of the VIF remains, and so does the record.
            progress.applied += [(0, 0.0)] * len(members)
        else:
            _run_independent(net, members, progress, deletes=kind is DeleteDevice)
    return progress.answer(net)


def _run_independent(
    net: rtnetlink.Netlink, steps: list[KernelStep], progress: _Progress, *, deletes: bool
) -> None:
    """Apply each of some consecutive steps; record the failures in *progress*."""
    errors: list[OSError] = []
    done: list[tuple[KernelStep, Sequence[KernelStep] | None, float]] = []
    with batch_delete.batched(net, errors) if deletes else contextlib.nullcontext(net) as view:
        for step in steps:
            started = time.monotonic()
            undo: Sequence[KernelStep] | None = None
            try:
                undo = progress.apply(view, step)
            except Exception as error:  # noqa: BLE001 - any error is answered
                progress.refused.append(_not_done([step], error).encode())
            done.append((step, undo, time.monotonic() - started))
    names = {error.filename for error in errors}
    for step, undo, seconds in done:
        if undo is None or step.device in names:
            # The device of a failed deletion still exists: there is no undo.
            progress.applied.append((-1, seconds))
        else:
            progress.undo[:0] = undo
            progress.applied.append((len(undo), seconds))
    progress.refused += [
        _not_done([step for step in steps if step.device == error.filename], error).encode()
        for error in errors
    ]


def _run_move(net: rtnetlink.Netlink, steps: list[KernelStep], progress: _Progress) -> None:
    """Apply the steps of a move of addresses and routes; roll back all of them after a failure."""
    own_undo: list[KernelStep] = []
    applied: list[tuple[int, float]] = []
    for number, step in enumerate(steps):
        started = time.monotonic()
        try:
            undo = progress.apply(net, step)
        except Exception as error:  # noqa: BLE001 - any error is answered, after a rollback
            failure = _not_done(steps[number:], error)
            failure.add(_roll_back(net, own_undo))
            progress.refused.append(failure.encode())
            progress.applied += [(-1, 0.0)] * len(steps)
            return
        own_undo[:0] = undo
        applied.append((len(undo), time.monotonic() - started))
    progress.undo[:0] = own_undo
    progress.applied += applied


def _kind(step: KernelStep) -> type:
    """Return the kind by which consecutive steps of a forward run are grouped."""
    for kind in (DeleteDevice, DeleteVifRecord):
        if isinstance(step, kind):
            return kind
    return _MOVE if isinstance(step, MOVES) else KernelStep


def _not_done(steps: Sequence[KernelStep], error: Exception) -> StepFailure:
    """Return the failure of the first step, with the commands of all of the steps."""
    failure = _failure_of(type(steps[0]).__name__, steps[0].device, error)
    failure.not_done = commands_with_reason(steps, failure.reason)
    return failure


def undo(messages: Any, registry: Registry = wire.STEPS) -> UndoAnswer:
    """Apply the undo steps of an earlier :func:`run`, because the caller has failed since.

    A failed step prevents no other step.

    :param messages: the ``undo`` of the answer of :func:`run`.
    :param registry: the classes of steps that the daemon accepts, by name.
    :returns: ``undone``, the number of applied steps; and ``not_undone``, the commands of the
        failed steps, each with the reason.
    """
    try:
        steps = _decode_all(messages, registry)
    except exception.InvalidStep as error:
        return {"undone": 0, "not_undone": [f"# {error}"]}
    try:
        devices = {device for step in steps for device in step.devices}
        uncached = rtnetlink.thread_socket()
        with (
            locks.locked(uncached.netns, devices),
            pod_namespaces.keeping(),
            uncached.cached() as net,
        ):
            result = _roll_back(net, steps, Call(net, steps))
    except OSError as error:
        return {"undone": 0, "not_undone": commands_with_reason(steps, reason_of(error))}
    return {"undone": result.undone, "not_undone": result.not_undone}


def check(messages: Any, registry: Registry = wire.STEPS) -> CheckAnswer:
    """Return the differences of steps, for a caller without the privileges to read them.

    :param messages: a list of steps, encoded by :func:`os_vif.steps.wire.encode`.
    :param registry: the classes of steps that the daemon accepts, by name.
    :returns: ``differences``, the fields of each :class:`~os_vif.steps.plan.Difference`;
        ``counts``, the number of differences of each step; and ``error``, the failure or None.
    """
    found: list[Difference] = []
    counts: list[int] = []
    error: EncodedFailure | None = None
    try:
        steps = _decode_all(messages, registry)
    except exception.InvalidStep as raised:
        failure = StepFailure("message", "", str(raised), errno.EINVAL)
        return {"differences": [], "error": failure.encode()}
    with pod_namespaces.keeping(), rtnetlink.thread_socket().cached() as net:
        request = Call(net, steps)
        for step in steps:
            try:
                policy.require_readable(net, step, request)
                with trusted():
                    differences = step.differences(net)
            except Exception as raised:  # noqa: BLE001 - any error is answered
                error = _failure_of(type(step).__name__, step.device, raised).encode()
                break
            found += differences
            counts.append(len(differences))
    encoded = [dataclasses.asdict(difference) for difference in found]
    return {"differences": encoded, "counts": counts, "error": error}


def _decode_all(messages: Any, registry: Registry) -> list[KernelStep]:
    if not isinstance(messages, list | tuple):
        raise wire.malformed(messages, "a list of steps")
    if len(messages) > MAX_STEPS:
        raise wire.malformed(f"{len(messages)} steps", f"at most {MAX_STEPS} steps in one call")
    return [decode(message, registry) for message in messages]


def _roll_back(
    net: rtnetlink.Netlink, undo: list[KernelStep], request: Call | None = None
) -> Rollback:
    """Apply undo steps.

    :param request: the call of undo steps that a caller has sent, which the policy decides on;
        None for undo steps that the daemon itself has just made.
    """

    def apply(step: KernelStep) -> None:
        if request is None or policy.permitted(net, step, request):
            step.apply(net)

    with trusted():
        return roll_back(undo, apply)


def _failure_of(step: str, device: str, error: Exception) -> StepFailure:
    number = error.errno if isinstance(error, OSError) else None
    return StepFailure(step, device, reason_of(error), number)
