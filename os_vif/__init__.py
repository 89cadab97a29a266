# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plug virtual network interfaces (VIFs) into the networks of this host.

:func:`initialize` loads the plugins. :func:`plug` connects a VIF to a network, and :func:`unplug`
disconnects the VIF. :func:`plan` returns the steps of a plug or unplug without any change to the
host, :func:`check` compares the host with a plugged VIF, and :func:`host_info` lists the VIF
classes that the host can plug, and :func:`offer` returns a short document with the same content.
:func:`inventory` lists the VIFs on the host.

All functions are safe to call from several threads. Every error that a function raises for its
arguments, a plugin or the host is a subclass of :class:`os_vif.exception.ExceptionBase`.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from os_vif import call_errors, exception, objects
from os_vif.forking import ForkSafeLock
from os_vif.host_functions import (
    collect,
    diagnose,
    host_info,
    inventory,
    offer,
    plugin_errors,
    privsep_modules,
)
from os_vif.many import check_many, plug_many, unplug_many
from os_vif.pods import check_pod, plan_pod, plug_pod, unplug_pod
from os_vif.sandbox import PodResult, Sandbox

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from stevedore import extension

    from os_vif import opts as opts
    from os_vif import plugin as plugin
    from os_vif.operations.observers import Observation, RunningOperation
    from os_vif.operations.plan_changes import PlanChanges
    from os_vif.operations.report import Report
    from os_vif.plugin import PluginBase
    from os_vif.steps.plan import Difference, Plan

__all__ = [
    "PodResult",
    "Sandbox",
    "apply",
    "check",
    "check_many",
    "check_pod",
    "collect",
    "diagnose",
    "exception",
    "host_info",
    "initialize",
    "inventory",
    "objects",
    "observe",
    "offer",
    "plan",
    "plan_pod",
    "plug",
    "plug_many",
    "plug_pod",
    "plugin_errors",
    "preview",
    "privsep_modules",
    "unplug",
    "unplug_many",
    "unplug_pod",
]

LOG = logging.getLogger(__name__)

# oslo.versionedobjects imports oslo.service, and oslo.service emits the deprecation warning of
# eventlet at import. Users of os-vif cannot avoid the import. With append=True, filters of the
# program and of Python's -W option take precedence.
warnings.filterwarnings(
    "ignore", message=r"\s*Eventlet is deprecated", module=r"oslo_(service|privsep)\.", append=True
)

_EXT_MANAGER: extension.ExtensionManager[Any] | None = None
#: Errors of installed plugins that could not be loaded, by plugin name.
_load_errors: dict[str, BaseException] = {}
_initializing = False
_lock = ForkSafeLock()
#: :func:`os_vif.operations.observers.observed_operation` once an observer has been registered.
_operation: Callable[..., AbstractContextManager[RunningOperation | None]] | None = None
#: The observer that writes the audit log, if ``[os_vif] audit`` is set.
_audit: Observation | None = None
_NOT_OBSERVED: AbstractContextManager[None] = contextlib.nullcontext()


def initialize(reset: bool = False) -> None:
    """Register the classes of objects and load the plugins. Idempotent.

    A plugin that cannot be loaded is logged at ERROR and does not affect other plugins; calls for
    VIFs of that plugin raise :class:`~os_vif.exception.PluginNotLoaded`.

    :param reset: load all plugins again, for example after the configuration has changed.
    :raises os_vif.exception.InvalidField: if ``[os_vif] audit`` is a relative path.
    """
    global _EXT_MANAGER, _load_errors, _initializing
    with _lock:
        # The lock is reentrant: a plugin may call initialize() while the plugin is loaded.
        if _initializing or (_EXT_MANAGER is not None and not reset):
            return
        _initializing = True
        try:
            # Imported late: oslo.config is slow to import.
            from os_vif import plugin_loader

            objects.register_all()
            manager, load_errors = plugin_loader.load_plugins()
            if plugin_loader.has_shared_daemon():
                from os_vif import engine

                engine.import_all()
            audit = plugin_loader.audit_target()
        finally:
            _initializing = False
        # Publish last: other threads must not see a partly loaded set of plugins.
        _load_errors, _EXT_MANAGER = load_errors, manager
        _set_audit(audit)


