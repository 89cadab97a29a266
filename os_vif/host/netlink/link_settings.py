# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The settings of a device that :class:`os_vif.host.netlink.rtnetlink.Link` leaves out.

One request reads all of them: the flags, the length of the transmit queue, the alternative names,
the kernel parameters of IPv4 and IPv6, and the settings of the kind of device and of a port.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
from typing import TYPE_CHECKING

from os_vif.host.netlink import uapi
from os_vif.host.netlink.codec import walk
from os_vif.host.netlink.messages import LINK

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

_READER = LINK.reader("IFLA_TXQLEN", "IFLA_PROP_LIST", "IFLA_LINKINFO")
#: ``IPV4_DEVCONF_*`` of linux/ip.h and ``DEVCONF_*`` of linux/ipv6.h, from 1 and from 0 on: the
#: names in procfs. None is a value that no user sets.
_IPV4_NAMES = (
    "forwarding", None, "proxy_arp", "accept_redirects", "secure_redirects", "send_redirects",
    "shared_media", "rp_filter", "accept_source_route", "bootp_relay", "log_martians", "tag",
    "arp_filter", "medium_id", "disable_xfrm", "disable_policy", "force_igmp_version",
    "arp_announce", "arp_ignore", "promote_secondaries", "arp_accept", "arp_notify",
    "accept_local", "src_valid_mark", "proxy_arp_pvlan", "route_localnet",
    "igmpv2_unsolicited_report_interval", "igmpv3_unsolicited_report_interval",
    "ignore_routes_with_linkdown", "drop_unicast_in_l2_multicast", "drop_gratuitous_arp",
    "bc_forwarding", "arp_evict_nocarrier",
)  # fmt: skip
_IPV6_NAMES = (
    "forwarding", "hop_limit", "mtu", "accept_ra", "accept_redirects", "autoconf",
    "dad_transmits", "router_solicitations", "router_solicitation_interval",
    "router_solicitation_delay", "use_tempaddr", "temp_valid_lft", "temp_prefered_lft",
    "regen_max_retry", "max_desync_factor", "max_addresses", "force_mld_version",
    "accept_ra_defrtr", "accept_ra_pinfo", "accept_ra_rtr_pref", "router_probe_interval",
    "accept_ra_rt_info_max_plen", "proxy_ndp", "optimistic_dad", "accept_source_route", None,
    "disable_ipv6", "accept_dad", "force_tllao", "ndisc_notify",
    "mldv1_unsolicited_report_interval", "mldv2_unsolicited_report_interval",
    "suppress_frag_ndisc", "accept_ra_from_local", "use_optimistic", "accept_ra_mtu", None,
    "use_oif_addrs_only", "accept_ra_min_hop_limit", "ignore_routes_with_linkdown",
    "drop_unicast_in_l2_multicast", "drop_unsolicited_na", "keep_addr_on_down",
    "router_solicitation_max_interval", "seg6_enabled", "seg6_require_hmac", "enhanced_dad",
    "addr_gen_mode", "disable_policy", "accept_ra_rt_info_min_plen", "ndisc_tclass",
    "rpl_seg_enabled", "ra_defrtr_metric", "ioam6_enabled", "ioam6_id", "ioam6_id_wide",
    "ndisc_evict_nocarrier", "accept_untracked_na", "accept_ra_min_lft", "force_forwarding",
)  # fmt: skip
_NAMES = {"ipv4": _IPV4_NAMES, "ipv6": _IPV6_NAMES}
#: Parameters in milliseconds in a message, and in seconds in procfs.
_IN_SECONDS = frozenset(
    {
        "router_solicitation_interval",
        "router_solicitation_delay",
        "router_probe_interval",
        "router_solicitation_max_interval",
    }
)
#: A parameter that is unsigned in procfs.
_UNSIGNED = "ioam6_id_wide"


@dataclasses.dataclass(frozen=True)
class LinkSettings:
    """Settings of a device. Packed values are hexadecimal text, as a step needs plain data."""

    #: ``IFF_*``.
    flags: int
    txqueuelen: int
    alternative_names: tuple[str, ...]
    #: Packed parameters of IPv4 and IPv6; empty without the protocol.
    ipv4: str
    ipv6: str
    #: Packed ``IFLA_INFO_DATA``; empty for a kind without settings.
    data: str
    #: Kind of the master that keeps settings of the port, and the packed ``IFLA_INFO_SLAVE_DATA``.
    port_kind: str
    port: str


def read_settings(net: Netlink, link: Link) -> LinkSettings:
    """Return the settings of a device.

    :raises OSError: with ENODEV if the device was deleted.
    """
    wanted = {"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}
    (body,) = net.request(uapi.RTM_GETLINK, 0, LINK.pack(wanted, index=link.index))
    found = _READER.read(body)
    properties = found.get("IFLA_PROP_LIST")
    info = found.get("IFLA_LINKINFO") or {}
    parameters = _packed_parameters(body)
    return LinkSettings(
        flags=LINK.values(body)[3],
        txqueuelen=found.get("IFLA_TXQLEN", 0),
        alternative_names=() if properties is None else tuple(properties.all("IFLA_ALT_IFNAME")),
        ipv4=parameters.get((socket.AF_INET, uapi.IFLA_INET_CONF), ""),
        ipv6=parameters.get((socket.AF_INET6, uapi.IFLA_INET6_CONF), ""),
        data=_packed(info.get("IFLA_INFO_DATA")),
        port_kind=info.get("IFLA_INFO_SLAVE_KIND", ""),
        port=_packed(info.get("IFLA_INFO_SLAVE_DATA")),
    )


def parameters_by_name(family: str, packed: str) -> dict[str, int]:
    """Return the kernel parameters of a device as procfs shows the parameters.

    :param family: ``ipv4`` or ``ipv6``.
    :param packed: the parameters of :class:`LinkSettings`.
    """
    data = bytes.fromhex(packed)
    values = struct.unpack(f"={len(data) // 4}i", data[: len(data) // 4 * 4])
    found = {}
    for name, value in zip(_NAMES[family], values, strict=False):
        if name in _IN_SECONDS:
            found[name] = value // 1000
        elif name is not None:
            found[name] = value & 0xFFFFFFFF if name == _UNSIGNED else value
    return found


def _packed(attributes: object) -> str:
    """Return nested attributes as hexadecimal text; pyroute2 does not know each kind."""
    data = getattr(attributes, "payload", attributes)
    return data.hex() if isinstance(data, bytes) else ""


def _packed_parameters(body: bytes) -> dict[tuple[int, int], str]:
    """Return the packed attributes of each protocol family, by family and number."""
    number, found = LINK.number("IFLA_AF_SPEC"), {}
    for kind, start, end in walk(body, LINK.size, len(body)):
        if kind != number:
            continue
        for family, begin, stop in walk(body, start, end):
            for inner, first, last in walk(body, begin, stop):
                found[family, inner] = body[first:last].hex()
    return found
