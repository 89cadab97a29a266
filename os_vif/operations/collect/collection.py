# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Collections: one pass over the inventory, and the unplugs in batches."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.engine import recording
from os_vif.escape import described_error
from os_vif.host.netlink import rtnetlink
from os_vif.host.state.directory import STATE
from os_vif.operations import observations
from os_vif.operations.collect.collect_results import Collected, CollectOutcome, CollectReport
from os_vif.operations.collect.collect_rules import (
    Rules,
    is_empty_bridge,
    judge,
    require_single_owner,
    spare_without_effect,
    warn_of_unknown_owners,
)
from os_vif.operations.collect.identities import Identities
from os_vif.operations.keep_lists import KeepList
from os_vif.operations.plugged import Plugged
from os_vif.operations.shared_view import shared_view
from os_vif.steps.vif_record import RequireVifMark

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.operations.batch import Pair, Result
    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)

#: A keep list: ids, or a function that returns whether a VIF is in use.
Keep = KeepList | Iterable[str] | Callable[[Plugged], bool]
_LOCK = "gc.lock"
#: Seconds to wait for the lock, and between two attempts.
_LOCK_SECONDS, _LOCK_INTERVAL = 2.0, 0.02
_PLUGGED_AGAIN = "the VIF was plugged again, or unplugged, since the observation"
#: Number of VIFs of a batch. The identities of all VIFs of a batch are read again before the batch.
MAX_BATCH = 64


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
        require_single_owner(rules, entries)
        warn_of_unknown_owners(rules, entries)
        seen = observations.read()
        with rtnetlink.opened() as net:
            judged = [
                judge(entry, rules, seen, net, before.fingerprint(entry)) for entry in others
            ]
            with _shared_or_none():
                results = [spare_without_effect(verdict, plan) for verdict in judged]
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
        _lock(file)
        yield
    finally:
        # A child that the program has forked during the collection has a copy of the descriptor.
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


def _lock(file: int) -> None:
    """Lock the file of collections.

    A killed collection that was starting a daemon leaves the lock to the child until execve(2), so a
    single attempt is not enough.

    :raises os_vif.exception.CollectException: if another process holds the lock.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise exception.CollectException(err="another collection is running") from error
            time.sleep(_LOCK_INTERVAL)
        else:
            return


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
    reason = "; ".join((verdict.reason, *unplugged.remaining))
    LOG.info("Collected %s of owner %s: %s", entry.id, entry.owner, reason)
    return dataclasses.replace(verdict, outcome=CollectOutcome.REMOVED, reason=reason)


def _is_without_mark(error: exception.ExceptionBase) -> bool:
    """Return whether an unplug has found no mark of the observation, and has done nothing."""
    cause = error.kwargs.get("err")
    return (
        isinstance(cause, exception.StepFailed)
        and cause.kwargs.get("step") == RequireVifMark.__name__
    )
