# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Class of the ``ovs`` plugin: the options, and the way of plugging for each class of VIFs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from os_vif import exception, objects, opts, vif_fields
from os_vif.escape import with_article
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.plugins.ovs import context, guest_device, names, ovsdb_target
from os_vif.plugins.ovs.context import PluginMethods, VifContext
from os_vif.steps.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
    from contextlib import AbstractContextManager

    from os_vif.recognition import Candidate, HostSnapshot
    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.ovs.port import Pairs
    from os_vif.steps.plan import OvsdbTarget

LOG = logging.getLogger(__name__)


class _Way(Protocol):
    """A module that plugs VIFs of a class."""

    #: The source of a field of a step: a field of the VIF, or an option.
    SOURCES: Mapping[str, str]

    def plan(self, vif: VifContext, /) -> Plan:
        """Return the steps that plug a VIF."""

    def unplan(self, vif: VifContext, /) -> Plan:
        """Return the steps that unplug a VIF."""


#: The classes of VIFs of the plugin.
OvsVIF: TypeAlias = (
    objects.VIFBridge | objects.VIFOpenVSwitch | objects.VIFVHostUser | objects.VIFHostDevice
)


class OvsPlugin(PluginBase[OvsVIF]):
    """Plugs VIFs into Open vSwitch."""

    CONFIG_OPTS = opts.OVS
    privsep_module = "vif_plug_ovs.privsep"

    def __init__(self, config: Any) -> None:
        """Store the options of ``[os_vif_ovs]``."""
        super().__init__(config)
        #: Warnings already logged, so that each is logged once.
        self._warned: set[str] = set()

    @staticmethod
    def gen_port_name(prefix: str, vif_id: str) -> str:
        """Return the name of a VIF's device or socket, of at most 14 characters."""
        return names.device_name(prefix, vif_id)

    def describe(self) -> objects.HostPluginInfo:
        """Return the VIF classes and port profiles that the plugin can plug."""
        ovs = objects.VIFPortProfileOpenVSwitch
        representor = objects.VIFPortProfileOVSRepresentor
        return host_info.describe(
            "ovs",
            {
                objects.VIFBridge: (ovs,),
                objects.VIFOpenVSwitch: (ovs,),
                objects.VIFVHostUser: (ovs, representor),
                objects.VIFHostDevice: (ovs, representor),
            },
        )

    def plan_plug(self, vif: OvsVIF, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that create the VIF's port, or only the bridge for the port.

        :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
        """
        way, read = self._prepare(vif, instance_info)
        try:
            return way.plan(read)
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, way.SOURCES) from error

    def plan_unplug(self, vif: OvsVIF, instance_info: objects.InstanceInfo) -> Plan:
        """Return the steps that delete all ports and devices of the VIF.

        The steps do not depend on the options, nor on the program that plugged the VIF.

        :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
        """
        if vif_fields.is_only_record(vif):
            return Plan()
        way, read = self._prepare(vif, instance_info)
        try:
            return way.unplan(read)
        except exception.InvalidStep as error:
            raise vif_fields.of_step(error, way.SOURCES) from error

    def recognise(self, snapshot: HostSnapshot) -> Iterable[Candidate]:
        """Return the VIFs with a port of Open vSwitch.

        :raises os_vif.exception.OvsdbError: if the switch cannot be read. A host without any trace
            of Open vSwitch has no VIFs instead.
        """
        from os_vif.plugins.ovs import port_recognition

        try:
            tables = snapshot.port_tables(self._switch())
        except exception.OvsdbUnreachable as error:
            if port_recognition.may_have_switch(snapshot, self.config):
                raise
            LOG.info("This host has no Open vSwitch")
            snapshot.absent.append(f"no trace of Open vSwitch on this host: {error}")
            return ()
        return port_recognition.recognise(snapshot, tables)

    def interface_ids(self, devices: Collection[str]) -> dict[str, str]:
        """Return ``external_ids:iface-id`` of the network devices that are ports, by name.

        :raises os_vif.exception.OvsdbError: if the switch cannot be read.
        """
        from os_vif.host.ovsdb import lookups

        return lookups.interface_ids(self._switch(), devices)

    def _prepare(
        self, vif: objects.VIFBase, instance_info: objects.InstanceInfo
    ) -> tuple[_Way, VifContext]:
        """Return the way of plugging a VIF, and the values that the way reads."""
        profile = vif_fields.ovs_profile(vif)
        way = _way_of(vif)
        methods = PluginMethods(
            mtu=self._mtu,
            qos=self._qos,
            isolated=self._isolated,
            ids=self._ids,
            device=self._device,
            port_name=self.gen_port_name,
            warn=self._warn,
        )
        read = VifContext(vif, profile, instance_info, self.config, self._switch(), methods)
        return way, read

    def switch(self) -> OvsdbTarget:
        """Return address, timeout and TLS files of ovsdb-server.

        :raises os_vif.exception.InvalidField: if an option has an unusable value.
        """
        return self._switch()

    # Derived plugins call or override the methods below.

    def _switch(self) -> OvsdbTarget:
        """Return address, timeout and TLS files of ovsdb-server."""
        return ovsdb_target.read_target(self.config, self.privsep_module)

    def _mtu(self, vif: objects.VIFBase) -> int:
        """Return the MTU of a VIF in bytes: of the network, or of ``network_device_mtu``."""
        return vif_fields.mtu(vif, self.config, "os_vif_ovs")

    def _shared_reads(self) -> AbstractContextManager[None]:
        """Return a block in which a plan and its run share a connection and rows."""
        from os_vif.host.ovsdb import table_snapshot

        return table_snapshot.shared_rows()

    def _plan_inputs(self) -> Callable[..., Hashable | None] | None:
        """Return a function with a result that is equal for equal inputs of a plan.

        None for a derived plugin, and for a connection with TLS.
        """
        if type(self) is not OvsPlugin:
            return None
        from os_vif.plugins.ovs import plan_inputs

        return plan_inputs.reader(self.config)

    def _qos(self, datapath: str) -> str | None:
        """Return the QoS type of a new port, or None for a port without a QoS row."""
        return context.qos_type(self.config, datapath)

    def _isolated(self, bridge: str) -> bool:
        """Return whether a new port in a bridge waits in the dead VLAN."""
        return context.is_isolated(self.config, bridge)

    def _ids(
        self,
        vif: objects.VIFBase,
        profile: objects.VIFPortProfileOpenVSwitch,
        instance: objects.InstanceInfo,
        bridge: str,
    ) -> Pairs:
        """Return the ``external_ids`` of the VIF's port."""
        return context.read_port_ids(vif, profile, instance, bridge)

    def _device(
        self, vif: objects.VIFBase, profile: objects.VIFPortProfileOpenVSwitch, name: str
    ) -> tuple[KernelStep, ...]:
        """Return the steps for the guest's device of a VIF."""
        return guest_device.steps(vif, profile, name, self._mtu(vif))

    def _warn(self, text: str) -> None:
        """Log a warning, unless the plugin has logged the same text before."""
        if text not in self._warned:
            self._warned.add(text)
            LOG.warning("%s", text)


def _way_of(vif: objects.VIFBase) -> _Way:
    """Return the module that plugs VIFs of a class.

    The modules, and the steps of Open vSwitch, are imported at the first plan: a process that
    only initializes os-vif does not load the modules.
    """
    from os_vif.plugins.ovs import hybrid, native, representor, vhost_user

    match vif:
        case objects.VIFOpenVSwitch():
            return native
        case objects.VIFBridge():
            return hybrid
        case objects.VIFVHostUser():
            return vhost_user
        case objects.VIFHostDevice():
            return representor
        case _:
            known = "a VIFOpenVSwitch, VIFBridge, VIFVHostUser or VIFHostDevice"
            raise vif_fields.invalid("vif", with_article(vif.obj_name()), known)
