# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Virtual network interfaces (VIFs), one class for each way to hand one to a guest."""

from __future__ import annotations

import copy
from typing import Any, Self

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, fixed_ip
from os_vif.objects import fields as osv_fields
from os_vif.objects.port_profile import (
    DatapathOffloadBase,
    DatapathOffloadRepresentor,
    DatapathOffloadVDPA,
    VIFPortProfile8021Qbg,
    VIFPortProfile8021Qbh,
    VIFPortProfileBase,
    VIFPortProfileFPBridge,
    VIFPortProfileFPOpenVSwitch,
    VIFPortProfileFPTap,
    VIFPortProfileK8sDPDK,
    VIFPortProfileOpenVSwitch,
    VIFPortProfileOVSRepresentor,
    VIFPortProfileSRIOV,
)
from os_vif.objects.versioning import release_1_8
from os_vif.objects.versioning.history import Version, versions
from os_vif.objects.versioning.manifest import TargetManifest

__all__ = [
    "DatapathOffloadBase",
    "DatapathOffloadRepresentor",
    "DatapathOffloadVDPA",
    "VIFBase",
    "VIFBridge",
    "VIFDirect",
    "VIFGeneric",
    "VIFHostDevice",
    "VIFNestedDPDK",
    "VIFOpenVSwitch",
    "VIFPortProfile8021Qbg",
    "VIFPortProfile8021Qbh",
    "VIFPortProfileBase",
    "VIFPortProfileFPBridge",
    "VIFPortProfileFPOpenVSwitch",
    "VIFPortProfileFPTap",
    "VIFPortProfileK8sDPDK",
    "VIFPortProfileOVSRepresentor",
    "VIFPortProfileOpenVSwitch",
    "VIFPortProfileSRIOV",
    "VIFVHostUser",
]


@ovo.VersionedObjectRegistry.register
class VIFBase(base.VersionedObject, ovo.ComparableVersionedObject):
    """What every VIF has.

    A VIF that release 1.8.0 wrote also has ``fixed_ips``, a plain attribute: the addresses of the
    VIF. The addresses that a subnet contains are in that subnet, too.
    """

    VERSION = "1.0"
    history = versions(
        Version(
            "1.0",
            since="1.0.0",
            adds=(
                "id",
                "address",
                "network",
                "plugin",
                "active",
                "preserve_on_delete",
                "has_traffic_filtering",
                "port_profile",
            ),
        ),
        Version("1.1", since="1.8.0", adds=("fixed_ips",), until="1.9.0"),
    )
    fields = {
        #: The port's id. Host device names are made from it.
        "id": fields.UUIDField(),
        #: The MAC address that the guest sees.
        "address": fields.MACAddressField(nullable=True),
        "network": fields.ObjectField("Network", nullable=True),
        #: The name of the os-vif plugin that plugs this VIF.
        "plugin": fields.StringField(),
        "active": fields.BooleanField(default=True),
        "preserve_on_delete": fields.BooleanField(default=False),
        #: Whether somebody else filters the traffic of the port.
        "has_traffic_filtering": fields.BooleanField(default=False),
        "port_profile": fields.ObjectField("VIFPortProfileBase", subclasses=True),
    }
    fixed_ips: fixed_ip.FixedIPList

    @classmethod
    def _obj_from_primitive(cls, context: Any, objver: str, primitive: dict[str, Any]) -> Self:
        vif = super()._obj_from_primitive(context, objver, primitive)
        release_1_8.read_addresses(vif, primitive)
        return vif

    def _obj_place_addresses(self, *, is_changed: bool) -> None:
        """Show the addresses of ``fixed_ips`` in the subnets that contain them."""
        release_1_8.place_addresses(self, is_changed=is_changed)

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
    """A tap device that a plugin connects by means of its own."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("vif_name",)),
    )
    fields = {
        "vif_name": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFBridge(VIFBase):
    """A tap device on a Linux bridge."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("vif_name", "bridge_name")),
    )
    fields = {
        "vif_name": fields.StringField(),
        "bridge_name": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFOpenVSwitch(VIFBase):
    """A tap device on an Open vSwitch bridge."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("vif_name", "bridge_name")),
    )
    fields = {
        "vif_name": fields.StringField(),
        "bridge_name": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFDirect(VIFBase):
    """A virtual function that the guest reaches through a macvtap device."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("vif_name", "dev_address", "mode", "vlan_name")),
    )
    fields = {
        "vif_name": fields.StringField(),
        "dev_address": fields.PCIAddressField(),
        "mode": osv_fields.VIFDirectModeField(),
        "vlan_name": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFVHostUser(VIFBase):
    """A vhost-user socket between QEMU and a switch in user space."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0", adds=("path", "mode")),
        Version("1.1", since="1.4.0", adds=("vif_name",)),
    )
    fields = {
        "path": fields.StringField(),
        "mode": osv_fields.VIFVHostUserModeField(),
        "vif_name": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFHostDevice(VIFBase):
    """A PCI device of the host, such as a virtual function, that the guest owns."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("dev_type", "dev_address")),
    )
    fields = {
        "dev_type": osv_fields.VIFHostDeviceDevTypeField(),
        "dev_address": fields.PCIAddressField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFNestedDPDK(VIFBase):
    """A PCI device inside a virtual machine, for a pod in it that uses DPDK."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.12.0", adds=("pci_address", "dev_driver")),
    )
    fields = {
        "pci_address": fields.StringField(),
        "dev_driver": fields.StringField(),
    }
