# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs a plan, or looks at what of it does not hold."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.host import first_use, locks, netlink
from os_vif.host.plan import Difference, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.host.plan import Plan, Step


def run(plan: Plan, privsep_module: str | None) -> None:
    """Make every step of the plan hold, or leave the host as it was.

    :param privsep_module: import path of the module whose ``run`` does the steps.
    :raises os_vif.exception.StepFailed: for the first step that failed.
    """
    if not len(plan) or _holds(plan):
        return
    call, not_started = _load(privsep_module, "run")
    messages = [encode(step) for step in plan]
    try:
        answer = _call(call, messages)
    except not_started as error:
        raise _failed("Starting the privileged daemon", plan, error, "Nothing was done") from error
    except Exception as error:
        aftermath = "What it had done is unknown; plugging or unplugging again converges"
        raise _failed("The call of the privileged daemon", plan, error, aftermath) from error
    failure = answer["error"]
    if failure is None:
        return
    aftermath = f"Undone: {failure['undone']} changes before it"
    if failure["left"]:
        # A line each: they are there to be typed.
        aftermath += "; still to be undone by hand:\n  " + "\n  ".join(failure["left"])
    raise _told(failure, aftermath)


def _told(failure: dict[str, Any], aftermath: str) -> exception.StepFailed:
    """The error that the privileged side tells of."""
    known = {name: failure[name] for name in ("step", "device", "reason", "errno")}
    return exception.StepFailed(**known, aftermath=aftermath)


def _holds(plan: Plan) -> bool:
    """Whether there is nothing to do, as far as that can be seen without a right.

    A plan that is at work on the same devices may yet undo what is seen: then this says no.
    """
    devices = {device for step in plan for device in step.devices}
    try:
        with netlink.opened() as net, net.remembering():
            if not plan.steps[0].holds(net):
                # What nobody plugged: no need to look closer.
                return False
            net.forget()
            before = locks.at_rest(net.netns, devices)
            if before is None or not all(step.holds(net) for step in plan):
                return False
            return locks.at_rest(net.netns, devices) == before
    except OSError:
        # The privileged side finds the same, and tells it with the step.
        return False


def _load(privsep_module: str | None, name: str) -> tuple[Callable[[Any], Any], type[Exception]]:
    """A privileged entry point, and what says that its daemon did not start."""
    if privsep_module is None:
        raise exception.PlanNotSupported("The plugin names no privsep_module to run its steps.")
    module, not_started = _privsep(privsep_module)
    return getattr(module, name), not_started


@functools.cache
def _privsep(name: str) -> tuple[ModuleType, type[Exception]]:
    with first_use:
        from os_vif.host.privsep import NotStartedError

        return importlib.import_module(name), NotStartedError


def _call(call: Callable[[Any], Any], messages: list[Any]) -> Any:
    try:
        return call(messages)
    except BrokenPipeError:
        # The daemon had died before: nothing reached it, and this starts another.
        return call(messages)


def _failed(step: str, plan: Plan, error: Exception, aftermath: str) -> exception.StepFailed:
    devices = ", ".join(sorted({step.device for step in plan}))
    reason = str(error) or type(error).__name__
    return exception.StepFailed(step=step, device=devices, reason=reason, aftermath=aftermath)


def check(plan: Plan, privsep_module: str | None = None) -> tuple[Difference, ...]:
    """What of the plan does not hold now, each difference once. Nothing is changed.

    :param privsep_module: import path of the module whose ``look`` sees what only root can see.
    :raises os_vif.exception.StepFailed: if a step's state cannot be read.
    """
    found: dict[tuple[str, str], Difference] = {}
    with netlink.opened() as net:
        for step in plan:
            if not step.read_by_root:
                for difference in step.differences(net):
                    found.setdefault((difference.device, difference.attribute), difference)
    hidden = [step for step in plan if step.read_by_root]
    for difference in _look(hidden, privsep_module):
        found.setdefault((difference.device, difference.attribute), difference)
    return tuple(found.values())


def _look(steps: list[Step], privsep_module: str | None) -> list[Difference]:
    if not steps:
        return []
    call, _ = _load(privsep_module, "look")
    answer = _call(call, [encode(step) for step in steps])
    failure = answer["error"]
    if failure is not None:
        raise _told(failure, "Nothing was changed")
    return [Difference(**difference) for difference in answer["differences"]]
