# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a physical function sets on its virtual functions, as rtnetlink(7) has it.

Source: linux/if_link.h ("SR-IOV virtual function management section"), net/core/rtnetlink.c.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import supplement, uapi
from os_vif.host.netlink.codec import Attributes, walk
from os_vif.host.netlink.messages import LINK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: Bytes of a MAC address of Ethernet; the field has more.
_ETHERNET = 6
#: Names of VLAN protocols and of link states (``IFLA_VF_LINK_STATE_*``).
_PROTOCOLS = {"802.1Q": supplement.ETH_P_8021Q, "802.1ad": supplement.ETH_P_8021AD}
_STATES = ("auto", "enable", "disable")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Those of one virtual function; None is what the driver does not tell."""

    mac: str | None = None
    vlan: int | None = None
    vlan_qos: int | None = None
    vlan_proto: str | None = None
    trusted: bool | None = None
    spoof_check: bool | None = None
    #: Mbit/s; 0 is none.
    min_tx_rate: int | None = None
    max_tx_rate: int | None = None
    link_state: str | None = None
    #: Of its own network device, which the kernel tells elsewhere.
    link_ipv6: bool | None = None
    link_up: bool | None = None
    link_address: str | None = None


#: What the kernel is told together, in the order in which it is told.
GROUPS = (
    ("mac",),
    ("vlan", "vlan_qos", "vlan_proto"),
    ("trusted",),
    ("spoof_check",),
    ("min_tx_rate", "max_tx_rate"),
    ("link_state",),
)


def get(net: Netlink, pf: Link, number: int) -> Settings | None:
    """The settings of a virtual function; None if the physical function has none of that number.

    :raises OSError: with EMSGSIZE if it has more than the kernel can tell.
    """
    filters = uapi.RTEXT_FILTER_VF | uapi.RTEXT_FILTER_SKIP_STATS
    body = LINK.pack({"IFLA_EXT_MASK": filters}, index=pf.index)
    (message,) = net.request(uapi.RTM_GETLINK, 0, body)
    for attributes in _functions(message):
        found = _settings(attributes)
        if found is not None and found[0] == number:
            return found[1]
    return None


def put(net: Netlink, pf: Link, number: int, group: tuple[str, ...], wanted: Settings) -> None:
    """Set what goes together.

    :param wanted: all of the group.
    :raises OSError: if the driver refuses.
    """
    info = _info(number, group[0], wanted)
    body = LINK.pack({"IFLA_VFINFO_LIST": {"IFLA_VF_INFO": info}}, index=pf.index)
    net.request(uapi.RTM_NEWLINK, uapi.NLM_F_ACK, body)


def _info(number: int, first: str, wanted: Settings) -> dict[str, Any]:
    """Return ``IFLA_VF_INFO`` that sets a group of settings."""
    match first:
        case "mac":
            mac = bytes.fromhex((wanted.mac or "").replace(":", ""))
            return {"IFLA_VF_MAC": {"vf": number, "mac": mac}}
        case "vlan":
            vlan = {
                "vf": number,
                "vlan": wanted.vlan or 0,
                "qos": wanted.vlan_qos or 0,
                "proto": _PROTOCOLS[wanted.vlan_proto or "802.1Q"],
            }
            return {"IFLA_VF_VLAN_LIST": {"IFLA_VF_VLAN_INFO": vlan}}
        case "trusted":
            return {"IFLA_VF_TRUST": {"vf": number, "trust": bool(wanted.trusted)}}
        case "spoof_check":
            return {"IFLA_VF_SPOOFCHK": {"vf": number, "spoofchk": bool(wanted.spoof_check)}}
        case "min_tx_rate":
            rates = {
                "min_tx_rate": wanted.min_tx_rate or 0,
                "max_tx_rate": wanted.max_tx_rate or 0,
            }
            return {"IFLA_VF_RATE": {"vf": number, **rates}}
        case _:
            state = _STATES.index(wanted.link_state or "auto")
            return {"IFLA_VF_LINK_STATE": {"vf": number, "link_state": state}}


def _functions(message: bytes) -> Iterator[Attributes]:
    """Yield the attributes of each virtual function.

    The length of their list has 16 bits, too few for some 330 functions: the kernel writes its
    lowest bits. Each function has a length of its own, and ``IFLA_NUM_VF`` comes before the list.
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


def _settings(found: Attributes) -> tuple[int, Settings] | None:
    mac = found.get("IFLA_VF_MAC")
    if mac is None:
        return None
    values: dict[str, Any] = {"mac": mac["mac"][:_ETHERNET].hex(":")}
    if vlan := found.get("IFLA_VF_VLAN_LIST", {}).get("IFLA_VF_VLAN_INFO"):
        names = {number: name for name, number in _PROTOCOLS.items()}
        proto = names.get(vlan["proto"], "802.1Q")
        values |= {"vlan": vlan["vlan"], "vlan_qos": vlan["qos"], "vlan_proto": proto}
    if rates := found.get("IFLA_VF_RATE"):
        values |= {name: rates[name] for name in ("min_tx_rate", "max_tx_rate")}
    for name, attribute, field in (
        ("trusted", "IFLA_VF_TRUST", "trust"),
        ("spoof_check", "IFLA_VF_SPOOFCHK", "spoofchk"),
    ):
        setting = found.get(attribute, {}).get(field)
        # Drivers without the setting report all bits.
        if setting in (0, 1):
            values[name] = bool(setting)
    if state := found.get("IFLA_VF_LINK_STATE"):
        place = state["link_state"]
        values["link_state"] = _STATES[place] if place < len(_STATES) else None
    return mac["vf"], Settings(**values)
