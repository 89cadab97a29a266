# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs steps of Open vSwitch: all of them in one transaction, and then vswitchd has its say."""

from __future__ import annotations

import collections
import dataclasses
import functools
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from os_vif import exception
from os_vif.engine import step_log
from os_vif.engine.failure import StepFailure
from os_vif.host.ovsdb.connection import Ovsdb, mapping, values
from os_vif.steps.ovs import held as ovs_held
from os_vif.steps.ovs.port_names import is_plain_port
from os_vif.steps.ovs.ports import DeleteOvsBridge, DeleteOvsPort
from os_vif.steps.ovs.rows import (
    Changes,
    Done,
    Look,
    OvsStep,
    Query,
    lock_name,
    named,
    read_next_cfg,
    ref,
    with_id,
)

if TYPE_CHECKING:
    from os_vif.host.ovsdb.connection import Operation, Row
    from os_vif.steps.ovs.held import Held
    from os_vif.steps.plan import Difference, OvsdbTarget, Plan

T = TypeVar("T")

#: How often a transaction is made anew because what it was made from has changed meanwhile.
_ATTEMPTS = 20
#: Seconds to take back what a plan has done in the switch, beyond its own time.
TAKE_BACK = 10.0
#: RFC 7047, 5.2 and 4.1.3: a condition no longer holds, somebody was faster to make a row of that
#: name, or a row that others refer to has gone.
_CHANGED = ("timed out", "constraint violation", "referential integrity violation")
_EMPTY = (
    "the database is not initialised yet: its table Open_vSwitch has no row, which "
    "'ovs-vsctl init' makes"
)
#: The only row of the table that all others hang from.
_ROOT: Query = ("Open_vSwitch", "_uuid", "!=", ("uuid", str(uuid.UUID(int=0))), ("_uuid",))
#: How often the server may refuse one and the same transaction for one and the same reason.
_SAME = 3
_UNKNOWN = "What Open vSwitch has done is unknown; plugging or unplugging again converges"


@dataclasses.dataclass
class Session:
    """The connection of a plan, and what it has seen of the switch."""

    ovsdb: Ovsdb
    #: What was there when the plan began; None if the plan has changed something since.
    look: Look | None
    held: Held


@contextmanager
def opened(switch: OvsdbTarget, plan: Plan) -> Iterator[Session]:
    """A connection for a plan; nobody else's plan touches its ports meanwhile.

    The server drops the locks when the connection goes, as it does when a process is killed.

    :raises os_vif.engine.failure.StepFailure: if there is none; then nothing was done.
    """
    steps = [step for step in plan if isinstance(step, OvsStep)]
    locks = sorted({lock_name(step.port) for step in steps if step.port is not None})
    #: Nothing of a VIF is in a database that is not initialised, so an unplug can go on.
    begins = () if plan.forward else (_ROOT,)
    with _ovsdb(switch) as ovsdb:

        def begin() -> Look:
            ovsdb.ask_for(*locks)
            look = Look(ovsdb, steps, begins)
            if not ovsdb.has_locks():
                ovsdb.lock(*locks)
                look = Look(ovsdb, steps, begins)
            if begins and look.one(_ROOT) is None:
                raise exception.OvsdbNoAnswer(connection=ovsdb.connection, reason=_EMPTY)
            return look

        what, said = "Connecting to Open vSwitch", "Nothing was done"
        try:
            # A server that is not there is to be known before the kernel is touched.
            look = _again(ovsdb, begin)
        except exception.OvsdbError as error:
            raise _whole(steps, str(error), said, what=what) from error
        except Exception as error:
            raise _whole(steps, _unexpected(error), said, what=what) from error
        yield Session(ovsdb, look, ovs_held.of_plan(look, steps))


def commit(ovsdb: Ovsdb, steps: Sequence[OvsStep], seen: Look | None = None) -> Committed:
    """Have the database say that all of the steps hold.

    :param seen: what is there, if that has been looked at already.
    :raises os_vif.engine.failure.StepFailure: for the first that cannot; nothing was done, or it says
        that this is unknown.
    """
    try:
        left: list[str] = []
        return Committed(ovsdb, steps, *_commit(ovsdb, steps, seen, left=left), left)
    except StepFailure:
        raise
    except Exception as error:
        raise _whole(steps, _unexpected(error), _UNKNOWN) from error


