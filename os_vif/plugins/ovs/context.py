# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Values of a VIF and of the options that the ways of plugging read."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import objects, vif_fields
from os_vif.device_names import TRUNK_BRIDGE
from os_vif.plugins.ovs import names
from os_vif.steps.plan import OvsdbTarget, Plan

if TYPE_CHECKING:
    from os_vif.steps.ovs.port import Pairs
    from os_vif.steps.plan import Step

#: ``datapath_type`` of a Bridge row: the datapath of the kernel, and the datapath in user space.
SYSTEM, NETDEV = "system", "netdev"

#: The source of a field of a step: a field of the VIF, or an option.
SOURCES: Mapping[str, str] = {
    "bridge": "vif.network.bridge",
    "datapath_type": "vif.port_profile.datapath_type",
    "qos": "[os_vif_ovs]default_qos_type",
    "user": "vif.port_profile.interface_id",
}


@dataclasses.dataclass(frozen=True)
class PluginMethods:
    """Methods of the plugin that derived plugins may override."""

    mtu: Callable[[objects.VIFBase], int]
    qos: Callable[[str], str | None]
    isolated: Callable[[str], bool]
    ids: Callable[..., Pairs]
    #: Return the steps for the guest's device, given VIF, port profile and name.
    device: Callable[..., tuple[Step, ...]]
    port_name: Callable[[str, str], str]
    #: Log a warning, once for the process.
    warn: Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class VifContext:
    """A VIF, with the options of the plugin. Created once for each plan.

    A property reads a field at first use, so that an unusable field is an error only if the plan
    needs the field. The error is an :class:`os_vif.exception.InvalidField`.
    """

    vif: Any
    profile: objects.VIFPortProfileOpenVSwitch
    instance: objects.InstanceInfo
    #: The option group ``[os_vif_ovs]``.
    config: Any
    target: OvsdbTarget
    methods: PluginMethods

    @functools.cached_property
    def bridge(self) -> str:
        """Name of the bridge of Open vSwitch in the VIF's network."""
        return vif_fields.network_bridge(self.vif)

    @functools.cached_property
    def mtu(self) -> int:
        """MTU of the VIF in bytes."""
        return self.methods.mtu(self.vif)

    @functools.cached_property
    def ids(self) -> Pairs:
        """``external_ids`` of the VIF's port in the network's bridge."""
        return self.methods.ids(self.vif, self.profile, self.instance, self.bridge)

    @property
    def interface_id(self) -> str:
        """``external_ids:iface-id``, the id of the Neutron port; empty if the VIF has none."""
        return str(vif_fields.get(self.profile, "interface_id") or "")

    @property
    def isolated(self) -> bool:
        """Return whether a new port in the network's bridge waits in the dead VLAN."""
        return self.methods.isolated(self.bridge)

    def datapath(self, default: str = SYSTEM) -> str:
        """Return ``datapath_type`` of the VIF's port profile, or *default* if unset."""
        return vif_fields.get(self.profile, "datapath_type") or default

    def qos(self, datapath: str) -> str | None:
        """Return the QoS type of a new port, or None for a port without a QoS row."""
        return self.methods.qos(datapath)

    def device_name(self, prefix: str) -> str:
        """Return the name of a device of the VIF."""
        vif_id = vif_fields.port_id(self.vif)
        name = self.methods.port_name(prefix, vif_id)
        names.require_usable(name, vif_id)
        return name

    def plan(self, *steps: Step, awaits: tuple[Step, ...] = ()) -> Plan:
        """Return a plan of steps on the Open vSwitch of the options."""
        return Plan(*steps, switch=self.target, awaits=awaits)


def port_ids(bridge: str, interface_id: str, mac: str, instance_id: str) -> Pairs:
    """Return the ``external_ids`` of a port of a bridge.

    :param instance_id: empty for an unknown instance; then a port keeps the present ``vm-uuid``.
    """
    ids: Pairs = (
        ("iface-id", interface_id),
        ("iface-status", "active"),
        ("attached-mac", mac),
    )
    ids = (*ids, ("vm-uuid", instance_id)) if instance_id else ids
    # Neutron finds the ports that remain of a deleted trunk by the bridge's name (LP 2087944).
    return (*ids, ("bridge_name", bridge)) if bridge.startswith(TRUNK_BRIDGE) else ids


def read_port_ids(
    vif: objects.VIFBase,
    profile: objects.VIFPortProfileOpenVSwitch,
    instance: objects.InstanceInfo,
    bridge: str,
) -> Pairs:
    """Return the ``external_ids`` by which Neutron's agent, or OVN, knows the port of a VIF."""
    interface_id = vif_fields.get(profile, "interface_id")
    if not interface_id:
        field = "vif.port_profile.interface_id"
        raise vif_fields.invalid(field, "unset", "the id of a Neutron port")
    # Neutron's agent for smart NICs, and users of the command, do not know the instance.
    instance_id = str(vif_fields.get(instance, "uuid") or "")
    texts = {"vif.port_profile.interface_id": str(interface_id), "instance_info.uuid": instance_id}
    for field, text in texts.items():
        if text and not text.isprintable():
            raise vif_fields.invalid(field, repr(text), "printable text")
    return port_ids(bridge, str(interface_id), vif_fields.mac(vif), instance_id)


def is_isolated(config: Any, bridge: str) -> bool:
    """Return whether a new port in a bridge waits in the dead VLAN (option ``isolate_vif``)."""
    # No agent would take a port of a trunk bridge out of the dead VLAN (LP 2069543).
    return bool(config.isolate_vif) and not bridge.startswith(TRUNK_BRIDGE)


def qos_type(config: Any, datapath: str) -> str | None:
    """Return the QoS type of a new port, or None: only ports of the kernel have a qdisc."""
    qos: str = config.default_qos_type
    return qos if datapath == SYSTEM else None
