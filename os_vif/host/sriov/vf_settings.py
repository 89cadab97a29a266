# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What a physical function sets on its virtual functions, as rtnetlink(7) has it.

Source: linux/if_link.h ("SR-IOV virtual function management section"), net/core/rtnetlink.c.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import codec, rtnetlink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``RTM_NEWLINK``
_NEWLINK = 16
#: ``RTEXT_FILTER_VF`` and ``RTEXT_FILTER_SKIP_STATS``.
_EXT_MASK = 1 | 8
_NUM_VF, _VFINFO_LIST = 21, 22
_VF_INFO, _VLAN_INFO, _NESTED = 1, 1, 0x8000
_MAC, _SPOOFCHK, _LINK_STATE, _RATE, _TRUST, _VLAN_LIST = 1, 4, 5, 6, 9, 12
_NUMBER, _PAIR, _THREE, _VLAN = (struct.Struct(form) for form in ("=I", "=II", "=III", "=IIIH2x"))
#: The length of a MAC address of Ethernet, and of the field for any.
_ETHERNET, _LONGEST = 6, 32
#: ``ETH_P_8021Q`` and ``ETH_P_8021AD``, which are big-endian there.
_PROTOCOLS = {"802.1Q": 0x8100, "802.1ad": 0x88A8}
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
    body = codec.link({"IFLA_EXT_MASK": _EXT_MASK}, pf.index)
    (message,) = net.talk(rtnetlink.GETLINK, 0, body)
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
    data = _pack(number, group[0], wanted)
    listed = _attribute(_VFINFO_LIST | _NESTED, _attribute(_VF_INFO | _NESTED, data))
    net.talk(_NEWLINK, rtnetlink.ACK, codec.link({}, pf.index) + listed)


def _attribute(kind: int, data: bytes) -> bytes:
    return codec.ATTRIBUTE.pack(4 + len(data), kind) + data + bytes(-len(data) % 4)


def _pack(number: int, first: str, wanted: Settings) -> bytes:
    match first:
        case "mac":
            mac = codec.MAC[0](wanted.mac).ljust(_LONGEST, b"\0")
            return _attribute(_MAC, _NUMBER.pack(number) + mac)
        case "vlan":
            proto = _swapped(_PROTOCOLS[wanted.vlan_proto or "802.1Q"])
            vlan = _VLAN.pack(number, wanted.vlan or 0, wanted.vlan_qos or 0, proto)
            return _attribute(_VLAN_LIST | _NESTED, _attribute(_VLAN_INFO, vlan))
        case "trusted":
            return _attribute(_TRUST, _PAIR.pack(number, bool(wanted.trusted)))
        case "spoof_check":
            return _attribute(_SPOOFCHK, _PAIR.pack(number, bool(wanted.spoof_check)))
        case "min_tx_rate":
            rates = wanted.min_tx_rate or 0, wanted.max_tx_rate or 0
            return _attribute(_RATE, _THREE.pack(number, *rates))
        case _:
            state = _STATES.index(wanted.link_state or "auto")
            return _attribute(_LINK_STATE, _PAIR.pack(number, state))


def _functions(message: bytes) -> Iterator[dict[int, bytes]]:
    """The attributes of each virtual function.

    The length of their list has 16 bits: of more than some 330 functions it says too little, but
    each of them has its own, and how many they are is said before.
    """
    start = codec.HEADER.size + codec.LINK.size
    there = 0
    for kind, data, at in _attributes(message, start, len(message)):
        if kind == _NUM_VF:
            (there,) = _NUMBER.unpack_from(data)
        if kind == _VFINFO_LIST:
            inner = _attributes(message, at + codec.ATTRIBUTE.size, len(message))
            for (_, one, _), _ in zip(inner, range(there), strict=False):
                yield {k: d for k, d, _ in _attributes(one, 0, len(one))}
            return


def _attributes(data: bytes, at: int, end: int) -> Iterator[tuple[int, bytes, int]]:
    """Kind, value and place of each."""
    while at + codec.ATTRIBUTE.size <= end:
        length, kind = codec.ATTRIBUTE.unpack_from(data, at)
        if length < codec.ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[at + codec.ATTRIBUTE.size : at + length], at
        at += (length + 3) & ~3


def _settings(found: dict[int, bytes]) -> tuple[int, Settings] | None:
    if _MAC not in found:
        return None
    (number,) = _NUMBER.unpack_from(found[_MAC])
    values: dict[str, Any] = {"mac": found[_MAC][4 : 4 + _ETHERNET].hex(":")}
    if _VLAN_LIST in found:
        for _, data, _ in _attributes(found[_VLAN_LIST], 0, len(found[_VLAN_LIST])):
            _, vlan, qos, proto = _VLAN.unpack_from(data)
            names = {_swapped(n): name for name, n in _PROTOCOLS.items()}
            values |= {"vlan": vlan, "vlan_qos": qos, "vlan_proto": names.get(proto, "802.1Q")}
            break
    if _RATE in found:
        _, values["min_tx_rate"], values["max_tx_rate"] = _THREE.unpack_from(found[_RATE])
    for name, kind in (("trusted", _TRUST), ("spoof_check", _SPOOFCHK)):
        if kind in found and (setting := _PAIR.unpack_from(found[kind])[1]) in (0, 1):
            values[name] = bool(setting)
    if _LINK_STATE in found:
        state = _PAIR.unpack_from(found[_LINK_STATE])[1]
        values["link_state"] = _STATES[state] if state < len(_STATES) else None
    return number, Settings(**values)


def _swapped(number: int) -> int:
    """A number of 16 bits in the other of the host's byte order and the network's."""
    return int.from_bytes(struct.pack("=H", number), "big")
