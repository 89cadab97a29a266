# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Runs steps of Open vSwitch: all of them in one transaction, and then vswitchd has its say."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.host.failure import Failure
from os_vif.host.ovs_rows import Changes, Done, Look, OvsStep
from os_vif.host.ovsdb import Ovsdb

if TYPE_CHECKING:
    from os_vif.host.ovsdb import Operation
    from os_vif.host.plan import Difference, Plan, Switch

#: How often a transaction is made anew because what it was made from has changed meanwhile.
_ATTEMPTS = 20
#: RFC 7047, 5.2 and 4.1.3: a condition no longer holds, somebody was faster to make a row of that
#: name, or a row that others refer to has gone.
_CHANGED = ("timed out", "constraint violation", "referential integrity violation")
_LOCKS = uuid.UUID("7c0d1c7e-0f2b-4a52-9d3e-0a6a1e6f5b1c")


@contextmanager
def opened(switch: Switch, plan: Plan) -> Iterator[Ovsdb]:
    """A connection for a plan; nobody else's plan touches its ports meanwhile.

    The server drops the locks when the connection goes, as it does when a process is killed.

    :raises os_vif.host.failure.Failure: if there is none; then nothing was done.
    """
    ports = {step.port for step in plan if isinstance(step, OvsStep) and step.port is not None}
    with Ovsdb(switch.connection, switch.timeout) as ovsdb:
        try:
            for name in sorted(set(map(_lock, ports))):
                ovsdb.lock(name)
            if not ports:
                # A server that is not there is to be known before the kernel is touched.
                ovsdb.select("Open_vSwitch", [], ["next_cfg"])
        except exception.OvsdbError as error:
            devices = ", ".join(sorted(step.device for step in plan if isinstance(step, OvsStep)))
            raise Failure(
                "Connecting to Open vSwitch", devices, str(error), said="Nothing was done"
            ) from error
        yield ovsdb


def _lock(port: str) -> str:
    """The name of a port's lock.

    Beside their prefix, all ports of a VIF begin alike: then one lock, and one question, is enough.
    """
    # As RFC 7047 has names: letters, digits and _.
    return f"os_vif_{uuid.uuid5(_LOCKS, port[3:14] or port).hex}"


def run(ovsdb: Ovsdb, steps: Sequence[OvsStep]) -> list[OvsStep]:
    """Make all of the steps hold, or none.

    :returns: the steps that undo it.
    :raises os_vif.host.failure.Failure: for the first that failed; all were undone, or it says
        what was not.
    """
    committed = commit(ovsdb, steps)
    try:
        committed.settle()
    except Failure as failure:
        committed.take_back(failure)
        raise
    return committed.undo


def commit(ovsdb: Ovsdb, steps: Sequence[OvsStep]) -> Committed:
    """Have the database say that all of the steps hold.

    :raises os_vif.host.failure.Failure: for the first that cannot; nothing was done, or it says
        that this is unknown.
    """
    try:
        undo, done = _commit(ovsdb, steps)
    except exception.OvsdbNoAnswer as error:
        raise _unknown(steps, error) from error
    except exception.OvsdbError as error:
        raise _failure(steps[0], str(error)) from error
    return Committed(ovsdb, steps, undo, done)


@dataclasses.dataclass
class Committed:
    """What the database has, and vswitchd may have yet to carry out."""

    _ovsdb: Ovsdb
    _steps: Sequence[OvsStep]
    #: The steps that undo it.
    undo: list[OvsStep]
    #: None if there was nothing to do.
    _done: Done | None
    #: Whether vswitchd takes too long.
    _late: bool = False

    def settle(self) -> None:
        """Wait until vswitchd has carried it out.

        :raises os_vif.host.failure.Failure: for the first step that does not hold.
        """
        if self._done is None:
            return
        look = Look(self._ovsdb)
        outcomes = [step.outcome for step in self._steps if step.outcome is not None]
        try:
            look.read(outcomes, _waiting(self._ovsdb, self._done.next_cfg))
            fault = next(
                ((s, why) for s in self._steps if (why := s.fault(look)) is not None), None
            )
        except exception.OvsdbRefused as error:
            self._late = True
            late = error.kwargs["error"] == "timed out"
            why = f"ovs-vswitchd has not done it within {self._ovsdb.timeout} seconds"
            raise _failure(self._steps[0], why if late else str(error)) from error
        except exception.OvsdbError as error:
            self._late = True
            raise _unknown(self._steps, error) from error
        if fault is not None:
            raise _failure(*fault)

    def take_back(self, failure: Failure) -> None:
        """Undo it, and note in ``failure`` how that went."""
        take_back(self._ovsdb, self.undo, failure, wait=not self._late)


