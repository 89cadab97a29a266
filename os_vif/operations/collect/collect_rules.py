# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The rules of garbage collection: which VIFs of the inventory are collectable, and when."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.device_names import DELETABLE_OVS_BRIDGES, HYBRID_BRIDGE
from os_vif.engine import recording
from os_vif.operations import observations
from os_vif.operations.collect.collect_results import Collected, CollectOutcome
from os_vif.operations.plugged import Plugged, State
from os_vif.recognition import OTHER_BRIDGE

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.host.netlink.rtnetlink import Netlink
    from os_vif.steps.plan import Plan

LOG = logging.getLogger(__name__)

#: Prefixes of bridges of the plugin ``ovs`` that belong to a single VIF or trunk.
_VIF_BRIDGES = (HYBRID_BRIDGE, *DELETABLE_OVS_BRIDGES)


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


def warn_of_unknown_owners(rules: Rules, entries: Sequence[Plugged]) -> None:
    """Log a warning for each owner without a VIF."""
    present = {entry.owner for entry in entries}
    for owner in sorted((rules.owners or frozenset()) - present):
        LOG.warning("No VIF of this host has the owner %s", owner)


def require_single_owner(rules: Rules, entries: Sequence[Plugged]) -> None:
    """Raise InvalidField if no owner is given and the host has VIFs of several owners."""
    owners = sorted({entry.owner for entry in entries if entry.owner is not None})
    if rules.owners is None and len(owners) > 1:
        raise exception.InvalidField(
            field="owner",
            found="not given",
            expected=f"one of {', '.join(owners)}: the host has VIFs of several owners, and the "
            "keep list of one owner does not name the VIFs of another",
        )


def judge(
    entry: Plugged,
    rules: Rules,
    seen: observations.Observations,
    net: Netlink,
    fingerprint: str,
) -> Collected:
    """Return whether a VIF is collectable, and count the observation.

    :param fingerprint: of the devices and the port of the VIF; another one than before starts anew.
    """
    if (reason := _reason_to_spare(entry, rules)) is not None:
        return Collected(entry, CollectOutcome.SPARED, reason)
    since = None if entry.since is None else entry.since.timestamp()
    record = None
    if not is_empty_bridge(entry):
        record = recording.record_of(entry.vif, entry.instance, is_plug=False)
    record_id = "" if record is None else record.vif_id
    now = observations.Observation(seen.now, 0, since, record_id, fingerprint=fingerprint)
    observation = seen.count(net, seen.key(entry.plugin, entry.id), now)
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


def spare_without_effect(
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