@dataclasses.dataclass
class Committed:
    """What the database has, and vswitchd may have yet to carry out."""

    _ovsdb: Ovsdb
    _steps: Sequence[OvsStep]
    #: The steps that undo it.
    undo: list[OvsStep]
    #: None if there was nothing to do.
    _done: Done | None
    #: A sentence for each bridge that stays because of its ports.
    left: list[str]
    #: Whether vswitchd takes too long, or the database has gone since.
    late: bool = False

    @property
    def devices(self) -> str:
        """The devices of the steps, for a message."""
        return ", ".join(sorted({step.device for step in self._steps}))

    def go_on(self) -> None:
        """Give what comes next in the plan some time of its own, now that the plan's has passed."""
        self._ovsdb.grant(TAKE_BACK)

    def settle(self) -> None:
        """Wait until vswitchd has carried it out.

        :raises os_vif.engine.failure.StepFailure: for the first step that does not hold.
        """
        if self._done is None:
            return
        try:
            fault = _again(self._ovsdb, functools.partial(self._fault, self._done.next_cfg))
        except exception.OvsdbError as error:
            self.late = True
            late = (
                isinstance(error, exception.OvsdbRefused) and error.kwargs["error"] == "timed out"
            )
            why = f"ovs-vswitchd has not done it within {self._ovsdb.timeout:g} seconds"
            reason = why if late else f"the database has it, but then: {error}"
            raise _whole(self._steps, reason) from error
        if fault is not None:
            raise _failure(*fault)

    def _fault(self, next_cfg: int) -> tuple[OvsStep, str] | None:
        """The first step that does not hold now that vswitchd has carried it out, and why."""
        look = Look(self._ovsdb)
        outcomes = [step.outcome for step in self._steps if step.outcome is not None]
        look.read(outcomes, _waiting(self._ovsdb, next_cfg))
        return next(((s, why) for s in self._steps if (why := s.fault(look)) is not None), None)

    def take_back(self, failure: StepFailure) -> None:
        """Undo it, and note in ``failure`` how that went."""
        take_back(self._ovsdb, self.undo, failure, wait=not self.late)


def removals(ovsdb: Ovsdb, ports: Sequence[str]) -> list[OvsStep]:
    """Return the steps that take out those of some ports that are there, of network devices.

    :raises os_vif.engine.failure.StepFailure: if the switch cannot be read.
    """
    steps = [DeleteOvsPort(name) for name in ports]
    try:
        look = _again(ovsdb, lambda: Look(ovsdb, steps))
    except exception.OvsdbError as error:
        raise _whole(steps, str(error), what="Reading Open vSwitch") from error
    return [step for step in steps if is_plain_port(look, step.name)]


def take_back(
    ovsdb: Ovsdb, undo: Sequence[OvsStep], failure: StepFailure, *, wait: bool = True
) -> None:
    """Run the steps that undo others, and note in ``failure`` how that went.

    All of a plan has ``TAKE_BACK`` seconds for it, however late it is.
    """
    ovsdb.grant(TAKE_BACK)
    lost: list[str] = []
    try:
        done = _commit(ovsdb, undo, lost=lost)[1]
        if done is not None and wait:
            # What comes next in the undo may be a device that vswitchd still has open.
            _again(ovsdb, lambda: ovsdb.transact(_waiting(ovsdb, done.next_cfg)))
    except Exception as error:  # noqa: BLE001 - it is told, and the first failure is raised
        expected = isinstance(error, (exception.OvsdbError, StepFailure))
        reason = str(error) if expected else _unexpected(error)
        if isinstance(error, StepFailure):
            reason, failure.outcome = error.reason, error.outcome or failure.outcome
        failure.not_undone += [f"{c}  # {reason}" for step in undo for c in step.commands()]
    else:
        failure.undone += len(undo)
    failure.not_undone += lost


def differences(switch: OvsdbTarget, steps: Sequence[OvsStep]) -> list[Difference]:
    """What of the steps does not hold.

    :raises os_vif.engine.failure.StepFailure: if the switch cannot be read.
    """
    with _ovsdb(switch) as ovsdb:

        def found() -> list[Difference]:
            look = Look(ovsdb, steps)
            return [difference for step in steps for difference in step.differences(look)]

        try:
            return _again(ovsdb, found)
        except exception.OvsdbError as error:
            said = "Nothing was changed"
            raise _whole(steps, str(error), said, what="Reading Open vSwitch") from error


def ports_of(switch: OvsdbTarget, interface_id: str, *names: str) -> dict[str, Row]:
    """The Interfaces that have an ``external_ids:iface-id``, or one of these names, by name.

    :raises os_vif.exception.OvsdbError: if the switch cannot be read.
    """
    queries = [with_id(interface_id), *(named("Interface", name) for name in names)]
    with _ovsdb(switch) as ovsdb:

        def found() -> dict[str, Row]:
            look = Look(ovsdb)
            look.read(queries)
            return {row["name"]: row for query in queries for row in look.all(query)}

        return _again(ovsdb, found)


