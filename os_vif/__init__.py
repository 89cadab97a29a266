# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Describe virtual network interfaces, and plug them into this host.

:func:`initialize` loads the plugins; :func:`plug` and :func:`unplug` connect and disconnect a
VIF; :func:`plan` tells what they would do, :func:`check` what of it does not hold now, and
:func:`host_info` which VIFs this host can plug. Any of them may be called from several threads.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import logging
import warnings
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from os_vif import exception, objects
from os_vif.escape import abbreviated, described_error, printable, printable_lines
from os_vif.forking import ForkSafeLock

if TYPE_CHECKING:
    from stevedore import extension

    from os_vif.host.plan import Difference, Plan
    from os_vif.plugin import PluginBase

__all__ = ["check", "exception", "host_info", "initialize", "objects", "plan", "plug", "unplug"]

LOG = logging.getLogger(__name__)

# oslo.versionedobjects loads oslo.service, whose use of eventlet warns every program that imports
# it. A user of os-vif can do nothing about that. The filter is the last: those that the program
# or Python's options set decide first.
warnings.filterwarnings(
    "ignore", message=r"\s*Eventlet is deprecated", module=r"oslo_(service|privsep)\.", append=True
)

_EXT_MANAGER: extension.ExtensionManager[Any] | None = None
#: Why an installed plugin is not there, by its name.
_broken: dict[str, BaseException] = {}
_initializing = False
_lock = ForkSafeLock()


def initialize(reset: bool = False) -> None:
    """Register the objects and load the plugins. Calling it again does nothing.

    A plugin that cannot be loaded is logged, and only plugging through it fails.

    :param reset: make all plugins anew, as after a change of the configuration.
    """
    global _EXT_MANAGER, _broken, _initializing
    with _lock:
        # A plugin may call this as it is loaded.
        if _initializing or (_EXT_MANAGER is not None and not reset):
            return
        _initializing = True
        try:
            objects.register_all()
            manager, broken = _load_plugins()
        finally:
            _initializing = False
        # Only now: another thread must not see plugins that are half loaded.
        _broken, _EXT_MANAGER = broken, manager
        LOG.info("Loaded os-vif plugins: %s", ", ".join(sorted(set(manager.names()))))


def _load_plugins() -> tuple[extension.ExtensionManager[Any], dict[str, BaseException]]:
    """The plugins, each with its instance, and why the others are not there."""
    from stevedore import extension

    from os_vif import opts

    broken: dict[str, BaseException] = {}
    manager: extension.ExtensionManager[Any]
    try:
        manager = extension.ExtensionManager(namespace="os_vif", invoke_on_load=False)
    except AssertionError:
        # stevedore lets that one through, and with it every other plugin is gone.
        manager = extension.ExtensionManager.make_test_instance([], namespace="os_vif")
        for entry_point in manager.list_entry_points():
            with contextlib.suppress(Exception):  # told of below
                found = extension.Extension(
                    entry_point.name, entry_point, entry_point.load(), None
                )
                manager.extensions.append(found)
    taken = opts.ceded(manager.list_entry_points())
    for name, value in taken.items():
        LOG.info(
            "The os-vif plugin %r is %s; that of os-vif itself leaves the name to it", name, value
        )
    manager.extensions = [
        e for e in manager.extensions
        if e.name not in taken or e.entry_point is None or not opts.is_ours(e.entry_point)
    ]  # fmt: skip
    _tell_of_missing(manager, broken, taken)
    for name in sorted(set(manager.names())):
        ext = manager[name]
        try:
            ext.obj = ext.plugin.load(name)
        except Exception as error:  # noqa: BLE001 - it is logged
            broken[name] = error
            _log_broken(f"os-vif plugin {name!r} could not be loaded", error)
    return manager, broken


def _tell_of_missing(
    manager: extension.ExtensionManager[Any],
    broken: dict[str, BaseException],
    taken: Collection[str],
) -> None:
    """Log what was left out without saying why, and names that several plugins claim.

    :param taken: names that other distributions have in place of os-vif.
    """
    from os_vif import opts

    loaded = {(e.name, e.entry_point_target) for e in manager.extensions if e.entry_point}
    claims: dict[str, list[str]] = {}
    for entry_point in manager.list_entry_points():
        if entry_point.name in taken and opts.is_ours(entry_point):
            continue
        claims.setdefault(entry_point.name, []).append(entry_point.value)
        if (entry_point.name, entry_point.value) not in loaded:
            try:
                entry_point.load()
            except Exception as error:  # noqa: BLE001 - it is logged
                named = f"{entry_point.name!r} ({entry_point.value})"
                _log_broken(f"os-vif plugin {named} could not be imported", error)
                if entry_point.name not in manager.names():
                    broken[entry_point.name] = error
    for name, values in claims.items():
        if len(values) > 1 and name in manager.names():
            LOG.warning(
                "%d os-vif plugins are named %r (%s); %s is used",
                len(values),
                name,
                ", ".join(values),
                manager[name].entry_point_target,
            )


