# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Fields and enumerations that oslo.versionedobjects does not bring itself."""

from __future__ import annotations

from typing import Any

import netaddr
from oslo_versionedobjects import fields as ovo

from os_vif.codec import field as codec_field
from os_vif.codec import scalar

#: Coerced to lower case; the domain has exactly four hexadecimal digits: ``0000:03:00.1``.
PCIAddress = ovo.PCIAddress
PCIAddressField = ovo.PCIAddressField


class Range(ovo.Integer):
    """A whole number between two, which are included. No text is taken for one, and no boolean."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__()
        self.least = least
        self.most = most

    @property
    def expected(self) -> str:
        return f"a whole number of {self.least} to {self.most}"

    def coerce(self, obj: Any, attr: str, value: Any) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not self.least <= value <= self.most:
            raise ValueError(f"{attr} is {value!r}; expected {self.expected}")
        return int(value)


class RangeField(ovo.AutoTypedField[int]):
    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        self.AUTO_TYPE = Range(least, most)
        super().__init__(**kwargs)


class TrueOrFalse(ovo.Boolean):
    """A boolean, for which nothing else is taken."""

    def coerce(self, obj: Any, attr: str, value: Any) -> bool:
        if not isinstance(value, bool):
            # Any text would be true.
            raise ValueError(f"{attr} is {value!r}; expected True or False")  # noqa: TRY004
        return value


class TrueOrFalseField(ovo.AutoTypedField[bool]):
    AUTO_TYPE = TrueOrFalse()


class VIFVlanProtocol(ovo.Enum):
    """The tag of a VLAN: that of customers, or that of providers (Q-in-Q)."""

    DOT1Q = "802.1Q"
    DOT1AD = "802.1ad"

    ALL = (DOT1Q, DOT1AD)

    def __init__(self) -> None:
        super().__init__(valid_values=self.ALL)


class VIFVlanProtocolField(ovo.BaseEnumField):
    AUTO_TYPE = VIFVlanProtocol()


class VIFLinkState(ovo.Enum):
    """The link of a virtual function: that of its card, always up, or always down."""

    AUTO = "auto"
    ENABLE = "enable"
    DISABLE = "disable"

    ALL = (AUTO, ENABLE, DISABLE)

    def __init__(self) -> None:
        super().__init__(valid_values=self.ALL)


class VIFLinkStateField(ovo.BaseEnumField):
    AUTO_TYPE = VIFLinkState()


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


codec_field.register(Range, lambda kind: scalar.IntegerRange(kind.least, kind.most, kind.expected))
codec_field.register(TrueOrFalse, lambda _: scalar.Boolean())
