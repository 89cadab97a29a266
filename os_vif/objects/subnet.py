# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The subnets of a network, with the addresses of a port."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions

if TYPE_CHECKING:
    # For the generated types.
    from collections.abc import Sequence
    from typing import Any

    import netaddr

    from os_vif.objects.fixed_ip import FixedIPList
    from os_vif.objects.route import RouteList


@ovo.VersionedObjectRegistry.register
class Subnet(base.VersionedObject):
    """A subnet of a network; ``ips`` has the addresses of the port in the subnet."""

    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0"),
        Version("1.1", since="1.8.0", removes=("ips",), until="1.9.0"),
    )
    fields = {
        #: The address range of the subnet.
        "cidr": fields.IPNetworkField(),
        #: The addresses of the DNS servers.
        "dns": osv_fields.ListOfIPAddressField(),
        #: The address of the default gateway.
        "gateway": fields.IPAddressField(),
        #: The addresses of the port in the subnet.
        "ips": fields.ObjectField("FixedIPList"),
        #: The static routes of the subnet.
        "routes": fields.ObjectField("RouteList"),
        #: The address of the DHCP server.
        "dhcp_server": fields.IPAddressField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update

        @property
        def cidr(self) -> netaddr.IPNetwork:
            """The address range of the subnet."""
            ...

        @cidr.setter
        def cidr(self, value: str | netaddr.IPNetwork) -> None: ...

        @property
        def dns(self) -> list[netaddr.IPAddress]:
            """The addresses of the DNS servers."""
            ...

        @dns.setter
        def dns(self, value: Sequence[str | netaddr.IPAddress]) -> None: ...

        @property
        def gateway(self) -> netaddr.IPAddress:
            """The address of the default gateway."""
            ...

        @gateway.setter
        def gateway(self, value: str | netaddr.IPAddress) -> None: ...

        ips: FixedIPList
        """The addresses of the port in the subnet."""
        routes: RouteList
        """The static routes of the subnet."""

        @property
        def dhcp_server(self) -> netaddr.IPAddress:
            """The address of the DHCP server."""
            ...

        @dhcp_server.setter
        def dhcp_server(self, value: str | netaddr.IPAddress) -> None: ...

        def __init__(
            self,
            context: Any = None,
            *,
            cidr: str | netaddr.IPNetwork = ...,
            dns: Sequence[str | netaddr.IPAddress] = ...,
            gateway: str | netaddr.IPAddress = ...,
            ips: FixedIPList = ...,
            routes: RouteList = ...,
            dhcp_server: str | netaddr.IPAddress = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class SubnetList(base.VersionedObject, ovo.ObjectListBase[Subnet]):
    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The subnets.
        "objects": fields.ListOfObjectsField("Subnet"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        objects: list[Subnet]
        """The subnets."""

        def __init__(
            self,
            context: Any = None,
            *,
            objects: Sequence[Subnet] = ...,
        ) -> None: ...
