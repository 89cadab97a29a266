# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The lower bound of the time to unplug many VIFs: raw rtnetlink and raw OVSDB, without os-vif.

The ports are deleted by a single transaction. While ovs-vswitchd applies the transaction, all
devices are deleted by a single request for a group of devices. Sources: rtnetlink(7),
linux/if_link.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Sequence

from testbed.raw_switch import RawSwitch

_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_REQUEST_ACK = 0x1 | 0x4
_IFLA_GROUP = 27
_GROUP = 0x4C494D54


class RawLinks:
    """A socket of rtnetlink."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))

    def close(self) -> None:
        self._socket.close()

    def delete(self, names: Sequence[str]) -> None:
        """Delete devices with a single request for a group."""
        present = [index for name in names if (index := _index(name))]
        for index in present:
            self._request(_RTM_NEWLINK, index)
        if present:
            self._request(_RTM_DELLINK, 0)

    def _request(self, kind: int, index: int) -> None:
        attribute = struct.pack("=HHI", 8, _IFLA_GROUP, _GROUP)
        body = struct.pack("=BxHiII", 0, 0, index, 0, 0) + attribute
        header = struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_ACK, 1, 0)
        self._socket.send(header + body)
        (code,) = struct.unpack_from("=i", self._socket.recv(1 << 16), 16)
        if code:
            raise OSError(-code, os.strerror(-code))


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0


def unplug(
    switch: RawSwitch, links: RawLinks, bridge: str, ports: Sequence[str], devices: Sequence[str]
) -> float:
    """Delete ports and devices, wait for ovs-vswitchd, and return the duration in seconds.

    :param devices: a device of each pair: the kernel deletes the peer, too.
    """
    start = time.perf_counter()
    number = switch.start_deletion(bridge, *ports)
    links.delete(devices)
    switch.wait_for(number)
    return time.perf_counter() - start
