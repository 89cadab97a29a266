# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs a plan, or looks at what of it does not hold."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import itertools
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any

from os_vif import exception
from os_vif.engine import first_use, remaining_bridges, step_log
from os_vif.engine.failure import Failure
from os_vif.escape import described_error
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import locks
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference
from os_vif.steps.wire import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from os_vif.engine.ovs import Committed, Session
    from os_vif.engine.privsep_channel import NotStartedError
    from os_vif.steps.ovs.rows import OvsStep
    from os_vif.steps.plan import Plan, Step

    Undo = Callable[[Failure], None]

LOG = logging.getLogger(__name__)

_NOTHING = "Nothing was done"


def run(plan: Plan, privsep_module: str | None) -> tuple[str, ...]:
    """Make every step of the plan hold, or leave the host as it was.

    Whatever is raised meanwhile, what was done is rolled back. A plan that goes forward keeps what
    the database has when ovs-vswitchd is late; a warning is logged then. If the kernel refuses one
    of its steps, all others are carried out, and the failure says what remains.

    Consecutive steps of the kernel are one call of the privileged daemon, and consecutive ones of
    Open vSwitch one transaction.

    :param privsep_module: import path of the module whose ``run`` does the steps.
    :returns: a sentence for each bridge that the plan deletes and that stays, because others use
        it or have made it.
    :raises os_vif.exception.StepFailed: for the first step that failed.
    """
    if not len(plan):
        return ()
    try:
        with _switch(plan) as session:
            _require_daemon(plan, privsep_module)
            of_switch = _run_parts(plan, session, privsep_module)
    except Failure as failure:
        raise failure.error() from failure.__cause__
    return (*remaining_bridges.bridges(plan), *of_switch)


def _require_daemon(plan: Plan, privsep_module: str | None) -> None:
    """Know before the switch is touched that the privileged daemon can be called.

    A daemon may not start, or be in another network namespace.
    """
    steps = [step for step in plan if isinstance(step, KernelStep)]
    if not steps or isinstance(next(iter(plan)), KernelStep):
        return
    call, not_started = _load(privsep_module, "check")
    context = getattr(call, "privsep_entrypoint", None)
    confirmed = getattr(context, "is_confirmed", None)
    if confirmed is None or confirmed() or _holds(steps):
        return
    try:
        _call(call, [])
    except not_started as error:
        raise _failed(error.what, steps, error, _NOTHING) from error


@contextlib.contextmanager
def _switch(plan: Plan) -> Iterator[Session | None]:
    """The connection of a plan that has steps of Open vSwitch."""
    if plan.switch is None:
        yield None
        return
    with first_use:
        from os_vif.engine import ovs
    with ovs.opened(plan.switch, plan) as session:
        yield session


def _parts(plan: Plan) -> Iterator[tuple[list[KernelStep], list[OvsStep]]]:
    """The plan in its order, in parts that are of the kernel or of Open vSwitch."""
    for kernel, group in itertools.groupby(plan, lambda step: isinstance(step, KernelStep)):
        steps: list[Any] = list(group)
        yield (steps, []) if kernel else ([], steps)


def _run_parts(plan: Plan, session: Session | None, privsep_module: str | None) -> list[str]:
    """Run the parts of a plan, and return a sentence for each bridge of Open vSwitch it left."""
    stay: list[str] = []
    done: list[Undo] = []
    current: Sequence[Step] = ()
    #: What vswitchd may do while the kernel is at work.
    lingering: list[Committed] = []
    #: The steps of the kernel so far.
    earlier: list[KernelStep] = []
    #: What the kernel has refused of a plan that goes forward all the same.
    refused: list[Failure] = []
    try:
        _reopen(session, done, plan)
        for kernel, rows in _parts(plan):
            current = kernel or rows
            earlier += kernel
            # When ovs-vswitchd closes a port, it may set the flags that the old device had.
            steps = earlier if rows and _reopen(session, done, plan) else kernel
            if part := _run_kernel_part(steps, plan, session, privsep_module, bool(done)):
                done.append(part.undo)
                refused += part.refused
            if kernel:
                continue
            committed = _commit(rows, session)
            stay += committed.left
            done.append(committed.take_back)
            waits = plan.switch is not None and plan.switch.wait
            if waits or any(step.settles for step in rows):
                lingering.append(committed)
            if not all(step.lingers for step in rows):
                _settle(lingering, plan)
        _settle(lingering, plan)
    except Failure as failure:
        _roll_back(done, failure)
        raise
    except BaseException as error:
        unexpected = _unexpected(error, current)
        _roll_back(done, unexpected)
        if isinstance(error, Exception):
            raise unexpected from error
        # What stops a thread, such as KeyboardInterrupt or a timeout of eventlet, stays what it is.
        LOG.warning("%s", unexpected.error())
        raise
    if refused:
        raise _remaining(refused)
    return stay


@dataclasses.dataclass
class _KernelPart:
    """The outcome of consecutive steps of the kernel."""

    undo: Undo
    #: The failures of steps that stopped none of the others.
    refused: list[Failure] = dataclasses.field(default_factory=list)


