# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The offer of a host: a short document with the VIFs that the host can plug.

A :class:`HostOffer` fits into a column of neutron's database, which a :class:`HostInfo` does not.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.codec import document
from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions
from os_vif.objects.versioning.releases import CURRENT_RELEASE

if TYPE_CHECKING:
    # For the generated types.
    from collections.abc import Sequence
    from typing import Literal


@ovo.VersionedObjectRegistry.register
class GuestOffer(base.VersionedObject, ovo.ComparableVersionedObject):
    """The settings of a guest that limit the VIFs for the guest. An unset field sets no limit."""

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The memory of the guest: ``shared`` with a switch in user space, or ``private``.
        "memory": osv_fields.GuestMemoryField(),
        #: The device models of the guest, such as ``virtio`` and ``e1000``.
        "models": fields.ListOfStringsField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        memory: Literal["private", "shared"]
        """The memory of the guest: ``shared`` with a switch in user space, or ``private``."""
        models: list[str]
        """The device models of the guest, such as ``virtio`` and ``e1000``."""

        def __init__(
            self,
            context: Any = None,
            *,
            memory: Literal["private", "shared"] = ...,
            models: Sequence[str] = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class OfferedClass(base.VersionedObject, ovo.ComparableVersionedObject):
    """A VIF class of a plugin on a host, with the port profile classes for the VIF."""

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The name of the VIF class.
        "name": fields.StringField(),
        #: The names of the port profile classes that the plugin accepts in the VIF.
        "profiles": fields.ListOfStringsField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        name: str
        """The name of the VIF class."""
        profiles: list[str]
        """The names of the port profile classes that the plugin accepts in the VIF."""

        def __init__(
            self,
            context: Any = None,
            *,
            name: str = ...,
            profiles: Sequence[str] = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class OfferedPlugin(base.VersionedObject, ovo.ComparableVersionedObject):
    """A plugin on a host, and the VIF classes of the plugin."""

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The name of the plugin, as in ``VIFBase.plugin``.
        "name": fields.StringField(),
        #: The VIF classes that the plugin can plug.
        "vifs": fields.ListOfObjectsField("OfferedClass"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        name: str
        """The name of the plugin, as in ``VIFBase.plugin``."""
        vifs: list[OfferedClass]
        """The VIF classes that the plugin can plug."""

        def __init__(
            self,
            context: Any = None,
            *,
            name: str = ...,
            vifs: Sequence[OfferedClass] = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class OfferedVersion(base.VersionedObject, ovo.ComparableVersionedObject):
    """The version of a class on a host, if the release of the host does not define the version."""

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The name of the class.
        "name": fields.StringField(),
        #: The newest version of the class that the host reads.
        "version": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        name: str
        """The name of the class."""
        version: str
        """The newest version of the class that the host reads."""

        def __init__(
            self,
            context: Any = None,
            *,
            name: str = ...,
            version: str = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class HostOffer(base.VersionedObject, ovo.ComparableVersionedObject):
    """The VIFs that a host can plug: plugins, classes and port profiles, and facts of the host.

    The release defines the versions of the classes of os-vif; ``versions`` has the versions of
    other classes. An unset field is an unknown fact, and an empty list is a known absence.
    """

    VERSION = "1.0"
    history = versions(Version("1.0", since=CURRENT_RELEASE))
    fields = {
        #: The name of the host, as in ``binding:host_id``.
        "host": fields.StringField(),
        #: The release of os-vif on the host, such as ``5.3.0``.
        "release": fields.StringField(),
        #: The reason for the release, if no source has stated the release.
        "assumption": fields.StringField(),
        #: The plugins of the host.
        "plugins": fields.ListOfObjectsField("OfferedPlugin"),
        #: Classes with a version that the release does not define.
        "versions": fields.ListOfObjectsField("OfferedVersion"),
        #: Offloads of the datapath: ``representor`` and ``vdpa``.
        "offloads": fields.ListOfStringsField(),
        #: The values of ``datapath_types`` of Open vSwitch: ``system`` and ``netdev``.
        "datapath_types": fields.ListOfStringsField(),
        #: The kinds of ``iface_types`` of Open vSwitch for a VIF, such as ``dpdkvhostuserclient``.
        "interface_types": fields.ListOfStringsField(),
        #: The names of the physical networks of the host.
        "physical_networks": fields.ListOfStringsField(),
        #: True if the firewall of the host needs a Linux bridge for each port (``hybrid plug``).
        "hybrid_plug": fields.BooleanField(),
        #: The settings of the guest; unset for an offer that holds for every guest.
        "guest": fields.ObjectField("GuestOffer"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        host: str
        """The name of the host, as in ``binding:host_id``."""
        release: str
        """The release of os-vif on the host, such as ``5.3.0``."""
        assumption: str
        """The reason for the release, if no source has stated the release."""
        plugins: list[OfferedPlugin]
        """The plugins of the host."""
        versions: list[OfferedVersion]
        """Classes with a version that the release does not define."""
        offloads: list[str]
        """Offloads of the datapath: ``representor`` and ``vdpa``."""
        datapath_types: list[str]
        """The values of ``datapath_types`` of Open vSwitch: ``system`` and ``netdev``."""
        interface_types: list[str]
        """The kinds of ``iface_types`` of Open vSwitch for a VIF, such as ``dpdkvhostuserclient``.
        """
        physical_networks: list[str]
        """The names of the physical networks of the host."""
        hybrid_plug: bool
        """True if the firewall of the host needs a Linux bridge for each port (``hybrid plug``).
        """
        guest: GuestOffer
        """The settings of the guest; unset for an offer that holds for every guest."""

        def __init__(
            self,
            context: Any = None,
            *,
            host: str = ...,
            release: str = ...,
            assumption: str = ...,
            plugins: Sequence[OfferedPlugin] = ...,
            versions: Sequence[OfferedVersion] = ...,
            offloads: Sequence[str] = ...,
            datapath_types: Sequence[str] = ...,
            interface_types: Sequence[str] = ...,
            physical_networks: Sequence[str] = ...,
            hybrid_plug: bool = ...,
            guest: GuestOffer = ...,
        ) -> None: ...

    def canonical(self) -> bytes:
        """Return the document as JSON in ASCII: equal bytes for equal offers, in every process.

        The order of names in lists has no meaning; the names are sorted.

        :raises os_vif.exception.SerializationError: for a value without an expression in a
            document.
        """
        data = _in_order(document.encode(self))
        return json.dumps(data, separators=(",", ":")).encode("ascii")

    @property
    def fingerprint(self) -> str:
        """The SHA-256 digest of :meth:`canonical`, in hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


def _in_order(data: Any) -> Any:
    """Return plain data with sorted lists; equal entries of a list appear once."""
    if isinstance(data, dict):
        return {name: _in_order(value) for name, value in data.items()}
    if isinstance(data, list):
        entries = {json.dumps(entry, sort_keys=True): entry for entry in map(_in_order, data)}
        return [entries[text] for text in sorted(entries)]
    return data
