# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The watch: reports each difference between the host and a plugged VIF when the host changes.

The kernel and ovsdb-server notify of changes (:mod:`os_vif.operations.host_events`); a notification
leads to a check of the VIFs that the changed devices and rows belong to. After lost notifications,
the watch takes the inventory. Without notifications, the watch sleeps.

A difference is reported if two checks in succession find the difference, so that a plug in progress
is no difference. A VIF without a record is missing from the next inventory when unplugged, and a VIF
with a record is unplugged when the record is deleted.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from os_vif import exception
from os_vif.device_names import MAX_LENGTH, TAP
from os_vif.engine import recording
from os_vif.host.netlink import rtnetlink
from os_vif.host.state import locks, vif_records
from os_vif.host.state.directory import STATE
from os_vif.operations.plugged import Plugged, State

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.operations.host_events import HostEvents
    from os_vif.steps.plan import Difference, Plan

LOG = logging.getLogger("os_vif")

#: Seconds between a notification and the check, and between two checks of a new difference: a plug
#: causes several notifications.
_SETTLE = 0.01
#: Seconds between two reads of the lock of a VIF during a plug, and the longest wait. A killed
#: process leaves the lock in the state of a plug in progress.
_LOCK_INTERVAL, _LOCK_PATIENCE = 0.05, 5.0
#: Seconds between an unknown device and the inventory, and the part of the time for inventories.
_INVENTORY_DELAY, _INVENTORY_SHARE = 0.2, 10.0
#: Largest delay of a repeated repair, in multiples of the delay of the first repair.
_LONGEST_BACKOFF = 64


@dataclasses.dataclass(frozen=True)
class Notice:
    """A difference that has appeared, or a VIF whose differences have ended."""

    #: Id of the VIF; None for the watch itself, such as a lost connection to Open vSwitch.
    vif: str | None
    #: None if the VIF has no differences any more, or the connection is open again.
    difference: Difference | None
    #: When the difference was first found; without a difference, when the last difference ended.
    since: dt.datetime


