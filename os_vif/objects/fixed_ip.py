# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The addresses of a port."""

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

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update

        @property
        def address(self) -> netaddr.IPAddress:
            """The address of the port."""
            ...

        @address.setter
        def address(self, value: str | netaddr.IPAddress) -> None: ...

        @property
        def floating_ips(self) -> list[netaddr.IPAddress]:
            """The floating addresses that are translated to the address."""
            ...

        @floating_ips.setter
        def floating_ips(self, value: Sequence[str | netaddr.IPAddress]) -> None: ...

        def __init__(
            self,
            context: Any = None,
            *,
            address: str | netaddr.IPAddress = ...,
            floating_ips: Sequence[str | netaddr.IPAddress] = ...,
        ) -> None: ...


@ovo.VersionedObjectRegistry.register
class FixedIPList(base.VersionedObject, ovo.ObjectListBase[FixedIP]):
    VERSION = "1.0"
    history = versions(Version("1.0", since="1.0.0"))
    fields = {
        #: The addresses.
        "objects": fields.ListOfObjectsField("FixedIP"),
    }

    if TYPE_CHECKING:
        # Generated from the fields by: python -m tools.field_types --update
        objects: list[FixedIP]
        """The addresses."""

        def __init__(
            self,
            context: Any = None,
            *,
            objects: Sequence[FixedIP] = ...,
        ) -> None: ...
