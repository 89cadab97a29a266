# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugging a VIF into a pod: argument checks, plan, run and result.

The functions receive the plugin of the VIF from the functions of :mod:`os_vif`.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from os_vif import call_errors, engine, exception
from os_vif.engine import recording
from os_vif.host import limits
from os_vif.host.netlink import pod_namespaces
from os_vif.operations.pod_plugging import pod_plans, recorded_pods
from os_vif.operations.pod_plugging.namespace_handover import handed_over
from os_vif.operations.pod_plugging.pod_devices import Target
from os_vif.sandbox import PodResult, Sandbox, identity_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from os_vif.steps.plan import Difference, Plan

LOG = logging.getLogger(__name__)

#: The module of the privileged daemon, which also applies the steps on the host.
PRIVSEP_MODULE = "os_vif.plugins.pod_privsep"
#: The identity in plans for a namespace that has gone: no file has it.
_NO_IDENTITY = "0:0"
_NO_PATH = "/run/netns/none"


def plug(
    plugin: Any,
    vif: Any,
    instance_info: Any,
    sandbox: Sandbox,
    find_addressed_vif: Callable[[], Any] | None = None,
    *,
    is_new: bool = False,
) -> PodResult:
    """Plug a VIF into a pod; see :func:`os_vif.plug_pod`.

    :param find_addressed_vif: see :func:`os_vif.pods.plug_new_pod`.
    :param is_new: the pod is known not to have the interface.
    """
    _check_sandbox(sandbox)
    with (
        call_errors.raised_as(exception.PlugException, vif),
        _opened(sandbox) as target,
        handed_over(target.netns, target.file),
    ):
        if find_addressed_vif is None:
            plan, result = pod_plans.plan_plug(plugin, vif, instance_info, target)
        else:
            first, plan_rest = pod_plans.plan_device(plugin, vif, instance_info, target)
            engine.run(first, PRIVSEP_MODULE, is_new=True)
            vif = find_addressed_vif()
            plan, result = plan_rest(vif)
        place = (*target.place, target.ifname)
        recorded = recording.with_record(plan, vif, instance_info, place)
        engine.run(recorded, PRIVSEP_MODULE, is_new=is_new)
        return result


def unplug(plugin: Any, vif: Any, instance_info: Any, sandbox: Sandbox) -> tuple[str, ...]:
    """Unplug a VIF from a pod; see :func:`os_vif.unplug_pod`."""
    _check_sandbox(sandbox, netns_required=False)
    if sandbox.netns is None:
        recorded = recorded_pods.sandbox_of(vif, instance_info)
        if recorded is not None and recorded.ifname == sandbox.ifname:
            sandbox = recorded
    with (
        call_errors.raised_as(exception.UnplugException, vif),
        _opened_if_present(sandbox) as target,
    ):
        if pod_plans.is_in_other_sandbox(vif, target):
            LOG.info("%s is plugged into another sandbox, and stays", call_errors.summary(vif))
            return ()
        plan = pod_plans.plan_unplug(plugin, vif, instance_info, target).going_forward()
        with handed_over(target.netns, target.file):
            return engine.run(recording.with_record(plan, vif, instance_info), PRIVSEP_MODULE)


def check(
    plugin: Any, vif: Any, instance_info: Any, sandbox: Sandbox, *, is_privileged: bool = False
) -> tuple[Difference, ...]:
    """Check a VIF of a pod; see :func:`os_vif.check_pod`.

    :param is_privileged: this process may enter the namespaces of pods.
    """
    _check_sandbox(sandbox)
    with contextlib.ExitStack() as stack:
        target = Target(str(sandbox.netns), sandbox.identity or _NO_IDENTITY, sandbox)
        with contextlib.suppress(OSError):
            # The differences of a missing namespace are that the namespace is missing.
            target = stack.enter_context(_opened(sandbox))
        with call_errors.raised_as(exception.PlanException, vif):
            plan, _ = pod_plans.plan_plug(plugin, vif, instance_info, target)
        with (
            call_errors.raised_as(exception.CheckException, vif),
            handed_over(target.netns, target.file),
        ):
            return engine.check(plan, PRIVSEP_MODULE, is_privileged=is_privileged)


def plan(plugin: Any, vif: Any, instance_info: Any, sandbox: Sandbox, action: str) -> Plan:
    """Return the plan of a plug or an unplug; see :func:`os_vif.plan_pod`."""
    if action not in ("plug", "unplug"):
        raise exception.InvalidField(
            field="action", found=repr(action), expected="'plug' or 'unplug'"
        )
    _check_sandbox(sandbox, netns_required=action == "plug")
    with call_errors.raised_as(exception.PlanException, vif):
        if action == "unplug":
            with _opened_if_present(sandbox) as target:
                return pod_plans.plan_unplug(plugin, vif, instance_info, target).going_forward()
        with _opened(sandbox) as target:
            return pod_plans.plan_plug(plugin, vif, instance_info, target)[0]


def _check_sandbox(sandbox: Sandbox, *, netns_required: bool = True) -> None:
    """Raise InvalidField unless the argument is a usable Sandbox."""
    if not isinstance(sandbox, Sandbox):
        raise exception.InvalidField(
            field="sandbox (the third argument)",
            found=f"of the type {type(sandbox).__name__}",
            expected="an os_vif.Sandbox",
        )
    if not limits.is_device_name(sandbox.ifname) or sandbox.ifname == "lo":
        raise exception.InvalidField(
            field="sandbox.ifname",
            found=repr(sandbox.ifname),
            expected="the name of the pod's interface, other than lo",
        )
    netns = sandbox.netns
    if netns is None and not netns_required:
        return
    if not isinstance(netns, str) or not (os.path.isabs(netns) or not netns_required):  # noqa: PTH117 - also any text
        raise exception.InvalidField(
            field="sandbox.netns",
            found=repr(netns),
            expected="the absolute path of a network namespace, such as /run/netns/NAME",
        )


@contextlib.contextmanager
def _opened(sandbox: Sandbox) -> Iterator[Target]:
    """Keep the namespace open for the duration of a plan, so that no inode is used again.

    :raises OSError: if the path is missing, or names another namespace than at the construction
        of the Sandbox, or the namespace of the host.
    """
    path = str(sandbox.netns)
    file = pod_namespaces.open_namespace(path, sandbox.identity)
    try:
        identity = identity_of(os.fstat(file))
        if identity == pod_namespaces.own_identity():
            raise exception.InvalidField(
                field="sandbox.netns",
                found=f"{path}, which is the network namespace of the host",
                expected="the network namespace of a pod",
            )
        yield Target(path, identity, sandbox, file)
    finally:
        os.close(file)


@contextlib.contextmanager
def _opened_if_present(sandbox: Sandbox) -> Iterator[Target]:
    """Keep the namespace open if it exists; yield a target without a namespace otherwise."""
    with contextlib.ExitStack() as stack:
        target = Target(_NO_PATH, _NO_IDENTITY, sandbox)
        if sandbox.netns:
            with contextlib.suppress(pod_namespaces.GoneError, exception.InvalidField):
                target = _enter(stack, sandbox, target)
        yield target


def _enter(stack: contextlib.ExitStack, sandbox: Sandbox, missing: Target) -> Target:
    """Return the open target, or *missing* for a file that is no network namespace.

    :raises OSError: if an existing namespace cannot be opened, for example without descriptors.
    """
    try:
        return stack.enter_context(_opened(sandbox))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return missing
