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


def with_record(candidate: Candidate, record: VifRecord) -> Candidate:
    """Return a candidate with the recorded VIF and instance.

    The recognised VIF is kept if the record is of another class or plugin, or has no document.
    """
    instance = _instance(record)
    if not instance.obj_what_changed():
        instance = candidate.instance
    vif = read_vif(record)
    if vif is None or not _is_consistent(vif, candidate.vif):
        vif = candidate.vif
    return dataclasses.replace(candidate, vif=vif, instance=instance)


def from_record(
    snapshot: HostSnapshot, plugins: Mapping[str, PluginBase], record: VifRecord
) -> Candidate | None:
    """Return the candidate of a VIF that no plugin has recognised; None without a document."""
    vif = read_vif(record)
    if vif is None:
        return None
    instance = _instance(record)
    devices = _devices(snapshot, plugins.get(plugin_name(vif)), vif, instance)
    return Candidate(
        vif,
        instance,
        RECORDED,
        devices,
        bridge=getattr(vif, "_obj_bridge_name", None),
        name=record.vif_id,
    )


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
    return str(getattr(vif, "_obj_plugin", None) or "")


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

    def value(vif: objects.VIFBase, field: str) -> Any:
        return getattr(vif, f"_obj_{field}", None)

    names = ("bridge_name",) if isinstance(found, objects.VIFBridge) else ()
    return (
        type(recorded) is type(found)
        and value(recorded, "plugin") == value(found, "plugin")
        and all(value(recorded, name) == value(found, name) for name in names)
    )


def _devices(
    snapshot: HostSnapshot,
    plugin: PluginBase | None,
    vif: objects.VIFBase,
    instance: objects.InstanceInfo,
) -> tuple[str, ...]:
    """Return the existing devices that an unplug of a VIF names."""
    if plugin is None or not hasattr(plugin, "has_plan_for") or not plugin.has_plan_for("unplug"):
        return ()
    try:
        plan = plugin.plan_unplug(vif, instance)
    except Exception as error:  # noqa: BLE001 - the check of the VIF reports the error
        LOG.debug("The devices of VIF %s are unknown: %s", vif, error)
        return ()
    names = dict.fromkeys(name for step in plan for name in step.devices)
    return tuple(name for name in names if name in snapshot.links)
