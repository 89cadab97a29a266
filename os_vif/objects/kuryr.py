# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The kinds that kuryr-kubernetes keeps out of tree, so that nobody needs it to read them.

Kuryr registers its own under the same names. If it has done so already, the names here are its
classes; if it does so later, its classes are those that are read and written from then on.
"""

from __future__ import annotations

from typing import Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, vif
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions

#: The name of a pod's first interface.
DEFAULT_INTERFACE = "eth0"


def _while_free(cls: type[Any]) -> type[Any]:
    """Register a class, unless somebody has registered one of that name: then give that."""
    taken = ovo.VersionedObjectRegistry.obj_classes().get(cls.__name__)
    return taken[0] if taken else ovo.VersionedObjectRegistry.register(cls)


@_while_free
class VIFVlanNested(vif.VIFBase):
    """A VLAN device inside a virtual machine, for a pod in it."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="kuryr-0.1.0", adds=("vif_name", "vlan_id")),
    )
    fields = {
        "vif_name": fields.StringField(),
        "vlan_id": fields.IntegerField(),
    }


@_while_free
class VIFMacvlanNested(vif.VIFBase):
    """A macvlan device inside a virtual machine, for a pod in it."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="kuryr-0.2.0", adds=("vif_name",)),
    )
    fields = {
        "vif_name": fields.StringField(),
    }


@_while_free
class VIFDPDKNested(vif.VIFNestedDPDK):
    """A PCI device inside a virtual machine, by its name in the pod."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="kuryr-2.0.0", adds=("vif_name",)),
    )
    fields = {
        "vif_name": fields.StringField(),
    }


@_while_free
class VIFSriov(vif.VIFDirect):
    """A virtual function for a pod. Kuryr 7.0.0 gave it up."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="kuryr-0.6.0", adds=("physnet",)),
        Version("1.1", since="kuryr-1.1.0", adds=("pod_name", "pod_link"), until="kuryr-7.0.0"),
    )
    fields = {
        "physnet": fields.StringField(),
        "pod_name": fields.StringField(),
        "pod_link": fields.StringField(),
    }


@_while_free
class PodState(base.VersionedObject, ovo.ComparableVersionedObject):
    """The interfaces of a pod."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="kuryr-0.5.0", adds=("default_vif", "additional_vifs")),
    )
    fields = {
        "default_vif": fields.ObjectField("VIFBase", subclasses=True),
        #: By the name of the interface.
        "additional_vifs": osv_fields.DictOfVIFsField(default={}),
    }

    def __init__(self, context: Any = None, **kwargs: Any) -> None:
        super().__init__(context=context, **kwargs)
        self.obj_set_defaults()
        self.obj_reset_changes()

    @property
    def vifs(self) -> dict[str, vif.VIFBase]:
        """All of them by the name of the interface. Changing this dict changes nothing."""
        return {DEFAULT_INTERFACE: self.default_vif, **self.additional_vifs}
