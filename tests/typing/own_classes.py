# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Versioned objects of a project, typed by ``os-vif class-types``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base, fields

from os_vif import objects
from os_vif.objects import fields as osv_fields
from os_vif.objects.base import VersionedObject

if TYPE_CHECKING:
    # For the generated types.
    from collections.abc import Sequence
    from typing import Any

    import netaddr

    from os_vif.objects.network import Network
    from os_vif.objects.port_profile import VIFPortProfileBase
    from os_vif.objects.subnet import SubnetList


@base.VersionedObjectRegistry.register
class HubPort(VersionedObject):
    """A port of a hub."""

    VERSION = "1.0"
    fields = {
        #: The number of the port.
        "number": fields.IntegerField(),
        #: The addresses of the port.
        "addresses": osv_fields.ListOfIPAddressField(),
        # A field without a sentence.
        "labels": fields.DictOfStringsField(nullable=True),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: os-vif class-types
        number: int
        """The number of the port."""

        @property
        def addresses(self) -> list[netaddr.IPAddress]:
            """The addresses of the port."""
            ...

        @addresses.setter
        def addresses(self, value: Sequence[str | netaddr.IPAddress]) -> None: ...

        labels: dict[str, str] | None

        def __init__(
            self,
            context: Any = None,
            *,
            number: int = ...,
            addresses: Sequence[str | netaddr.IPAddress] = ...,
            labels: dict[str, str] | None = ...,
        ) -> None: ...


@base.VersionedObjectRegistry.register
class VIFHub(objects.VIFBase):
    """A VIF at a hub."""

    VERSION = "1.0"
    fields = {
        #: The name of the hub.
        "hub_name": fields.StringField(),
        #: The port of the hub.
        "hub_port": fields.ObjectField("HubPort", nullable=True),
        #: Further subnets of the hub.
        "more_subnets": fields.ObjectField("SubnetList"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: os-vif class-types
        hub_name: str
        """The name of the hub."""
        hub_port: HubPort | None
        """The port of the hub."""
        more_subnets: SubnetList
        """Further subnets of the hub."""

        def __init__(
            self,
            context: Any = None,
            *,
            hub_name: str = ...,
            hub_port: HubPort | None = ...,
            more_subnets: SubnetList = ...,
            id: str = ...,
            address: str | None = ...,
            network: Network | None = ...,
            plugin: str = ...,
            active: bool = ...,
            preserve_on_delete: bool = ...,
            has_traffic_filtering: bool = ...,
            port_profile: VIFPortProfileBase = ...,
        ) -> None: ...
