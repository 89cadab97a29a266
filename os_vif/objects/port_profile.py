# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What the switch must know of a port, and how its datapath is offloaded.

The public path of these classes is :mod:`os_vif.objects.vif`.
"""

from __future__ import annotations

import warnings
from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions
from os_vif.objects.versioning.releases import CURRENT_RELEASE

#: ``struct ifla_vf_rate`` of linux/if_link.h has 32 bits for each.
_MAX_RATE = 2**32 - 1


@ovo.VersionedObjectRegistry.register
class DatapathOffloadBase(base.VersionedObject, ovo.ComparableVersionedObject):
    """A way in which hardware carries the traffic of a port."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.14.0"),
    )
    fields = {}


@ovo.VersionedObjectRegistry.register
class DatapathOffloadRepresentor(DatapathOffloadBase):
    """The switch on the card carries it; a representor stands for the port on the host."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.14.0", adds=("representor_name", "representor_address")),
    )
    fields = {
        #: The name that the representor is to have on the host.
        "representor_name": fields.StringField(nullable=True),
        #: The PCI address of the virtual function that it stands for.
        "representor_address": fields.StringField(nullable=True),
    }


@ovo.VersionedObjectRegistry.register
class DatapathOffloadVDPA(DatapathOffloadBase):
    """The card's own virtio queues carry it: a vDPA device, which a guest has as virtio."""

    VERSION = "1.0"
    history = versions(
        Version(
            "1.0",
            since=CURRENT_RELEASE,
            adds=("device_name", "management_device", "vhost_vdpa_path", "mac_address"),
        ),
    )
    fields = {
        #: The name that the vDPA device is to have (``vdpa dev add name``).
        "device_name": fields.StringField(nullable=True),
        #: What it is made on (``vdpa mgmtdev show``), such as ``pci/0000:03:00.2``.
        "management_device": fields.StringField(nullable=True),
        #: The character device that the hypervisor opens, such as ``/dev/vhost-vdpa-0``.
        "vhost_vdpa_path": fields.StringField(nullable=True),
        #: The MAC address that the vDPA device is to have; by default, that of the VIF.
        "mac_address": fields.MACAddressField(nullable=True),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileBase(base.VersionedObject, ovo.ComparableVersionedObject):
    """What every port profile has."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.14.0", adds=("datapath_offload",)),
    )
    fields = {
        "datapath_offload": fields.ObjectField(
            "DatapathOffloadBase", subclasses=True, nullable=True
        ),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileOpenVSwitch(VIFPortProfileBase):
    """A port of Open vSwitch."""

    VERSION = "1.4"
    history = versions(
        Version("1.0", since="1.0.0", adds=("interface_id", "profile_id")),
        Version("1.1", since="1.8.0", adds=("datapath_type",)),
        Version("1.2", since="1.14.0"),
        Version("1.3", since="1.15.0", adds=("create_port",)),
        Version("1.4", since="4.3.0", adds=("create_tap", "multiqueue")),
    )
    fields = {
        #: ``external_ids:iface-id`` of the port.
        "interface_id": fields.UUIDField(),
        "profile_id": fields.StringField(),
        #: ``system`` or ``netdev``, as in ``datapath_type`` of the bridge.
        "datapath_type": fields.StringField(nullable=True),
        #: Whether os-vif adds the port; otherwise the hypervisor does.
        "create_port": fields.BooleanField(default=False),
        #: Whether os-vif makes the tap device too, before the port is added.
        "create_tap": fields.BooleanField(default=False),
        #: Whether that tap has several queues.
        "multiqueue": fields.BooleanField(default=False),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileFPOpenVSwitch(VIFPortProfileOpenVSwitch):
    """A port of a fast-path Open vSwitch."""

    VERSION = "1.4"
    history = versions(
        Version("1.0", since="1.4.0", adds=("bridge_name", "hybrid_plug")),
        Version("1.1", since="1.8.0"),
        Version("1.2", since="1.14.0"),
        Version("1.3", since="1.15.0"),
        Version("1.4", since="4.3.0"),
    )
    fields = {
        "bridge_name": fields.StringField(),
        "hybrid_plug": fields.BooleanField(default=False),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileOVSRepresentor(VIFPortProfileOpenVSwitch):
    """A port of Open vSwitch that is a representor.

    Deprecated since 1.14.0: use a :class:`VIFPortProfileOpenVSwitch` with a
    :class:`DatapathOffloadRepresentor`.
    """

    VERSION = "1.4"
    history = versions(
        Version("1.0", since="1.7.0", adds=("representor_name", "representor_address")),
        Version("1.1", since="1.8.0"),
        Version("1.2", since="1.14.0"),
        Version("1.3", since="1.15.0"),
        Version("1.4", since="4.3.0"),
    )
    fields = {
        "representor_name": fields.StringField(nullable=True),
        "representor_address": fields.PCIAddressField(nullable=True),
    }

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        warnings.warn(
            "VIFPortProfileOVSRepresentor is deprecated: use VIFPortProfileOpenVSwitch with "
            "datapath_offload=DatapathOffloadRepresentor(...)",
            PendingDeprecationWarning,
            stacklevel=2,
        )
        super().__init__(context=context, **kwargs)


@ovo.VersionedObjectRegistry.register
class VIFPortProfileFPBridge(VIFPortProfileBase):
    """A port of a fast-path Linux bridge."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.4.0", adds=("bridge_name",)),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        "bridge_name": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileFPTap(VIFPortProfileBase):
    """A fast-path tap device that is routed, not bridged."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.4.0", adds=("mac_address",)),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        "mac_address": fields.MACAddressField(nullable=True),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfile8021Qbg(VIFPortProfileBase):
    """A port of an IEEE 802.1Qbg switch (VEPA); the fields are libvirt's ``virtualport``."""

    VERSION = "1.1"
    history = versions(
        Version(
            "1.0",
            since="1.0.0",
            adds=("manager_id", "type_id", "type_id_version", "instance_id"),
        ),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        "manager_id": fields.IntegerField(),
        "type_id": fields.IntegerField(),
        "type_id_version": fields.IntegerField(),
        "instance_id": fields.UUIDField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfile8021Qbh(VIFPortProfileBase):
    """A port of an IEEE 802.1Qbh switch (VN-Tag); the field is libvirt's ``virtualport``."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0", adds=("profile_id",)),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        "profile_id": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileK8sDPDK(VIFPortProfileBase):
    """What a CNI needs to configure a DPDK device in a pod."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.12.0", adds=("l3_setup", "selflink", "resourceversion")),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        "l3_setup": fields.BooleanField(),
        "selflink": fields.StringField(),
        "resourceversion": fields.StringField(),
    }


