# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Port profiles: the settings of a port in the switch.

The public path of these classes is :mod:`os_vif.objects.vif`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.datapath_offload import (
    DatapathOffloadBase,
    DatapathOffloadRepresentor,
    DatapathOffloadVDPA,
)
from os_vif.objects.versioning.history import Version, versions
from os_vif.objects.versioning.releases import CURRENT_RELEASE

if TYPE_CHECKING:
    # For the generated types.
    from typing import Literal

__all__ = [
    "DatapathOffloadBase",
    "DatapathOffloadRepresentor",
    "DatapathOffloadVDPA",
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
]

#: Each rate of ``struct ifla_vf_rate`` in linux/if_link.h has 32 bits.
_MAX_RATE = 2**32 - 1


@ovo.VersionedObjectRegistry.register
class VIFPortProfileBase(base.VersionedObject, ovo.ComparableVersionedObject):
    """The common field of all port profiles."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.14.0", adds=("datapath_offload",)),
    )
    fields = {
        #: The hardware offload of the datapath, or None.
        "datapath_offload": fields.ObjectField(
            "DatapathOffloadBase", subclasses=True, nullable=True
        ),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        datapath_offload: DatapathOffloadBase | None
        """The hardware offload of the datapath, or None."""

        def __init__(
            self,
            context: Any = None,
            *,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfileOpenVSwitch(VIFPortProfileBase):
    """A port of Open vSwitch."""

    VERSION = "1.4"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.8.0", adds=("datapath_type",)),
        Version("1.2", since="1.14.0"),
        Version("1.3", since="1.15.0", adds=("create_port",)),
        Version("1.4", since="4.3.0", adds=("create_tap", "multiqueue")),
    )
    fields = {
        #: The value of ``external_ids:iface-id`` of the port.
        "interface_id": fields.UUIDField(),
        #: The name of the port profile, ``profileid`` in libvirt.
        "profile_id": fields.StringField(),
        #: The ``datapath_type`` of the bridge: ``system`` or ``netdev``.
        "datapath_type": fields.StringField(nullable=True),
        #: True if os-vif adds the port; otherwise the hypervisor adds the port.
        "create_port": fields.BooleanField(default=False),
        #: True if os-vif creates the tap device before adding the port.
        "create_tap": fields.BooleanField(default=False),
        #: True if the created tap device has several queues.
        "multiqueue": fields.BooleanField(default=False),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        interface_id: str
        """The value of ``external_ids:iface-id`` of the port."""
        profile_id: str
        """The name of the port profile, ``profileid`` in libvirt."""
        datapath_type: str | None
        """The ``datapath_type`` of the bridge: ``system`` or ``netdev``."""
        create_port: bool
        """True if os-vif adds the port; otherwise the hypervisor adds the port."""
        create_tap: bool
        """True if os-vif creates the tap device before adding the port."""
        multiqueue: bool
        """True if the created tap device has several queues."""

        def __init__(
            self,
            context: Any = None,
            *,
            interface_id: str = ...,
            profile_id: str = ...,
            datapath_type: str | None = ...,
            create_port: bool = ...,
            create_tap: bool = ...,
            multiqueue: bool = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfileFPOpenVSwitch(VIFPortProfileOpenVSwitch):
    """A port of a fast-path Open vSwitch."""

    VERSION = "1.4"
    history = versions(
        Version("1.0", since="1.4.0"),
        Version("1.1", since="1.8.0"),
        Version("1.2", since="1.14.0"),
        Version("1.3", since="1.15.0"),
        Version("1.4", since="4.3.0"),
    )
    fields = {
        #: The name of the bridge of the port.
        "bridge_name": fields.StringField(),
        #: True to put a Linux bridge with packet filters before the port.
        "hybrid_plug": fields.BooleanField(default=False),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        bridge_name: str
        """The name of the bridge of the port."""
        hybrid_plug: bool
        """True to put a Linux bridge with packet filters before the port."""

        def __init__(
            self,
            context: Any = None,
            *,
            bridge_name: str = ...,
            hybrid_plug: bool = ...,
            interface_id: str = ...,
            profile_id: str = ...,
            datapath_type: str | None = ...,
            create_port: bool = ...,
            create_tap: bool = ...,
            multiqueue: bool = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfileOVSRepresentor(VIFPortProfileOpenVSwitch):
    """A representor as a port of Open vSwitch.

    Deprecated since 1.14.0: use a :class:`VIFPortProfileOpenVSwitch` with a
    :class:`DatapathOffloadRepresentor`.
    """

    VERSION = "1.4"
    history = versions(
        Version("1.0", since="1.7.0"),
        Version("1.1", since="1.8.0"),
        Version("1.2", since="1.14.0"),
        Version("1.3", since="1.15.0"),
        Version("1.4", since="4.3.0"),
    )
    fields = {
        #: The name to give to the representor.
        "representor_name": fields.StringField(nullable=True),
        #: The PCI address of the virtual function.
        "representor_address": fields.PCIAddressField(nullable=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        representor_name: str | None
        """The name to give to the representor."""
        representor_address: str | None
        """The PCI address of the virtual function."""

        def __init__(
            self,
            context: Any = None,
            *,
            representor_name: str | None = ...,
            representor_address: str | None = ...,
            interface_id: str = ...,
            profile_id: str = ...,
            datapath_type: str | None = ...,
            create_port: bool = ...,
            create_tap: bool = ...,
            multiqueue: bool = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...

    if not TYPE_CHECKING:

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
        Version("1.0", since="1.4.0"),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        #: The name of the bridge of the port.
        "bridge_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        bridge_name: str
        """The name of the bridge of the port."""

        def __init__(
            self,
            context: Any = None,
            *,
            bridge_name: str = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfileFPTap(VIFPortProfileBase):
    """A routed fast-path tap device, without a bridge."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.4.0"),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        #: The MAC address of the tap device.
        "mac_address": fields.MACAddressField(nullable=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        mac_address: str | None
        """The MAC address of the tap device."""

        def __init__(
            self,
            context: Any = None,
            *,
            mac_address: str | None = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfile8021Qbg(VIFPortProfileBase):
    """A port of an IEEE 802.1Qbg switch (VEPA); the fields are libvirt's ``virtualport``."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        #: The id of the VSI manager, ``managerid`` in libvirt.
        "manager_id": fields.IntegerField(),
        #: The id of the VSI type, ``typeid`` in libvirt.
        "type_id": fields.IntegerField(),
        #: The version of the VSI type, ``typeidversion`` in libvirt.
        "type_id_version": fields.IntegerField(),
        #: The id of the VSI instance, ``instanceid`` in libvirt.
        "instance_id": fields.UUIDField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        manager_id: int
        """The id of the VSI manager, ``managerid`` in libvirt."""
        type_id: int
        """The id of the VSI type, ``typeid`` in libvirt."""
        type_id_version: int
        """The version of the VSI type, ``typeidversion`` in libvirt."""
        instance_id: str
        """The id of the VSI instance, ``instanceid`` in libvirt."""

        def __init__(
            self,
            context: Any = None,
            *,
            manager_id: int = ...,
            type_id: int = ...,
            type_id_version: int = ...,
            instance_id: str = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfile8021Qbh(VIFPortProfileBase):
    """A port of an IEEE 802.1Qbh switch (VN-Tag); the field is libvirt's ``virtualport``."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        #: The name of the port profile, ``profileid`` in libvirt.
        "profile_id": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        profile_id: str
        """The name of the port profile, ``profileid`` in libvirt."""

        def __init__(
            self,
            context: Any = None,
            *,
            profile_id: str = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfileK8sDPDK(VIFPortProfileBase):
    """The configuration of a DPDK device in a pod, for a CNI plugin."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="1.12.0"),
        Version("1.1", since="1.14.0"),
    )
    fields = {
        #: True if the CNI plugin sets addresses and routes.
        "l3_setup": fields.BooleanField(),
        #: The path of the pod in the Kubernetes API.
        "selflink": fields.StringField(),
        #: The resource version of the pod in the Kubernetes API.
        "resourceversion": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        l3_setup: bool
        """True if the CNI plugin sets addresses and routes."""
        selflink: str
        """The path of the pod in the Kubernetes API."""
        resourceversion: str
        """The resource version of the pod in the Kubernetes API."""

        def __init__(
            self,
            context: Any = None,
            *,
            l3_setup: bool = ...,
            selflink: str = ...,
            resourceversion: str = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class VIFPortProfileSRIOV(VIFPortProfileBase):
    """Settings of the physical function for a virtual function without a switch.

    An unset setting, or a setting of None, is not changed.
    """

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The VLAN id of the tags added by the card; 0 adds no tag.
        "vlan": osv_fields.RangeField(0, 4094, nullable=True),
        #: The priority in the VLAN tag.
        "vlan_qos": osv_fields.RangeField(0, 7, nullable=True),
        #: The kind of the VLAN tag: a customer tag (``802.1Q``), or a service tag (``802.1ad``).
        "vlan_proto": osv_fields.VIFVlanProtocolField(nullable=True),
        #: True to let the guest change the MAC address and receive all packets.
        "trusted": osv_fields.TrueOrFalseField(nullable=True),
        #: True to drop packets from another MAC address than the virtual function's.
        "spoof_check": osv_fields.TrueOrFalseField(nullable=True),
        #: The guaranteed rate in Mbit/s; 0 guarantees no rate.
        "min_tx_rate": osv_fields.RangeField(0, _MAX_RATE, nullable=True),
        #: The greatest rate in Mbit/s; 0 is no limit.
        "max_tx_rate": osv_fields.RangeField(0, _MAX_RATE, nullable=True),
        #: The link state of the virtual function: as the card, always up, or always down.
        "link_state": osv_fields.VIFLinkStateField(nullable=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vlan: int | None
        """The VLAN id of the tags added by the card; 0 adds no tag."""
        vlan_qos: int | None
        """The priority in the VLAN tag."""
        vlan_proto: Literal["802.1Q", "802.1ad"] | None
        """The kind of the VLAN tag: a customer tag (``802.1Q``), or a service tag (``802.1ad``).
        """
        trusted: bool | None
        """True to let the guest change the MAC address and receive all packets."""
        spoof_check: bool | None
        """True to drop packets from another MAC address than the virtual function's."""
        min_tx_rate: int | None
        """The guaranteed rate in Mbit/s; 0 guarantees no rate."""
        max_tx_rate: int | None
        """The greatest rate in Mbit/s; 0 is no limit."""
        link_state: Literal["auto", "disable", "enable"] | None
        """The link state of the virtual function: as the card, always up, or always down."""

        def __init__(
            self,
            context: Any = None,
            *,
            vlan: int | None = ...,
            vlan_qos: int | None = ...,
            vlan_proto: Literal["802.1Q", "802.1ad"] | None = ...,
            trusted: bool | None = ...,
            spoof_check: bool | None = ...,
            min_tx_rate: int | None = ...,
            max_tx_rate: int | None = ...,
            link_state: Literal["auto", "disable", "enable"] | None = ...,
            datapath_offload: DatapathOffloadBase | None = ...,
        ) -> None: ...
