# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The static routes of a subnet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects.versioning.history import Version, versions

if TYPE_CHECKING:
    # For the generated types.
    from collections.abc import Sequence
    from typing import Any

    import netaddr


@ovo.VersionedObjectRegistry.register
class Route(base.VersionedObject):
    """A static route: packets to ``cidr`` go to ``gateway``, through ``interface`` if set."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The destination of the route.
        "cidr": fields.IPNetworkField(),
        #: The address of the next hop.
        "gateway": fields.IPAddressField(),
        #: The name of the network interface of the route.
        "interface": fields.StringField(),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update

        @property
        def cidr(self) -> netaddr.IPNetwork:
            """The destination of the route."""
            ...

        @cidr.setter
        def cidr(self, value: str | netaddr.IPNetwork) -> None: ...

        @property
        def gateway(self) -> netaddr.IPAddress:
            """The address of the next hop."""
            ...

        @gateway.setter
        def gateway(self, value: str | netaddr.IPAddress) -> None: ...

        interface: str
        """The name of the network interface of the route."""

        def __init__(
            self,
            context: Any = None,
            *,
            cidr: str | netaddr.IPNetwork = ...,
            gateway: str | netaddr.IPAddress = ...,
            interface: str = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class RouteList(base.VersionedObject, ovo.ObjectListBase[Route]):
    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The routes.
        "objects": fields.ListOfObjectsField("Route"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        objects: list[Route]
        """The routes."""

        def __init__(
            self,
            context: Any = None,
            *,
            objects: Sequence[Route] = ...,
        ) -> None: ...