def _run_kernel_part(
    steps: Sequence[KernelStep],
    plan: Plan,
    session: Session | None,
    privsep_module: str | None,
    begun: bool,
) -> _KernelPart | None:
    """Run consecutive steps of the kernel; return None if they are seen to hold.

    :param begun: whether the plan has already changed something, which stays if it goes forward.
    """
    if not steps:
        return None
    # The kernel's time, and that of starting the daemon, is not Open vSwitch's.
    with session.ovsdb.idle() if session is not None else contextlib.nullcontext():
        if _holds(steps):
            step_log.log_all_held(steps)
            return None
        if session is not None:
            session.look = None
        try:
            return _run_kernel(steps, privsep_module, forward=plan.forward)
        except Failure as failure:
            if not plan.forward or not begun:
                raise
            if failure.said == _NOTHING:
                # That is so of these steps only.
                failure.said = None
            if not failure.left:
                failure.left += [command for step in steps for command in step.commands()]
            return _KernelPart(lambda _: None, refused=[failure])


def _remaining(refused: Sequence[Failure]) -> Failure:
    """Return the failure of a plan that went forward though steps were refused."""
    first = refused[0]
    said = first.said or "All that could be done of the rest was done"
    remaining_bridges = [command for failure in refused for command in failure.left]
    return Failure(
        first.step, first.device, first.reason, errno=first.errno, left=remaining_bridges, said=said,
        remains="done",
    )  # fmt: skip


def _roll_back(done: Sequence[Undo], failure: Failure) -> None:
    """Undo all parts in reverse. A part that cannot be undone stops none of the others."""
    for undo in reversed(done):
        try:
            undo(failure)
        except Exception as error:
            LOG.exception("Could not undo a part of a plan")
            failure.left.append(f"# a part of the plan: {described_error(error)}")


def _unexpected(error: BaseException, steps: Sequence[Step]) -> Failure:
    """Return the failure of a plan that ended with an exception that nobody expects."""
    how = "unexpected" if isinstance(error, Exception) else "interrupted by"
    reason = f"{how} {described_error(error)}"
    names = ", ".join(dict.fromkeys(type(step).__name__ for step in steps)) or "The plan"
    devices = ", ".join(sorted({step.device for step in steps}))
    return Failure(names, devices, reason)


def _commit(steps: Sequence[OvsStep], session: Session | None) -> Committed:
    from os_vif.engine import ovs

    if session is None:
        raise Failure(
            type(steps[0]).__name__, steps[0].device, "the plan names no switch",
            said=_NOTHING,
        )  # fmt: skip
    look, session.look = session.look, None
    return ovs.commit(session.ovsdb, steps, look)


def _reopen(session: Session | None, done: list[Undo], plan: Plan) -> bool:
    """Take out the ports for which ovs-vswitchd holds a device that has gone; put them back.

    ovs-vswitchd matches ports by name: it opens another device only when it has seen that the port
    has gone. This takes two transactions.

    :returns: whether there were such ports.
    """
    names = [] if session is None else session.held.lost()
    if session is None or not names:
        return False
    from os_vif.engine import ovs

    session.look, session.held = None, session.held.without(names)
    removals = ovs.removals(session.ovsdb, names)
    taken = ovs.commit(session.ovsdb, removals)
    done.append(taken.take_back)
    _settle([taken], plan)
    _settle([ovs.commit(session.ovsdb, taken.undo)], plan)
    return True


def _settle(lingering: list[Committed], plan: Plan) -> None:
    """Wait until ovs-vswitchd has carried out what the database has."""
    while lingering:
        committed = lingering.pop(0)
        try:
            committed.settle()
        except Failure as failure:
            if not plan.forward or not committed.late:
                raise
            # vswitchd reads the database when it can, and then carries out what it says.
            LOG.warning(
                "The database of Open vSwitch has the deletion of %s; ovs-vswitchd has not carried "
                "it out yet: %s", failure.device, failure.reason,
            )  # fmt: skip
            committed.go_on()
            for other in lingering:
                LOG.warning("Nor that of %s", other.devices)
            lingering.clear()


def _run_kernel(
    steps: Sequence[KernelStep], privsep_module: str | None, *, forward: bool
) -> _KernelPart:
    """Have the daemon run steps.

    :param forward: whether a step that fails stops none of the others.
    :raises os_vif.engine.failure.Failure: for the first step that failed, or for all of them.
    """
    call, not_started = _load(privsep_module, "run")
    messages: Any = [encode(step) for step in steps]
    if forward:
        messages = {"steps": messages, "forward": True}
    try:
        answer = _call(call, messages)
    except not_started as error:
        raise _failed(error.what, steps, error, _NOTHING) from error
    except Exception as error:
        aftermath = "What it had done is unknown; plugging or unplugging again converges"
        raise _failed("The call of the privileged daemon", steps, error, aftermath) from error
    failure = answer["error"]
    if failure is not None:
        raise Failure(**failure)
    if step_log.is_enabled():
        _log_applied(steps, answer["undo"], answer.get("applied", ()))
    refused = [Failure(**failed) for failed in answer.get("refused", ())]
    return _KernelPart(functools.partial(_take_back, answer["undo"], privsep_module), refused)


