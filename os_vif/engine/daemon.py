# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged side: it takes typed steps, checks them again, and runs them as one.

It takes no functions and no command lines. Whatever comes in, it answers with data:
privsep cannot bring every exception back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import logging
import time
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.engine import policy, undo_ledger
from os_vif.host.netlink import batch_delete, rtnetlink
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
from os_vif.steps.wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

LOG = logging.getLogger(__name__)

#: Steps of one call. A plan has a handful for each VIF, and two for each address that moves.
MAX_STEPS = 10_000

#: The steps of which :func:`os_vif.steps.link.move_addresses.move` makes a move from an uplink to a bridge.
MOVES = (
    DeleteAddress, DeleteNeighbour, DeleteRoute, EnsureAddress, EnsureNeighbour, EnsureRoute,
    SetBridgeAddress, SetInheritedSysctl, SetSysctl,
)  # fmt: skip
_MOVE = EnsureRoute


def run(messages: Any) -> dict[str, Any]:
    """Run steps in order; if one fails, undo those before it.

    :param messages: a list of what :func:`os_vif.steps.wire.encode` makes; or a dict of such
        ``steps``, and of ``forward``: whether a step that fails stops none of the others.
    :returns: ``undo``: the encoded steps that undo all of it, in the order to run them, for a
        caller whose later work fails;
        ``applied``: for each step the number of its steps in ``undo`` (0 if it held already, -1
        if it was refused) and the seconds that it took, for the log;
        ``error``: None, or a dict of ``step``, ``device``, ``errno``, ``reason``, the number of
        steps ``undone``, and ``left``, what could not be undone;
        ``refused``: such a dict for each step that has failed of those that go forward; ``left``
        is what remains to be done.
    """
    forward = False
    if isinstance(messages, dict) and messages.keys() == {"steps", "forward"}:
        messages, forward = messages["steps"], messages["forward"] is True
    try:
        steps = _decode_all(messages)
    except exception.InvalidStep as error:
        return {"undo": [], "error": _error("message", "", errno.EINVAL, str(error))}
    devices = {device for step in steps for device in step.devices}
    try:
        uncached = rtnetlink.here()
        with locks.locked(uncached.netns, devices), uncached.cached() as net:
            return _run_forward(net, steps) if forward else _run(net, steps)
    except OSError as error:
        return {"undo": [], "error": _error("Locking", ", ".join(devices), *_reason(error))}


def _run(net: rtnetlink.Netlink, steps: list[KernelStep]) -> dict[str, Any]:
    undo: list[KernelStep] = []
    applied: list[tuple[int, float]] = []
    call = policy.Call(net, steps)
    for deletes, group in itertools.groupby(steps, lambda step: isinstance(step, DeleteDevice)):
        again: list[KernelStep] = []
        members = list(group)
        current: KernelStep | None = None
        try:
            with batch_delete.batched(net) if deletes else contextlib.nullcontext(net) as view:
                for current in members:
                    started = time.monotonic()
                    back = current.apply(view) if policy.permitted(view, current, call) else ()
                    # What one has done is to be undone even if the next one fails.
                    (again if deletes else undo)[:0] = back
                    applied.append((len(back), time.monotonic() - started))
                # Deletions are carried out after the last step of the group.
                current = None
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest is undone
            failure = _blamed(members if current is None else [current], error)
            _take_back(net, undo, failure)
            return {"undo": [], "error": failure}
        undo[:0] = again
    undo_ledger.issue(net, undo)
    return {"undo": [encode(step) for step in undo], "applied": applied, "error": None}


def _blamed(steps: Sequence[KernelStep], error: Exception) -> dict[str, Any]:
    """Return the failure of the step that an error is about, of those that it may be about."""
    name = error.filename if isinstance(error, OSError) else None
    blamed = [step for step in steps if step.device == name][:1] or steps
    kinds = dict.fromkeys(type(step).__name__ for step in blamed)
    devices = dict.fromkeys(step.device for step in blamed)
    return _error(", ".join(kinds), ", ".join(devices), *_reason(error))


def _run_forward(net: rtnetlink.Netlink, steps: list[KernelStep]) -> dict[str, Any]:
    """Run steps each of which stands for itself: one that fails stops none of the others.

    The parts of a move of addresses and routes are one: all of them, or none.
    """
    undo: list[KernelStep] = []
    applied: list[tuple[int, float]] = []
    refused: list[dict[str, Any]] = []
    call = policy.Call(net, steps)
    for kind, group in itertools.groupby(steps, _kind):
        members = list(group)
        if kind is _MOVE:
            applied += _run_move(net, members, call, undo, refused)
            continue
        errors: list[OSError] = []
        done: list[tuple[KernelStep, Sequence[KernelStep] | None, float]] = []
        deletes = kind is DeleteDevice
        with batch_delete.batched(net, errors) if deletes else contextlib.nullcontext(net) as view:
            for step in members:
                started = time.monotonic()
                back: Sequence[KernelStep] | None = None
                try:
                    back = step.apply(view) if policy.permitted(view, step, call) else ()
                except Exception as error:  # noqa: BLE001 - it is told
                    refused.append(_remaining([step], error))
                done.append((step, back, time.monotonic() - started))
        names = {error.filename for error in errors}
        for step, back, seconds in done:
            if back is None or step.device in names:
                # A device that is still there is not to be made again.
                applied.append((-1, seconds))
            else:
                undo[:0] = back
                applied.append((len(back), seconds))
        refused += [
            _remaining([step for step in members if step.device == error.filename], error)
            for error in errors
        ]
    undo_ledger.issue(net, undo)
    encoded = [encode(step) for step in undo]
    return {"undo": encoded, "applied": applied, "error": None, "refused": refused}


