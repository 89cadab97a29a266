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
from os_vif.objects.history import Version, versions


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