def _log_applied(
    steps: Sequence[KernelStep], undo: Sequence[Any], applied: Sequence[tuple[int, float]]
) -> None:
    """Log what the daemon reported of each step.

    :param undo: the encoded undo steps of all steps; those of the first step are last.
    :param applied: the number of undo steps, and the seconds, of each step; -1 was refused.
    """
    from os_vif.steps.wire import decode

    rest = list(undo)
    for step, (number, seconds) in zip(steps, applied, strict=False):
        if number < 0:
            # It was refused, which the error tells.
            continue
        own = rest[len(rest) - number :]
        del rest[len(rest) - number :]
        step_log.log_applied(step, [decode(message) for message in own], seconds)


def _take_back(messages: list[Any], privsep_module: str | None, failure: Failure) -> None:
    """Have the daemon run what undoes an earlier call, and note in ``failure`` how that went."""
    if not messages:
        return
    try:
        call, _ = _load(privsep_module, "undo")
        answer = _call(call, messages)
    except Exception as error:  # noqa: BLE001 - it is told
        from os_vif.steps.wire import decode

        reason = str(error) or type(error).__name__
        remaining_bridges = [
            command for message in messages for command in decode(message).commands()
        ]
        answer = {"undone": 0, "left": [f"{command}  # {reason}" for command in remaining_bridges]}
    failure.undone += answer["undone"]
    failure.left += answer["left"]


def _holds(steps: Sequence[KernelStep]) -> bool:
    """Whether there is nothing to do, as far as that can be seen without a right.

    A plan that is at work on the same devices may yet undo what is seen: then this says no.
    """
    devices = {device for step in steps for device in step.devices}
    try:
        with rtnetlink.opened() as uncached, uncached.cached() as net:
            before = locks.read_generations(net.netns, devices)
            if before is None or not all(step.holds(net) for step in steps):
                return False
            return locks.read_generations(net.netns, devices) == before
    except OSError:
        # The privileged side finds the same, and tells it with the step.
        return False


def _load(
    privsep_module: str | None, name: str
) -> tuple[Callable[[Any], Any], type[NotStartedError]]:
    """A privileged entry point, and what says that its daemon did not start."""
    if privsep_module is None:
        raise exception.PlanNotSupported("The plugin names no privsep_module to run its steps.")
    module, not_started = _privsep(privsep_module)
    return getattr(module, name), not_started


@functools.cache
def _privsep(name: str) -> tuple[ModuleType, type[NotStartedError]]:
    with first_use:
        from os_vif.engine.privsep_channel import NotStartedError

        return importlib.import_module(name), NotStartedError


def _call(call: Callable[[Any], Any], messages: list[Any]) -> Any:
    try:
        return call(messages)
    except BrokenPipeError:
        # The daemon had died before: nothing reached it, and this starts another.
        return call(messages)


def _failed(step: str, steps: Sequence[KernelStep], error: Exception, aftermath: str) -> Failure:
    devices = ", ".join(sorted({step.device for step in steps}))
    return Failure(step, devices, str(error) or type(error).__name__, said=aftermath)


def check(plan: Plan, privsep_module: str | None = None) -> tuple[Difference, ...]:
    """What of the plan does not hold now, each difference once. Nothing is changed.

    :param privsep_module: import path of the module whose ``check`` sees what only root can see.
    :raises os_vif.exception.StepFailed: if a step's state cannot be read.
    """
    found: dict[tuple[str, str], Difference] = {}
    hidden: list[KernelStep] = []
    switch: list[OvsStep] = []
    with rtnetlink.opened() as uncached, uncached.cached() as net:
        for step in (*plan, *plan.awaits):
            if not isinstance(step, KernelStep):
                switch.append(step)
            elif step.check_requires_root:
                hidden.append(step)
            else:
                for difference in step.differences(net):
                    found.setdefault((difference.device, difference.attribute), difference)
    for difference in (*_look(hidden, privsep_module), *_look_at_switch(plan, switch)):
        found.setdefault((difference.device, difference.attribute), difference)
    return tuple(found.values())


def _look(steps: list[KernelStep], privsep_module: str | None) -> list[Difference]:
    if not steps:
        return []
    call, _ = _load(privsep_module, "check")
    answer = _call(call, [encode(step) for step in steps])
    if answer["error"] is not None:
        raise Failure(**answer["error"], said="Nothing was changed").error()
    return [Difference(**difference) for difference in answer["differences"]]


def _look_at_switch(plan: Plan, steps: list[OvsStep]) -> list[Difference]:
    if not steps or plan.switch is None:
        return []
    with first_use:
        from os_vif.engine import ovs
    try:
        return ovs.differences(plan.switch, steps)
    except Failure as failure:
        raise failure.error() from failure.__cause__
