# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The checks of the conformance suite for a plugin and a VIF."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import typing
from collections.abc import Callable

from oslo_versionedobjects import base as ovo

from os_vif import exception, objects, vif_fields
from os_vif.engine import runner
from os_vif.steps import SetLink, wire
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Plan, Step
from os_vif.steps.plugin_step import PluginStep
from os_vif.testing.conformance_run import (
    CaseRun,
    CheckFailedError,
    NotApplicableError,
    disable_kill,
    failure_positions,
    has_record,
    kill_before_step,
    kill_positions,
)
from os_vif.testing.host_snapshots import State

#: A failing step: the device does not exist.
FAILS = SetLink("missing", up=True)
#: The number of threads of the check of concurrency.
_THREADS = 4


def with_failing_step(plan: Plan, k: int) -> Plan:
    """Return the plan with a failing step at position *k*."""
    return Plan(*plan.steps[:k], FAILS, *plan.steps[k:], switch=plan.switch)


def check_description(run: CaseRun) -> None:
    """Compare ``describe()`` with the name of the plugin and the class of the VIF."""
    with run.limited("describe()"):
        info = run.plugin.describe()
    if not isinstance(info, objects.HostPluginInfo):
        raise CheckFailedError(f"describe() returns {type(info).__name__}, not HostPluginInfo")
    if info.obj_to_primitive() != run.plugin.describe().obj_to_primitive():
        raise CheckFailedError("describe() returns two different values in two calls")
    if info.plugin_name != run.vif.plugin:
        raise CheckFailedError(
            f"describe() names the plugin {info.plugin_name!r}; the VIF selects the plugin as "
            f"{run.vif.plugin!r}"
        )
    name = run.vif.obj_name()
    names = [vif.vif_object_name for vif in info.vif_info]
    if len(names) != len(set(names)):
        raise CheckFailedError(f"describe() lists a VIF class twice: {', '.join(names)}")
    for vif in info.vif_info:
        _require_described(vif)
        vif.get_common_version()
        for profile in vif_fields.get(vif, "supported_port_profiles") or ():
            profile.get_common_version()
    if name not in names:
        listed = ", ".join(names) or "no class"
        raise CheckFailedError(f"the plugin plugs {name}, and describe() lists {listed}")
    profile = vif_fields.get(run.vif, "port_profile")
    profiles = vif_fields.get(info.get_vif(name), "supported_port_profiles") or ()
    supported = {p.profile_object_name for p in profiles}
    if profile is not None and profile.obj_name() not in supported:
        raise CheckFailedError(
            f"the plugin plugs {name} with a {profile.obj_name()}, and describe() lists "
            f"{', '.join(sorted(supported)) or 'no port profile'} for the class"
        )


def _require_described(vif: objects.HostVIFInfo) -> None:
    """Require that an entry of ``describe()`` has all fields and names a known class."""
    unset = [f for f in ("vif_object_name", "min_version", "max_version") if f not in vif]
    if unset:
        name = vif_fields.get(vif, "vif_object_name") or "an entry"
        raise CheckFailedError(f"describe() leaves {', '.join(unset)} of {name} unset")
    if vif.vif_object_name not in ovo.VersionedObjectRegistry.obj_classes():
        raise CheckFailedError(
            f"describe() lists {vif.vif_object_name!r}; expected the name of a VIF class"
        )


def check_plans(run: CaseRun) -> None:
    """Require that plans change nothing, are equal in two calls, and can be printed."""
    run.require_plans()
    with run.host():
        before = run.settled_snapshot()
        for unplug in (False, True):
            plan, name = run.plan(unplug=unplug), "plan_unplug()" if unplug else "plan_plug()"
            if plan != run.plan(unplug=unplug):
                raise CheckFailedError(f"{name} returns two different plans in two calls")
            if len(plan) and not str(plan):
                raise CheckFailedError(f"{name}: str(plan) shows no command")
            for step in plan:
                require_valid_step(step, name)
                if isinstance(step, KernelStep) and run.named_module is None:
                    raise CheckFailedError(
                        f"{name} has the step {type(step).__name__}, and the plugin names no "
                        "privsep_module, the module of the daemon that applies the step"
                    )
        run.require_state("plan_plug() or plan_unplug() changed the host", before)


