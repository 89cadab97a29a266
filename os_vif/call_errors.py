# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: calls of plugins, and errors of the functions of :mod:`os_vif`, for their arguments and for a failed plugin."""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from os_vif import exception, objects
from os_vif.escape import abbreviated, printable, printable_lines

if TYPE_CHECKING:
    from os_vif.steps.plan import Plan

LOG = logging.getLogger("os_vif")


def check_arguments(vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
    """Check the two arguments of a caller.

    :raises os_vif.exception.InvalidField: if an argument has a wrong type.
    """
    wrong = (str, bytes, dict, list, tuple, int, objects.InstanceInfo)
    if vif is None or isinstance(vif, wrong):
        swapped = isinstance(vif, objects.InstanceInfo) and isinstance(
            instance_info, objects.VIFBase
        )
        raise exception.InvalidField(
            field="vif (the first argument)",
            found=_describe_argument(vif),
            expected="a VIF and then an InstanceInfo; the two arguments are swapped"
            if swapped
            else "a VIF object, such as os_vif.objects.vif.VIFBridge"
            " (for stored JSON, call os_vif.serialization.loads() first)",
        )
    if isinstance(instance_info, str | bytes | dict | list | tuple | int | objects.VIFBase):
        raise exception.InvalidField(
            field="instance_info (the second argument)",
            found=_describe_argument(instance_info),
            expected="an object of os_vif.objects.instance_info.InstanceInfo",
        )


def has_plan(plugin: Any, action: str) -> bool:
    """Return whether a plugin acts by a plan; plugins of the public os-vif do not.

    :param action: ``plug`` or ``unplug``.
    """
    return hasattr(plugin, "has_plan_for") and bool(plugin.has_plan_for(action))


def unknown_plugin(name: object, known: set[str]) -> str:
    """Return the error text for a name without an installed plugin.

    :param known: names of the installed plugins.
    """
    text = exception.NoMatchingPlugin.msg_fmt % {"plugin_name": printable(str(name))}
    text += f" Installed plugins: {', '.join(sorted(known)) or 'none'}."
    similar = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f"{text} Did you mean '{similar[0]}'?" if similar else text


def _describe_argument(value: object) -> str:
    """Return the class of an argument and an extract of the value, for an error."""
    if isinstance(value, objects.VIFBase | objects.InstanceInfo):
        return f"an object of the class {value.obj_name()}"
    return f"of the type {type(value).__name__} ({abbreviated(value, 80)})"


def error_text(error: BaseException) -> str:
    """Return the escaped text of an error: on one line, except for :class:`StepFailed`."""
    text = str(error) or type(error).__name__
    return printable_lines(text) if isinstance(error, exception.StepFailed) else printable(text)


def summary(vif: Any) -> str:
    """Return the class and the identifying fields of a VIF, on one line."""
    if not isinstance(vif, objects.VIFBase):
        return abbreviated(vif)
    values = [
        f"{field}={getattr(vif, field)}"
        for field in ("id", "vif_name", "address", "plugin")
        if field in vif
    ]
    return printable(f"{vif.obj_name()}({', '.join(values)})")


@contextlib.contextmanager
def raised_as(failure: type[exception.ExceptionBase], vif: objects.VIFBase) -> Iterator[None]:
    """Raise *failure* for any exception inside the block, chained to the original exception.

    The failure is logged at ERROR; the traceback and the VIF are logged at DEBUG.
    """
    try:
        yield
    except Exception as error:
        if failure is exception.PlanException and isinstance(error, exception.PlanNotSupported):
            raise  # plan() and check() document PlanNotSupported
        text = failure.msg_fmt % {"vif": summary(vif), "err": error_text(error)}
        LOG.error("%s", text)  # noqa: TRY400 - the traceback is logged at DEBUG
        LOG.debug("Traceback of that failure:", exc_info=error)
        if LOG.isEnabledFor(logging.DEBUG):
            LOG.debug("The VIF as a document: %s", _document(vif))
        raise failure(text, vif=vif, err=error) from error


def plug(plugin: Any, vif: Any, instance_info: Any) -> tuple[str, ...]:
    """Connect a VIF to the network with a plugin.

    :returns: an empty tuple, because no bridge remains after a plug.
    :raises os_vif.exception.PlugException: if the plugin failed.
    """
    with raised_as(exception.PlugException, vif):
        plugin.plug(vif, instance_info)
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("Plugged %s", summary(vif))
    return ()


def unplug(plugin: Any, vif: Any, instance_info: Any) -> tuple[str, ...]:
    """Disconnect a VIF from the network with a plugin.

    :returns: a sentence for each bridge that remains.
    :raises os_vif.exception.UnplugException: if the plugin failed.
    """
    with raised_as(exception.UnplugException, vif):
        # Plugins of the public os-vif return None.
        result: object = plugin.unplug(vif, instance_info)
    remaining = tuple(printable(str(text)) for text in result) if isinstance(result, tuple) else ()
    if LOG.isEnabledFor(logging.INFO):
        LOG.info("%s", "; ".join((f"Unplugged {summary(vif)}", *remaining)))
    return remaining


def make_plan(plugin: Any, vif: Any, instance_info: Any, action: str) -> Plan:
    """Return the plan of a plugin for a VIF.

    :param action: ``plug`` or ``unplug``.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    """
    if not has_plan(plugin, action):
        raise exception.PlanNotSupported(
            plugin_name=vif.plugin, reason=f"{action}() of the plugin acts without a plan"
        )
    with raised_as(exception.PlanException, vif):
        return plan_of(plugin, vif, instance_info, action)


def plan_of(plugin: Any, vif: Any, instance_info: Any, action: str) -> Plan:
    """Return the plan of a plugin for a VIF, or raise the error of the plugin.

    :param action: ``plug`` or ``unplug``.
    """
    plan: Plan
    if action == "unplug":
        plan = plugin.checked_plan(plugin.plan_unplug(vif, instance_info), action).going_forward()
    else:
        plan = plugin.checked_plan(plugin.plan_plug(vif, instance_info), action)
    return plan


def _document(vif: Any) -> str:
    """Return a VIF as a JSON document on one line, or the reason why serialization failed."""
    from os_vif import serialization

    try:
        return printable(str(serialization.dumps(vif)))
    except Exception as error:  # noqa: BLE001 - logging must not hide the failure of the plug
        return f"none ({error_text(error)}); the object is {abbreviated(vif, 2000)}"
