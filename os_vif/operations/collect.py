# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Garbage collection: removal of the VIFs that no keep list names.

``collect()`` reads the inventory once, and unplugs the collectable VIFs through their plugins, in
batches (``os_vif.operations.batch``). A VIF is collectable if the keep list does not name the VIF, the owner matches, the plug is older than the
grace period, and several collections in succession have found the VIF so. The age of a VIF without a
record, and of an empty bridge of os-vif, counts from the first collection. A VIF that is plugged
again during the collection stays: the identity of its devices and record is read again immediately
before the batch. Integration bridges, and devices without a mark, record or name of
os-vif, are never removed.

The observations are in ``/run/os-vif/gc.json``, which ends with a reboot as the devices do.
``/run/os-vif/gc.lock`` excludes a second collection; the kernel releases the lock of a killed process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import fcntl
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.device_names import DELETABLE_OVS_BRIDGES, HYBRID_BRIDGE
from os_vif.engine import recording
from os_vif.escape import described_error
from os_vif.host.netlink import rtnetlink
from os_vif.host.state.directory import STATE
from os_vif.operations import observations
from os_vif.operations.identities import Identities
from os_vif.operations.keep_lists import KeepList
from os_vif.operations.plugged import Plugged, State
from os_vif.operations.shared_view import shared_view
from os_vif.recognition import OTHER_BRIDGE
from os_vif.steps.vif_record import RequireVifMark

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.operations.batch import Pair, Result
    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)

#: A keep list: ids, or a function that returns whether a VIF is in use.
Keep = KeepList | Iterable[str] | Callable[[Plugged], bool]
#: Prefixes of bridges of the plugin ``ovs`` that belong to a single VIF or trunk.
_VIF_BRIDGES = (HYBRID_BRIDGE, *DELETABLE_OVS_BRIDGES)
_LOCK = "gc.lock"
_PLUGGED_AGAIN = "the VIF was plugged again, or unplugged, since the observation"
#: Number of VIFs of a batch. The identities of all VIFs of a batch are read again before the batch.
MAX_BATCH = 64


class CollectOutcome(enum.StrEnum):
    """The result of a collection for a VIF that the keep list does not name."""

    #: The VIF was unplugged.
    REMOVED = "removed"
    #: A collection without ``dry_run`` would unplug the VIF.
    WOULD_REMOVE = "would remove"
    #: The VIF is collectable later: the grace period, the observations or the limit.
    WAITING = "waiting"
    #: The VIF is not collectable: another owner, no known owner, or pending.
    SPARED = "spared"
    #: The VIF was plugged again, or unplugged, during the collection.
    CHANGED = "changed"
    #: The unplug failed. The next collection repeats the unplug.
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Collected:
    """The result of a collection for a VIF or an empty bridge."""

    entry: Plugged
    outcome: CollectOutcome
    #: Why, in a sentence; the text of the error for ``failed``.
    reason: str


@dataclasses.dataclass(frozen=True)
class CollectReport:
    """The results of a collection, one for each VIF that the keep list does not name."""

    results: tuple[Collected, ...]
    #: Number of VIFs that the keep list names.
    kept: int
    #: A sentence for each source of the inventory that could not be read; the VIFs of the source
    #: are missing in the results.
    errors: tuple[str, ...] = ()

    def with_outcome(self, *outcomes: CollectOutcome) -> tuple[Collected, ...]:
        """Return the results with one of the outcomes."""
        return tuple(result for result in self.results if result.outcome in outcomes)

    @property
    def removed(self) -> tuple[Collected, ...]:
        """The results of unplugged VIFs."""
        return self.with_outcome(CollectOutcome.REMOVED)

    @property
    def failed(self) -> tuple[Collected, ...]:
        """The results of VIFs whose unplug failed."""
        return self.with_outcome(CollectOutcome.FAILED)


@dataclasses.dataclass(frozen=True)
class Rules:
    """The conditions of :func:`os_vif.collect`."""

    #: Owners whose VIFs are collectable; None for the only owner on the host.
    owners: frozenset[str] | None = None
    #: Grace period in seconds.
    older_than: float = 600.0
    #: Number of collections in succession that must find a VIF collectable.
    observations: int = 2
    #: Largest number of unplugs; None for no limit.
    limit: int | None = None
    #: Whether VIFs without a known owner are collectable.
    unowned: bool = False
    #: Whether VIFs that wait for the hypervisor are collectable.
    pending: bool = False
    dry_run: bool = False
    #: Whether a keep list is accepted that names no VIF of the host.
    keep_unmatched: bool = False

    def __post_init__(self) -> None:
        is_finite = _is_number(self.older_than, float) and self.older_than < float("inf")
        self._require("older_than", is_finite, "0 or more seconds")
        is_count = _is_number(self.observations, int) and self.observations >= 1
        self._require("observations", is_count, "1 or more")
        limited = self.limit is None or _is_number(self.limit, int)
        self._require("limit", limited, "0 or more, or None")

    def _require(self, field: str, condition: object, expected: str) -> None:
        if not condition:
            found = repr(getattr(self, field))
            raise exception.InvalidField(field=field, found=found, expected=expected)