@ovo.VersionedObjectRegistry.register
class VIFPortProfileSRIOV(VIFPortProfileBase):
    """A virtual function without a switch: what its physical function sets on it.

    What is unset, or None, is left as it is.
    """

    VERSION = "1.0"
    history = versions(
        Version(
            "1.0",
            since=CURRENT_RELEASE,
            adds=(
                "vlan",
                "vlan_qos",
                "vlan_proto",
                "trusted",
                "spoof_check",
                "min_tx_rate",
                "max_tx_rate",
                "link_state",
            ),
        ),
    )
    fields = {
        #: The VLAN id that the card tags with; 0 is none.
        "vlan": osv_fields.RangeField(0, 4094, nullable=True),
        #: The priority in that tag.
        "vlan_qos": osv_fields.RangeField(0, 7, nullable=True),
        "vlan_proto": osv_fields.VIFVlanProtocolField(nullable=True),
        #: Whether the guest may change its MAC address and receive all packets.
        "trusted": osv_fields.TrueOrFalseField(nullable=True),
        #: Whether packets from another MAC address than its own are dropped.
        "spoof_check": osv_fields.TrueOrFalseField(nullable=True),
        #: Mbit/s that it can count on; 0 is none.
        "min_tx_rate": osv_fields.RangeField(0, _MAX_RATE, nullable=True),
        #: Mbit/s that it may send; 0 is no limit.
        "max_tx_rate": osv_fields.RangeField(0, _MAX_RATE, nullable=True),
        "link_state": osv_fields.VIFLinkStateField(nullable=True),
    }