def require_valid_step(step: Step, where: str) -> None:
    """Require that a step can be printed, has values of the declared types, and can be sent.

    :param where: the method of the plugin, for the error.
    :raises CheckFailedError: if not.
    """
    name = f"{where}: {type(step).__name__}"
    commands = step.commands()
    if not isinstance(commands, tuple) or not all(isinstance(c, str) for c in commands):
        raise CheckFailedError(f"{name}.commands() returns {commands!r}, not a tuple of texts")
    hints = typing.get_type_hints(type(step)) if isinstance(step, PluginStep) else {}
    for field in dataclasses.fields(step):
        value, hint = getattr(step, field.name), hints.get(field.name)
        if isinstance(hint, type) and not isinstance(value, hint):
            raise CheckFailedError(
                f"{name}.{field.name} is {value!r}; the class declares {hint.__name__}"
            )
    if isinstance(step, KernelStep):
        registry = wire.STEPS | {type(step).__name__: type(step)}
        wire.require_registered([step], registry)
        if wire.decode(wire.encode(step), registry) != step:
            raise CheckFailedError(f"{name} is not equal to itself after the way to the daemon")


def check_plug(run: CaseRun) -> None:
    """Require that a plug succeeds, and that ``os_vif.check()`` then finds no difference."""
    with run.host():
        run.plug()
        run.require_check_clean("after a plug")
        if run.has_plans and len(run.plan()) and not has_record(run.vif):
            raise CheckFailedError("there is no record of the VIF after a plug")
    _ = run.reference


def check_repeats(run: CaseRun) -> None:
    """Require that a second plug, a second unplug, and an unplug without plug change nothing."""
    reference = run.reference
    with run.host():
        run.unplug()
        run.require_state(
            "an unplug of a VIF that is not plugged changed the host",
            reference.before,
            restored=False,
        )
    with run.host():
        run.plug()
        run.plug()
        run.require_state("a second plug changed the host", reference.plugged)
        run.require_check_clean("after a second plug")
        run.unplug()
        run.unplug()
        run.require_state("a second unplug changed the host", reference.unplugged)
        run.plug()
        run.require_state(
            "a plug after an unplug gives another host", reference.plugged, restored=False
        )


def check_remains(run: CaseRun) -> None:
    """Require the host of before the plug after an unplug, without a record of the VIF."""
    reference = run.reference
    with run.host():
        run.plug()
        run.unplug()
        run.require_state(
            "after an unplug the host differs from the host before the plug",
            reference.before,
            restored=False,
        )
        run.require_unplugged("after an unplug")


def _fail(run: CaseRun, plan: Plan, when: str) -> exception.StepFailed:
    """Run a plan with the failing step; return the error."""
    try:
        with run.limited(f"the plan {when}"):
            runner.run(plan, run.privsep_module)
    except exception.StepFailed as error:
        if FAILS.device not in str(error):
            raise CheckFailedError(f"{when}, another step failed: {error}") from error
        return error
    raise CheckFailedError(f"{when}, the plan succeeded")


def _require_rollbacks(run: CaseRun, plan: Plan, state: State, action: str) -> None:
    """Fail a plan before each step and after the last step; require *state* each time."""
    for k in failure_positions(len(plan), run.stride):
        when = f"after a failure {position(plan, k)} of {action}"
        error = _fail(run, with_failing_step(plan, k), when)
        if "by hand" in str(error):
            if action == "plug" or not run.loses_devices:
                raise CheckFailedError(f"{when}, a step could not be undone: {error}")
            run.plug()
        try:
            run.require_state(f"{when}, the rollback did not restore the host", state)
        except CheckFailedError:
            if action == "plug" or not _lacks_own_steps_only(run):
                raise
            run.plug()
            run.require_state(f"{when} and a plug, the host is not as after a plug", state)


def _lacks_own_steps_only(run: CaseRun) -> bool:
    """Return whether a plugged VIF lacks settings of the plugin's own steps, and no others.

    The rollback of ``DeleteLink`` creates the device with the settings that os-vif knows.
    """
    own = {type(step).__name__ for step in run.plan() if isinstance(step, PluginStep)}
    found = {difference.step for difference in run.enforced_differences()}
    return bool(found) and found <= own


def position(plan: Plan, k: int) -> str:
    """Return a description of the position before step *k*."""
    if k == len(plan):
        return "after the last step"
    step = plan.steps[k]
    return f"before step {k + 1} ({type(step).__name__} of {step.device})"


def check_failures_in_plug(run: CaseRun) -> None:
    """Fail a plug at each step; require the host as before, then a successful plug."""
    run.require_plans()
    reference = run.reference
    with run.host():
        _require_rollbacks(run, run.plan(), reference.before, "plug")
        run.plug()
        run.require_state("a plug after failed plugs gives another host", reference.plugged)


def check_failures_in_unplug(run: CaseRun) -> None:
    """Roll back an unplug at each step; require the host as plugged, then a successful unplug."""
    run.require_plans()
    reference = run.reference
    with run.host():
        run.plug()
        _require_rollbacks(run, run.plan(unplug=True), reference.plugged, "unplug")
        run.unplug()
        run.require_unplugged("after an unplug that follows rolled back unplugs")


