# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The addresses of a port."""

from __future__ import annotations

from oslo_versionedobjects import base as ovo
from oslo_versionedobjects import fields

from os_vif.objects import base
from os_vif.objects import fields as osv_fields
from os_vif.objects.versioning.history import Version, versions


@ovo.VersionedObjectRegistry.register
class FixedIP(base.VersionedObject):
    """An address of a port, and the floating addresses of the address."""

    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The address of the port.
        "address": fields.IPAddressField(),
        #: The floating addresses that are translated to the address.
        "floating_ips": osv_fields.ListOfIPAddressField(),
    }


@ovo.VersionedObjectRegistry.register
class FixedIPList(base.VersionedObject, ovo.ObjectListBase[FixedIP]):
    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The addresses.
        "objects": fields.ListOfObjectsField("FixedIP"),
    }
