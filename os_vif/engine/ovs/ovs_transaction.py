# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs Open vSwitch steps as one OVSDB transaction and waits for ovs-vswitchd to apply it.

A transaction is committed as a whole or not at all. If another client has changed a row since the
snapshot was read, the server refuses the transaction, and the engine reads and commits again. If
the connection is lost before the answer, the engine reads whether the transaction was committed.

Errors of a plan are :class:`os_vif.engine.failure.StepFailure`.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.engine.failure import StepFailure
from os_vif.engine.ovs import ovs_wait
from os_vif.engine.ovs.ovs_existing_ports import ExistingPorts, find_existing_ports
from os_vif.engine.step_records import StepRecords
from os_vif.host.ovsdb.connection import Ovsdb, retry_read
from os_vif.host.ovsdb.connection_state import lock_name
from os_vif.host.ovsdb.notation import ref
from os_vif.host.ovsdb.query import ROOT
from os_vif.host.ovsdb.snapshot import Snapshot, forget_ports, remember_port
from os_vif.host.ovsdb.table_snapshot import (
    TableSnapshot,
    is_many,
    read_rows,
    snapshot_for,
    take_shared,
)
from os_vif.host.ovsdb.transaction import CommitResult, Transaction, read_next_cfg
from os_vif.steps.ovs.port import DeleteOvsPort
from os_vif.steps.ovs.port_rows import is_plain_port
from os_vif.steps.ovs.step import DeleteRowStep, OvsStep, Wait

if TYPE_CHECKING:
    from os_vif.host.ovsdb.transaction import Pairs
    from os_vif.steps.plan import Difference, OvsdbTarget, Plan

#: Each step with the undo steps, and with the differences before, for a report.
_Prepared = list[tuple[OvsStep, Sequence[OvsStep], Sequence["Difference"]]]

#: The number of attempts to commit a transaction while other clients change the same rows.
_ATTEMPTS = 20
#: Seconds for the rollback of a plan in the database, beyond the deadline of the plan.
ROLLBACK_SECONDS = 10.0
#: Errors after which the transaction is prepared again (RFC 7047, 5.2 and 4.1.3): a condition no
#: longer holds, another client has inserted a row of the name, or has deleted a row that the
#: transaction refers to.
_CONFLICTS = ("timed out", "constraint violation", "referential integrity violation")
_EMPTY = (
    "the database is not initialised yet: its table Open_vSwitch has no row, which "
    "'ovs-vsctl init' makes"
)
#: The number of equal refusals of equal transactions before the plan fails.
_MAX_EQUAL_REFUSALS = 3
_UNKNOWN = "The state of Open vSwitch is unknown; plugging or unplugging again converges"


@dataclasses.dataclass(frozen=True)
class Session:
    """The connection of a plan, and the rows read when the plan began."""

    ovsdb: Ovsdb
    #: Valid until the first change of the plan.
    snapshot: Snapshot
    ports: ExistingPorts


@contextmanager
def open_session(target: OvsdbTarget, plan: Plan) -> Iterator[Session]:
    """Open the connection of a plan and lock the ports of the plan.

    No other plan changes the ports until the block ends. The server releases the locks when the
    connection is closed, or when the process is killed.

    :raises os_vif.engine.failure.StepFailure: if the database cannot be used. Nothing was changed.
    """
    steps = [step for step in plan if isinstance(step, OvsStep)]
    locks = sorted({lock_name(step.port) for step in steps if step.port is not None})
    #: An unplug may go on without an initialised database, which has no rows of a VIF.
    first_queries = () if plan.forward else (ROOT,)
    ovsdb, shared = take_shared(target) or (Ovsdb.to(target), None)
    with ovsdb:

        def begin() -> Snapshot:
            nonlocal shared
            found, shared = shared, None
            if found is not None and ovsdb.has_locks(*locks):
                found.prefetch(steps, [ROOT])
                if found.row(ROOT) is not None:
                    return found
            ovsdb.queue_lock_requests(*locks)
            snapshot = snapshot_for(ovsdb, steps, first_queries)
            if not ovsdb.has_locks():
                # Another plan had a lock, and may have changed the rows.
                ovsdb.lock_in_order(*locks)
                snapshot = snapshot_for(ovsdb, steps, first_queries)
            if first_queries and snapshot.row(ROOT) is None:
                raise exception.OvsdbNoAnswer(connection=ovsdb.connection, reason=_EMPTY)
            return snapshot

        what, outcome = "Connecting to Open vSwitch", "Nothing was done"
        try:
            # An unreachable server must be an error before the kernel is changed.
            snapshot = retry_read(ovsdb, begin)
        except exception.OvsdbError as error:
            if (blocked := error.kwargs.get("lock")) is not None:
                steps = [s for s in steps if s.port is not None and lock_name(s.port) == blocked]
            failure = _plan_failure(steps, str(error), outcome, what=what)
            failure.common = blocked is None
            raise failure from error
        except Exception as error:
            raise _plan_failure(steps, _describe_unexpected(error), outcome, what=what) from error
        yield Session(ovsdb, snapshot, find_existing_ports(snapshot, steps))


