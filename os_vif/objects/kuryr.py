# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The classes of kuryr-kubernetes, for processes without kuryr-kubernetes.

kuryr-kubernetes registers classes with the same names. If kuryr-kubernetes has registered a class
already, the name in this module is the class of kuryr-kubernetes. If kuryr-kubernetes registers a
class later, os-vif reads and writes the class of kuryr-kubernetes from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base, vif
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions

if TYPE_CHECKING:
    # For the generated types.
    from typing import Literal

    from os_vif.objects.network import Network
    from os_vif.objects.port_profile import VIFPortProfileBase
    from os_vif.objects.vif import VIFBase

_Class = TypeVar("_Class", bound=type[Any])

#: The name of a pod's first interface.
DEFAULT_INTERFACE = "eth0"


def _register_if_absent(cls: _Class) -> _Class:
    """Register a class, unless the name is registered. Return the registered class."""
    registered = ovo.VersionedObjectRegistry.obj_classes().get(cls.__name__)
    found: Any = registered[0] if registered else ovo.VersionedObjectRegistry.register(cls)
    return found  # type: ignore[no-any-return]


@_register_if_absent
class VIFVlanNested(vif.VIFBase):
    """A VLAN device of a virtual machine, for a pod in the virtual machine."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="kuryr-0.1.0"))
    fields = {
        #: The name of the VLAN device until the device is in the pod.
        "vif_name": fields.StringField(),
        #: The VLAN id of the device.
        "vlan_id": fields.IntegerField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the VLAN device until the device is in the pod."""
        vlan_id: int
        """The VLAN id of the device."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_name: str = ...,
            vlan_id: int = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...


@_register_if_absent
class VIFMacvlanNested(vif.VIFBase):
    """A macvlan device of a virtual machine, for a pod in the virtual machine."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="kuryr-0.2.0"))
    fields = {
        #: The name of the macvlan device until the device is in the pod.
        "vif_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the macvlan device until the device is in the pod."""

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


@_register_if_absent
class VIFDPDKNested(vif.VIFNestedDPDK):
    """A PCI device of a virtual machine, with the name of the device in the pod."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="kuryr-2.0.0"))
    fields = {
        #: The name of the device in the pod.
        "vif_name": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        vif_name: str
        """The name of the device in the pod."""

        def __init__(
            self,
            context: Any = None,
            *,
            vif_name: str = ...,
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


@_register_if_absent
class VIFSriov(vif.VIFDirect):
    """A virtual function for a pod. Kuryr 7.0.0 removed the class."""

    VERSION = "1.1"
    history = versions(
        Version("1.0", since="kuryr-0.6.0"),
        Version("1.1", since="kuryr-1.1.0", adds=("pod_name", "pod_link"), until="kuryr-7.0.0"),
    )
    fields = {
        #: The physical network of the virtual function.
        "physnet": fields.StringField(),
        #: The name of the pod.
        "pod_name": fields.StringField(),
        #: The path of the pod in the Kubernetes API.
        "pod_link": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        physnet: str
        """The physical network of the virtual function."""
        pod_name: str
        """The name of the pod."""
        pod_link: str
        """The path of the pod in the Kubernetes API."""

        def __init__(
            self,
            context: Any = None,
            *,
            physnet: str = ...,
            pod_name: str = ...,
            pod_link: str = ...,
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


@_register_if_absent
class PodState(base.VersionedObject, ovo.ComparableVersionedObject):
    """The interfaces of a pod."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="kuryr-0.5.0"))
    fields = {
        #: The VIF of the first interface, ``eth0``.
        "default_vif": fields.ObjectField("VIFBase", subclasses=True),
        #: The other VIFs, by name of the interface.
        "additional_vifs": osv_fields.DictOfVIFsField(default={}),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        default_vif: VIFBase
        """The VIF of the first interface, ``eth0``."""
        additional_vifs: dict[str, VIFBase]
        """The other VIFs, by name of the interface."""

        def __init__(
            self,
            context: Any = None,
            *,
            default_vif: VIFBase = ...,
            additional_vifs: dict[str, VIFBase] = ...,
        ) -> None: ...

    if not TYPE_CHECKING:

        def __init__(self, context: Any = None, **kwargs: Any) -> None:
            super().__init__(context=context, **kwargs)
            self.obj_set_defaults()
            self.obj_reset_changes()

    @property
    def vifs(self) -> dict[str, vif.VIFBase]:
        """All VIFs by name of the interface. A change of the dict does not change the pod."""
        return {DEFAULT_INTERFACE: self.default_vif, **self.additional_vifs}
