# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Previews of a plan: the change of each step, without any change to the host.

The steps are read in the order of the plan: a device that an earlier step deletes is hidden from
later steps. Steps of Open vSwitch are prepared as a transaction that is never sent.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.engine.failure import NotStartedError, StepFailure
from os_vif.engine.kernel import KernelExecutor
from os_vif.engine.late_import import first_use
from os_vif.escape import described_error
from os_vif.host.netlink import batch_delete, rtnetlink
from os_vif.steps.ip.forwarding_rules import DeleteForwardingRules
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.link.bridge_users import AddBridgeUser, RemoveBridgeUser
from os_vif.steps.link.devices import DeleteDevice, EnsureDevice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.plan import Difference, Plan, Step


class Change(enum.StrEnum):
    """The change that a step would make."""

    HOLDS = "="
    CHANGES = "~"
    MAKES = "+"
    REMOVES = "-"
    #: The condition of the step cannot be read.
    UNKNOWN = "?"


@dataclasses.dataclass(frozen=True)
class PlannedStep:
    """A step of a plan, with the change that the step would make."""

    step: Step
    change: Change
    #: The present differences. Empty for a step with the change ``HOLDS``, and for a setting of a
    #: device created by an earlier step.
    differences: tuple[Difference, ...] = ()
    #: The reason why the change is unknown, or why the step would fail.
    reason: str | None = None


#: Beginnings of the names of steps that remove and make.
_REMOVING, _MAKING = ("Delete", "Remove", "Release"), ("Ensure", "Add")


def preview(plan: Plan, privsep_module: str | None) -> tuple[PlannedStep, ...]:
    """Return the steps of a plan with the changes of a run now.

    :param privsep_module: import path of the module of the privileged daemon, which reads the
        conditions readable by root only.
    """
    of_switch = {id(planned.step): planned for planned in _preview_switch(plan)}
    with rtnetlink.opened() as uncached, uncached.cached() as net:
        kernel = _KernelPreview(batch_delete.hiding_deletions(net), plan, privsep_module)
        return tuple(of_switch.get(id(step)) or kernel.read(step) for step in plan)


def _preview_switch(plan: Plan) -> Iterable[PlannedStep]:
    """Return the steps of Open vSwitch with their changes."""
    steps = [step for step in plan if step.executor == "ovs"]
    if not steps or plan.switch is None:
        return [
            PlannedStep(step, Change.UNKNOWN, (), "the plan names no switch") for step in steps
        ]
    with first_use:
        from os_vif.engine.planned import switch_preview
    try:
        found = switch_preview.read(plan.switch, steps)
    except exception.OvsdbError as error:
        return [PlannedStep(step, Change.UNKNOWN, (), str(error)) for step in steps]
    return [
        PlannedStep(step, Change.UNKNOWN, differences, reason)
        if reason is not None
        else _planned(step, differences, has_changes=changes)
        for step, (changes, differences, reason) in zip(steps, found, strict=True)
    ]


class _KernelPreview:
    """Reads kernel steps in the order of the plan.

    :param view: a view of the network namespace that hides deleted devices.
    """

    def __init__(self, view: Netlink, plan: Plan, privsep_module: str | None) -> None:
        self._view = view
        #: Names of the devices that earlier steps delete.
        self._deleted: set[str] = set()
        self._checker = KernelExecutor(privsep_module)
        #: Names of the devices that earlier steps create.
        self._created: set[str] = set()
        self._leaving = [step for step in plan if isinstance(step, RemoveBridgeUser)]

    def read(self, step: Step) -> PlannedStep:
        """Return a step with the change; later calls take account of the change."""
        if not isinstance(step, KernelStep):
            return PlannedStep(step, Change.UNKNOWN, (), "the class of the step is unknown")
        try:
            return self._read(step)
        except (OSError, StepFailure, NotStartedError) as error:
            reason = error.reason if isinstance(error, StepFailure) else described_error(error)
            return PlannedStep(step, Change.UNKNOWN, (), reason)

    def _read(self, step: KernelStep) -> PlannedStep:
        if isinstance(step, DeleteDevice):
            return self._read_deletion(step)
        if isinstance(step, DeleteForwardingRules) and step.name in self._deleted:
            # The rules stay as long as the bridge exists, so that the daemon finds no difference.
            # Rules made by os-vif are recorded.
            noted = dataclasses.replace(step, only_noted=True)
            return _planned(step, (), has_changes=bool(noted.commands()))
        if step.check_requires_root:
            differences: Sequence[Difference] = self._checker.check([step])
        else:
            differences = step.differences(self._view)
        if isinstance(step, AddBridgeUser | RemoveBridgeUser):
            # A record does not affect packets, so it is no difference.
            removes = isinstance(step, RemoveBridgeUser)
            is_absent = self._view.link(step.name) is None
            changes = not is_absent and not step.holds(self._view)
            changes = changes or (step.name in self._created and not removes)
            return _planned(step, (), has_changes=changes)
        is_new = step.device in self._created
        if isinstance(step, EnsureDevice):
            if differences and self._view.link(step.name) is None:
                self._created.update(step.created_names)
        elif is_new:
            differences = [d for d in differences if d.attribute != "device"]
        now = tuple(d for d in differences if not d.pending)
        return _planned(step, now, has_changes=bool(now) or is_new)

    def _read_deletion(self, step: DeleteDevice) -> PlannedStep:
        users = frozenset(leaving.user for leaving in self._leaving if leaving.name == step.name)
        link = step.deletable(self._view, users)
        differences = step.differences(self._view)
        if link is not None:
            self._view.delete(link)
            self._deleted.add(link.name)
        return _planned(step, differences if link else (), has_changes=link is not None)


def _planned(step: Step, differences: Sequence[Difference], *, has_changes: bool) -> PlannedStep:
    """Return a step with the kind of the change."""
    if not has_changes:
        return PlannedStep(step, Change.HOLDS)
    name = type(step).__name__
    change = Change.CHANGES
    if name.startswith(_REMOVING):
        change = Change.REMOVES
    elif name.startswith(_MAKING) and (
        not differences or differences[0].found.startswith(("missing", "none"))
    ):
        change = Change.MAKES
    return PlannedStep(step, change, tuple(differences))
