# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fields and enumerations that oslo.versionedobjects does not bring itself."""

from __future__ import annotations

from typing import Any

import netaddr
from oslo_versionedobjects import fields as ovo

#: Coerced to lower case; the domain has exactly four hexadecimal digits: ``0000:03:00.1``.
PCIAddress = ovo.PCIAddress
PCIAddressField = ovo.PCIAddressField


class VIFDirectMode(ovo.Enum):
    """How a macvtap hands frames on (``ip link add type macvtap mode``)."""

    VEPA = "vepa"
    PASSTHROUGH = "passthrough"
    BRIDGE = "bridge"

    ALL = (VEPA, PASSTHROUGH, BRIDGE)

    def __init__(self) -> None:
        super().__init__(valid_values=self.ALL)


class VIFDirectModeField(ovo.BaseEnumField):
    AUTO_TYPE = VIFDirectMode()


class VIFVHostUserMode(ovo.Enum):
    """Who opens the vhost-user socket, seen from QEMU."""

    CLIENT = "client"
    SERVER = "server"

    ALL = (CLIENT, SERVER)

    def __init__(self) -> None:
        super().__init__(valid_values=self.ALL)


class VIFVHostUserModeField(ovo.BaseEnumField):
    AUTO_TYPE = VIFVHostUserMode()


class VIFHostDeviceDevType(ovo.Enum):
    """How libvirt hands a device to a guest: as a network interface, or as any PCI device."""

    ETHERNET = "ethernet"
    GENERIC = "generic"

    ALL = (ETHERNET, GENERIC)

    def __init__(self) -> None:
        super().__init__(valid_values=self.ALL)


class VIFHostDeviceDevTypeField(ovo.BaseEnumField):
    AUTO_TYPE = VIFHostDeviceDevType()


class ListOfIPAddressField(ovo.AutoTypedField[list[netaddr.IPAddress]]):
    AUTO_TYPE = ovo.List(ovo.IPAddress())


class DictOfVIFsField(ovo.AutoTypedField[dict[str, Any]]):
    """VIFs of any kind, by the name of an interface."""

    AUTO_TYPE = ovo.Dict(ovo.Object("VIFBase", subclasses=True))
