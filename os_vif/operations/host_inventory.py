# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The inventory of the host: one entry for each VIF, behind :func:`os_vif.inventory`.

Devices, rows and records are read once. Each plugin recognises VIFs of its own, and the state of a
VIF is the result of a check of the plug plan against the same reads.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from os_vif import engine, exception, recognition
from os_vif.call_errors import error_text
from os_vif.engine import failure
from os_vif.operations import recorded_vifs
from os_vif.operations.plugged import Plugged, State
from os_vif.steps.plan import Plan

if TYPE_CHECKING:
    from os_vif.host.state.vif_records import VifRecord
    from os_vif.plugin import PluginBase
    from os_vif.recognition import Candidate, HostSnapshot, Uplink
    from os_vif.steps.plan import Difference

LOG = logging.getLogger("os_vif")

_GONE = "the host has neither a device nor a port of the VIF; only the record remains"


class Inventory(tuple[Plugged, ...]):  # noqa: SLOT001 - a tuple with an attribute
    """The VIFs of the host, ordered by id.

    ``errors`` is part of the result: with an error, VIFs may be missing.
    """

    #: A sentence for each source that could not be read, such as Open vSwitch; the VIFs of that
    #: source are missing, or are entries with ``State.UNKNOWN``.
    errors: tuple[str, ...] = ()
    #: A sentence for each source that the host seems not to have. No error, but VIFs of a source
    #: that is present in another place, such as a socket with another path, would be missing.
    absent: tuple[str, ...] = ()
    #: The connections of the bridges of the host, for the picture.
    uplinks: tuple[Uplink, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Found:
    """A candidate with the plugin and the record."""

    candidate: Candidate
    name: str
    #: None for a plugin that is not loaded.
    plugin: PluginBase | None
    record: VifRecord | None = None


def take_inventory(plugins: Mapping[str, PluginBase], load_errors: Mapping[str, str]) -> Inventory:
    """Return the VIFs of the host.

    :param plugins: the loaded plugins by name.
    :param load_errors: errors of the plugins that could not be loaded, by name.
    :raises OSError: if the kernel refuses the list of network devices.
    """
    errors = [f"plugin {name} cannot be used: {text}" for name, text in load_errors.items()]
    with recognition.opened() as snapshot:
        found = _recognise(snapshot, plugins, errors)
        merged = _merge_records(snapshot, plugins, found)
        planned = [(each, _plan_of(each)) for each in merged]
        plans = [
            (plan, each.plugin.privsep_module)
            for each, plan in planned
            if isinstance(plan, Plan) and each.plugin is not None
        ]
        with engine.read_ahead(plans) as errors_of_daemons:
            states = _States({name: error_text(e) for name, e in errors_of_daemons.items()})
            entries = [states.entry(each, plan) for each, plan in planned]
    inventory = Inventory(sorted(entries, key=lambda entry: (entry.id, entry.plugin)))
    inventory.errors = tuple(errors)
    inventory.absent = tuple(dict.fromkeys(snapshot.absent))
    inventory.uplinks = tuple(sorted(set(snapshot.uplinks)))
    for text in errors:
        LOG.error("The inventory is incomplete: %s", text)
    return inventory


def _recognise(
    snapshot: HostSnapshot, plugins: Mapping[str, PluginBase], errors: list[str]
) -> list[_Found]:
    """Return the VIFs that the plugins recognise.

    :param errors: receives a sentence for each plugin that fails.
    """
    by_id: dict[str, list[_Found]] = {}
    for name, plugin in plugins.items():
        # A plugin may derive from a class other than PluginBase.
        recognise = getattr(plugin, "recognise", None)
        if recognise is None:
            continue
        try:
            candidates = list(recognise(snapshot))
        except Exception as error:
            errors.append(f"the VIFs of plugin {name} are unknown: {error_text(error)}")
            LOG.debug("Traceback of that failure:", exc_info=error)
            continue
        for candidate in candidates:
            candidate.vif.plugin = name
            record = None if candidate.left_over else snapshot.vif_records.get(candidate.id)
            each = _Found(candidate, name, plugin, record)
            present = by_id.setdefault(candidate.id, [])
            same = next((n for n, other in enumerate(present) if _is_same(each, other)), None)
            if same is None:
                present.append(each)
            elif _rank(each) > _rank(present[same]):
                present[same] = each
    return [
        each
        if each.record is None or each.record.is_of(each.name)
        else dataclasses.replace(each, record=None)
        for present in by_id.values()
        for each in present
    ]


def _is_same(one: _Found, other: _Found) -> bool:
    """Return whether two candidates with an id are one VIF.

    A derived plugin recognises the VIFs of the base class too. Two unrelated plugins may have
    plugged two VIFs with an id, for example before and after a change of the network.
    """
    if isinstance(one.plugin, type(other.plugin)) or isinstance(other.plugin, type(one.plugin)):
        return True
    return not recorded_vifs.claims(one.candidate).isdisjoint(
        recorded_vifs.claims(other.candidate)
    )


def _merge_records(
    snapshot: HostSnapshot, plugins: Mapping[str, PluginBase], recognised: Sequence[_Found]
) -> list[_Found]:
    """Return the VIFs of the host, each with the record.

    The host outranks a record: devices and ports of a recognised VIF belong to no record of another
    VIF. A newer record outranks an older one.
    """
    plugged = [each for each in recognised if not each.candidate.left_over]
    remains = [each for each in recognised if each.candidate.left_over]
    taken = recorded_vifs.Claims()
    for each in plugged:
        taken.add(each.candidate)
    plugged, others = _with_records(snapshot, plugins, plugged)
    for number, each in enumerate(plugged):
        if each.record is not None:
            candidate = recorded_vifs.with_record(each.candidate, each.record, taken)
            plugged[number] = dataclasses.replace(each, candidate=candidate)
            taken.add_recorded(candidate)
    for record, read in others:
        candidate, name = read.candidate, recorded_vifs.plugin_name(read.candidate.vif)
        if (other := taken.owner_of(read)) is not None:
            candidate = recorded_vifs.only_record(candidate, record, *other)
        else:
            own = [e for e in remains if e.name == name and read.has(e.candidate)]
            remains = [each for each in remains if each not in own]
            more = (device for each in own for device in each.candidate.devices)
            devices = tuple(dict.fromkeys((*candidate.devices, *more)))
            candidate = dataclasses.replace(candidate, devices=devices)
            taken.add_recorded(candidate)
        plugged.append(_Found(candidate, name, plugins.get(name), record))
    return [*plugged, *remains]


def _with_records(
    snapshot: HostSnapshot, plugins: Mapping[str, PluginBase], plugged: Sequence[_Found]
) -> tuple[list[_Found], list[tuple[VifRecord, recorded_vifs.Recorded]]]:
    """Return plugged VIFs with their records, and the records of other VIFs, newest first.

    A record has the id of the VIF, or the port. The id of a VIF may be unset, or another than the
    ``iface-id`` of the port.
    """
    found = list(plugged)
    owners = {
        name: number
        for number, each in enumerate(found)
        for name in recorded_vifs.claims(each.candidate)
    }
    others = []
    done = {each.record.vif_id for each in found if each.record is not None}
    for record in sorted(snapshot.vif_records.values(), key=lambda record: -record.since):
        read = None
        if record.vif_id not in done:
            read = recorded_vifs.from_record(snapshot, plugins, record)
        if read is None:
            continue
        owner = next((owners[name] for name in read.names if name in owners), None)
        each = None if owner is None else found[owner]
        if owner is None or each is None or each.record is not None:
            others.append((record, read))
        elif recorded_vifs.is_same(each.candidate, each.name, read, record):
            found[owner] = dataclasses.replace(each, record=record)
        else:
            others.append((record, read))
    return found, others


def _rank(found: _Found) -> tuple[bool, bool, bool, bool]:
    """Return the order of several candidates for one VIF.

    A plugged VIF is preferred, then the plugin of the record, a port, and the method of the class:
    a derived plugin recognises the VIFs of the base class too.
    """
    candidate, record = found.candidate, found.record
    is_recorded = record is not None and bool(record.plugin) and record.is_of(found.name)
    is_own = "recognise" in vars(type(found.plugin))
    return not candidate.left_over, is_recorded, candidate.port is not None, is_own


@dataclasses.dataclass
class _States:
    """The states of VIFs in the shared reads of the host."""

    #: Why a privileged daemon does not start, by module. A second VIF does not start the daemon.
    unstarted: dict[str | None, str] = dataclasses.field(default_factory=dict)

    def entry(self, found: _Found, plan: Plan | _UnreadableError | None) -> Plugged:
        """Return the entry of a VIF, with the state by the plug plan."""
        candidate, record = found.candidate, found.record
        state, reasons, differences = self._state(found, plan)
        return Plugged(
            id=candidate.id,
            vif=candidate.vif,
            instance=candidate.instance,
            plugin=found.name,
            way=candidate.way,
            owner=candidate.owner if record is None else record.owner,
            since=None if record is None else dt.datetime.fromtimestamp(record.since, dt.UTC),
            devices=candidate.devices,
            port=candidate.port,
            bridge=candidate.bridge,
            state=state,
            reasons=reasons,
            differences=differences,
            row=candidate.row,
        )

    def _state(
        self, found: _Found, plan: Plan | _UnreadableError | None
    ) -> tuple[State, tuple[str, ...], tuple[Difference, ...]]:
        """Return the state of a VIF, the reasons, and the differences from the plug plan."""
        candidate = found.candidate
        if plan is None:
            return State.LEFT_OVER, candidate.left_over, ()
        try:
            differences, unread = self._check(plan, _module_of(found))
        except _UnreadableError as error:
            return error.state, (str(error),), ()
        if _is_gone(candidate, differences):
            return State.LEFT_OVER, (_GONE,), differences
        reasons = (*(str(difference) for difference in differences), *unread)
        if any(not difference.pending for difference in differences):
            return State.DIFFERS, reasons, differences
        if unread:
            return State.UNKNOWN, reasons, differences
        return (State.PENDING if differences else State.RIGHT), reasons, differences

    def _check(
        self, plan: Plan | _UnreadableError, module: str | None
    ) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
        """Return the differences of a plan, and a sentence about each unreadable part.

        :raises _UnreadableError: if there is no plan, or the host cannot be read.
        """
        if isinstance(plan, _UnreadableError):
            raise plan
        try:
            return self._check_readable(plan, module)
        except Exception as error:
            raise _unreadable("the host cannot be read", error) from error

    def _check_readable(
        self, plan: Plan, module: str | None
    ) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
        """Check a plan; without the privileged daemon, check the steps that all users can check."""
        hidden = [step for step in plan if getattr(step, "check_requires_root", False)]
        if not hidden or module not in self.unstarted:
            try:
                return engine.check(plan, module), ()
            except failure.NotStartedError as error:
                self.unstarted[module] = error_text(error)
        visible = Plan(
            *(step for step in plan if step not in hidden), switch=plan.switch, awaits=plan.awaits
        )
        names = ", ".join(dict.fromkeys(type(step).__name__ for step in hidden))
        unread = f"{names}: only root can read the host: {self.unstarted[module]}"
        return engine.check(visible, module), (unread,)


def _plan_of(found: _Found) -> Plan | _UnreadableError | None:
    """Return the plug plan of a VIF, or why there is no plan; None for remains."""
    candidate, plugin = found.candidate, found.plugin
    if candidate.left_over:
        return None
    if plugin is None:
        return _UnreadableError(State.UNKNOWN, f"plugin {found.name} is not loaded")
    if not hasattr(plugin, "has_plan_for") or not plugin.has_plan_for("plug"):
        return _UnreadableError(State.UNKNOWN, f"plugin {found.name} acts without a plan")
    try:
        return plugin.plan_plug(candidate.vif, candidate.instance)
    except Exception as error:  # noqa: BLE001 - the entry has the error
        return _unreadable("a plug would fail", error)


def _unreadable(what: str, error: Exception) -> _UnreadableError:
    """Return the state of a VIF after an error of the plan or of the check."""
    is_refused = isinstance(error, exception.InvalidField | exception.InvalidStep)
    state = State.DIFFERS if is_refused else State.UNKNOWN
    return _UnreadableError(state, f"{what}: {error_text(error)}")


def _module_of(found: _Found) -> str | None:
    """Return the import path of the module of the daemon of a VIF."""
    return None if found.plugin is None else found.plugin.privsep_module


class _UnreadableError(Exception):
    """The differences of a VIF are unknown."""

    def __init__(self, state: State, text: str) -> None:
        super().__init__(text)
        self.state = state


def _is_gone(candidate: Candidate, differences: Sequence[Difference]) -> bool:
    """Return whether the host has nothing of a VIF except the record."""
    return (
        candidate.way == recorded_vifs.RECORDED
        and not candidate.devices
        and any(not difference.pending for difference in differences)
    )
