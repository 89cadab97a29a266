# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Settings of a virtual function: one table, and the netlink messages that read and set them.

:data:`SETTINGS` names each setting as the step ``SetVf``, the record of an allocation and the port
profile do. The physical function sets the settings of the virtual function; the last three are
settings of the virtual function's own network device, which ``SetVf`` sets itself.

Source: linux/if_link.h ("SR-IOV virtual function management section"), net/core/rtnetlink.c.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import supplement, uapi
from os_vif.host.netlink.codec import Attributes, walk
from os_vif.host.netlink.messages import LINK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: VLAN protocols by name.
PROTOCOLS = {"802.1Q": supplement.ETH_P_8021Q, "802.1ad": supplement.ETH_P_8021AD}
#: Link states, in the order of ``IFLA_VF_LINK_STATE_*``.
STATES = ("auto", "enable", "disable")
#: Bytes of a MAC address of Ethernet; the member of the message is longer.
_ETHERNET = 6

#: Values of settings by name. A setting that the driver does not report is missing.
Settings = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting of a virtual function."""

    name: str
    #: The setting in error messages and in the differences of ``check``.
    shown: str
    #: The word of ip-link(8); None for a setting of the own network device.
    word: str | None = None
    #: Path of the attribute in ``IFLA_VF_INFO``. Settings of one attribute are set together.
    attribute: tuple[str, ...] = ()
    #: Member of the structure that the attribute contains.
    member: str = ""
    #: The value for the message when the driver reports none.
    default: Any = 0
    #: Convert a value for the message.
    encode: Callable[[Any], Any] = int
    #: Convert a value from a message; None is a value that the driver does not report.
    decode: Callable[[Any], Any] = int


def _encode_mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _decode_mac(data: bytes) -> str:
    return data[:_ETHERNET].hex(":")


def _decode_protocol(number: int) -> str:
    return next((name for name, known in PROTOCOLS.items() if known == number), "802.1Q")


def _decode_switch(number: int) -> bool | None:
    # A driver without the setting reports all bits.
    return {0: False, 1: True}.get(number)


def _decode_state(number: int) -> str | None:
    return STATES[number] if number < len(STATES) else None


_MAC = ("IFLA_VF_MAC",)
_VLAN = ("IFLA_VF_VLAN_LIST", "IFLA_VF_VLAN_INFO")
_TRUST = ("IFLA_VF_TRUST",)
_SPOOF_CHECK = ("IFLA_VF_SPOOFCHK",)
_RATE = ("IFLA_VF_RATE",)
_STATE = ("IFLA_VF_LINK_STATE",)

#: All settings, in the order in which a plug sets them.
SETTINGS = (
    Setting("mac", "MAC address", "mac", _MAC, "mac", "", _encode_mac, _decode_mac),
    Setting("vlan", "VLAN", "vlan", _VLAN, "vlan"),
    Setting("vlan_qos", "VLAN priority", "qos", _VLAN, "qos"),
    Setting(
        "vlan_proto", "VLAN protocol", "proto", _VLAN, "proto",
        "802.1Q", PROTOCOLS.__getitem__, _decode_protocol,
    ),
    Setting("trusted", "trust", "trust", _TRUST, "trust", decode=_decode_switch),
    Setting(
        "spoof_check", "spoof check", "spoofchk", _SPOOF_CHECK, "spoofchk", decode=_decode_switch
    ),
    Setting("min_tx_rate", "minimum rate", "min_tx_rate", _RATE, "min_tx_rate"),
    Setting("max_tx_rate", "maximum rate", "max_tx_rate", _RATE, "max_tx_rate"),
    Setting(
        "link_state", "link state", "state", _STATE, "link_state",
        "auto", STATES.index, _decode_state,
    ),
    Setting("link_ipv6", "IPv6"),
    Setting("link_up", "state"),
    Setting("link_address", "MAC address"),
)  # fmt: skip
BY_NAME = {setting.name: setting for setting in SETTINGS}
_OF_VF = tuple(setting for setting in SETTINGS if setting.attribute)
#: Names of the settings of the own network device.
OF_LINK = tuple(setting.name for setting in SETTINGS if not setting.attribute)
#: Names of the settings that are set together, in the order in which a plug sets them.
GROUPS = tuple(
    tuple(setting.name for setting in group)
    for _, group in itertools.groupby(_OF_VF, key=lambda setting: setting.attribute)
)


def get(net: Netlink, pf: Link, number: int) -> Settings | None:
    """Return the settings of a virtual function; None if the physical function has no such number.

    :raises OSError: with EMSGSIZE if the reply is too long for the kernel.
    """
    filters = uapi.RTEXT_FILTER_VF | uapi.RTEXT_FILTER_SKIP_STATS
    body = LINK.pack({"IFLA_EXT_MASK": filters}, index=pf.index)
    (message,) = net.request(uapi.RTM_GETLINK, 0, body)
    for attributes in _functions(message):
        mac = attributes.get("IFLA_VF_MAC")
        if mac is not None and mac["vf"] == number:
            return _decode(attributes)
    return None


def put(net: Netlink, pf: Link, number: int, group: Sequence[str], wanted: Settings) -> None:
    """Set the settings of a group.

    :param group: names of settings of one attribute.
    :param wanted: the values of all settings of the attribute.
    :raises OSError: if the driver refuses.
    """
    attribute = BY_NAME[group[0]].attribute
    info: dict[str, Any] = {"vf": number}
    for setting in _OF_VF:
        if setting.attribute == attribute:
            value = wanted.get(setting.name)
            info[setting.member] = setting.encode(setting.default if value is None else value)
    for name in reversed(attribute):
        info = {name: info}
    body = LINK.pack({"IFLA_VFINFO_LIST": {"IFLA_VF_INFO": info}}, index=pf.index)
    net.request(uapi.RTM_NEWLINK, uapi.NLM_F_ACK, body)


def _decode(attributes: Attributes) -> Settings:
    """Return the settings in the attributes of a virtual function."""
    values = {}
    for group in GROUPS:
        found: Any = attributes
        for name in BY_NAME[group[0]].attribute:
            found = found.get(name, {})
        for setting in map(BY_NAME.__getitem__, group if found else ()):
            value = setting.decode(found[setting.member])
            if value is not None:
                values[setting.name] = value
    return values


def _functions(message: bytes) -> Iterator[Attributes]:
    """Yield the attributes of each virtual function.

    The length of the list has 16 bits, too few for some 330 functions: the kernel writes the lowest
    bits. Each function has a length of its own, and ``IFLA_NUM_VF`` comes before the list.
    """
    number_of_functions, listed = LINK.number("IFLA_NUM_VF"), LINK.number("IFLA_VFINFO_LIST")
    table = LINK.table.nested("IFLA_VFINFO_LIST").nested("IFLA_VF_INFO")
    count = 0
    for kind, start, end in walk(message, LINK.size, len(message)):
        if kind == number_of_functions:
            count = int.from_bytes(message[start:end], sys.byteorder)
        if kind == listed:
            inner = walk(message, start, len(message))
            for _, (_, first, last) in zip(range(count), inner, strict=False):
                yield Attributes(table, message[first:last])
            return