def _manager() -> extension.ExtensionManager[Any]:
    """Return the loaded plugins.

    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    """
    if _EXT_MANAGER is None:
        raise exception.LibraryNotInitialized
    return _EXT_MANAGER


def _plugin(name: str) -> PluginBase:
    """Return the plugin of a name.

    :raises os_vif.exception.PluginNotLoaded: if the plugin is installed but not loaded.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin of the name is installed.
    """
    manager = _manager()
    if name in _load_errors:
        raise exception.PluginNotLoaded(
            plugin_name=name, reason=call_errors.error_text(_load_errors[name])
        ) from _load_errors[name]
    try:
        plugin = manager[name].obj
    except KeyError:
        raise exception.NoMatchingPlugin(
            call_errors.unknown_plugin(name, set(manager.names()) | _load_errors.keys()),
            plugin_name=name,
        ) from None
    return cast("PluginBase", plugin)


def _plugin_of(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> PluginBase:
    """Return the plugin of a VIF, after a check of the two arguments of the caller.

    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type, or ``vif.plugin`` is
        unset.
    """
    # Raise LibraryNotInitialized first, also for wrong arguments.
    _manager()
    call_errors.check_arguments(vif, instance_info)
    try:
        name = vif.plugin
    except (AttributeError, NotImplementedError):
        # oslo.versionedobjects raises NotImplementedError for a field that is not set.
        raise exception.InvalidField(
            field="vif.plugin", found="unset", expected="a plugin's name"
        ) from None
    return _plugin(name)


def plug(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
    """Connect a VIF to its network. Idempotent: a second call changes nothing.

    :param vif: the VIF; ``vif.plugin`` names the plugin.
    :param instance_info: the virtual machine or pod of the VIF.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type, or ``vif.plugin`` is
        unset.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``; the
        subclass ``PluginNotLoaded`` if the plugin is installed but could not be loaded.
    :raises os_vif.exception.PlugException: if the plugin failed. The steps of a plan are rolled
        back; the text lists the steps that could not be undone.
    """
    plugin = _plugin_of(vif, instance_info)
    with _observed("plug", plugin, vif, instance_info):
        call_errors.plug(plugin, vif, instance_info)


def unplug(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> tuple[str, ...]:
    """Disconnect a VIF from its network. Idempotent: a VIF that is not plugged is no error.

    :param vif: the VIF, with the same field values as for :func:`plug`.
    :param instance_info: the virtual machine or pod of the VIF.
    :returns: a sentence for each bridge that remains, because the bridge is still in use or was
        not created by os-vif.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type, or ``vif.plugin`` is
        unset.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``; the
        subclass ``PluginNotLoaded`` if the plugin is installed but could not be loaded.
    :raises os_vif.exception.UnplugException: if a part of the VIF remains or may remain on the
        host. Removal continues after a failed step: only the parts that the text lists remain.
    """
    plugin = _plugin_of(vif, instance_info)
    with _observed("unplug", plugin, vif, instance_info) as running:
        remaining = call_errors.unplug(plugin, vif, instance_info)
        if running is not None:
            running.remaining = remaining
    return remaining


def apply(
    vif: objects.VIFBase, instance_info: objects.InstanceInfo, action: str = "plug"
) -> Report:
    """Plug or unplug a VIF as :func:`plug` and :func:`unplug` do, and return the result by step.

    :param vif: the VIF; ``vif.plugin`` names the plugin.
    :param instance_info: the virtual machine or pod of the VIF.
    :param action: ``plug`` or ``unplug``.
    :returns: each step with the state, the differences before the change, commands and duration.
        The steps are unknown for a plugin that acts without a plan.
    :raises os_vif.exception.InvalidField: if *action* or another argument has a wrong value.
    :raises os_vif.exception.ExceptionBase: the same errors as :func:`plug` and :func:`unplug`.
        :class:`~os_vif.exception.PlugException` and :class:`~os_vif.exception.UnplugException`
        have the report as their attribute ``report``.
    """
    plugin = _plugin_of(vif, instance_info)
    if action not in ("plug", "unplug"):
        raise exception.InvalidField(
            field="action", found=repr(action), expected="'plug' or 'unplug'"
        )
    from os_vif.operations import observers

    has_plan = call_errors.has_plan(plugin, action)
    with observers.operation(action, vif, instance_info, has_plan=has_plan) as running:
        carry_out = call_errors.plug if action == "plug" else call_errors.unplug
        running.remaining = carry_out(plugin, vif, instance_info)
    return running.report


def observe(observer: Callable[[Report], object]) -> Observation:
    """Register a function that receives a report after each plug, unplug and check of this process.

    The function is called in the thread of the operation. An exception of the function is logged
    at ERROR and does not affect the operation. Without observers no report is made.

    :param observer: receives an :class:`os_vif.operations.report.Report`.
    :returns: a handle; ``remove()`` removes the observer, as does the end of a ``with`` block.
    :raises TypeError: if *observer* cannot be called.
    """
    from os_vif.operations import observers

    global _operation
    observation = observers.observe(observer)
    _operation = observers.observed_operation
    return observation


def _set_audit(target: str | None) -> None:
    """Write the audit log to a target of ``[os_vif] audit``; None writes no audit log."""
    global _audit
    if _audit is not None:
        _audit.remove()
        _audit = None
    if target is not None:
        from os_vif.operations import audit

        _audit = observe(audit.AuditLog(target))


def _observed(
    operation: str,
    plugin: PluginBase,
    vif: objects.VIFBase,
    instance_info: objects.InstanceInfo,
) -> AbstractContextManager[RunningOperation | None]:
    """Return the context of an operation, which calls the observers at the end if there are any."""
    if _operation is None:
        return _NOT_OBSERVED
    has_plan = operation == "check" or call_errors.has_plan(plugin, operation)
    return _operation(operation, vif, instance_info, has_plan=has_plan)


def plan(vif: objects.VIFBase, instance_info: objects.InstanceInfo, unplug: bool = False) -> Plan:
    """Return the plan of :func:`plug` or :func:`unplug` for a VIF, without changing the host.

    ``str(plan)`` shows each step as an equivalent shell command.

    :param vif: the VIF; ``vif.plugin`` names the plugin.
    :param instance_info: the virtual machine or pod of the VIF.
    :param unplug: return the plan of :func:`unplug` instead of the plan of :func:`plug`.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type, or ``vif.plugin`` is
        unset.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    """
    plugin = _plugin_of(vif, instance_info)
    return call_errors.make_plan(plugin, vif, instance_info, "unplug" if unplug else "plug")


def preview(
    vif: objects.VIFBase, instance_info: objects.InstanceInfo, unplug: bool = False
) -> PlanChanges:
    """Return the steps of :func:`plan`, each with the change that the step would make now.

    The host is not changed. A step whose condition cannot be read is marked as unknown.

    :raises os_vif.exception.ExceptionBase: the same errors as :func:`plan`.
    """
    planned = plan(vif, instance_info, unplug)
    from os_vif.operations import plan_changes

    return plan_changes.read_changes(planned, _plugin(vif.plugin).privsep_module)


def check(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> tuple[Difference, ...]:
    """Return the differences between this host and a plugged VIF, without changing the host.

    :param vif: the VIF, with the same field values as for :func:`plug`.
    :param instance_info: the virtual machine or pod of the VIF.
    :returns: an empty tuple if the VIF is plugged. A difference with ``pending`` set is no fault:
        the hypervisor or the guest has not connected to the port yet.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type, or ``vif.plugin`` is
        unset.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    :raises os_vif.exception.CheckException: if the host cannot be read.
    """
    plugin = _plugin_of(vif, instance_info)
    with _observed("check", plugin, vif, instance_info) as running:
        wanted = plan(vif, instance_info)
        with call_errors.raised_as(exception.CheckException, vif):
            from os_vif import engine

            differences = engine.check(wanted, plugin.privsep_module)
        if running is not None:
            running.differences = differences
    return differences


if not TYPE_CHECKING:
    # With this function, type checkers would accept any name.

    def __getattr__(name: str) -> Any:
        # The public os-vif imports both modules with the package, so programs use them without an
        # import. Here the first use imports the module: oslo.config is slow to import.
        if name in ("opts", "plugin"):
            return importlib.import_module(f"{__name__}.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
