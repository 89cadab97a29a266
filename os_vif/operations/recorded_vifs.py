# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Merges recorded VIFs into the VIFs that plugins recognise on the host."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from os_vif import exception, objects, serialization
from os_vif.recognition import Candidate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.state.vif_records import VifRecord
    from os_vif.plugin import PluginBase
    from os_vif.recognition import HostSnapshot

LOG = logging.getLogger("os_vif")

#: The way of plugging of a VIF that only the record tells.
RECORDED = "recorded"
#: Classes of VIFs whose device is in a pod, unseen by the host; ``vif_name`` is the name in the pod.
INSIDE = ("VIFMacvlanNested", "VIFVlanNested")
#: Number of the first characters of an id in the names of devices.
_BEGINNING = len("00000000-00")


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A VIF that a record tells."""

    candidate: Candidate
    #: Names of the devices, ports and bridges of the VIF, present or not.
    names: tuple[str, ...]

    def has(self, remains: Candidate) -> bool:
        """Return whether remains belong to the VIF."""
        vif = self.candidate.vif
        bridges = {_value(vif, "bridge_name"), _value(_value(vif, "network"), "bridge")}
        if remains.id == remains.bridge:
            return remains.id in bridges
        if remains.id == self.candidate.id:
            return True
        return any(name in self.names for name in (*remains.devices, remains.id)) or (
            len(remains.id) >= _BEGINNING and self.candidate.id.startswith(remains.id)
        )


class Claims:
    """The names of devices and ports that belong to VIFs, each with the id of the VIF."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def add(self, candidate: Candidate) -> None:
        """Add the devices and the port of a VIF."""
        for name in claims(candidate):
            self._owners.setdefault(name, candidate.id)

    def add_recorded(self, candidate: Candidate) -> None:
        """Add the devices and the port of a VIF, and the name that the guest's device will have."""
        self.add(candidate)
        if candidate.port is None and (name := _host_name(candidate.vif)):
            self._owners.setdefault(name, candidate.id)

    def owner_of(self, recorded: Recorded) -> tuple[str, str] | None:
        """Return a name of a recorded VIF that belongs to another VIF, and the id of that VIF."""
        return next(
            ((name, self._owners[name]) for name in recorded.names if name in self._owners), None
        )

    def is_of_other(self, name: str | None, vif_id: str) -> bool:
        """Return whether a name belongs to another VIF."""
        return self._owners.get(name or "", vif_id) != vif_id


def claims(candidate: Candidate) -> frozenset[str]:
    """Return the names of the devices and the port that belong to no other VIF."""
    names = (*candidate.devices, candidate.port)
    return frozenset(name for name in names if name and name != candidate.bridge)


def is_same(found: Candidate, plugin: str, read: Recorded, record: VifRecord) -> bool:
    """Return whether a recorded VIF with the port of a recognised VIF is that VIF.

    The id of the VIF may be unset, or another than the ``iface-id`` of the port.
    """
    if not record.is_of(plugin):
        return False
    wanted, present = (_interface_id(vif) for vif in (read.candidate.vif, found.vif))
    is_beginning = len(found.id) >= _BEGINNING and record.vif_id.startswith(found.id)
    return is_beginning or (wanted is not None and wanted == present)


def with_record(candidate: Candidate, record: VifRecord, others: Claims) -> Candidate:
    """Return a candidate with the recorded VIF and instance.

    The recognised VIF is kept if the record is of another class or plugin, has no document, or
    names the device of another VIF.
    """
    instance = _instance(record)
    if not instance.obj_what_changed():
        instance = candidate.instance
    vif = read_vif(record)
    if (
        vif is None
        or not _is_consistent(vif, candidate.vif)
        or others.is_of_other(_host_name(vif), candidate.id)
    ):
        vif = candidate.vif
    name = record.vif_id if candidate.id != record.vif_id else candidate.name
    return dataclasses.replace(candidate, vif=vif, instance=instance, name=name)


