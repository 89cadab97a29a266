# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Virtual network interfaces (VIFs): a class for each kind of connection to a guest."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Self

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, fixed_ip
from os_vif.objects import fields as osv_fields
from os_vif.objects.port_profile import *  # noqa: F403 - the public path of the classes
from os_vif.objects.versioning import release_1_8
from os_vif.objects.versioning.history import Version, versions
from os_vif.objects.versioning.manifest import TargetManifest

if TYPE_CHECKING:
    # For the generated types.
    from typing import Literal

    from os_vif.objects.network import Network
    from os_vif.objects.port_profile import VIFPortProfileBase


@ovo.VersionedObjectRegistry.register
class VIFBase(base.VersionedObject, ovo.ComparableVersionedObject):
    """The common fields of all VIFs.

    A VIF of release 1.8.0 also has ``fixed_ips``, a plain attribute with the addresses of the VIF.
    An address within a subnet of the VIF is also in ``ips`` of the subnet.
    """

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.8.0", adds=("fixed_ips",), until="1.9.0"),
    )
    fields = {
        #: The id of the port, from which os-vif derives the names of host devices.
        "id": fields.UUIDField(),
        #: The MAC address of the guest.
        "address": fields.MACAddressField(nullable=True),
        #: The network of the port.
        "network": fields.ObjectField("Network", nullable=True),
        #: The name of the os-vif plugin for the VIF.
        "plugin": fields.StringField(),
        #: True if the network service reports the port as active.
        "active": fields.BooleanField(default=True),
        #: True to keep the port in the network service after the instance is deleted.
        "preserve_on_delete": fields.BooleanField(default=False),
        #: True if another service filters the traffic of the port.
        "has_traffic_filtering": fields.BooleanField(default=False),
        #: The settings of the port in the switch.
        "port_profile": fields.ObjectField("VIFPortProfileBase", subclasses=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        id: str
        """The id of the port, from which os-vif derives the names of host devices."""
        address: str | None
        """The MAC address of the guest."""
        network: Network | None
        """The network of the port."""
        plugin: str
        """The name of the os-vif plugin for the VIF."""
        active: bool
        """True if the network service reports the port as active."""
        preserve_on_delete: bool
        """True to keep the port in the network service after the instance is deleted."""
        has_traffic_filtering: bool
        """True if another service filters the traffic of the port."""
        port_profile: VIFPortProfileBase
        """The settings of the port in the switch."""

        def __init__(
            self,
            context: Any = None,
            *,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...

    #: The addresses of the port, in a VIF of release 1.8.0.
    fixed_ips: fixed_ip.FixedIPList

    @classmethod
    def _obj_from_primitive(cls, context: Any, objver: str, primitive: dict[str, Any]) -> Self:
        vif = super()._obj_from_primitive(context, objver, primitive)
        release_1_8.read_addresses(vif, primitive)
        return vif

    _obj_place_addresses = release_1_8.place_addresses

    def _obj_post_downgrade(self, primitive: dict[str, Any], reader: TargetManifest) -> None:
        release_1_8.move_addresses_to_vif(self, primitive, reader)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        clone = super().__deepcopy__(memo)
        if "fixed_ips" in vars(self):
            clone.fixed_ips = copy.deepcopy(self.fixed_ips, memo)
        return clone

    def obj_reset_changes(self, fields: list[str] | None = None, recursive: bool = False) -> None:
        super().obj_reset_changes(fields, recursive)
        if recursive and "fixed_ips" in vars(self):
            self.fixed_ips.obj_reset_changes(recursive=True)


@ovo.VersionedObjectRegistry.register
class VIFGeneric(VIFBase):
    """A tap device, connected by the plugin's own means."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The name of the tap device.
        "vif_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the tap device."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_name: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFBridge(VIFBase):
    """A tap device on a Linux bridge."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The name of the tap device.
        "vif_name": fields.StringField(),
        #: The name of the Linux bridge.
        "bridge_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the tap device."""
        bridge_name: str
        """The name of the Linux bridge."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_name: str = ...,
            bridge_name: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFOpenVSwitch(VIFBase):
    """A tap device on an Open vSwitch bridge."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The name of the tap device.
        "vif_name": fields.StringField(),
        #: The name of the Open vSwitch bridge.
        "bridge_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the tap device."""
        bridge_name: str
        """The name of the Open vSwitch bridge."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_name: str = ...,
            bridge_name: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFDirect(VIFBase):
    """A virtual function, used by the guest through a macvtap device."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The name of the macvtap device.
        "vif_name": fields.StringField(),
        #: The PCI address of the virtual function.
        "dev_address": fields.PCIAddressField(),
        #: The mode of the macvtap device.
        "mode": osv_fields.VIFDirectModeField(),
        #: The name of the VLAN device.
        "vlan_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the macvtap device."""
        dev_address: str
        """The PCI address of the virtual function."""
        mode: Literal["bridge", "passthrough", "vepa"]
        """The mode of the macvtap device."""
        vlan_name: str
        """The name of the VLAN device."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_name: str = ...,
            dev_address: str = ...,
            mode: Literal["bridge", "passthrough", "vepa"] = ...,
            vlan_name: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFVHostUser(VIFBase):
    """A vhost-user socket between QEMU and a switch in user space."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.4.0", adds=("vif_name",)),
    )
    fields = {
        #: The path of the vhost-user socket.
        "path": fields.StringField(),
        #: The role of QEMU at the vhost-user socket: ``client`` connects, ``server`` listens.
        "mode": osv_fields.VIFVHostUserModeField(),
        #: The name of the port in the switch.
        "vif_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        path: str
        """The path of the vhost-user socket."""
        mode: Literal["client", "server"]
        """The role of QEMU at the vhost-user socket: ``client`` connects, ``server`` listens."""
        vif_name: str
        """The name of the port in the switch."""

        def __init__(
            self,
            context: Any = None,
            *,
            path: str = ...,
            mode: Literal["client", "server"] = ...,
            vif_name: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFHostDevice(VIFBase):
    """A PCI device of the host, such as a virtual function, assigned to the guest."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The kind of device assignment: ``ethernet`` for a network interface, ``generic`` for all.
        "dev_type": osv_fields.VIFHostDeviceDevTypeField(),
        #: The PCI address of the device.
        "dev_address": fields.PCIAddressField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        dev_type: Literal["ethernet", "generic"]
        """The kind of device assignment: ``ethernet`` for a network interface, ``generic`` for
        all.
        """
        dev_address: str
        """The PCI address of the device."""

        def __init__(
            self,
            context: Any = None,
            *,
            dev_type: Literal["ethernet", "generic"] = ...,
            dev_address: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFNestedDPDK(VIFBase):
    """A PCI device of a virtual machine, for a DPDK pod in the virtual machine."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.12.0"))
    fields = {
        #: The PCI address of the device in the virtual machine.
        "pci_address": fields.StringField(),
        #: The name of the kernel driver of the device.
        "dev_driver": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        pci_address: str
        """The PCI address of the device in the virtual machine."""
        dev_driver: str
        """The name of the kernel driver of the device."""

        def __init__(
            self,
            context: Any = None,
            *,
            pci_address: str = ...,
            dev_driver: str = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...
