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
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.device_names import DELETABLE_OVS_BRIDGES, HYBRID_BRIDGE
from os_vif.host.netlink import link_table, rtnetlink
from os_vif.host.state import vif_records
from os_vif.host.state.directory import STATE
from os_vif.operations import observations
from os_vif.operations.keep_lists import KeepList
from os_vif.operations.plugged import Plugged, State
from os_vif.operations.shared_view import shared_view
from os_vif.recognition import OTHER_BRIDGE

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
#: Number of VIFs of a batch. The identities of all VIFs of a batch are read again before the batch.
MAX_BATCH = 64


class Outcome(enum.StrEnum):
    """The result of a collection for a VIF that the keep list does not name."""

    #: The VIF was unplugged.
    REMOVED = "removed"
    #: A collection without ``dry_run`` would unplug the VIF.
    WOULD_REMOVE = "would remove"
    #: The VIF is collectable later: the grace period, the observations or the limit.
    WAITING = "waiting"
    #: The VIF is not collectable: another owner, or no known owner.
    SPARED = "spared"
    #: The VIF was plugged again, or unplugged, during the collection.
    CHANGED = "changed"
    #: The unplug failed. The next collection repeats the unplug.
    FAILED = "failed"


@dataclasses.dataclass(frozen=True)
class Collected:
    """The result of a collection for a VIF or an empty bridge."""

    entry: Plugged
    outcome: Outcome
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

    def with_outcome(self, *outcomes: Outcome) -> tuple[Collected, ...]:
        """Return the results with one of the outcomes."""
        return tuple(result for result in self.results if result.outcome in outcomes)

    @property
    def removed(self) -> tuple[Collected, ...]:
        """The results of unplugged VIFs."""
        return self.with_outcome(Outcome.REMOVED)

    @property
    def failed(self) -> tuple[Collected, ...]:
        """The results of VIFs whose unplug failed."""
        return self.with_outcome(Outcome.FAILED)


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
    dry_run: bool = False

    def __post_init__(self) -> None:
        self._require("older_than", self.older_than >= 0, "0 or more seconds")
        self._require("observations", self.observations >= 1, "1 or more")
        self._require("limit", self.limit is None or self.limit >= 0, "0 or more, or None")

    def _require(self, field: str, condition: object, expected: str) -> None:
        if not condition:
            found = repr(getattr(self, field))
            raise exception.InvalidField(field=field, found=found, expected=expected)


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
        before = _Identities()
        entries = inventory()
        others = [entry for entry in entries if not is_kept(entry)]
        _require_single_owner(rules, entries)
        seen = observations.read()
        with _shared_or_none():
            results = [_without_effect(_judge(entry, rules, seen), plan) for entry in others]
        seen.keep_only(map(_key, _counted(results)))
        if not rules.dry_run:
            seen.write()
        _remove_all(results, rules, before, unplug_many, seen)
    errors = tuple(getattr(entries, "errors", ()))
    return CollectReport(tuple(results), len(entries) - len(others), errors)


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
    before: _Identities,
    unplug_many: Callable[[Sequence[Pair]], Sequence[Result]],
    seen: observations.Observations,
) -> None:
    """Unplug the collectable VIFs in batches, up to the limit; replace the results.

    Unplugs and failed unplugs count for the limit, and VIFs that have changed do not.
    """
    waiting = [n for n, found in enumerate(results) if found.outcome is Outcome.WOULD_REMOVE]
    room = len(waiting) if rules.limit is None else rules.limit
    while waiting and room:
        size = min(MAX_BATCH, room)
        batch, waiting = waiting[:size], waiting[size:]
        if rules.dry_run:
            room -= len(batch)
            continue
        done = _remove([results[n] for n in batch], before, unplug_many)
        for n, result in zip(batch, done, strict=True):
            results[n] = result
            room -= result.outcome is not Outcome.CHANGED
            if result.outcome is Outcome.REMOVED:
                seen.note_removal(_key(result))
        seen.write()
    for n in waiting:
        reason = f"the limit of {rules.limit} removals is reached"
        results[n] = dataclasses.replace(results[n], outcome=Outcome.WAITING, reason=reason)


def _keep_function(keep: Keep) -> Callable[[Plugged], bool]:
    """Return the function for a keep list.

    :raises os_vif.exception.InvalidField: for an empty list, which is more often the answer of a
        service that failed than a host without VIFs in use.
    """
    if isinstance(keep, str | bytes):
        raise exception.InvalidField(
            field="keep", found=f"of the type {type(keep).__name__}", expected="a list of ids"
        )
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


