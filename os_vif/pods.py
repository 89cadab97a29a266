# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the functions of :mod:`os_vif` for pods.

A plan for a pod has the steps on the host and the steps in the network namespace of the pod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif import objects
    from os_vif.sandbox import PodResult, Sandbox
    from os_vif.steps.plan import Difference, Plan


def plug_pod(
    vif: objects.VIFBase, instance_info: objects.InstanceInfo, sandbox: Sandbox
) -> PodResult:
    """Connect a VIF to its network, and give a pod the interface of the VIF. Idempotent.

    All changes on the host and in the pod are made, or none.

    :param vif: the VIF; ``vif.plugin`` names the plugin.
    :param instance_info: the pod.
    :param sandbox: the network namespace of the pod, and the name of the interface.
    :returns: the interface of the pod, with addresses and routes.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``.
    :raises os_vif.exception.PlugException: if a field of the VIF has an unusable value, if the
        path of the namespace is missing or names another namespace by now, or if a step failed.
        All changes are rolled back; the text lists the steps that could not be undone.
    """
    return _plug(vif, instance_info, sandbox)


def plug_new_pod(
    vif: objects.VIFBase,
    instance_info: objects.InstanceInfo,
    sandbox: Sandbox,
    find_addressed_vif: Callable[[], objects.VIFBase] | None = None,
) -> PodResult:
    """Plug a VIF as :func:`plug_pod` into a pod that is known not to have the interface.

    :param find_addressed_vif: called after the device of the pod exists; returns the VIF with the
        addresses. After an error the device remains, and the caller unplugs the VIF.
    """
    return _plug(vif, instance_info, sandbox, find_addressed_vif, is_new=True)


def _plug(
    vif: objects.VIFBase,
    instance_info: objects.InstanceInfo,
    sandbox: Sandbox,
    find_addressed_vif: Callable[[], objects.VIFBase] | None = None,
    *,
    is_new: bool = False,
) -> PodResult:
    import os_vif
    from os_vif.operations.pod_plugging import pod_operations

    plugin = os_vif._plugin_of(vif, instance_info)  # noqa: SLF001 - a part of the facade
    with os_vif._observed("plug", plugin, vif, instance_info):  # noqa: SLF001 - see above
        return pod_operations.plug(
            plugin, vif, instance_info, sandbox, find_addressed_vif, is_new=is_new
        )


def unplug_pod(
    vif: objects.VIFBase, instance_info: objects.InstanceInfo, sandbox: Sandbox
) -> tuple[str, ...]:
    """Remove the interface of a pod, and disconnect the VIF from its network. Idempotent.

    A VIF that is not plugged and a namespace that has gone are no errors. Removal continues after
    a failed step.

    :param vif: the VIF, with the same field values as for :func:`plug_pod`.
    :param instance_info: the pod.
    :param sandbox: the network namespace of the pod, and the name of the interface. A ``netns`` of
        None stands for the namespace of the last :func:`plug_pod` with that interface.
    :returns: a sentence for each bridge that remains, because the bridge is still in use or was
        not created by os-vif.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``.
    :raises os_vif.exception.UnplugException: if a part of the VIF remains or may remain.
    """
    import os_vif
    from os_vif.operations.pod_plugging import pod_operations

    plugin = os_vif._plugin_of(vif, instance_info)  # noqa: SLF001 - a part of the facade
    with os_vif._observed("unplug", plugin, vif, instance_info) as running:  # noqa: SLF001
        remaining = pod_operations.unplug(plugin, vif, instance_info, sandbox)
        if running is not None:
            running.remaining = remaining
    return remaining


def check_pod(
    vif: objects.VIFBase, instance_info: objects.InstanceInfo, sandbox: Sandbox
) -> tuple[Difference, ...]:
    """Return the differences between a plugged VIF, and the host and the pod. Changes nothing.

    :param vif: the VIF, with the same field values as for :func:`plug_pod`.
    :param instance_info: the pod.
    :param sandbox: the network namespace of the pod, and the name of the interface.
    :returns: an empty tuple if the VIF is plugged into the pod.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if an argument has a wrong type.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    :raises os_vif.exception.CheckException: if the host or the namespace cannot be read.
    """
    return _check(vif, instance_info, sandbox, is_privileged=False)


def check_pod_as_root(
    vif: objects.VIFBase, instance_info: objects.InstanceInfo, sandbox: Sandbox
) -> tuple[Difference, ...]:
    """Check a VIF as :func:`check_pod`, in a process that may enter the namespaces of pods.

    The process enters the namespace in the calling thread, and calls no privileged daemon. Not for a
    process with green threads.
    """
    return _check(vif, instance_info, sandbox, is_privileged=True)


def _check(
    vif: objects.VIFBase,
    instance_info: objects.InstanceInfo,
    sandbox: Sandbox,
    *,
    is_privileged: bool,
) -> tuple[Difference, ...]:
    import os_vif
    from os_vif.operations.pod_plugging import pod_operations

    plugin = os_vif._plugin_of(vif, instance_info)  # noqa: SLF001 - a part of the facade
    with os_vif._observed("check", plugin, vif, instance_info) as running:  # noqa: SLF001
        differences = pod_operations.check(
            plugin, vif, instance_info, sandbox, is_privileged=is_privileged
        )
        if running is not None:
            running.differences = differences
    return differences


def plan_pod(
    vif: objects.VIFBase,
    instance_info: objects.InstanceInfo,
    sandbox: Sandbox,
    action: str = "plug",
) -> Plan:
    """Return the plan of :func:`plug_pod` or :func:`unplug_pod`, without any change.

    ``str(plan)`` shows each step as equivalent shell commands.

    :param vif: the VIF; ``vif.plugin`` names the plugin.
    :param instance_info: the pod.
    :param sandbox: the network namespace of the pod, and the name of the interface.
    :param action: ``plug`` or ``unplug``.
    :raises os_vif.exception.LibraryNotInitialized: before :func:`initialize`.
    :raises os_vif.exception.InvalidField: if *action* or another argument has a wrong value.
    :raises os_vif.exception.NoMatchingPlugin: if no plugin has the name ``vif.plugin``.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    :raises os_vif.exception.PlanException: if the plugin cannot plug this VIF.
    """
    import os_vif
    from os_vif.operations.pod_plugging import pod_operations

    plugin = os_vif._plugin_of(vif, instance_info)  # noqa: SLF001 - a part of the facade
    return pod_operations.plan(plugin, vif, instance_info, sandbox, action)
