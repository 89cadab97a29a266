# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Offloads of the datapath of a port, a part of the port profile.

The public path of these classes is :mod:`os_vif.objects.vif`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects.versioning.history import Version, versions
from os_vif.objects.versioning.releases import CURRENT_RELEASE

if TYPE_CHECKING:
    # For the generated types.
    from typing import Any


@ovo.VersionedObjectRegistry.register
class DatapathOffloadBase(base.VersionedObject, ovo.ComparableVersionedObject):
    """A hardware offload of the datapath of a port."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.14.0"))
    fields = {}

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update

        def __init__(self, context: Any = None) -> None: ...


@ovo.VersionedObjectRegistry.register
class DatapathOffloadRepresentor(DatapathOffloadBase):
    """An offload to the switch of the card; a representor is the port on the host."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.14.0"))
    fields = {
        #: The name to give to the representor.
        "representor_name": fields.StringField(nullable=True),
        #: The PCI address of the virtual function.
        "representor_address": fields.StringField(nullable=True),
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
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class DatapathOffloadVDPA(DatapathOffloadBase):
    """An offload to virtio queues of the card: a vDPA device, a virtio device for the guest."""

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The name to give to the vDPA device (``vdpa dev add name``).
        "device_name": fields.StringField(nullable=True),
        #: The management device (``vdpa mgmtdev show``), such as ``pci/0000:03:00.2``.
        "management_device": fields.StringField(nullable=True),
        #: The character device for the hypervisor, such as ``/dev/vhost-vdpa-0``.
        "vhost_vdpa_path": fields.StringField(nullable=True),
        #: The MAC address to give to the vDPA device; by default the MAC address of the VIF.
        "mac_address": fields.MACAddressField(nullable=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        device_name: str | None
        """The name to give to the vDPA device (``vdpa dev add name``)."""
        management_device: str | None
        """The management device (``vdpa mgmtdev show``), such as ``pci/0000:03:00.2``."""
        vhost_vdpa_path: str | None
        """The character device for the hypervisor, such as ``/dev/vhost-vdpa-0``."""
        mac_address: str | None
        """The MAC address to give to the vDPA device; by default the MAC address of the VIF."""

        def __init__(
            self,
            context: Any = None,
            *,
            device_name: str | None = ...,
            management_device: str | None = ...,
            vhost_vdpa_path: str | None = ...,
            mac_address: str | None = ...,
        ) -> None: ...
