# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Numbers and types of the kernel which are missing, or have a wrong type, in pyroute2.

No other module of os-vif has numbers of the netlink interface. A definition of pyroute2 comes
first: an entry here counts only if pyroute2 has none. ``python -m tools.kernel_numbers``, of the
lint step, fails for an entry which the oldest supported pyroute2 has too.

Each group names the defining header of Linux.
"""

from __future__ import annotations

from collections.abc import Mapping

#: linux/rtnetlink.h
RTEXT_FILTER_VF, RTEXT_FILTER_SKIP_STATS = 1, 8
RTM_GETNEXTHOP = 106
RT_TABLE_UNSPEC, RT_TABLE_MAIN, RT_TABLE_LOCAL = 0, 254, 255
RTNH_F_UNRESOLVED, RTNH_F_TRAP = 0x20, 0x40
RTM_F_PREFIX, RTM_F_OFFLOAD, RTM_F_TRAP = 0x800, 0x4000, 0x8000
RTM_F_OFFLOAD_FAILED = 0x20000000
#: linux/if.h, linux/rtnetlink.h; in pyroute2 since 0.9.
IFNAMSIZ, ALTIFNAMSIZ = 16, 128
#: linux/neighbour.h, since Linux 5.16 and 6.17.
NTF_EXT_MANAGED, NTF_EXT_EXT_VALIDATED = 0x1, 0x2
#: linux/icmpv6.h: the preferences of RFC 4191.
ICMPV6_ROUTER_PREF_HIGH, ICMPV6_ROUTER_PREF_LOW = 1, 3
#: linux/net_namespace.h
NETNSA_NSID_NOT_ASSIGNED = -1
#: linux/devlink.h: ``enum devlink_port_flavour``.
DEVLINK_PORT_FLAVOUR_PHYSICAL, DEVLINK_PORT_FLAVOUR_PCI_VF = 0, 4
#: linux/vdpa.h: ``enum vdpa_command``.
VDPA_CMD_MGMTDEV_GET, VDPA_CMD_DEV_NEW, VDPA_CMD_DEV_DEL, VDPA_CMD_DEV_GET = 2, 3, 4, 5
#: linux/if_link.h: the parameters of a device, within ``IFLA_AF_SPEC``.
IFLA_INET_CONF, IFLA_INET6_CONF = 1, 2
#: linux/if_ether.h
ETH_P_8021Q, ETH_P_8021AD = 0x8100, 0x88A8
#: asm-generic/socket.h; the cookie since Linux 5.14.
SO_RCVBUFFORCE, SO_NETNS_COOKIE = 33, 71

#: Attributes by the class in pyroute2: number, and name of a type of pyroute2.
ATTRIBUTES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    # linux/if_addr.h; in pyroute2 since 0.9.
    "ifaddrmsg": {"IFA_RT_PRIORITY": (9, "uint32"), "IFA_PROTO": (11, "uint8")},
    # linux/neighbour.h; in pyroute2 since 0.9.
    "ndmsg": {"NDA_PROTOCOL": (12, "uint8"), "NDA_FLAGS_EXT": (15, "uint32")},
    # linux/rtnetlink.h
    "rtmsg": {"RTA_NH_ID": (30, "uint32")},
    # linux/rtnetlink.h; RTAX_CC_ALGO is in pyroute2 since 0.9.
    "metrics": {"RTAX_CC_ALGO": (16, "asciiz"), "RTAX_FASTOPEN_NO_COOKIE": (17, "uint32")},
    # linux/devlink.h
    "devlinkcmd": {"DEVLINK_ATTR_PORT_EXTERNAL": (149, "uint8")},
}

#: Attributes with another type than in pyroute2.
TYPES: Mapping[str, str] = {
    # A descriptor. The class in pyroute2 also opens the file of a name, and encodes slowly.
    "IFLA_NET_NS_FD": "uint32",
    # A terminating zero would count against the longest alias (dev_set_alias in net/core/dev.c).
    "IFLA_IFALIAS": "string",
    # Signed: -1 stands for a network namespace without a number (linux/net_namespace.h).
    "IFLA_IF_NETNSID": "int32",
    "NETNSA_NSID": "int32",
    "RTA_EXPIRES": "uint32",
    # pyroute2 expects a whole message with headers; the kernel has NFEA_* attributes.
    "NDA_FDB_EXT_ATTRS": "hex",
}

#: Structures with a text field in pyroute2; here the field is bytes.
PLAIN_STRUCTURES = frozenset({"vf_mac"})


class nhmsg:  # noqa: N801 - the name of the kernel, as in pyroute2
    """A next hop (linux/nexthop.h); missing in pyroute2."""

    fields = (("family", "B"), ("scope", "B"), ("protocol", "B"), ("resvd", "B"), ("flags", "I"))
    nla_map = ((1, "NHA_ID", "uint32"), (5, "NHA_OIF", "uint32"))


class vdpacmd:  # noqa: N801 - see above
    """A vDPA device (linux/vdpa.h); missing in pyroute2."""

    fields = (("cmd", "B"), ("version", "B"), ("reserved", "H"))
    nla_map = (
        (1, "VDPA_ATTR_MGMTDEV_BUS_NAME", "asciiz"),
        (2, "VDPA_ATTR_MGMTDEV_DEV_NAME", "asciiz"),
        (4, "VDPA_ATTR_DEV_NAME", "asciiz"),
        (10, "VDPA_ATTR_DEV_NET_CFG_MACADDR", "l2addr"),
    )