def _run_move(
    net: rtnetlink.Netlink,
    steps: list[KernelStep],
    call: policy.Call,
    undo: list[KernelStep],
    refused: list[dict[str, Any]],
) -> list[tuple[int, float]]:
    """Run the parts of a move of addresses and routes; if one fails, undo those before it.

    :param undo: takes the steps that undo it; ``refused`` takes its failure.
    :returns: as ``applied`` of :func:`run`.
    """
    own: list[KernelStep] = []
    applied: list[tuple[int, float]] = []
    for number, step in enumerate(steps):
        started = time.monotonic()
        try:
            back = step.apply(net) if policy.permitted(net, step, call) else ()
        except Exception as error:  # noqa: BLE001 - it is told
            failure = _remaining([step, *steps[number + 1 :]], error)
            _take_back(net, own, failure)
            refused.append(failure)
            return [(-1, 0.0)] * len(steps)
        own[:0] = back
        applied.append((len(back), time.monotonic() - started))
    undo[:0] = own
    return applied


def _kind(step: KernelStep) -> type:
    """Return what consecutive steps of an unplug have in common that are run together."""
    if isinstance(step, DeleteDevice):
        return DeleteDevice
    return _MOVE if isinstance(step, MOVES) else KernelStep


def _remaining(steps: Sequence[KernelStep], error: Exception) -> dict[str, Any]:
    """Return the failure of the first step, with the commands of all of them as what is left."""
    number, reason = _reason(error)
    failure = _error(type(steps[0]).__name__, steps[0].device, number, reason)
    failure["left"] = [f"{command}  # {reason}" for s in steps for command in s.commands()]
    return failure


def undo(messages: Any) -> dict[str, Any]:
    """Run what :func:`run` gave as ``undo``, because the caller's later work failed.

    As many of the steps as can be: that one fails stops none of the others.

    :returns: the number of steps ``undone``, and ``left``, what could not be undone.
    """
    told = _error("undo", "", None, "")
    try:
        steps = _decode_all(messages)
        devices = {device for step in steps for device in step.devices}
        uncached = rtnetlink.here()
        with locks.locked(uncached.netns, devices), uncached.cached() as net:
            _take_back(net, steps, told, policy.Call(net, steps))
    except exception.InvalidStep as error:
        told["left"].append(f"# {error}")
    except OSError as error:
        told["left"] += [f"{c}  # {_reason(error)[1]}" for step in steps for c in step.commands()]
    return {"undone": told["undone"], "left": told["left"]}


def check(messages: Any) -> dict[str, Any]:
    """Return the differences of some steps, for a caller without the right to read them.

    :param messages: a list of what :func:`os_vif.steps.wire.encode` makes.
    :returns: ``differences``: a list of dicts of the fields of
        :class:`~os_vif.steps.plan.Difference`; ``error`` as in :func:`run`.
    """
    found: list[Difference] = []
    try:
        steps = _decode_all(messages)
    except exception.InvalidStep as error:
        return {"differences": [], "error": _error("message", "", errno.EINVAL, str(error))}
    with rtnetlink.here().cached() as net:
        for step in steps:
            try:
                found += step.differences(net)
            except Exception as error:  # noqa: BLE001 - it is told
                failure = _error(type(step).__name__, step.device, *_reason(error))
                return {"differences": [], "error": failure}
    return {"differences": [dataclasses.asdict(d) for d in found], "error": None}


def _decode_all(messages: Any) -> list[KernelStep]:
    if not isinstance(messages, list | tuple):
        raise wire.malformed(messages, "a list of steps")
    if len(messages) > MAX_STEPS:
        raise wire.malformed(f"{len(messages)} steps", f"at most {MAX_STEPS} steps in one call")
    return [decode(message) for message in messages]


def _take_back(
    net: rtnetlink.Netlink,
    undo: list[KernelStep],
    failure: dict[str, Any],
    call: policy.Call | None = None,
) -> None:
    """Run the steps that undo others, as many as can be, and note in ``failure`` how that went.

    :param call: of steps that a caller has sent; None for those of the daemon's own.
    """
    for step in undo:
        try:
            if call is None or policy.permitted(net, step, call):
                step.apply(net)
            failure["undone"] += 1
        except Exception as error:
            LOG.exception("Could not undo: %s", step)
            failure["left"] += [f"{c}  # {_reason(error)[1]}" for c in step.commands()]


def _reason(error: Exception) -> tuple[int | None, str]:
    """The errno, if it has one, and the words of an error."""
    if isinstance(error, OSError):
        return error.errno, error.strerror or str(error)
    return None, f"{type(error).__name__}: {error}"


def _error(step: str, device: str, number: int | None, reason: str) -> dict[str, Any]:
    return {
        "step": step,
        "device": device,
        "errno": number,
        "reason": reason,
        "undone": 0,
        "left": [],
    }