class Host(Protocol):
    """The functions of :mod:`os_vif` that the watch calls."""

    def inventory(self) -> Sequence[Plugged]:
        """Return the VIFs of the host."""

    def check(
        self, vif: objects.VIFBase, instance_info: objects.InstanceInfo
    ) -> tuple[Difference, ...]:
        """Return the differences of a VIF."""

    def plan(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that plug a VIF."""

    def plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> None:
        """Plug a VIF."""


@dataclasses.dataclass
class Watched:
    """A VIF under watch."""

    entry: Plugged
    #: Names of the devices, ports and bridges of the VIF.
    names: frozenset[str]
    #: Whether the VIF had a record at the last inventory.
    is_recorded: bool = False
    #: The time of the first find, by difference.
    since: dict[Difference, dt.datetime] = dataclasses.field(default_factory=dict)
    #: Differences of a single check.
    suspected: frozenset[Difference] = frozenset()
    #: Monotonic time of the next check, and of the start of a wait for a lock.
    check_at: float = math.inf
    locked_since: float | None = None
    #: Monotonic time of the next repair, and the number of repairs of the same differences.
    repair_at: float = math.inf
    repairs: int = 0

    @property
    def state(self) -> State:
        """The state by the last check."""
        if self.entry.state in (State.LEFT_OVER, State.UNKNOWN):
            return self.entry.state
        if any(not difference.pending for difference in self.since):
            return State.DIFFERS
        return State.PENDING if self.since else State.RIGHT


class Watch:
    """Checks VIFs when the host changes. Not for several threads at once.

    :param report: called with each notice.
    :param repair_after: seconds of the same difference after which a VIF is plugged again; None
        repairs nothing. A repair without success is repeated after twice the time.
    :param on_change: called after each change of :attr:`vifs` or :attr:`repairs`.
    :param refresh: seconds after which *on_change* is called without a change; None for never.
    """

    def __init__(
        self,
        host: Host,
        events: HostEvents,
        report: Callable[[Notice], None],
        *,
        repair_after: float | None = None,
        on_change: Callable[[], None] = lambda: None,
        refresh: float | None = None,
    ) -> None:
        self._host, self._events, self._report = host, events, report
        self._repair_after, self._on_change, self._refresh = repair_after, on_change, refresh
        #: The VIFs of the host by plugin and id.
        self.vifs: dict[tuple[str, str], Watched] = {}
        #: Number of repairs by outcome: ``repaired`` or ``failed``.
        self.repairs = {"repaired": 0, "failed": 0}
        self._by_name: dict[str, set[tuple[str, str]]] = {}
        self._has_inventory = False
        self._inventory_at = math.inf
        self._inventory_not_before = -math.inf

    def run(self) -> None:
        """Handle notifications until :meth:`HostEvents.stop`, or an exception of *report*."""
        refreshed = time.monotonic()
        while not self._events.is_stopped:
            self.step(self._refresh)
            if self._refresh is not None and time.monotonic() - refreshed >= self._refresh:
                refreshed = time.monotonic()
                self._on_change()

    def step(self, longest: float | None = None) -> None:
        """Wait for the next notification or time, and act.

        :param longest: seconds to wait at most; None waits until there is something to do.
        """
        self._do_due()
        due = self._next_due() - time.monotonic()
        waits = [seconds for seconds in (due, longest) if seconds is not None]
        events = self._events.wait(min(waits, default=math.inf))
        for difference in events.faults:
            self._report(Notice(None, difference, _now()))
            self._on_change()
        if events.is_incomplete:
            self._inventory_at = time.monotonic()
            self._inventory_not_before = -math.inf
        self._schedule(events.names)
        self._do_due()

    def _schedule(self, names: Mapping[str, bool]) -> None:
        """Schedule checks of the VIFs of changed names; an inventory for a new name.

        :param names: whether a device or row of the name may be a new VIF, by name.
        """
        due = time.monotonic() + _SETTLE
        for name, may_be_new in names.items():
            keys = self._by_name.get(name)
            for key in keys or ():
                watched = self.vifs[key]
                watched.check_at = min(watched.check_at, due)
            if not keys and may_be_new:
                wanted = time.monotonic() + _INVENTORY_DELAY
                self._inventory_at = min(self._inventory_at, wanted)

    def _next_due(self) -> float:
        """Return the monotonic time of the next action."""
        times = [max(self._inventory_at, self._inventory_not_before)]
        for watched in self.vifs.values():
            times += (watched.check_at, watched.repair_at)
        return min(times)

    def _do_due(self) -> None:
        """Check and repair the VIFs whose time has come, and take a due inventory."""
        now = time.monotonic()
        for key, watched in list(self.vifs.items()):
            if watched.check_at <= now:
                self._check(key, watched)
            elif watched.repair_at <= now:
                self._repair(key, watched)
        if max(self._inventory_at, self._inventory_not_before) <= time.monotonic():
            self._take_inventory()

    def _take_inventory(self) -> None:
        """Replace the VIFs by those of the inventory, and report the changes."""
        self._inventory_at = math.inf
        begun = time.monotonic()
        entries = {(entry.plugin, entry.id): entry for entry in self._host.inventory()}
        for key in self.vifs.keys() - entries.keys():
            self._forget(key)
        for key, entry in entries.items():
            watched = self.vifs.get(key)
            if watched is None:
                watched = self.vifs[key] = Watched(entry, frozenset())
            if not watched.names or _places(watched.entry) != _places(entry):
                names = self._names_of(entry)
                self._index(key, watched.names, names)
                watched.names = names
            watched.entry, watched.is_recorded = entry, _has_record(entry)
            found = frozenset(entry.differences)
            new = found - watched.since.keys()
            if new and watched.is_recorded and self._has_inventory:
                # The VIF may be being plugged.
                watched.suspected, watched.check_at = new, begun + _SETTLE
                found -= new
            self._note(watched, found)
        self._has_inventory = True
        took = time.monotonic() - begun
        self._inventory_not_before = time.monotonic() + took * _INVENTORY_SHARE
        self._on_change()

    def _names_of(self, entry: Plugged) -> frozenset[str]:
        """Return the names of devices, ports and bridges of which a change may concern a VIF."""
        names = {entry.id, *entry.devices, *filter(None, (entry.port, entry.bridge))}
        try:
            plan = self._host.plan(entry.vif, entry.instance)
        except exception.ExceptionBase as error:
            LOG.debug("The devices of VIF %s are those of the inventory: %s", entry.id, error)
        else:
            for step in (*plan.steps, *plan.awaits):
                names.update(step.devices)
        return frozenset(names)

    def _index(self, key: tuple[str, str], before: Iterable[str], names: Iterable[str]) -> None:
        """Replace the names of a VIF in the index."""
        for name in before:
            keys = self._by_name.get(name, set())
            keys.discard(key)
            if not keys:
                self._by_name.pop(name, None)
        for name in names:
            self._by_name.setdefault(name, set()).add(key)

    def _forget(self, key: tuple[str, str]) -> None:
        """Remove an unplugged VIF."""
        watched = self.vifs.pop(key)
        self._index(key, watched.names, ())
        if watched.since:
            self._report(Notice(watched.entry.id, None, _now()))

    def _check(self, key: tuple[str, str], watched: Watched) -> None:
        """Check a VIF, and report new differences."""
        watched.check_at = math.inf
        entry = watched.entry
        presence = self._presence(watched)
        if presence is None:
            watched.check_at = time.monotonic() + _LOCK_INTERVAL
            return
        if presence is False and watched.is_recorded:
            self._forget(key)
            self._on_change()
            return
        if entry.state in (State.LEFT_OVER, State.UNKNOWN):
            self._inventory_at = time.monotonic()
            return
        try:
            found = frozenset(self._host.check(entry.vif, entry.instance))
        except exception.ExceptionBase as error:
            # Open vSwitch may be restarting; the inventory after the reconnection checks all VIFs.
            LOG.warning("VIF %s cannot be checked: %s", entry.id, error)
            return
        new = found - watched.since.keys()
        if any(_is_of_other_vif(difference) for difference in new):
            # Another VIF may have the port: the inventory decides.
            self._inventory_at = time.monotonic()
            self._inventory_not_before = -math.inf
            return
        if new - watched.suspected:
            watched.suspected = new
            watched.check_at = time.monotonic() + _SETTLE
            found -= new
        elif any(not difference.pending for difference in new) and not watched.is_recorded:
            # Without a record, only the inventory tells an unplugged VIF from a broken one.
            watched.suspected = frozenset()
            self._inventory_at = time.monotonic()
            self._inventory_not_before = -math.inf
            return
        self._note(watched, found)
        self._on_change()

    def _presence(self, watched: Watched) -> bool | None:
        """Return whether a VIF has a record; None while a plug or unplug of the VIF is running."""
        if self._is_locked(watched.entry):
            now = time.monotonic()
            if watched.locked_since is None:
                watched.locked_since = now
            if now - watched.locked_since < _LOCK_PATIENCE:
                return None
        else:
            watched.locked_since = None
        # Read last: a plan deletes the record before the end of its lock.
        return _has_record(watched.entry)

    def _is_locked(self, entry: Plugged) -> bool:
        """Return whether a plan holds a lock of a VIF, or was killed with the lock."""
        with rtnetlink.opened() as net:
            slots = [vif_records.lock_name(entry.id)]
            slots += [device for device in entry.devices if device != entry.bridge]
            # Without the file, no plan has run since the boot.
            if STATE.exists("generation") and locks.read_generations(net.netns, slots) is None:
                return True
        port = _locked_port(entry)
        return port is not None and self._events.is_port_locked(port)

    def _note(self, watched: Watched, found: frozenset[Difference]) -> None:
        """Record the present differences of a VIF, and report new ones and the end of all."""
        now = _now()
        ended = watched.since.keys() - found
        for difference in ended:
            del watched.since[difference]
        for difference in sorted(found - watched.since.keys(), key=str):
            watched.since[difference] = now
            self._report(Notice(watched.entry.id, difference, now))
        if ended and not watched.since:
            self._report(Notice(watched.entry.id, None, now))
        if not any(not difference.pending for difference in watched.since):
            watched.repair_at, watched.repairs = math.inf, 0
        elif self._repair_after is not None and watched.repair_at == math.inf:
            watched.repair_at = time.monotonic() + self._delay(watched)

    def _delay(self, watched: Watched) -> float:
        """Return the seconds until the next repair."""
        factor: int = min(2**watched.repairs, _LONGEST_BACKOFF)
        return (self._repair_after or 0.0) * factor

    def _is_left_over(self, key: tuple[str, str]) -> bool:
        """Return whether only the record of a VIF remains in a new inventory."""
        return not any(
            (entry.plugin, entry.id) == key and entry.state is not State.LEFT_OVER
            for entry in self._host.inventory()
        )

    def _repair(self, key: tuple[str, str], watched: Watched) -> None:
        """Plug a VIF again, unless the VIF is being plugged or unplugged, or is right."""
        entry = watched.entry
        watched.repair_at = math.inf
        presence = self._presence(watched)
        if presence is None or (presence is False and watched.is_recorded):
            # Unplugged, or at work: the check decides, and the repair follows.
            watched.check_at = time.monotonic()
            watched.repair_at = time.monotonic() + _LOCK_INTERVAL
            return
        watched.repairs += 1
        try:
            differences = self._host.check(entry.vif, entry.instance)
            if any(map(_is_of_other_vif, differences)) and self._is_left_over(key):
                watched.check_at = time.monotonic()
                return
            if any(not d.pending for d in differences):
                with recording.keeping_owner():
                    self._host.plug(entry.vif, entry.instance)
                self.repairs["repaired"] += 1
                LOG.info("Plugged VIF %s of owner %s again", entry.id, entry.owner)
            found = frozenset(self._host.check(entry.vif, entry.instance))
        except exception.ExceptionBase as error:
            self.repairs["failed"] += 1
            LOG.warning("VIF %s cannot be repaired: %s", entry.id, error)
            watched.repair_at = time.monotonic() + self._delay(watched)
        else:
            self._note(watched, found)
        self._on_change()


def _is_of_other_vif(difference: Difference) -> bool:
    """Return whether the port of a VIF has the id of another VIF."""
    return difference.attribute == "external_ids:iface-id" and difference.found != "missing"


def _places(entry: Plugged) -> tuple[object, ...]:
    """Return the devices, the port and the bridge of a VIF."""
    return entry.devices, entry.port, entry.bridge


def _locked_port(entry: Plugged) -> str | None:
    """Return the name whose lock a plan of a VIF holds in Open vSwitch; None without such a lock.

    A port that is not created yet has the name of the VIF's device.
    """
    if entry.port is not None or entry.plugin != "ovs":
        return entry.port
    name: str | None = getattr(entry.vif, "vif_name", None) if "vif_name" in entry.vif else None
    return name or f"{TAP}{entry.id}"[:MAX_LENGTH]


def _has_record(entry: Plugged) -> bool:
    """Return whether a VIF has a record."""
    with rtnetlink.opened() as net:
        record = vif_records.read_record(net, entry.id)
        if record is not None:
            return record.is_of(entry.plugin)
        return vif_records.has_record(net, entry.id)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