def steps_to_delete(ovsdb: Ovsdb, ports: Sequence[str]) -> list[OvsStep]:
    """Return the steps that delete ports, for the existing ports with one network device.

    :raises os_vif.engine.failure.StepFailure: if the database cannot be read.
    """
    steps = [DeleteOvsPort(name) for name in ports]
    try:
        snapshot = retry_read(ovsdb, lambda: Snapshot(ovsdb, steps))
    except exception.OvsdbError as error:
        raise _plan_failure(steps, str(error), what="Reading Open vSwitch") from error
    return [step for step in steps if is_plain_port(snapshot, step.name)]


def commit(
    ovsdb: Ovsdb,
    steps: Sequence[OvsStep],
    snapshot: Snapshot | None = None,
    records: StepRecords | None = None,
    *,
    port_ids: Pairs = (),
) -> CommittedTransaction:
    """Commit steps as one transaction.

    :param snapshot: the rows for the first attempt; None reads the rows.
    :param records: receives the results of the steps; None for steps outside of the plan.
    :param port_ids: ``external_ids`` for each new port of a VIF.
    :raises os_vif.engine.failure.StepFailure: for the first step that cannot be committed. Nothing was
        changed, or the failure says that the state is unknown.
    """
    records = records or StepRecords(log_only=True)
    try:
        return _commit_with_retries(ovsdb, steps, snapshot, records, port_ids=port_ids)
    except StepFailure as failure:
        if failure.outcome == _UNKNOWN:
            records.add_left(steps)
        raise
    except Exception as error:
        records.add_left(steps)
        raise _plan_failure(steps, _describe_unexpected(error), _UNKNOWN) from error


def commit_unchanged(ovsdb: Ovsdb, steps: Sequence[OvsStep]) -> CommittedTransaction:
    """Commit a transaction without changes, after which ovs-vswitchd opens new devices of ports.

    :raises os_vif.engine.failure.StepFailure: if the database cannot be used. Nothing was changed.
    """
    empty = Transaction[OvsStep]()
    try:
        return CommittedTransaction(
            ovsdb, steps, [], retry_read(ovsdb, lambda: empty.commit(ovsdb))
        )
    except exception.OvsdbError as error:
        raise _plan_failure(steps, str(error)) from error


