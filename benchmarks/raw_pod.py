# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The lower bound of the time to plug a pod: the messages to the kernel alone, without os-vif.

A message creates the pair of veth devices, with the end of the pod in the pod's namespace and the
end of the host in the bridge. Four messages in the pod set the loopback device and the interface up,
and add the address and the default route. The netlink socket of the host is open before; the socket
in the pod is opened for each plug. Sources: rtnetlink(7), setns(2), linux/veth.h.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import ADDRESS, LINK, ROUTE
from os_vif.host.netlink.rtnetlink import Netlink

_CLONE_NEWNET = 0x40000000
_CREATE = uapi.NLM_F_ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
_LOOPBACK_INDEX = 1
_PREFIX_LENGTH = 24
_UP = {"flags": uapi.IFF_UP, "change": uapi.IFF_UP}
_libc = ctypes.CDLL(None, use_errno=True)


class RawPod:
    """Plugs and unplugs a pod with prepared sockets.

    :param netns: the path of the namespace of the pod.
    :param bridge: the name of an existing bridge.
    """

    def __init__(self, netns: str, bridge: str, *, mtu: int, address: str, gateway: str) -> None:
        self._net = Netlink()
        self._own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._pod = os.open(netns, os.O_RDONLY)
        self._name = "tap-raw"
        self._address, self._gateway = address, gateway
        peer = {
            "IFLA_IFNAME": "eth0",
            "IFLA_NET_NS_FD": self._pod,
            "IFLA_MTU": mtu,
            "IFLA_ADDRESS": "02:00:00:00:00:02",
        }
        pair = {
            "IFLA_IFNAME": self._name,
            "IFLA_MTU": mtu,
            "IFLA_MASTER": self._net.require(bridge).index,
            "IFLA_LINKINFO": {
                "IFLA_INFO_KIND": "veth",
                "IFLA_INFO_DATA": {"VETH_INFO_PEER": peer},
            },
        }
        self._pair = LINK.pack(pair, **_UP)

    def plug(self) -> float:
        """Plug the pod, and return the duration in seconds."""
        start = time.perf_counter()
        self._net.request(uapi.RTM_NEWLINK, _CREATE, self._pair)
        self._enter(self._pod)
        try:
            self._configure()
        finally:
            self._enter(self._own)
        return time.perf_counter() - start

    def unplug(self) -> float:
        """Delete the pair, and return the duration in seconds: the wait of the kernel."""
        link = self._net.require(self._name)
        start = time.perf_counter()
        self._net.delete(link)
        return time.perf_counter() - start

    def _configure(self) -> None:
        """Send the four messages in the pod."""
        index = socket.if_nametoindex("eth0")
        address = {"IFA_LOCAL": self._address, "IFA_ADDRESS": self._address}
        route = {"RTA_GATEWAY": self._gateway, "RTA_OIF": index}
        net = Netlink()
        try:
            for device in (_LOOPBACK_INDEX, index):
                net.request(uapi.RTM_NEWLINK, uapi.NLM_F_ACK, LINK.pack({}, index=device, **_UP))
            fields = {"family": socket.AF_INET, "prefixlen": _PREFIX_LENGTH, "index": index}
            net.request(uapi.RTM_NEWADDR, _CREATE, ADDRESS.pack(address, **fields))
            fields = {
                "family": socket.AF_INET,
                "table": uapi.RT_TABLE_MAIN,
                "proto": uapi.RTPROT_STATIC,
                "type": uapi.RTN_UNICAST,
            }
            net.request(uapi.RTM_NEWROUTE, _CREATE, ROUTE.pack(route, **fields))
        finally:
            net.close()

    @staticmethod
    def _enter(file: int) -> None:
        if _libc.setns(file, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")

    def close(self) -> None:
        """Close the socket and the files."""
        self._net.close()
        for file in (self._own, self._pod):
            os.close(file)
