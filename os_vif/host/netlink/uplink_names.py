# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What names an uplink and would not follow the host's addresses to a bridge.

A packet that comes in through a port of a bridge has come in through the bridge, for the host. So a
rule of ip-rule(8) that names the uplink would no longer match, and so on. os-vif does not rewrite
what others have made: an uplink that is named so is refused.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from typing import TYPE_CHECKING

from os_vif.host.netlink import codec, rtnetlink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: linux/rtnetlink.h
_GETRULE, _GETNEXTHOP = 34, 106
#: ``struct fib_rule_hdr``, and ``struct nhmsg`` of linux/nexthop.h, after the family.
_RULE_SIZE, _NEXTHOP_SIZE = 12, 8
_FRA = codec.Table(
    FRA_IIFNAME=(3, codec.TEXT), FRA_PRIORITY=(6, codec.U32), FRA_OIFNAME=(17, codec.TEXT)
)
_NHA = codec.Table(NHA_ID=(1, codec.U32), NHA_OIF=(5, codec.U32))
#: ``IFLA_AF_SPEC`` holds the attributes of each family, by the family's number.
_AF_SPEC = codec.Table(IFLA_AF_SPEC=(26, codec.RAW))
_FAMILIES = codec.Table(AF_INET6=(socket.AF_INET6, codec.RAW))
_INET6 = codec.Table(IFLA_INET6_TOKEN=(7, codec.IP))
_NO_TOKEN = str(ipaddress.IPv6Address(0))
_FAMILY = struct.Struct("=B")


def refuse(net: Netlink, link: Link) -> None:
    """Raise the error that says what names a device.

    :raises OSError: with EOPNOTSUPP for a rule, a next hop object or an IPv6 token.
    """
    for found in (_rule(net, link), _next_hop(net, link), _token(net, link)):
        if found:
            reason = f"{found}, which os-vif cannot move: give it to the bridge instead"
            raise OSError(errno.EOPNOTSUPP, reason)


def _rule(net: Netlink, link: Link) -> str | None:
    for family, command in ((socket.AF_INET, "ip rule"), (socket.AF_INET6, "ip -6 rule")):
        body = _FAMILY.pack(family) + bytes(_RULE_SIZE - 1)
        for data in _dump(net, _GETRULE, body):
            rule = codec.unpack(data[codec.HEADER.size + _RULE_SIZE :], _FRA)
            for way, name in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME")):
                if rule.get(name) == link.name:
                    number = rule.get("FRA_PRIORITY", 0)
                    return f"the rule {number} of '{command}' has {way} {link.name}"
    return None


def _next_hop(net: Netlink, link: Link) -> str | None:
    body = bytes(_NEXTHOP_SIZE) + codec.pack({"NHA_OIF": link.index}, _NHA)
    for data in _dump(net, _GETNEXTHOP, body):
        found = codec.unpack(data[codec.HEADER.size + _NEXTHOP_SIZE :], _NHA)
        return f"the next hop object {found.get('NHA_ID', 0)} goes through {link.name}"
    return None


def _token(net: Netlink, link: Link) -> str | None:
    body = codec.link({"IFLA_EXT_MASK": rtnetlink.NO_STATS}, link.index)
    for data in net.talk(rtnetlink.GETLINK, 0, body):
        found = codec.unpack(data[codec.HEADER.size + codec.LINK.size :], _AF_SPEC)
        families = codec.unpack(found.get("IFLA_AF_SPEC", b""), _FAMILIES)
        token = codec.unpack(families.get("AF_INET6", b""), _INET6).get("IFLA_INET6_TOKEN")
        if token not in (None, _NO_TOKEN):
            return f"{link.name} has the IPv6 token {token}"
    return None


def _dump(net: Netlink, kind: int, body: bytes) -> list[bytes]:
    try:
        return net.talk(kind, rtnetlink.DUMP, body)
    except OSError as error:
        # The kernel has no IPv6, no rules, or no next hop objects (before Linux 5.3).
        if error.errno in (errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL):
            return []
        raise