@dataclasses.dataclass
class CommittedTransaction:
    """A transaction that the database has, and that ovs-vswitchd may have yet to apply."""

    _ovsdb: Ovsdb
    _steps: Sequence[OvsStep]
    #: The undo steps, in order.
    undo: list[OvsStep]
    #: None if there was nothing to commit.
    result: CommitResult | None
    #: A sentence for each bridge that remains because of its ports.
    remaining_bridges: list[str] = dataclasses.field(default_factory=list)
    #: Settings that an undo step could not restore, as lines for an error.
    not_restored: list[str] = dataclasses.field(default_factory=list)
    #: True if ovs-vswitchd was too slow, or the connection was lost since the commit.
    timed_out: bool = False

    @property
    def devices(self) -> str:
        """The devices of the steps, for a message."""
        return ", ".join(sorted({step.device for step in self._steps}))

    @property
    def always_waits(self) -> bool:
        """True if a step waits even in a plan that does not wait for ovs-vswitchd."""
        return any(step.wait_time is Wait.ALWAYS for step in self._steps)

    @property
    def waits_before_next_step(self) -> bool:
        """True if the next step of the plan has to wait for ovs-vswitchd."""
        return any(step.wait_time is not Wait.AT_END for step in self._steps)

    def start_rollback_deadline(self) -> None:
        """Give the remaining steps of a late plan the time of a rollback."""
        self._ovsdb.start_rollback_deadline(ROLLBACK_SECONDS)

    def wait_for_vswitchd(self) -> None:
        """Wait until ovs-vswitchd has applied the transaction.

        :raises os_vif.engine.failure.StepFailure: for the first step that ovs-vswitchd could not apply.
        """
        if self.result is None:
            return
        next_cfg = self.result.next_cfg
        try:
            failed = retry_read(self._ovsdb, functools.partial(self._read_error, next_cfg))
        except exception.OvsdbError as error:
            self.timed_out = True
            is_late = (
                isinstance(error, exception.OvsdbRefused) and error.kwargs["error"] == "timed out"
            )
            late = f"ovs-vswitchd has not applied it within {self._ovsdb.timeout:g} seconds"
            reason = (
                late
                if is_late
                else f"the database has it, but the wait for ovs-vswitchd failed: {error}"
            )
            failure = _plan_failure(self._steps, reason)
            failure.common = is_late
            raise failure from error
        if failed is not None:
            raise _step_failure(*failed)

    def _read_error(self, next_cfg: int) -> tuple[OvsStep, str] | None:
        """Return the first step that ovs-vswitchd could not apply, and the reason; or None."""
        queries = [step.result_query for step in self._steps if step.result_query is not None]
        wait = ovs_wait.wait_operation(self._ovsdb, next_cfg)
        if is_many(queries):
            self._ovsdb.transact(wait)
            snapshot: Snapshot = TableSnapshot(self._ovsdb, ("Interface", "Bridge"))
        else:
            snapshot = Snapshot(self._ovsdb)
            snapshot.read(queries, wait)
        for step in self._steps:
            if (reason := step.vswitchd_error(snapshot)) is not None:
                return step, reason
        return None

    def roll_back(self, failure: StepFailure) -> None:
        """Apply the undo steps; record in *failure* how many succeeded and which did not."""
        roll_back(self._ovsdb, self.undo, failure, wait=not self.timed_out)


def roll_back(
    ovsdb: Ovsdb, undo: Sequence[OvsStep], failure: StepFailure, *, wait: bool = True
) -> None:
    """Apply undo steps; record in *failure* how many succeeded and which did not.

    All rollbacks of a plan together have ``ROLLBACK_SECONDS``, even after the plan's deadline.

    :param wait: wait for ovs-vswitchd, which may hold a device of the next undo step open.
    """
    ovsdb.start_rollback_deadline(ROLLBACK_SECONDS)
    not_restored: list[str] = []
    try:
        committed = _commit_with_retries(ovsdb, undo, is_rollback=True)
        not_restored = committed.not_restored
        if committed.result is not None and wait:
            ovs_wait.wait_for_cfg(ovsdb, committed.result.next_cfg)
    except Exception as error:  # noqa: BLE001 - the error is recorded, the first failure is raised
        is_expected = isinstance(error, (exception.OvsdbError, StepFailure))
        reason = str(error) if is_expected else _describe_unexpected(error)
        if isinstance(error, StepFailure):
            reason, failure.outcome = error.reason, error.outcome or failure.outcome
        failure.not_undone += [f"{c}  # {reason}" for step in undo for c in step.commands()]
    else:
        failure.undone += len(undo)
    failure.not_undone += not_restored


