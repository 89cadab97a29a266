# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Field types and enumerations of os-vif, for oslo.versionedobjects."""

from __future__ import annotations

from typing import Any, Final

import netaddr
from oslo_versionedobjects import fields as ovo

from os_vif.codec import field as codec_field
from os_vif.codec import scalar

#: Coerced to lower case; the domain has exactly four hexadecimal digits: ``0000:03:00.1``.
PCIAddress = ovo.PCIAddress
PCIAddressField = ovo.PCIAddressField


class Range(ovo.Integer):
    """A whole number within inclusive limits. Text and booleans are refused."""

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
    """A boolean. All other values are refused."""

    def coerce(self, obj: Any, attr: str, value: Any) -> bool:
        if not isinstance(value, bool):
            # oslo.versionedobjects would accept text.
            raise ValueError(f"{attr} is {value!r}; expected True or False")  # noqa: TRY004
        return value


class TrueOrFalseField(ovo.AutoTypedField[bool]):
    AUTO_TYPE = TrueOrFalse()


class _Enum(ovo.Enum):
    """An enumeration of the values in ``ALL``."""

    ALL: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__(valid_values=self.ALL)


class VIFVlanProtocol(_Enum):
    """The kind of a VLAN tag: customer tag, or service tag (Q-in-Q)."""

    DOT1Q: Final = "802.1Q"
    DOT1AD: Final = "802.1ad"

    ALL = (DOT1Q, DOT1AD)


class VIFVlanProtocolField(ovo.BaseEnumField):
    AUTO_TYPE = VIFVlanProtocol()


class VIFLinkState(_Enum):
    """The link state of a virtual function: as the card, always up, or always down."""

    AUTO: Final = "auto"
    ENABLE: Final = "enable"
    DISABLE: Final = "disable"

    ALL = (AUTO, ENABLE, DISABLE)


class VIFLinkStateField(ovo.BaseEnumField):
    AUTO_TYPE = VIFLinkState()


class VIFDirectMode(_Enum):
    """The mode of a macvtap device (``ip link add type macvtap mode``)."""

    VEPA: Final = "vepa"
    PASSTHROUGH: Final = "passthrough"
    BRIDGE: Final = "bridge"

    ALL = (VEPA, PASSTHROUGH, BRIDGE)


class VIFDirectModeField(ovo.BaseEnumField):
    AUTO_TYPE = VIFDirectMode()


class VIFVHostUserMode(_Enum):
    """The role of QEMU at the vhost-user socket: connect, or listen."""

    CLIENT: Final = "client"
    SERVER: Final = "server"

    ALL = (CLIENT, SERVER)


class VIFVHostUserModeField(ovo.BaseEnumField):
    AUTO_TYPE = VIFVHostUserMode()


class VIFHostDeviceDevType(_Enum):
    """The kind of device assignment in libvirt: a network interface, or any PCI device."""

    ETHERNET: Final = "ethernet"
    GENERIC: Final = "generic"

    ALL = (ETHERNET, GENERIC)


class VIFHostDeviceDevTypeField(ovo.BaseEnumField):
    AUTO_TYPE = VIFHostDeviceDevType()


class GuestMemory(_Enum):
    """The memory of a guest: shared with a switch in user space, or private."""

    SHARED = "shared"
    PRIVATE = "private"

    ALL = (SHARED, PRIVATE)


class GuestMemoryField(ovo.BaseEnumField):
    AUTO_TYPE = GuestMemory()


class ListOfIPAddressField(ovo.AutoTypedField[list[netaddr.IPAddress]]):
    AUTO_TYPE = ovo.List(ovo.IPAddress())


class DictOfVIFsField(ovo.AutoTypedField[dict[str, Any]]):
    """VIFs of any class, by name of the interface."""

    AUTO_TYPE = ovo.Dict(ovo.Object("VIFBase", subclasses=True))


codec_field.register(Range, lambda kind: scalar.IntegerRange(kind.least, kind.most, kind.expected))
codec_field.register(TrueOrFalse, lambda _: scalar.BOOLEAN)