def interface_ids(switch: OvsdbTarget, devices: Collection[str]) -> dict[str, str]:
    """The ``external_ids:iface-id`` of those of some network devices that are ports.

    :raises os_vif.exception.OvsdbError: if the switch cannot be read.
    """
    with _ovsdb(switch) as ovsdb:
        rows = _again(ovsdb, lambda: ovsdb.select("Interface", [], ["name", "external_ids"]))
        ids = {row["name"]: mapping(row["external_ids"]).get("iface-id") for row in rows}
        return {name: found for name in devices if (found := ids.get(name))}


def is_in(switch: OvsdbTarget, port: str, bridge: str) -> bool:
    """Whether a port is in a bridge, of which all ports are read: one that has only a few.

    :raises os_vif.exception.OvsdbError: if the switch cannot be read.
    """
    inside: Query = ("Bridge", "name", "==", bridge, ("ports",))
    with _ovsdb(switch) as ovsdb:

        def found() -> bool:
            look = Look(ovsdb)
            look.read([named("Port", port), inside])
            rows, row = look.all(inside), look.port(port)
            return bool(rows) and row is not None and ref(row) in values(rows[0]["ports"])

        return _again(ovsdb, found)


def datapath_type(switch: OvsdbTarget, bridge: str) -> str | None:
    """Return the ``datapath_type`` of a bridge, or None if there is no such bridge."""
    with _ovsdb(switch) as ovsdb:
        row = _again(ovsdb, lambda: Look(ovsdb).bridge(bridge))
        return None if row is None else str(row["datapath_type"])


def bridge_of(switch: OvsdbTarget, port: str) -> str | None:
    """The name of the bridge that a port is in; None if there is no such port, or it is in none.

    :raises os_vif.exception.OvsdbError: if the switch cannot be read.
    """
    with _ovsdb(switch) as ovsdb:

        def found() -> str | None:
            look = Look(ovsdb)
            row = look.port(port)
            bridge = None if row is None else look.bridge_of(row)
            return None if bridge is None else str(bridge["name"])

        return _again(ovsdb, found)


def _ovsdb(switch: OvsdbTarget) -> Ovsdb:
    opener = None
    if switch.opener is not None:
        from os_vif.engine import ovsdb_socket

        opener = functools.partial(ovsdb_socket.opened_by, switch.opener)
    return Ovsdb(switch.connection, switch.timeout, switch.tls, opener)


def _again(ovsdb: Ovsdb, call: Callable[[], T]) -> T:
    """What a call gives that changes nothing; made again if its connection was lost."""
    while True:
        try:
            return call()
        except exception.OvsdbNoAnswer:
            if not ovsdb.try_again():
                raise


def _commit(
    ovsdb: Ovsdb,
    steps: Sequence[OvsStep],
    seen: Look | None = None,
    lost: list[str] | None = None,
    left: list[str] | None = None,
) -> tuple[list[OvsStep], Done | None]:
    """A transaction whose connection was lost is looked for, and made again if it was not done.

    :param lost: takes a line for each row that an undo could not restore.
    :param left: takes a sentence for each bridge that stays because of its ports.
    :returns: the undo, and None if there was nothing to do.
    :raises os_vif.engine.failure.StepFailure: if it was not done; or it says that this is unknown.
    """
    #: The undo of one that was sent, and not answered.
    sent: list[OvsStep] | None = None
    refusals: collections.Counter[str] = collections.Counter()
    for attempt in range(_ATTEMPTS):
        changes, undo = Changes(left), None
        try:
            look, seen = seen or Look(ovsdb, steps), None
            started = time.monotonic()
            prepared = _prepare(steps, look, changes)
            undo = [back for _, own in reversed(prepared) for back in own]
            if sent is not None and not undo:
                # It was done.
                undo = [_found(step, look) for step in sent]
            if not changes:
                _log(prepared, 0)
                return undo, None if sent is None else Done(_next_cfg(ovsdb), {})
            done = changes.commit(ovsdb)
            if lost is not None:
                lost += changes.lost
            _log(prepared, time.monotonic() - started)
        except exception.OvsdbNoAnswer as error:
            sent = undo if undo is not None else sent
            if attempt + 1 < _ATTEMPTS and ovsdb.try_again():
                continue
            raise _lost(ovsdb, steps, error, sent, is_undo=lost is not None) from error
        except exception.OvsdbUnreachable as error:
            raise _lost(ovsdb, steps, error, sent, is_undo=lost is not None) from error
        except exception.OvsdbRefused as error:
            refusals[f"{error} {changes.text}"] += 1
            if attempt + 1 == _ATTEMPTS or not _is_passing(ovsdb, error, max(refusals.values())):
                raise _refusal(steps, changes, error) from error
            continue
        return [_named(step, done) for step in undo], done
    raise AssertionError  # pragma: no cover - the last attempt has returned or raised


