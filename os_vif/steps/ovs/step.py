# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Base class of the steps on Open vSwitch."""

from __future__ import annotations

import abc
import dataclasses
import enum
from typing import TYPE_CHECKING, ClassVar

from os_vif.steps.plan import NamedStep, Step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.host.ovsdb.notation import Row
    from os_vif.host.ovsdb.query import Query
    from os_vif.host.ovsdb.snapshot import Snapshot
    from os_vif.host.ovsdb.transaction import OwnedTransaction
    from os_vif.steps.plan import Difference


class Wait(enum.IntEnum):
    """The time at which a plan waits until ovs-vswitchd has applied a step."""

    #: At the end of the plan, if the plan waits for ovs-vswitchd at all.
    AT_END = 0
    #: Before the next step of the plan, if the plan waits for ovs-vswitchd at all.
    BEFORE_NEXT_STEP = 1
    #: Before the next step, even in a plan that does not wait for ovs-vswitchd.
    ALWAYS = 2


@dataclasses.dataclass(frozen=True)
class OvsStep(Step):
    """A condition of the database of Open vSwitch. No privileges are needed.

    Consecutive steps of a plan are one transaction. The engine calls :meth:`prefetch` and
    :meth:`add_operations` of each step, commits, waits for ovs-vswitchd, and then calls
    :meth:`vswitchd_error`.
    """

    executor = "ovs"

    #: The tables whose rows the step reads with all columns.
    full_row_tables: ClassVar[tuple[str, ...]] = ()

    @property
    def wait_time(self) -> Wait:
        """The time at which a plan waits for ovs-vswitchd."""
        return Wait.BEFORE_NEXT_STEP

    @property
    def port(self) -> str | None:
        """The port to lock against other plans, or None."""
        return None

    def prefetch(self, snapshot: Snapshot) -> Iterable[Query]:
        """Yield the queries this step needs, given the rows read so far.

        The queries of all steps are sent together. A query left out here is sent when needed.
        """
        return ()

    @abc.abstractmethod
    def differences(self, snapshot: Snapshot) -> tuple[Difference, ...]:
        """Return the present differences from the condition."""

    @abc.abstractmethod
    def add_operations(
        self, snapshot: Snapshot, transaction: OwnedTransaction[OvsStep]
    ) -> tuple[OvsStep, ...]:
        """Add the operations that establish the condition; return the undo steps, in order.

        ``uuid`` of an undo step may be the name of a row that the transaction inserts.

        :raises OSError: if the condition cannot be established.
        """

    @property
    def result_query(self) -> Query | None:
        """The query for the row that :meth:`vswitchd_error` reads, or None."""
        return None

    def vswitchd_error(self, snapshot: Snapshot) -> str | None:
        """Return why ovs-vswitchd could not apply the step, or None."""
        return None


@dataclasses.dataclass(frozen=True)
class DeleteRowStep(NamedStep, OvsStep):
    """Base class of a step that deletes a bridge or port."""

    #: Delete only the row of this UUID; None deletes the row of the name.
    uuid: str | None = None

    @property
    def wait_time(self) -> Wait:
        """The time at which a plan waits for ovs-vswitchd."""
        return Wait.AT_END

    @abc.abstractmethod
    def find_row(self, snapshot: Snapshot) -> Row | None:
        """Return the row of the name, or None."""

    def _has_other_uuid(self, row: Row) -> bool:
        """Return whether a row of the name is not the row to delete."""
        return self.uuid is not None and row["_uuid"][1] != self.uuid
