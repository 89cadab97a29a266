# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs a plan, or looks at what of it does not hold."""

from __future__ import annotations

import importlib
import itertools
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host.plan import encode

if TYPE_CHECKING:
    from os_vif.host.plan import Difference, Plan


def run(plan: Plan, privsep_module: str | None) -> None:
    """Make every step of the plan hold, or leave the host as it was.

    :param privsep_module: import path of the module whose ``run`` does kernel steps.
    :raises os_vif.exception.StepFailed: for the first step that failed.
    """
    undo: list[Any] = []
    for _, steps in itertools.groupby(plan, key=lambda step: step.runs_in):
        try:
            undo[:0] = _run_kernel([encode(step) for step in steps], privsep_module)
        except exception.StepFailed as failure:
            if undo:
                _undo(undo, privsep_module, failure)
            raise


def _undo(messages: list[Any], privsep_module: str | None, failure: exception.StepFailed) -> None:
    """Take back what earlier calls did; if that fails, the first failure tells of it."""
    try:
        _run_kernel(messages, privsep_module)
    except exception.StepFailed as second:
        aftermath = f"{failure.kwargs['aftermath']}; what came before is not undone: {second}"
        raise exception.StepFailed(**failure.kwargs | {"aftermath": aftermath}) from failure


def _run_kernel(messages: list[Any], privsep_module: str | None) -> list[Any]:
    """One privileged call. :returns: the messages that undo it."""
    from os_vif.host.privsep import NotStartedError

    try:
        answer = _call(messages, privsep_module)
    except NotStartedError as error:
        raise _failed(
            "Starting the privileged daemon", messages, error, "Nothing was done"
        ) from error
    except Exception as error:
        aftermath = "What it had done is unknown; plugging or unplugging again converges"
        raise _failed("The call of the privileged daemon", messages, error, aftermath) from error
    failure = answer["error"]
    if failure is None:
        undo: list[Any] = answer["undo"]
        return undo
    aftermath = f"Undone: {failure['undone']} changes before it"
    if failure["left"]:
        # A line each: they are there to be typed.
        aftermath += "; still to be undone by hand:\n  " + "\n  ".join(failure["left"])
    raise exception.StepFailed(
        step=failure["step"],
        device=failure["device"],
        reason=failure["reason"],
        errno=failure["errno"],
        aftermath=aftermath,
    )


def _call(messages: list[Any], privsep_module: str | None) -> Any:
    if privsep_module is None:
        raise exception.PlanNotSupported("The plugin names no privsep_module to run its steps.")
    call = importlib.import_module(privsep_module).run
    try:
        return call(messages)
    except BrokenPipeError:
        # The daemon had died before: nothing reached it, and this starts another.
        return call(messages)


def _failed(
    step: str, messages: list[Any], error: Exception, aftermath: str
) -> exception.StepFailed:
    devices = ", ".join(sorted({arguments["name"] for _, arguments in messages}))
    reason = str(error) or type(error).__name__
    return exception.StepFailed(step=step, device=devices, reason=reason, aftermath=aftermath)


def check(plan: Plan) -> tuple[Difference, ...]:
    """What of the plan does not hold now, each difference once. Nothing is changed."""
    from os_vif.host import netlink

    with netlink.opened() as net:
        found: dict[tuple[str, str], Difference] = {}
        for step in plan:
            for difference in step.differences(net):
                found.setdefault((difference.device, difference.attribute), difference)
        return tuple(found.values())
