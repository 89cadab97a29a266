# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The static routes of a subnet."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects.versioning.history import Version, versions


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


@ovo.VersionedObjectRegistry.register
class RouteList(base.VersionedObject, ovo.ObjectListBase[Route]):
    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The routes.
        "objects": fields.ListOfObjectsField("Route"),
    }
