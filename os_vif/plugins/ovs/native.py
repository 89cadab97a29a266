# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plug a ``VIFOpenVSwitch``: the guest's device is itself a port of Open vSwitch.

By default the hypervisor adds the port, and the plan only creates the bridge. The plan creates
the port with ``create_port`` in the port profile, or with the option ``per_port_bridge``. With the
option, the port is in a bridge of the VIF's own, and a pair of patch ports connects the bridge to
the integration bridge.
"""

from __future__ import annotations

from collections.abc import Mapping

from os_vif import exception, vif_fields
from os_vif.device_names import (
    HYBRID_BRIDGE,
    HYBRID_BRIDGE_HALF,
    HYBRID_PORT_HALF,
    PER_PORT_BRIDGE,
)
from os_vif.host import limits
from os_vif.host.ovsdb import lookups
from os_vif.plugins import awaited
from os_vif.plugins.ovs import common_steps, context, names
from os_vif.plugins.ovs.context import VifContext
from os_vif.steps import (
    DeleteBridge,
    DeleteLink,
    DeleteOvsBridge,
    EnsureOvsBridge,
    EnsureOvsPort,
    Plan,
    Step,
)
from os_vif.steps.ovs.hypervisor_port import OvsPortName
from os_vif.steps.ovs.step import OvsStep

SOURCES: Mapping[str, str] = context.SOURCES


def plan(vif: VifContext) -> Plan:
    """Return the steps that plug a VIF."""
    steps = _plug_steps(vif)
    own = _own_bridge_name(vif) if vif_fields.get(vif.vif, "id") else None
    return vif.plan(*steps, awaits=awaited.port_of_switch(vif.vif, vif.profile, steps, own))


def unplan(vif: VifContext) -> Plan:
    """Return the steps that unplug a VIF.

    A hybrid plug before a cold migration may have left devices, and an earlier plug may have
    created a bridge of the VIF's own; both are deleted too. A VIF whose id
    no device name can contain has no such devices.
    """
    name = vif_fields.named(vif.vif, "vif_name")
    device = DeleteLink(name, include_unmanaged=True)
    if vif_fields.get(vif.vif, "id") is None:
        return vif.plan(*common_steps.delete_ports(vif, name), device)
    qvo, qvb = _usable_name(vif, HYBRID_PORT_HALF), _usable_name(vif, HYBRID_BRIDGE_HALF)
    ports = (name, *qvo, *_patch_ports(vif))
    return vif.plan(
        *common_steps.delete_ports(vif, *ports),
        *map(DeleteOvsBridge, _usable_name(vif, PER_PORT_BRIDGE)),
        device,
        *(DeleteLink(half, include_unmanaged=True) for half in (*qvo, *qvb)),
        *(DeleteBridge(qbr, include_unmanaged=True) for qbr in _usable_name(vif, HYBRID_BRIDGE)),
    )


def _plug_steps(vif: VifContext) -> tuple[Step, ...]:
    """Return the steps of :func:`plan`."""
    bridge, datapath = vif.bridge, vif.datapath()
    integration = common_steps.ensure_bridge(vif, datapath)
    create_port = bool(vif_fields.get(vif.profile, "create_port"))
    if not vif.config.per_port_bridge and not create_port:
        given = vif_fields.get(vif.vif, "vif_name")
        # Only the hypervisor needs the name, and may give the device another name.
        usable = limits.is_device_name(given) and given != bridge
        return (integration, OvsPortName(given)) if usable else (integration,)
    name = vif_fields.named(vif.vif, "vif_name")
    if not create_port and not _is_in_own_bridge(vif, name):
        return (integration, OvsPortName(name))
    device = vif.methods.device(vif.vif, vif.profile, name)
    if not create_port:
        return (*device, integration, *_own_bridge(vif, name, datapath))
    port = EnsureOvsPort(
        bridge,
        name,
        external_ids=vif.ids,
        isolated=vif.isolated,
        qos=vif.qos(datapath),
        must_open=_creates_tap(vif),
    )
    if _is_in_own_bridge(vif, name, (integration, port)):
        return (*device, integration, *_own_bridge(vif, name, datapath))
    return (*device, integration, port)


def _own_bridge(vif: VifContext, name: str, datapath: str) -> tuple[Step, ...]:
    """Return the steps for the VIF's own bridge, the port, and the pair of patch ports."""
    # The integration bridge has the port with the ``external_ids`` that Neutron looks for.
    ids, isolated = vif.ids, vif.isolated
    own = vif.device_name(PER_PORT_BRIDGE)
    near, far = names.patch_ports(vif.vif)
    return (
        EnsureOvsBridge(own, datapath),
        EnsureOvsPort(own, name, qos=vif.qos(datapath), must_open=_creates_tap(vif)),
        EnsureOvsPort(own, near, "patch", options=(("peer", far),)),
        EnsureOvsPort(
            vif.bridge,
            far,
            "patch",
            external_ids=ids,
            options=(("peer", near),),
            isolated=isolated,
        ),
    )


def _own_bridge_name(vif: VifContext) -> str:
    """Return the name of the VIF's own bridge for a lookup, usable or not."""
    return vif.methods.port_name(PER_PORT_BRIDGE, vif_fields.port_id(vif.vif))


def _usable_name(vif: VifContext, prefix: str) -> tuple[str, ...]:
    """Return the name of a device of the VIF; empty if no device can have the name."""
    try:
        return (vif.device_name(prefix),)
    except exception.InvalidField:
        return ()


def _patch_ports(vif: VifContext) -> tuple[str, ...]:
    """Return the names of the patch ports of the VIF; empty if no port can have the names."""
    try:
        return names.patch_ports(vif.vif)
    except exception.InvalidField:
        return ()


def _creates_tap(vif: VifContext) -> bool:
    """Return whether the plan creates the guest's device, so that the port must open it."""
    return bool(vif_fields.get(vif.profile, "create_tap"))


def _is_in_own_bridge(vif: VifContext, port: str, probable: tuple[OvsStep, ...] = ()) -> bool:
    """Return whether the port is, or is to be, in a bridge of the VIF's own.

    ``per_port_bridge`` applies to new ports only; a plugged port keeps its bridge. nova-compute
    plugs the VIFs of running guests when the service starts.

    :param probable: the steps for a port that is not, whose rows are read in the same request.
    """
    is_configured = bool(vif.config.per_port_bridge)
    if not is_configured and vif_fields.get(vif.vif, "id") is None:
        return False
    try:
        if lookups.is_in(vif.target, port, _own_bridge_name(vif), probable):
            return True
        return is_configured and lookups.bridge_of(vif.target, port) != vif.bridge
    except exception.OvsdbUnreachable:
        # A dry run needs no switch; a plug reports the error at its first step.
        return is_configured