def differences(target: OvsdbTarget, steps: Sequence[OvsStep]) -> list[Difference]:
    """Return the present differences of steps.

    :raises os_vif.engine.failure.StepFailure: if the database cannot be read.
    """

    def read_differences(snapshot: Snapshot) -> list[Difference]:
        return [difference for step in steps for difference in step.differences(snapshot)]

    try:
        return read_rows(target, read_differences, steps)
    except exception.OvsdbError as error:
        outcome, what = "Nothing was changed", "Reading Open vSwitch"
        raise _plan_failure(steps, str(error), outcome, what=what) from error


def _commit_with_retries(
    ovsdb: Ovsdb,
    steps: Sequence[OvsStep],
    snapshot: Snapshot | None = None,
    records: StepRecords | None = None,
    *,
    is_rollback: bool = False,
    port_ids: Pairs = (),
) -> CommittedTransaction:
    """Commit steps; after a lost connection or a conflict, read and commit again.

    :param snapshot: the rows for the first attempt.
    :param records: receives the results of the steps; None for a rollback.
    :raises os_vif.engine.failure.StepFailure: if the transaction was not committed. The failure may
        say that the state is unknown.
    """
    #: The undo steps of a transaction that was sent and not answered.
    sent: list[OvsStep] | None = None
    records = records or StepRecords(log_only=True)
    prepared: _Prepared = []
    refusals: collections.Counter[str] = collections.Counter()
    for attempt in range(_ATTEMPTS):
        transaction, undo = Transaction[OvsStep](port_ids), None
        effects = transaction.effects
        try:
            rows, snapshot = snapshot or snapshot_for(ovsdb, steps), None
            started = time.monotonic()
            attempted = _prepare_transaction(steps, rows, transaction, records)
            undo = [step for _, own, _ in reversed(attempted) for step in own]
            if sent is not None and not undo:
                # The previous attempt was committed.
                undo = [_with_uuid_in_database(step, rows) for step in sent]
            else:
                prepared = attempted
            if not transaction:
                _record(records, prepared, 0)
                result = None if sent is None else CommitResult(_read_next_cfg(ovsdb), {})
                return CommittedTransaction(ovsdb, steps, undo, result, effects.remaining_bridges)
            result = transaction.commit(ovsdb)
            _record(records, prepared, time.monotonic() - started)
        except exception.OvsdbNoAnswer as error:
            sent = undo if undo is not None else sent
            if attempt + 1 < _ATTEMPTS and ovsdb.pause_before_retry():
                continue
            raise _unanswered(ovsdb, steps, error, sent, is_rollback=is_rollback) from error
        except exception.OvsdbUnreachable as error:
            raise _unanswered(ovsdb, steps, error, sent, is_rollback=is_rollback) from error
        except exception.OvsdbRefused as error:
            refusals[f"{error} {transaction.text}"] += 1
            may_retry = attempt + 1 < _ATTEMPTS
            if not may_retry or not _is_conflict(ovsdb, error, max(refusals.values())):
                raise _refusal(steps, transaction, error) from error
            continue
        forget_ports(ovsdb, (step.name for step in steps if isinstance(step, DeleteOvsPort)))
        undo = [_with_inserted_uuid(step, result, ovsdb) for step in undo]
        return CommittedTransaction(
            ovsdb, steps, undo, result, effects.remaining_bridges, effects.not_restored
        )
    raise AssertionError  # pragma: no cover - the last attempt has returned or raised


def _unanswered(
    ovsdb: Ovsdb,
    steps: Sequence[OvsStep],
    error: Exception,
    sent: Sequence[OvsStep] | None,
    *,
    is_rollback: bool,
) -> StepFailure:
    """Return the failure of a transaction without an answer, after an attempt to roll back.

    :param sent: the undo steps of the transaction; None if the transaction was not sent.
    :param is_rollback: the transaction is itself a rollback, which is not rolled back.
    """
    failure = _plan_failure(steps, str(error), None if sent is None else _UNKNOWN)
    if sent is not None and not is_rollback:
        ovsdb.start_rollback_deadline(ROLLBACK_SECONDS)
        with suppress(exception.OvsdbError, StepFailure):
            rows = Snapshot(ovsdb, sent)
            undo = [_with_uuid_in_database(step, rows) for step in sent]
            committed = _commit_with_retries(ovsdb, undo, rows, is_rollback=True)
            if committed.result is not None:
                ovs_wait.wait_for_cfg(ovsdb, committed.result.next_cfg)
                failure.undone += len(sent)
            failure.outcome, failure.not_undone = None, committed.not_restored
    return failure


