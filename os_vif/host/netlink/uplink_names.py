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
from typing import TYPE_CHECKING

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import LINK, NEXT_HOP, RULE
from os_vif.host.netlink.transport import ignoring

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

_RULE_READER = RULE.reader("FRA_IIFNAME", "FRA_PRIORITY", "FRA_OIFNAME")
_NEXT_HOP_READER = NEXT_HOP.reader("NHA_ID")
_NO_TOKEN = str(ipaddress.IPv6Address(0))


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
        for data in _dump(net, uapi.RTM_GETRULE, RULE.pack({}, family=family)):
            rule = _RULE_READER.read(data)
            for way, name in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME")):
                if rule.get(name) == link.name:
                    number = rule.get("FRA_PRIORITY", 0)
                    return f"the rule {number} of '{command}' has {way} {link.name}"
    return None


def _next_hop(net: Netlink, link: Link) -> str | None:
    body = NEXT_HOP.pack({"NHA_OIF": link.index})
    for data in _dump(net, uapi.RTM_GETNEXTHOP, body):
        found = _NEXT_HOP_READER.read(data)
        return f"the next hop object {found.get('NHA_ID', 0)} goes through {link.name}"
    return None


def _token(net: Netlink, link: Link) -> str | None:
    body = LINK.pack({"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}, index=link.index)
    for data in net.request(uapi.RTM_GETLINK, 0, body):
        families = LINK.attributes(data).get("IFLA_AF_SPEC", {})
        token = families.get("AF_INET6", {}).get("IFLA_INET6_TOKEN")
        if token not in (None, _NO_TOKEN):
            return f"{link.name} has the IPv6 token {token}"
    return None


def _dump(net: Netlink, kind: int, body: bytes) -> list[bytes]:
    # The kernel may have no IPv6, no rules, or no next hop objects (before Linux 5.3).
    with ignoring(errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL):
        return net.request(kind, uapi.NLM_F_DUMP, body)
    return []