def _judge(entry: Plugged, rules: Rules, seen: observations.Observations) -> Collected:
    """Return whether a VIF is collectable, and count the observation."""
    if (reason := _reason_to_spare(entry, rules)) is not None:
        return Collected(entry, Outcome.SPARED, reason)
    since = None if entry.since is None else entry.since.timestamp()
    observation = seen.count(observations.key(entry.plugin, entry.id), since)
    age = seen.now - (observation.first if since is None else since)
    if age < rules.older_than:
        whose = "first seen" if since is None else "plugged"
        reason = f"{whose} {age:.0f} s ago; the grace period is {rules.older_than:g} s"
    elif observation.times < rules.observations:
        reason = f"seen {observation.times} of {rules.observations} times"
    else:
        what = "an empty bridge" if is_empty_bridge(entry) else "not in the keep list"
        times = f"seen {observation.times} times"
        return Collected(entry, Outcome.WOULD_REMOVE, f"{what}, {times}")
    return Collected(entry, Outcome.WAITING, reason)


def _without_effect(
    verdict: Collected, plan: Callable[[objects.VIFBase, objects.InstanceInfo, bool], Plan]
) -> Collected:
    """Return ``spared`` for a VIF of which an unplug removes nothing, such as in Neutron's bridge."""
    entry = verdict.entry
    if verdict.outcome is not Outcome.WOULD_REMOVE or entry.owner is not None:
        return verdict
    try:
        if len(plan(entry.vif, entry.instance, True)):
            return verdict
    except exception.ExceptionBase:
        # The unplug reports the error, or acts without a plan.
        return verdict
    reason = "all devices of the VIF belong to other programs"
    return dataclasses.replace(verdict, outcome=Outcome.SPARED, reason=reason)


def _counted(results: Iterable[Collected]) -> Iterator[Collected]:
    """Yield the results of VIFs whose observations count."""
    return (result for result in results if result.outcome is not Outcome.SPARED)


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
        return None if rules.unowned else "no known owner"
    if rules.owners is not None and entry.owner not in rules.owners:
        return f"owner {entry.owner}"
    return None


def _key(result: Collected) -> str:
    return observations.key(result.entry.plugin, result.entry.id)


def _remove(
    verdicts: Sequence[Collected],
    before: _Identities,
    unplug_many: Callable[[Sequence[Pair]], Sequence[Result]],
) -> Iterator[Collected]:
    """Unplug the VIFs of a batch that have not changed since the inventory; yield the results."""
    changes = before.changes_of([verdict.entry for verdict in verdicts])
    pairs = [
        (verdict.entry.vif, verdict.entry.instance)
        for verdict, change in zip(verdicts, changes, strict=True)
        if change is None
    ]
    unplugged = iter(unplug_many(pairs))
    for verdict, change in zip(verdicts, changes, strict=True):
        if change is not None:
            yield dataclasses.replace(verdict, outcome=Outcome.CHANGED, reason=change)
        else:
            yield _result(verdict, next(unplugged))


def _result(verdict: Collected, unplugged: Result) -> Collected:
    """Return the result of the unplug of a VIF."""
    entry = verdict.entry
    if unplugged.error is not None:
        reason = str(unplugged.error)
        return dataclasses.replace(verdict, outcome=Outcome.FAILED, reason=reason)
    if unplugged.remaining and is_empty_bridge(entry):
        # Another VIF uses the bridge since the inventory.
        reason = "; ".join(unplugged.remaining)
        return dataclasses.replace(verdict, outcome=Outcome.CHANGED, reason=reason)
    LOG.info("Collected %s of owner %s: %s", entry.id, entry.owner, verdict.reason)
    return dataclasses.replace(verdict, outcome=Outcome.REMOVED)


class _Identities:
    """The identities of devices and records before the inventory.

    A device of the same name with another index was plugged again, and so was a VIF whose record was
    written again: each write makes a new file.
    """

    def __init__(self) -> None:
        with rtnetlink.opened() as net:
            self._indexes = {link.name: link.index for link in net.links()}
        self._files: dict[str, tuple[int, int]] = {}
        with contextlib.suppress(OSError), os.scandir(STATE.path) as files:
            self._files = {file.path: _identity(file.stat()) for file in files}

    def changes_of(self, entries: Sequence[Plugged]) -> list[str | None]:
        """Return in words how each VIF has changed since, or None; from a single dump of links."""
        with link_table.opened_table() as net:
            return [self._change_of(net, entry) for entry in entries]

    def _change_of(self, net: Netlink, entry: Plugged) -> str | None:
        path = vif_records.path_of(net, entry.id)
        try:
            found = _identity(pathlib.Path(path).stat())
        except OSError:
            found = None
        if found != self._files.get(path):
            return "the VIF was plugged again or unplugged since the inventory"
        for device in entry.devices:
            if device == entry.bridge:
                # Another VIF of the bridge may be the last user.
                continue
            link = net.link(device)
            if (None if link is None else link.index) != self._indexes.get(device):
                return f"device {device} has changed since the inventory"
        return None


def _identity(file: os.stat_result) -> tuple[int, int]:
    """Return the identity of a file of a record."""
    return file.st_ino, file.st_mtime_ns