def _log_broken(text: str, error: BaseException) -> None:
    """Log a plugin that cannot be used: a line at ERROR, its traceback at DEBUG."""
    LOG.error("%s: %s", text, described_error(error))
    LOG.debug("Traceback of that failure:", exc_info=error)


def _manager() -> extension.ExtensionManager[Any]:
    if _EXT_MANAGER is None:
        raise exception.LibraryNotInitialized
    return _EXT_MANAGER


def _plugin(name: str) -> PluginBase:
    manager = _manager()
    if name in _broken:
        raise exception.PluginNotLoaded(
            plugin_name=name, reason=_reason(_broken[name])
        ) from _broken[name]
    try:
        found = manager[name].obj
    except KeyError:
        raise exception.NoMatchingPlugin(
            _unknown_plugin(name, set(manager.names()) | _broken.keys()), plugin_name=name
        ) from None
    return cast("PluginBase", found)


def _unknown_plugin(name: object, known: set[str]) -> str:
    """Return the text of the error for a plugin name that no installed plugin has."""
    text = exception.NoMatchingPlugin.msg_fmt % {"plugin_name": printable(str(name))}
    text += f" Installed plugins: {', '.join(sorted(known)) or 'none'}."
    similar = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f"{text} Did you mean '{similar[0]}'?" if similar else text