def take_back(
    ovsdb: Ovsdb, undo: Sequence[OvsStep], failure: Failure, *, wait: bool = True
) -> None:
    """Run the steps that undo others, and note in ``failure`` how that went."""
    try:
        done = _commit(ovsdb, undo)[1]
        if done is not None and wait:
            # What comes next in the undo may be a device that vswitchd still has open.
            ovsdb.transact(_waiting(ovsdb, done.next_cfg))
    except (exception.OvsdbError, Failure) as error:
        reason = error.reason if isinstance(error, Failure) else str(error)
        failure.left += [f"{c}  # {reason}" for step in undo for c in step.commands()]
    else:
        failure.undone += len(undo)


def differences(switch: Switch, steps: Sequence[OvsStep]) -> list[Difference]:
    """What of the steps does not hold.

    :raises os_vif.host.failure.Failure: if the switch cannot be read.
    """
    with Ovsdb(switch.connection, switch.timeout) as ovsdb:
        try:
            look = Look(ovsdb, steps)
            return [difference for step in steps for difference in step.differences(look)]
        except exception.OvsdbError as error:
            raise _failure(steps[0], str(error), "Nothing was changed") from error


def ports_of(switch: Switch, interface_id: str) -> tuple[str, ...]:
    """The ports that have an ``external_ids:iface-id``, by name.

    :raises os_vif.exception.OvsdbError: if the switch cannot be read.
    """
    with Ovsdb(switch.connection, switch.timeout) as ovsdb:
        where = [["external_ids", "includes", ["map", [["iface-id", interface_id]]]]]
        return tuple(sorted(row["name"] for row in ovsdb.select("Interface", where, ["name"])))


def _commit(ovsdb: Ovsdb, steps: Sequence[OvsStep]) -> tuple[list[OvsStep], Done | None]:
    """:returns: the undo, and None if there was nothing to do."""
    for attempt in range(_ATTEMPTS):
        look, changes = Look(ovsdb, steps), Changes()
        undo: list[OvsStep] = []
        for step in steps:
            changes.step = step
            try:
                undo[:0] = step.change(look, changes)
            except OSError as error:
                raise _failure(step, error.strerror or str(error)) from error
        if not changes:
            return [], None
        try:
            done = changes.commit(ovsdb)
        except exception.OvsdbRefused as error:
            if error.kwargs["error"] in _CHANGED and attempt + 1 < _ATTEMPTS:
                continue
            owner = changes.owner(error.kwargs["operation"]) or steps[0]
            raise _failure(owner, error.kwargs["reason"]) from error
        return [_named(step, done) for step in undo], done
    raise AssertionError  # pragma: no cover - the last attempt has returned or raised


def _named(step: OvsStep, done: Done) -> OvsStep:
    """An undo with the UUID of what was made, in place of the name that it had meanwhile."""
    made = done.made.get(getattr(step, "uuid", None) or "")
    return step if made is None else dataclasses.replace(step, uuid=made)  # type: ignore[call-arg]


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


def _failure(step: OvsStep, reason: str, said: str | None = None) -> Failure:
    return Failure(type(step).__name__, step.device, reason, said=said)


def _unknown(steps: Sequence[OvsStep], error: Exception) -> Failure:
    devices = ", ".join(sorted({step.device for step in steps}))
    said = "What Open vSwitch has done is unknown; plugging or unplugging again converges"
    return Failure("The transaction of Open vSwitch", devices, str(error), said=said)