def _is_conflict(ovsdb: Ovsdb, error: exception.OvsdbRefused, times: int) -> bool:
    """Return whether to prepare a refused transaction again; pause from the second refusal on.

    :param times: the number of equal refusals of equal transactions. A change of another client
        leads to another transaction.
    """
    if error.kwargs["error"] not in _CONFLICTS or times >= _MAX_EQUAL_REFUSALS:
        return False
    return times == 1 or ovsdb.pause_before_retry()


def _refusal(
    steps: Sequence[OvsStep], transaction: Transaction[OvsStep], error: exception.OvsdbRefused
) -> StepFailure:
    """Return the failure of the step with the refused operation, or with the named rows."""
    reason = error.kwargs["reason"]
    step = transaction.owner_of(error.kwargs["operation"]) or transaction.owner_named_in(reason)
    return _plan_failure(steps, reason) if step is None else _step_failure(step, reason)


def _prepare_transaction(
    steps: Sequence[OvsStep],
    snapshot: Snapshot,
    transaction: Transaction[OvsStep],
    records: StepRecords,
) -> _Prepared:
    """Add the operations of steps to a transaction; return each step with the undo steps."""
    prepared: _Prepared = []
    for step in steps:
        try:
            before = step.differences(snapshot) if records.is_recording else ()
            undo = step.add_operations(snapshot, transaction.owned_by(step))
        except OSError as error:
            raise _step_failure(step, error.strerror or str(error)) from error
        except exception.OvsdbError:
            raise
        except Exception as error:
            raise _step_failure(step, _describe_unexpected(error)) from error
        prepared.append((step, undo, before))
    return prepared


def _record(records: StepRecords, prepared: _Prepared, seconds: float) -> None:
    """Record the steps of a transaction.

    :param seconds: the duration of the transaction.
    """
    if records.is_needed:
        for step, undo, differences in prepared:
            records.add(step, undo, seconds, differences)


def _with_uuid_in_database(step: OvsStep, snapshot: Snapshot) -> OvsStep:
    """Replace an undo step's named-uuid by the UUID of the row in the database."""
    if not isinstance(step, DeleteRowStep) or step.uuid is None:
        return step
    row = step.find_row(snapshot)
    return step if row is None else dataclasses.replace(step, uuid=ref(row)[1])


def _with_inserted_uuid(step: OvsStep, result: CommitResult, ovsdb: Ovsdb) -> OvsStep:
    """Replace an undo step's named-uuid by the UUID of the inserted row; remember a port."""
    if not isinstance(step, DeleteRowStep) or step.uuid is None:
        return step
    uuid = result.uuids.get(step.uuid, step.uuid)
    if isinstance(step, DeleteOvsPort):
        remember_port(ovsdb, step.name, uuid)
    return dataclasses.replace(step, uuid=uuid)


def _read_next_cfg(ovsdb: Ovsdb) -> int:
    return read_next_cfg(ovsdb.select("Open_vSwitch", [], ["next_cfg"]))


def _describe_unexpected(error: Exception) -> str:
    """Return the reason for an exception of an unexpected type."""
    return f"unexpected {type(error).__name__}: {error}"


def _step_failure(step: OvsStep, reason: str) -> StepFailure:
    """Return the failure of a step."""
    return StepFailure(type(step).__name__, step.device, reason)


def _plan_failure(
    steps: Sequence[OvsStep],
    reason: str,
    outcome: str | None = None,
    *,
    what: str = "The transaction of Open vSwitch",
) -> StepFailure:
    """Return a failure that no single step caused.

    :param outcome: text about the outcome, for the end of the error.
    """
    return StepFailure(
        what, ", ".join(sorted({step.device for step in steps})), reason, outcome=outcome
    )
