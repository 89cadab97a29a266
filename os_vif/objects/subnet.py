# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The subnets of a network, with the addresses that the port has in them."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions


@ovo.VersionedObjectRegistry.register
class Subnet(base.VersionedObject):
    """One subnet: ``ips`` are the addresses of this one port in it."""

    VERSION = "1.0"
    history = versions(
        Version(
            "1.0",
            since="1.0.0",
            adds=("cidr", "dns", "gateway", "ips", "routes", "dhcp_server"),
        ),
        Version("1.1", since="1.8.0", removes=("ips",), until="1.9.0"),
    )
    fields = {
        "cidr": fields.IPNetworkField(),
        "dns": osv_fields.ListOfIPAddressField(),
        "gateway": fields.IPAddressField(),
        "ips": fields.ObjectField("FixedIPList"),
        "routes": fields.ObjectField("RouteList"),
        "dhcp_server": fields.IPAddressField(),
    }


@ovo.VersionedObjectRegistry.register
class SubnetList(base.VersionedObject, ovo.ObjectListBase[Subnet]):
    VERSION = "1.0"
    history = versions(
        Version("1.0", since="1.0.0", adds=("objects",)),
    )
    fields = {
        "objects": fields.ListOfObjectsField("Subnet"),
    }
