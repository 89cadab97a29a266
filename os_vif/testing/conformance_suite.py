# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The conformance suite of plugins: runs every check for every case, and returns a report."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging
import pathlib
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from oslo_config import cfg
from oslo_privsep import capabilities
from stevedore import extension

import os_vif
from os_vif import exception, objects, vif_fields
from os_vif.engine import kernel, privsep_module
from os_vif.escape import described_error, with_article
from os_vif.plugin import PluginBase
from os_vif.testing import private_namespaces, quick_daemons
from os_vif.testing.conformance_case import Case, CaseUnavailableError, PodCase
from os_vif.testing.conformance_checks import CHECKS
from os_vif.testing.conformance_pods import POD_CHECKS, PodRun
from os_vif.testing.conformance_report import Report, Result, Verdict
from os_vif.testing.conformance_run import (
    DEFAULT_TIMEOUT_S,
    CaseRun,
    CheckFailedError,
    NotApplicableError,
)
from os_vif.testing.time_limits import plugin_place

__all__ = ["CHECKS", "Case", "Report", "conformance"]


def conformance(
    plugin: str | type[PluginBase[Any]],
    cases: Iterable[Case],
    *,
    checks: Collection[str] = (),
    stride: int = 1,
    timeout: float = DEFAULT_TIMEOUT_S,
) -> Report:
    """Run the checks that every plugin of os-vif must pass, for each case.

    The checks: a plug that ``os_vif.check()`` confirms, repeated calls, nothing left after an
    unplug, a failure and a kill at each step of plug and unplug, the rollback of an unplug,
    concurrent calls, a ``describe()`` that agrees with the cases, and plans that can be printed and
    sent to the daemon. Each check has private network namespaces and an empty ``/run/os-vif``.
    Plugins that override ``plug()`` get the checks that need no plan. A :class:`PodCase` is plugged
    by :func:`os_vif.plug_pod`, and its pod ends after each step of the plug, too.

    The options of oslo.config of the process are used. An ordinary user's process enters a user
    namespace and stays there: see :func:`os_vif.testing.private_namespaces.require_rights`.

    :param plugin: the name of the entry point of an installed plugin; or a plugin class, which is
        loaded under the name in the field ``plugin`` of the VIFs.
    :param cases: the VIFs of the plugin, each with the host of the VIF.
    :param checks: the names of the checks to run; by default all.
    :param stride: fail, kill and end a pod at each *stride*-th step instead of each step.
    :param timeout: the longest time of a call of the plugin, in seconds. A longer call fails the
        check, and the reason tells where the plugin was.
    :returns: the verdict of each check for each case.
    :raises ValueError: without cases, for the name of an unknown check, and for a case whose VIF
        selects another plugin.
    :raises TypeError: for a case that is no :class:`os_vif.testing.Case`, or has no VIF.
    :raises os_vif.testing.MissingRightError: if the caller may not create namespaces.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin of the name is installed; the subclass
        ``PluginNotLoaded`` if the plugin cannot be loaded.
    """
    cases = tuple(cases)
    if not cases:
        raise ValueError("conformance() needs at least one case")
    known = [*CHECKS, *POD_CHECKS]
    if unknown := set(checks) - set(known):
        raise ValueError(f"unknown checks {sorted(unknown)}; expected names out of {known}")
    _require_cases(plugin, cases)
    private_namespaces.require_rights()
    os_vif.initialize()
    # Without a handler, Python prints the errors that the checks provoke.
    logging.getLogger("os_vif").addHandler(logging.NullHandler())
    with loaded(plugin, cases[0].vif.plugin) as (name, instance), private_daemons():
        results: list[Result] = []
        for case in cases:
            results += _run_checks(_run_of(instance, case, stride, timeout), checks)
        if not checks or "describe" in checks:
            results += _uncovered(instance, cases)
    return Report(f"the plugin {name!r}", tuple(results))


def _run_of(plugin: Any, case: Case, stride: int, timeout: float) -> CaseRun:
    if isinstance(case, PodCase):
        return PodRun(plugin, case, stride, timeout)
    return CaseRun(plugin, case, stride, timeout)


def _checks_of(run: CaseRun) -> dict[str, Callable[[], None]]:
    """Return the checks of a case, by name."""
    checks: dict[str, Callable[[], None]]
    checks = {name: functools.partial(check, run) for name, check in CHECKS.items()}
    if isinstance(run, PodRun):
        checks |= {name: functools.partial(check, run) for name, check in POD_CHECKS.items()}
    return checks


def _run_checks(run: CaseRun, chosen: Collection[str]) -> Iterator[Result]:
    """Yield the result of each check for a case; of the chosen checks, if any are given."""
    unusable = ""
    for name, check in _checks_of(run).items():
        if chosen and name not in chosen:
            continue
        start = time.monotonic()
        if unusable and name != "describe":
            yield Result(run.case.name, name, Verdict.SKIPPED, unusable)
            continue
        verdict, reason = _verdict(run, check)
        if name == "plug" and verdict is not Verdict.PASSED:
            unusable = reason if verdict is Verdict.SKIPPED else "the VIF cannot be plugged"
        yield Result(run.case.name, name, verdict, reason, time.monotonic() - start)