def _plugin_of(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> PluginBase:
    """Return the plugin that a VIF names, after a check of both arguments of the caller.

    :raises os_vif.exception.InvalidField: if an argument is something else, or they are swapped.
    """
    # Before initialize() there is no plugin to look up.
    _manager()
    wrong = (str, bytes, dict, list, tuple, int, objects.InstanceInfo)
    if vif is None or isinstance(vif, wrong):
        swapped = isinstance(vif, objects.InstanceInfo) and isinstance(
            instance_info, objects.VIFBase
        )
        raise exception.InvalidField(
            field="vif (the first argument)",
            found=_described(vif),
            expected="a VIF and then an InstanceInfo; the two arguments are swapped"
            if swapped
            else "a VIF object, such as os_vif.objects.vif.VIFBridge"
            " (os_vif.serialization.loads() makes one of stored JSON)",
        )
    if isinstance(instance_info, str | bytes | dict | list | tuple | int | objects.VIFBase):
        raise exception.InvalidField(
            field="instance_info (the second argument)",
            found=_described(instance_info),
            expected="an object of os_vif.objects.instance_info.InstanceInfo",
        )
    try:
        name = vif.plugin
    except (AttributeError, NotImplementedError):
        # The second is what oslo raises for a field that is not set.
        raise exception.InvalidField(
            field="vif.plugin", found="unset", expected="a plugin's name"
        ) from None
    return _plugin(name)


def _described(value: object) -> str:
    """Return what an argument is, for an error: its class and an extract of its value."""
    if isinstance(value, objects.VIFBase | objects.InstanceInfo):
        return f"an object of the class {value.obj_name()}"
    return f"of the type {type(value).__name__} ({abbreviated(value, 80)})"


def _reason(error: BaseException) -> str:
    """Return the text of an error, escaped; only that of a plan has several lines."""
    text = str(error) or type(error).__name__
    return printable_lines(text) if isinstance(error, exception.StepFailed) else printable(text)


def _name(vif: Any) -> str:
    """A VIF in one line of a log: its class and what tells it from others."""
    if not isinstance(vif, objects.VIFBase):
        return abbreviated(vif)
    values = [
        f"{field}={getattr(vif, field)}"
        for field in ("id", "vif_name", "address", "plugin")
        if field in vif
    ]
    return printable(f"{vif.obj_name()}({', '.join(values)})")


@contextlib.contextmanager
def _raised_as(failure: type[exception.ExceptionBase], vif: objects.VIFBase) -> Iterator[None]:
    """Whatever is raised inside surfaces as ``failure``, with its cause chained."""
    try:
        yield
    except Exception as error:
        if failure is exception.PlanException and isinstance(error, exception.PlanNotSupported):
            raise  # it is what plan() and check() promise
        text = failure.msg_fmt % {"vif": _name(vif), "err": _reason(error)}
        LOG.error("%s", text)  # noqa: TRY400 - the traceback follows, at a level of its own
        LOG.debug("Traceback of that failure:", exc_info=error)
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("The VIF as a document: %s", _document(vif))
        raise failure(text, vif=vif, err=error) from error


def _document(vif: Any) -> str:
    """Return a VIF as a JSON document on one line, or why it has none."""
    from os_vif import serialization

    try:
        return printable(str(serialization.dumps(vif)))
    except Exception as error:  # noqa: BLE001 - a failed plug must not be hidden by its log
        return f"none ({_reason(error)}); the object is {abbreviated(vif, 2000)}"


def plug(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
    """Connect a VIF to its network. A VIF that is connected stays as it is.

    :param vif: what to connect; ``vif.plugin`` names the plugin that does it.
    :param instance_info: the virtual machine or pod that it is for.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.NoMatchingPlugin: if there is no such plugin.
    :raises os_vif.exception.PlugException: if the plugin failed. What a plan had done is undone, or
        the text says what is not.
    """
    plugin = _plugin_of(vif, instance_info)
    with _raised_as(exception.PlugException, vif):
        plugin.plug(vif, instance_info)
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("Plugged %s", _name(vif))


def unplug(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> tuple[str, ...]:
    """Disconnect a VIF from its network. That it is already gone is no error.

    :param vif: what to disconnect, as it was plugged.
    :param instance_info: the virtual machine or pod that it was for.
    :returns: a sentence for each bridge that stays, because others use it or have made it.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.NoMatchingPlugin: if there is no such plugin.
    :raises os_vif.exception.UnplugException: if something of the VIF remains, or that is unknown.
        What the host did not refuse to remove is removed.
    """
    plugin = _plugin_of(vif, instance_info)
    with _raised_as(exception.UnplugException, vif):
        # Plugins of others give nothing.
        result: object = plugin.unplug(vif, instance_info)
    left = tuple(printable(str(text)) for text in result) if isinstance(result, tuple) else ()
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("%s", "; ".join((f"Unplugged {_name(vif)}", *left)))
    return left


def plan(vif: objects.VIFBase, instance_info: objects.InstanceInfo, unplug: bool = False) -> Plan:
    """What :func:`plug` (or :func:`unplug`) would do for a VIF. Nothing is changed.

    ``str()`` of it shows each step as the command that one would type.

    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    """
    plugin = _plugin_of(vif, instance_info)
    action = "unplug" if unplug else "plug"
    if not hasattr(plugin, "plans") or not plugin.plans(action):
        raise exception.PlanNotSupported(
            plugin_name=vif.plugin, reason=f"its {action}() acts by itself"
        )
    with _raised_as(exception.PlanException, vif):
        if unplug:
            return plugin.plan_unplug(vif, instance_info).going_forward()
        return plugin.plan_plug(vif, instance_info)


def check(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> tuple[Difference, ...]:
    """What differs on this host from a plugged VIF. Nothing is changed.

    :returns: nothing, if the VIF is plugged as it should be. A difference that is ``pending``
        waits for the hypervisor and is no fault.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    :raises os_vif.exception.CheckException: if the host cannot be read.
    """
    wanted = plan(vif, instance_info)
    daemon = _plugin(vif.plugin).privsep_module
    with _raised_as(exception.CheckException, vif):
        from os_vif import host

        differences: tuple[Difference, ...] = host.load_engine().check(wanted, daemon)
        return differences


def host_info(permitted_vif_type_names: Iterable[str] | None = None) -> objects.HostInfo:
    """The plugins of this host, and the VIFs that they can plug.

    :param permitted_vif_type_names: names of VIF classes to keep; by default all.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    """
    manager = _manager()
    described = []
    for name in sorted(set(manager.names()) - _broken.keys()):
        try:
            described.append(_plugin(name).describe())
        except Exception as error:  # noqa: BLE001 - it is logged
            _log_broken(f"os-vif plugin {name!r} could not describe itself", error)
    info = objects.HostInfo(plugin_info=described)
    if permitted_vif_type_names is not None:
        info.filter_vif_types(permitted_vif_type_names)
    return info


def plugin_errors() -> dict[str, str]:
    """Return the reasons why installed plugins cannot be used, by the plugin's name.

    A plugin is asked to describe itself, as :func:`host_info` does.

    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    """
    manager = _manager()
    reasons = {name: described_error(error) for name, error in _broken.items()}
    for name in set(manager.names()) - _broken.keys():
        try:
            _plugin(name).describe()
        except Exception as error:  # noqa: BLE001 - the reason is returned
            reasons[name] = described_error(error)
    return reasons


def __getattr__(name: str) -> Any:
    # Those who import os_vif alone find them, as they did when it brought them at once.
    if name in ("opts", "plugin"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
