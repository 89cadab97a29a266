# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The subnets of a network, with the addresses of a port."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions


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


@ovo.VersionedObjectRegistry.register
class SubnetList(base.VersionedObject, ovo.ObjectListBase[Subnet]):
    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The subnets.
        "objects": fields.ListOfObjectsField("Subnet"),
    }