def check_refusals_in_unplug(run: CaseRun) -> None:
    """Refuse each step of an unplug; require that the remaining steps run, and an error."""
    run.require_plans()
    reference = run.reference
    with run.host():
        run.plug()
        for k in failure_positions(len(run.plan(unplug=True)), run.stride):
            run.plug()
            # The plan has been made for the present host.
            plan = run.plan(unplug=True)
            when = f"after a refused step {position(plan, k)} of unplug"
            _fail(run, with_failing_step(plan, k).going_forward(), when)
            run.require_state(
                f"{when}, the remaining steps did not run",
                reference.unplugged,
                reference.before,
                restored=False,
            )


def check_kills_in_plug(run: CaseRun) -> None:
    """Kill the daemon before each step of a plug; require completion by the next call."""
    _require_convergence(run, "plug")


def check_kills_in_unplug(run: CaseRun) -> None:
    """Kill the daemon before each step of an unplug; require completion by the next call."""
    _require_convergence(run, "unplug")


def _require_convergence(run: CaseRun, action: str) -> None:
    run.require_plans()
    reference = run.reference
    steps = reference.plug_steps if action == "plug" else reference.unplug_steps
    if not steps:
        raise NotApplicableError(f"the plan of {action} calls no privileged daemon")
    for k in kill_positions(steps, run.stride):
        for by in ("plug", "unplug"):
            with run.host():
                if action == "unplug":
                    run.plug()
                kill_before_step(k)
                # A call that only writes or deletes the record logs a warning instead.
                with contextlib.suppress(exception.PlugException, exception.UnplugException):
                    run.plug() if action == "plug" else run.unplug()
                disable_kill()
                when = f"the daemon was killed before step {k + 1} of {action}, and {by} followed"
                run.converge(by, when)


def check_concurrency(run: CaseRun) -> None:
    """Plug and unplug one or several VIFs of the plugin by several threads at a time."""
    reference = run.reference
    others = _further_vifs(run)
    vifs = [*([run.vif] * _THREADS), *others]
    with run.host():
        at_once(run, [lambda vif=vif: run.plug(vif) for vif in vifs])  # type: ignore[misc]
        for vif in (run.vif, *others):
            run.require_check_clean("after concurrent plugs", vif)
        at_once(run, [lambda vif=vif: run.unplug(vif) for vif in others])  # type: ignore[misc]
        run.require_state("after concurrent plugs", reference.plugged, restored=False)
        at_once(run, [run.plug, run.unplug] * (_THREADS // 2))
        run.plug()
        when = "after concurrent plugs and unplugs, and a plug"
        run.require_check_clean(when)
        run.require_state(when, reference.plugged, restored=False)
        at_once(run, [run.unplug] * _THREADS)
        run.require_unplugged("after concurrent unplugs")


def _further_vifs(run: CaseRun) -> list[objects.VIFBase]:
    """Return the VIFs of ``Case.numbered``, each with an id of its own."""
    if run.case.numbered is None:
        return []
    vifs = {run.vif.id: "Case.vif"}
    further = []
    for number in range(1, _THREADS):
        vif = run.case.numbered(number)
        if vif.id in vifs:
            raise CheckFailedError(
                f"Case.numbered({number}) returns a VIF with the id of {vifs[vif.id]}, {vif.id}; "
                "expected another id"
            )
        vifs[vif.id] = f"Case.numbered({number})"
        further.append(vif)
    return further


def at_once(run: CaseRun, functions: list[Callable[[], object]]) -> None:
    """Call functions in a thread each.

    :param run: the case, whose limit of time is the limit of each call.
    :raises CheckFailedError: for the first exception of a function.
    """
    errors: list[Exception] = []
    start = threading.Barrier(len(functions)) if functions else None

    def call(function: Callable[[], object]) -> None:
        if start is not None:
            start.wait()
        try:
            function()
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(error)

    threads = [
        threading.Thread(target=call, args=(function,), daemon=True) for function in functions
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        # Each call ends by itself at its limit, unless the plugin hangs in this process.
        thread.join(2 * run.timeout)
        if thread.is_alive():
            raise CheckFailedError(f"a concurrent call did not return within {run.timeout:g} s")
    if errors:
        raise CheckFailedError(f"a concurrent call failed: {errors[0]}") from errors[0]


#: The checks, by name. The checks after ``plug`` need a VIF that can be plugged.
CHECKS: dict[str, Callable[[CaseRun], None]] = {
    "describe": check_description,
    "plans": check_plans,
    "plug": check_plug,
    "repeats": check_repeats,
    "remains": check_remains,
    "failures in plug": check_failures_in_plug,
    "failures in unplug": check_failures_in_unplug,
    "refusals in unplug": check_refusals_in_unplug,
    "kills in plug": check_kills_in_plug,
    "kills in unplug": check_kills_in_unplug,
    "concurrency": check_concurrency,
}