def _verdict(run: CaseRun, check: Callable[[], None]) -> tuple[Verdict, str]:
    try:
        check()
    except (NotApplicableError, CaseUnavailableError) as error:
        return Verdict.SKIPPED, str(error)
    except CheckFailedError as error:
        return Verdict.FAILED, str(error)
    except Exception as error:  # noqa: BLE001 - any exception of a plugin is a failure
        return Verdict.FAILED, _reason(run, error)
    return Verdict.PASSED, ""


def _require_cases(plugin: str | type[PluginBase[Any]], cases: tuple[Case, ...]) -> None:
    """Refuse arguments that are no cases of the plugin: see :func:`conformance`."""
    for number, case in enumerate(cases):
        if not isinstance(case, Case):
            found = with_article(type(case).__name__)
            raise TypeError(f"cases[{number}] is {found}; expected an os_vif.testing.Case")
        if not isinstance(case.vif, objects.VIFBase):
            found = with_article(type(case.vif).__name__)
            raise TypeError(f"the vif of the case {case.name!r} is {found}; expected a VIF")
        selected = vif_fields.get(case.vif, "plugin")
        expected = plugin if isinstance(plugin, str) else vif_fields.get(cases[0].vif, "plugin")
        if not selected or selected != expected:
            raise ValueError(
                f"the field plugin of the VIF of the case {case.name!r} is "
                f"{selected or 'unset'!r}; expected {expected or 'the name of the plugin'!r}"
            )


def _reason(run: CaseRun, error: Exception) -> str:
    """Return the text of an exception, with the place in the plugin that raised the exception."""
    reason = described_error(error)
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if place := plugin_place(cause):
        reason += f" (in {place})"
    if "Operation not permitted" in reason and run.plugin.privsep_module:
        context = privsep_module.find_context(run.plugin.privsep_module)
        numbers = [] if context is None else context.conf.capabilities
        kept = sorted(capabilities.CAPS_BYVALUE.get(n, str(n)) for n in numbers)
        reason += (
            f"\nThe daemon of {run.plugin.privsep_module} keeps {', '.join(kept) or 'no capability'}; "
            "a step may need another capability."
        )
    return reason


def _uncovered(plugin: Any, cases: Iterable[Case]) -> Iterator[Result]:
    """Yield a failure for each VIF class that ``describe()`` lists and no case has."""
    with contextlib.suppress(Exception):  # check_description reports the exception
        described = {vif.vif_object_name for vif in plugin.describe().vif_info}
        for name in sorted(described - {case.vif.obj_name() for case in cases}):
            reason = f"describe() lists {name}, and no case has a VIF of the class"
            yield Result("all cases", "describe", Verdict.FAILED, reason)


@contextlib.contextmanager
def loaded(plugin: str | type[PluginBase[Any]], name: str) -> Iterator[tuple[str, Any]]:
    """Provide the name and the instance of a plugin. A class is installed for the block.

    :param name: the name of a plugin that is given as a class.
    """
    if isinstance(plugin, str):
        yield plugin, os_vif._plugin(plugin)  # noqa: SLF001 - the loader of the same library
        return
    manager = os_vif._manager()  # noqa: SLF001
    before = list(manager.extensions)
    try:
        instance = plugin.load(name)
    except Exception as error:
        place = plugin_place(error)
        reason = described_error(error) + (f" (in {place})" if place else "")
        raise exception.PluginNotLoaded(plugin_name=name, reason=reason) from error
    added: Any = extension.Extension(name, None, plugin, instance)  # type: ignore[arg-type]
    _replace_extensions(manager, [*(e for e in before if e.name != name), added])
    try:
        yield name, instance
    finally:
        _replace_extensions(manager, before)


def _replace_extensions(manager: Any, extensions: list[Any]) -> None:
    manager.extensions = extensions
    # stevedore builds the mapping of names at the first lookup.
    manager._extensions_by_name_cache = None  # noqa: SLF001


@functools.cache
def daemon_helper() -> str:
    """Start the process that forks privileged daemons; return its ``helper_command``.

    The process ends with this process.
    """
    stack = contextlib.ExitStack()
    directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    command = stack.enter_context(quick_daemons.running_helper(directory))
    atexit.register(stack.close)
    return command


@contextlib.contextmanager
def private_daemons() -> Iterator[None]:
    """Use quickly started privileged daemons of the current network namespace in a block."""
    cfg.CONF.clear_override("privileged_socket", group="os_vif")
    # The daemons that could not start before.
    kernel._no_records_until.clear()  # noqa: SLF001 - of the same library
    with quick_daemons.use_helper(daemon_helper()):
        yield