def only_record(candidate: Candidate, record: VifRecord, name: str, other: str) -> Candidate:
    """Return the candidate of a recorded VIF whose device belongs to another VIF.

    An unplug of the candidate deletes the record, and nothing else.
    """
    vif = objects.VIFBase(id=record.vif_id, plugin=plugin_name(candidate.vif))
    reason = f"only the record remains: {name} belongs to VIF {other}"
    return Candidate(vif, candidate.instance, RECORDED, name=record.vif_id, left_over=(reason,))


def from_record(
    snapshot: HostSnapshot, plugins: Mapping[str, PluginBase], record: VifRecord
) -> Recorded | None:
    """Return the VIF of a record that no plugin has recognised; None without a document."""
    vif = read_vif(record)
    if vif is None:
        return None
    instance = _instance(record)
    names = _names(plugins.get(plugin_name(vif)), vif, instance)
    candidate = Candidate(
        vif,
        instance,
        RECORDED,
        tuple(name for name in names if name in snapshot.links),
        bridge=_value(vif, "bridge_name"),
        name=record.vif_id,
    )
    return Recorded(candidate, tuple(name for name in names if name != candidate.bridge))


def read_vif(record: VifRecord) -> Any:
    """Return the VIF in a record; None if the record has no document that can be read."""
    if not record.document:
        return None
    try:
        vif = serialization.loads(record.document)
    except exception.SerializationError as error:
        LOG.warning("The recorded document of VIF %s cannot be read: %s", record.vif_id, error)
        return None
    return vif if isinstance(vif, objects.VIFBase) else None


def plugin_name(vif: objects.VIFBase) -> str:
    """Return the name of the plugin of a recorded VIF; an empty text if unset."""
    return str(_value(vif, "plugin") or "")


def _instance(record: VifRecord) -> objects.InstanceInfo:
    """Return the recorded virtual machine or pod."""
    instance = objects.InstanceInfo()
    if record.instance_uuid:
        instance.uuid = record.instance_uuid
    if record.instance_name:
        instance.name = record.instance_name
    return instance


def _is_consistent(recorded: objects.VIFBase, found: objects.VIFBase) -> bool:
    """Return whether a recorded VIF and a VIF on the host have the same plugin, class and names."""
    names = ("bridge_name",) if isinstance(found, objects.VIFBridge) else ()
    return (
        type(recorded) is type(found)
        and _value(recorded, "plugin") == _value(found, "plugin")
        and all(_value(recorded, name) == _value(found, name) for name in names)
    )


def _names(
    plugin: PluginBase | None, vif: objects.VIFBase, instance: objects.InstanceInfo
) -> tuple[str, ...]:
    """Return the names of the devices, ports and bridges that an unplug of a VIF names."""
    own = _host_name(vif)
    names: dict[str, None] = {own: None} if own else {}
    if plugin is None or not hasattr(plugin, "has_plan_for") or not plugin.has_plan_for("unplug"):
        return tuple(names)
    try:
        plan = plugin.plan_unplug(vif, instance)
    except Exception as error:  # noqa: BLE001 - the check of the VIF reports the error
        LOG.debug("The devices of VIF %s are unknown: %s", vif, error)
        return tuple(names)
    names |= dict.fromkeys(name for step in plan for name in step.devices)
    return tuple(names)


def _host_name(vif: objects.VIFBase) -> str | None:
    """Return the name of the device on the host, or None."""
    name = None if vif.obj_name() in INSIDE else _value(vif, "vif_name")
    return name and str(name)


def _value(thing: Any, field: str) -> Any:
    """Return a field of an object; None if the object is None, or the field is unset."""
    return getattr(thing, f"_obj_{field}", None)


def _interface_id(vif: objects.VIFBase) -> str | None:
    """Return the id of the Neutron port in the port profile, or None."""
    found = _value(_value(vif, "port_profile"), "interface_id")
    return str(found) if found else None
