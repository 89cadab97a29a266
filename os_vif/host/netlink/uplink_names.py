# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""References to an uplink by name: policy rules, next hop objects and IPv6 tokens.

For the IP stack of the host, a packet received by a port of a bridge has the bridge as input
device. A rule of ip-rule(8) with the name of the uplink would therefore no longer match after the
uplink is in a bridge. os-vif does not rewrite settings of other programs: an uplink with such a
reference is refused.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import LINK, NEXT_HOP, RULE
from os_vif.host.netlink.netlink_socket import ignoring

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

_RULE_READER = RULE.reader("FRA_IIFNAME", "FRA_PRIORITY", "FRA_OIFNAME")
_NEXT_HOP_READER = NEXT_HOP.reader("NHA_ID")
_NO_TOKEN = str(ipaddress.IPv6Address(0))


def refuse(net: Netlink, link: Link) -> None:
    """Refuse a device with a reference by name.

    :raises OSError: with EOPNOTSUPP and the rule, the next hop object or the IPv6 token.
    """
    for found in (_rule(net, link), _next_hop(net, link), _token(net, link)):
        if found:
            reason = f"{found}, which os-vif cannot move: give it to the bridge instead"
            raise OSError(errno.EOPNOTSUPP, reason)


def _rule(net: Netlink, link: Link) -> str | None:
    """Return a policy rule with the name of a device, in words, or None."""
    for family, command in ((socket.AF_INET, "ip rule"), (socket.AF_INET6, "ip -6 rule")):
        for data in _dump(net, uapi.RTM_GETRULE, RULE.pack({}, family=family)):
            rule = _RULE_READER.read(data)
            for way, name in (("iif", "FRA_IIFNAME"), ("oif", "FRA_OIFNAME")):
                if rule.get(name) == link.name:
                    number = rule.get("FRA_PRIORITY", 0)
                    return f"the rule {number} of '{command}' has {way} {link.name}"
    return None


def _next_hop(net: Netlink, link: Link) -> str | None:
    """Return a next hop object through a device, in words, or None."""
    body = NEXT_HOP.pack({"NHA_OIF": link.index})
    for data in _dump(net, uapi.RTM_GETNEXTHOP, body):
        found = _NEXT_HOP_READER.read(data)
        return f"the next hop object {found.get('NHA_ID', 0)} goes through {link.name}"
    return None


def _token(net: Netlink, link: Link) -> str | None:
    """Return the IPv6 token of a device (ip-token(8)), in words, or None."""
    body = LINK.pack({"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}, index=link.index)
    for data in net.request(uapi.RTM_GETLINK, 0, body):
        families = LINK.attributes(data).get("IFLA_AF_SPEC", {})
        token = families.get("AF_INET6", {}).get("IFLA_INET6_TOKEN")
        if token not in (None, _NO_TOKEN):
            return f"{link.name} has the IPv6 token {token}"
    return None


def _dump(net: Netlink, kind: int, body: bytes) -> list[bytes]:
    """Send a dump request; return an empty list if the kernel lacks the feature."""
    # The kernel may have no IPv6, no rules, or no next hop objects (before Linux 5.3).
    with ignoring(errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.EINVAL):
        return net.request(kind, uapi.NLM_F_DUMP, body)
    return []
