# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The protocol between the runner of a plan and the executors of its steps."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from os_vif.engine.failure import StepFailure
from os_vif.engine.step_records import StepRecords
from os_vif.escape import described_error
from os_vif.steps.plan import Difference, Step

LOG = logging.getLogger(__name__)

S_contra = TypeVar("S_contra", bound=Step, contravariant=True)

#: Rolls back a group of steps, and records the result in the failure.
Undo = Callable[[StepFailure], None]

#: The outcome of a failure before the first change.
NOTHING_DONE = "Nothing was done"


@dataclasses.dataclass
class Progress:
    """The changes of a plan so far. The executors add to the lists."""

    #: Rolls back each group that has been applied, in the order of the plan.
    undo: list[Undo] = dataclasses.field(default_factory=list)
    #: Restores the record of the VIF, after all changes are rolled back.
    undo_record: list[Undo] = dataclasses.field(default_factory=list)
    #: The failures of steps of a forward plan.
    refused: list[StepFailure] = dataclasses.field(default_factory=list)
    #: A sentence for each bridge of Open vSwitch that the plan has kept, because of other ports.
    remaining: list[str] = dataclasses.field(default_factory=list)
    #: The results of the steps, for the log and reports.
    records: StepRecords = dataclasses.field(default_factory=StepRecords)
    #: Whether the daemon has changed network devices, or may have.
    has_device_changes: bool = False

    @property
    def has_changes(self) -> bool:
        """Return whether the plan has changed the host, or may have."""
        return bool(self.undo)

    def roll_back(self, failure: StepFailure) -> None:
        """Roll back all groups in reverse order, also after the failure of a group."""
        for undo in (*reversed(self.undo), *self.undo_record):
            try:
                undo(failure)
            except Exception as error:
                LOG.exception("Could not undo a part of a plan")
                failure.not_undone.append(f"# a part of the plan: {described_error(error)}")


class Checker(Protocol[S_contra]):
    """Checks the steps of one kind: of the kernel, or of Open vSwitch."""

    def check(self, steps: Sequence[S_contra]) -> list[Difference]:
        """Return the differences of steps. Changes nothing.

        :raises StepFailure: if the host cannot be read.
        """


class Executor(Protocol[S_contra]):
    """Applies the steps of one kind: of the kernel, or of Open vSwitch."""

    def run(self, steps: Sequence[S_contra], progress: Progress) -> None:
        """Apply consecutive steps, and add the undo of the changes to *progress*.

        :raises StepFailure: for the first failed step; *progress* has the undo of all changes.
        """

    def idle(self) -> AbstractContextManager[None]:
        """Exclude the duration of the block from the timeout of the executor."""

    def reopen_devices(self, progress: Progress) -> bool:
        """Release devices that are deleted but held open, for devices of the same name.

        :returns: whether the earlier steps of the other executors must be applied again.
        """

    def open_new_devices(self, progress: Progress) -> bool:
        """Wait until devices that the plan has created are open, if that can change the devices.

        :returns: whether the steps of the other executors must be applied again.
        """

    def finish(self) -> None:
        """Wait until the applied steps have taken effect.

        :raises StepFailure: for the first step without effect.
        """