def _is_number(value: object, kind: type[int | float]) -> bool:
    """Return whether a value is a number of at least 0."""
    kinds = (int,) if kind is int else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and value >= 0


def owners_of(owner: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return the owners of the argument ``owner`` of :func:`os_vif.collect`.

    :raises os_vif.exception.InvalidField: for a value that is no text and no list of texts.
    """
    if owner is None:
        return None
    if isinstance(owner, str):
        return frozenset([owner])
    names = list(owner) if isinstance(owner, Iterable) and not isinstance(owner, bytes) else [None]
    if not all(isinstance(name, str) for name in names):
        raise exception.InvalidField(
            field="owner", found=repr(owner), expected="an owner, or a list of owners"
        )
    return frozenset(map(str, names))


def collect(
    keep: Keep,
    rules: Rules,
    inventory: Callable[[], Sequence[Plugged]],
    unplug_many: Callable[[Sequence[Pair]], Sequence[Result]],
    plan: Callable[[objects.VIFBase, objects.InstanceInfo, bool], Plan],
) -> CollectReport:
    """Unplug the VIFs that are not in use; see :func:`os_vif.collect`."""
    is_kept = _keep_function(keep)
    with _exclusive(dry_run=rules.dry_run):
        before = Identities()
        entries = inventory()
        errors = list(getattr(entries, "errors", ()))
        others = [entry for entry in entries if not _call_keep(is_kept, entry)]
        _require_match(keep, rules, len(entries), len(others))
        _require_single_owner(rules, entries)
        _warn_of_unknown_owners(rules, entries)
        seen = observations.read()
        with rtnetlink.opened() as net:
            judged = [_judge(entry, rules, seen, net) for entry in others]
            with _shared_or_none():
                results = [_without_effect(verdict, plan) for verdict in judged]
            if not errors:
                seen.keep_only(seen.key(entry.plugin, entry.id) for entry in others)
            if not rules.dry_run:
                seen.write_marks(net)
                seen.write()
        errors += _remove_all(results, rules, before, unplug_many, seen)
    return CollectReport(tuple(results), len(entries) - len(others), tuple(errors))


@contextlib.contextmanager
def _shared_or_none() -> Iterator[None]:
    """Share a view of the host; without a list of links, each plan reports the error."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(shared_view())
        yield


def _remove_all(
    results: list[Collected],
    rules: Rules,
    before: Identities,
    unplug_many: Callable[[Sequence[Pair]], Sequence[Result]],
    seen: observations.Observations,
) -> list[str]:
    """Unplug the collectable VIFs in batches, up to the limit; replace the results.

    Unplugs and failed unplugs count for the limit, and VIFs that have changed do not. The VIFs whose
    unplugs have failed in earlier collections come last.

    :returns: a sentence if the observations could not be written.
    """
    errors: dict[str, None] = {}
    waiting = [
        n for n, found in enumerate(results) if found.outcome is CollectOutcome.WOULD_REMOVE
    ]
    waiting.sort(key=lambda n: _observation_of(results[n], seen).failures)
    room = len(waiting) if rules.limit is None else rules.limit
    while waiting and room:
        size = min(MAX_BATCH, room)
        batch, waiting = waiting[:size], waiting[size:]
        if rules.dry_run:
            room -= len(batch)
            continue
        done = _remove([results[n] for n in batch], before, unplug_many, seen)
        for n, result in zip(batch, done, strict=True):
            results[n] = result
            room -= result.outcome is not CollectOutcome.CHANGED
            if result.outcome is CollectOutcome.REMOVED:
                seen.note_removal(_key(result, seen))
            elif result.outcome is CollectOutcome.FAILED:
                seen.note_failure(_key(result, seen))
        try:
            seen.write()
        except exception.CollectException as error:
            # The report tells the removals. Old observations delay removals and cause none.
            errors[str(error)] = None
    for n in waiting:
        reason = f"the limit of {rules.limit} removals is reached"
        results[n] = dataclasses.replace(results[n], outcome=CollectOutcome.WAITING, reason=reason)
    return list(errors)


def _call_keep(is_kept: Callable[[Plugged], bool], entry: Plugged) -> bool:
    """Return whether a VIF is in use.

    :raises os_vif.exception.CollectException: for an exception of the function of the caller.
    """
    try:
        return bool(is_kept(entry))
    except Exception as error:
        text = f"the keep function failed for VIF {entry.id}: {described_error(error)}"
        raise exception.CollectException(err=text) from error


def _warn_of_unknown_owners(rules: Rules, entries: Sequence[Plugged]) -> None:
    """Log a warning for each owner without a VIF."""
    present = {entry.owner for entry in entries}
    for owner in sorted((rules.owners or frozenset()) - present):
        LOG.warning("No VIF of this host has the owner %s", owner)


def _keep_function(keep: Keep) -> Callable[[Plugged], bool]:
    """Return the function for a keep list.

    :raises os_vif.exception.InvalidField: for an empty list, which is more often the answer of a
        service that failed than a host without VIFs in use.
    """
    if not isinstance(keep, KeepList) and callable(keep):
        return keep
    names = keep if isinstance(keep, KeepList) else KeepList.of(keep)
    if not names:
        raise exception.InvalidField(
            field="keep",
            found="an empty list",
            expected="at least one id; to keep nothing, pass `lambda entry: False`, or --keep-nothing "
            "to the command",
        )
    return names.keeps


@contextlib.contextmanager
def _exclusive(*, dry_run: bool) -> Iterator[None]:
    """Exclude other collections during the block; a dry run needs no lock and no privileges.

    :raises os_vif.exception.CollectException: if another collection runs, or the state directory
        cannot be written.
    """
    if dry_run:
        yield
        return
    try:
        STATE.make()
        file = os.open(STATE.file(_LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise exception.CollectException(
            err=f"{STATE.file(_LOCK)}: {error.strerror}; a collection needs root, to record "
            "observations"
        ) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise exception.CollectException(err="another collection is running") from error
        yield
    finally:
        os.close(file)


def _require_match(keep: Keep, rules: Rules, entries: int, others: int) -> None:
    """Raise InvalidField for a keep list that names no VIF of the host.

    Such a list is more often of another host, or the text of an error, than the list of a host
    whose VIFs are all unused. A host without VIFs accepts each list.
    """
    is_list = isinstance(keep, KeepList) or not callable(keep)
    if is_list and entries and entries == others and not rules.keep_unmatched:
        raise exception.InvalidField(
            field="keep",
            found=f"a list that names none of the {entries} VIFs of this host",
            expected="the names of VIFs of this host; if none of the VIFs is in use, pass "
            "keep_unmatched=True, or --keep-unmatched to the command",
        )


def _require_single_owner(rules: Rules, entries: Sequence[Plugged]) -> None:
    """Raise InvalidField if no owner is given and the host has VIFs of several owners."""
    owners = sorted({entry.owner for entry in entries if entry.owner is not None})
    if rules.owners is None and len(owners) > 1:
        raise exception.InvalidField(
            field="owner",
            found="not given",
            expected=f"one of {', '.join(owners)}: the host has VIFs of several owners, and the "
            "keep list of one owner does not name the VIFs of another",
        )


def _judge(
    entry: Plugged, rules: Rules, seen: observations.Observations, net: Netlink
) -> Collected:
    """Return whether a VIF is collectable, and count the observation."""
    if (reason := _reason_to_spare(entry, rules)) is not None:
        return Collected(entry, CollectOutcome.SPARED, reason)
    since = None if entry.since is None else entry.since.timestamp()
    record = None
    if not is_empty_bridge(entry):
        record = recording.record_of(entry.vif, entry.instance, is_plug=False)
    record_id = "" if record is None else record.vif_id
    observation = seen.count(net, seen.key(entry.plugin, entry.id), since, record_id)
    age = seen.now - (observation.first if since is None else since)
    if age < rules.older_than:
        whose = "first seen" if since is None else "plugged"
        reason = f"{whose} {age:.0f} s ago; the grace period is {rules.older_than:g} s"
    elif observation.times < rules.observations:
        reason = f"seen {observation.times} of {rules.observations} times"
    else:
        what = "an empty bridge" if is_empty_bridge(entry) else "not in the keep list"
        times = f"seen {observation.times} times"
        return Collected(entry, CollectOutcome.WOULD_REMOVE, f"{what}, {times}")
    return Collected(entry, CollectOutcome.WAITING, reason)


def _without_effect(
    verdict: Collected, plan: Callable[[objects.VIFBase, objects.InstanceInfo, bool], Plan]
) -> Collected:
    """Return ``spared`` for a VIF of which an unplug removes nothing, such as in Neutron's bridge."""
    entry = verdict.entry
    if verdict.outcome is not CollectOutcome.WOULD_REMOVE or entry.owner is not None:
        return verdict
    try:
        if len(plan(entry.vif, entry.instance, True)):
            return verdict
    except exception.ExceptionBase:
        # The unplug reports the error, or acts without a plan.
        return verdict
    reason = "all devices of the VIF belong to other programs"
    return dataclasses.replace(verdict, outcome=CollectOutcome.SPARED, reason=reason)


def is_empty_bridge(entry: Plugged) -> bool:
    """Return whether an entry is a bridge without VIFs, rather than a VIF."""
    return entry.state is State.LEFT_OVER and entry.id == entry.bridge


def _reason_to_spare(entry: Plugged, rules: Rules) -> str | None:
    """Return why an entry is not collectable at any time, or None."""
    if is_empty_bridge(entry):
        # Bridges of os-vif in Open vSwitch belong to one VIF. Another service made all others.
        if entry.plugin == "ovs" and not entry.id.startswith(_VIF_BRIDGES):
            return "an integration bridge, which is never removed"
        if entry.plugin != "ovs" and rules.owners is None:
            # The alias tells that os-vif made the Linux bridge.
            return None
    if entry.way == OTHER_BRIDGE:
        return "in a bridge of another program, which an unplug does not change"
    if entry.owner is None:
        reason = None if rules.unowned else "no known owner"
    else:
        is_other = rules.owners is not None and entry.owner not in rules.owners
        reason = f"owner {entry.owner}" if is_other else None
    if reason is None and _is_pending(entry) and not rules.pending:
        reason = "pending: the port waits for the hypervisor"
    return reason


def _is_pending(entry: Plugged) -> bool:
    """Return whether a VIF waits for the hypervisor. The guest may be about to start."""
    return entry.state is not State.LEFT_OVER and any(d.pending for d in entry.differences)


def _key(result: Collected, seen: observations.Observations) -> str:
    return seen.key(result.entry.plugin, result.entry.id)


def _observation_of(
    result: Collected, seen: observations.Observations
) -> observations.Observation:
    """Return the observations of a collectable VIF."""
    return seen.get(_key(result, seen)) or observations.Observation(seen.now, 0, None)


def _remove(
    verdicts: Sequence[Collected],
    before: Identities,
    unplug_many: Callable[[Sequence[Pair]], Sequence[Result]],
    seen: observations.Observations,
) -> Iterator[Collected]:
    """Unplug the VIFs of a batch that have not changed since the inventory; yield the results.

    The unplug of a VIF requires the mark of the observation, under the locks of the unplug.
    """
    observed = [_observation_of(verdict, seen) for verdict in verdicts]
    tokens = {found.record_id: found.token for found in observed if found.record_id}
    changes = before.changes_of([verdict.entry for verdict in verdicts])
    pairs = [
        (verdict.entry.vif, verdict.entry.instance)
        for verdict, change in zip(verdicts, changes, strict=True)
        if change is None
    ]
    with recording.requiring_marks(tokens):
        unplugged = iter(unplug_many(pairs))
    for verdict, change in zip(verdicts, changes, strict=True):
        if change is not None:
            yield dataclasses.replace(verdict, outcome=CollectOutcome.CHANGED, reason=change)
        else:
            yield _result(verdict, next(unplugged))


def _result(verdict: Collected, unplugged: Result) -> Collected:
    """Return the result of the unplug of a VIF."""
    entry = verdict.entry
    if unplugged.error is not None and _is_without_mark(unplugged.error):
        return dataclasses.replace(verdict, outcome=CollectOutcome.CHANGED, reason=_PLUGGED_AGAIN)
    if unplugged.error is not None:
        reason = str(unplugged.error)
        return dataclasses.replace(verdict, outcome=CollectOutcome.FAILED, reason=reason)
    if unplugged.remaining and is_empty_bridge(entry):
        # Another VIF uses the bridge since the inventory.
        reason = "; ".join(unplugged.remaining)
        return dataclasses.replace(verdict, outcome=CollectOutcome.CHANGED, reason=reason)
    LOG.info("Collected %s of owner %s: %s", entry.id, entry.owner, verdict.reason)
    return dataclasses.replace(verdict, outcome=CollectOutcome.REMOVED)


def _is_without_mark(error: exception.ExceptionBase) -> bool:
    """Return whether an unplug has found no mark of the observation, and has done nothing."""
    cause = error.kwargs.get("err")
    return (
        isinstance(cause, exception.StepFailed)
        and cause.kwargs.get("step") == RequireVifMark.__name__
    )
