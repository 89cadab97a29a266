# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network namespaces: their numbers, their devices and their owners.

A network namespace knows another network namespace by a number (``ip netns list-id``). Sources:
linux/net_namespace.h, linux/nsfs.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import struct
from typing import TYPE_CHECKING

from os_vif.host.netlink import rtnetlink, uapi
from os_vif.host.netlink.messages import LINK, NAMESPACE_ID
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.host.netlink.supplement import NETNSA_NSID_NOT_ASSIGNED

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``NS_GET_USERNS`` and ``NS_GET_OWNER_UID`` of linux/nsfs.h: ``_IO(0xb7, 1)`` and 4.
_GET_USERNS, _GET_OWNER_UID = 0xB701, 0xB704
_UID = struct.Struct("=I")


def require_number(net: Netlink, target: dict[str, int]) -> int:
    """Return the number of another network namespace; assign a number first if there is none.

    :param target: the attribute ``NETNSA_PID`` or ``NETNSA_FD`` of the other namespace.
    :raises OSError: if the namespace is missing, or may not be named.
    """
    for _ in range(2):
        (reply,) = net.request(uapi.RTM_GETNSID, 0, NAMESPACE_ID.pack(target))
        number = NAMESPACE_ID.attributes(reply)["NETNSA_NSID"]
        if number != NETNSA_NSID_NOT_ASSIGNED:
            return int(number)
        wanted = {**target, "NETNSA_NSID": NETNSA_NSID_NOT_ASSIGNED}
        net.request(uapi.RTM_NEWNSID, uapi.NLM_F_ACK, NAMESPACE_ID.pack(wanted))
    raise OSError(errno.EAGAIN, "the network namespace has no number")


def link_in(net: Netlink, number: int, name: str) -> Link | None:
    """Return the device with a name in another network namespace, or None.

    A device with the name as an alternative name only is left out.

    :param number: number of the other network namespace.
    """
    wanted = {
        "IFLA_IF_NETNSID": number,
        "IFLA_IFNAME": name,
        "IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS,
    }
    with ignoring(errno.ENODEV):
        (reply,) = net.request(uapi.RTM_GETLINK, 0, LINK.pack(wanted))
        link = rtnetlink.parse_link(reply)
        return link if link.name == name else None
    return None


def numbers(net: Netlink) -> list[int]:
    """Return the numbers of all network namespaces that this network namespace knows."""
    found = net.request(uapi.RTM_GETNSID, uapi.NLM_F_DUMP, NAMESPACE_ID.pack({}))
    known = [NAMESPACE_ID.attributes(reply)["NETNSA_NSID"] for reply in found]
    return [int(number) for number in known if number >= 0]


def links_in(net: Netlink, number: int, kind: str) -> list[Link]:
    """Return the devices of a kind in another network namespace; none if the namespace has ended.

    :param number: number of the other network namespace.
    """
    wanted = {
        "IFLA_IF_NETNSID": number,
        "IFLA_LINKINFO": {"IFLA_INFO_KIND": kind},
        "IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS,
    }
    with ignoring(errno.EINVAL, errno.ENOENT):
        replies = net.request(uapi.RTM_GETLINK, uapi.NLM_F_DUMP, LINK.pack(wanted))
        links = [rtnetlink.parse_link(reply) for reply in replies]
        return [link for link in links if link.kind == kind]
    return []


def delete_in(net: Netlink, number: int, link: Link) -> None:
    """Delete a device in another network namespace. A missing device is no error."""
    body = LINK.pack({"IFLA_IF_NETNSID": number}, index=link.index)
    with ignoring(errno.ENODEV, errno.EINVAL):
        net.request(uapi.RTM_DELLINK, uapi.NLM_F_ACK, body)


def owner(file: int) -> int:
    """Return the user id of the owner of the network namespace of an open file.

    The owner is the owner of the user namespace in which the network namespace was created.
    """
    try:
        owning = fcntl.ioctl(file, _GET_USERNS)
    except PermissionError:
        # The owning user namespace is a parent of the user namespace of this process.
        return 0
    try:
        found = fcntl.ioctl(owning, _GET_OWNER_UID, bytes(_UID.size))
        return int(_UID.unpack(found)[0])
    finally:
        os.close(owning)


def shares_user_namespace(process: str) -> bool:
    """Return whether a process maps user ids as this process does."""
    own, other = (
        pathlib.Path(f"/proc/{pid}/uid_map").read_text().split() for pid in ("self", process)
    )
    return own == other
