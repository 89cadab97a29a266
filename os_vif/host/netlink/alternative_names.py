# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Alternative names of a network device (``altname`` of ``ip link show``), since Linux 5.5."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import LINK
from os_vif.host.netlink.netlink_socket import ignoring

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

_READER = LINK.reader("IFLA_PROP_LIST")


def read_alternative_names(net: Netlink, link: Link) -> list[str]:
    """Return the alternative names of a device; none if the device was deleted in the meantime."""
    with ignoring(errno.ENODEV):
        (reply,) = net.request(uapi.RTM_GETLINK, 0, LINK.pack({}, index=link.index))
        properties = _READER.read(reply).get("IFLA_PROP_LIST")
        return [] if properties is None else properties.all("IFLA_ALT_IFNAME")
    return []


def add_alternative_name(net: Netlink, link: Link, name: str) -> None:
    """Add an alternative name to a device.

    :raises OSError: with EOPNOTSUPP if the kernel has no alternative names; with EEXIST if a device
        has the name.
    """
    flags = uapi.NLM_F_CREATE | uapi.NLM_F_EXCL | uapi.NLM_F_APPEND
    _request(net, uapi.RTM_NEWLINKPROP, flags, link, name)


def delete_alternative_name(net: Netlink, link: Link, name: str) -> None:
    """Delete an alternative name of a device.

    :raises OSError: with EOPNOTSUPP if the kernel has no alternative names.
    """
    _request(net, uapi.RTM_DELLINKPROP, 0, link, name)


def _request(net: Netlink, kind: int, flags: int, link: Link, name: str) -> None:
    body = LINK.pack({"IFLA_PROP_LIST": {"IFLA_ALT_IFNAME": name}}, index=link.index)
    try:
        net.request(kind, uapi.NLM_F_ACK | flags, body)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            reason = "this kernel keeps no alternative names (before Linux 5.5)"
            raise OSError(errno.EOPNOTSUPP, reason) from error
        raise