def _lost(
    ovsdb: Ovsdb,
    steps: Sequence[OvsStep],
    error: Exception,
    sent: Sequence[OvsStep] | None,
    *,
    is_undo: bool,
) -> StepFailure:
    """Return the failure of a transaction whose answer is missing, after rolling it back.

    :param sent: the undo of the transaction; None if it was not sent.
    :param is_undo: whether the transaction is itself an undo, which is not rolled back.
    """
    failure = _whole(steps, str(error), None if sent is None else _UNKNOWN)
    if sent is not None and not is_undo:
        ovsdb.grant(TAKE_BACK)
        with suppress(exception.OvsdbError, StepFailure):
            look, lost = Look(ovsdb, sent), list[str]()
            done = _commit(ovsdb, [_found(step, look) for step in sent], look, lost)[1]
            if done is not None:
                _again(ovsdb, lambda: ovsdb.transact(_waiting(ovsdb, done.next_cfg)))
                failure.undone += len(sent)
            failure.outcome, failure.not_undone = None, lost
    return failure


def _is_passing(ovsdb: Ovsdb, error: exception.OvsdbRefused, times: int) -> bool:
    """Return whether a refused transaction may be made anew; from the second time on, pause.

    :param times: how often one and the same transaction was refused for one and the same reason.
        What another process has changed meanwhile makes the next transaction another one.
    """
    if error.kwargs["error"] not in _CHANGED or times >= _SAME:
        return False
    return times == 1 or ovsdb.try_again()


def _refusal(
    steps: Sequence[OvsStep], changes: Changes, error: exception.OvsdbRefused
) -> StepFailure:
    """Return the failure of the step whose operation was refused, or that the reason names."""
    reason = error.kwargs["reason"]
    owner = changes.owner(error.kwargs["operation"]) or changes.blamed(reason)
    return _whole(steps, reason) if owner is None else _failure(owner, reason)


def _prepare(
    steps: Sequence[OvsStep], look: Look, changes: Changes
) -> list[tuple[OvsStep, Sequence[OvsStep]]]:
    """Add to a transaction the operations that make the steps hold.

    :returns: each step with the steps that undo it.
    """
    prepared: list[tuple[OvsStep, Sequence[OvsStep]]] = []
    for step in steps:
        changes.step = step
        try:
            prepared.append((step, step.change(look, changes)))
        except OSError as error:
            raise _failure(step, error.strerror or str(error)) from error
        except exception.OvsdbError:
            raise
        except Exception as error:
            raise _failure(step, _unexpected(error)) from error
    return prepared


def _log(prepared: Sequence[tuple[OvsStep, Sequence[OvsStep]]], seconds: float) -> None:
    """Log the steps of a transaction that took so many seconds."""
    if step_log.is_enabled():
        for step, undo in prepared:
            step_log.log_applied(step, undo, seconds)


def _found(step: OvsStep, look: Look) -> OvsStep:
    """An undo with the UUID of what is there by now, in place of the name that it had meanwhile."""
    if getattr(step, "uuid", None) is None:
        return step
    is_bridge = isinstance(step, DeleteOvsBridge)
    row = look.bridge(step.device) if is_bridge else look.port(step.device)
    return step if row is None else dataclasses.replace(step, uuid=ref(row)[1])  # type: ignore[call-arg]


def _named(step: OvsStep, done: Done) -> OvsStep:
    """An undo with the UUID of what was made, in place of the name that it had meanwhile."""
    made = done.made.get(getattr(step, "uuid", None) or "")
    return step if made is None else dataclasses.replace(step, uuid=made)  # type: ignore[call-arg]


def _next_cfg(ovsdb: Ovsdb) -> int:
    return read_next_cfg(ovsdb.select("Open_vSwitch", [], ["next_cfg"]))


def _waiting(ovsdb: Ovsdb, next_cfg: int) -> Operation:
    """Until vswitchd has carried it out; if it does not, that is refused as "timed out"."""
    wait = {
        "op": "wait",
        "table": "Open_vSwitch",
        "where": [["cur_cfg", "<", next_cfg]],
        "columns": ["cur_cfg"],
        "until": "==",
        "rows": [],
    }
    timeout = ovsdb.wait_milliseconds()
    return wait if timeout is None else wait | {"timeout": timeout}


def _unexpected(error: Exception) -> str:
    """Return the words for an exception that nobody expects."""
    return f"unexpected {type(error).__name__}: {error}"


def _failure(step: OvsStep, reason: str) -> StepFailure:
    return StepFailure(type(step).__name__, step.device, reason)


def _whole(
    steps: Sequence[OvsStep],
    reason: str,
    said: str | None = None,
    *,
    what: str = "The transaction of Open vSwitch",
) -> StepFailure:
    """For what is no single step's."""
    return StepFailure(
        what, ", ".join(sorted({step.device for step in steps})), reason, outcome=said
    )
