# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plays QEMU: it holds a tap device, and is a network card to a guest."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import threading
from typing import Self

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.ifinfmsg import IFT_MULTI_QUEUE, IFT_NO_PI, IFT_TAP
from pyroute2.netlink.rtnl.ifinfmsg.tuntap import TUNDEV, TUNSETIFF

from os_vif.testing.guests import Guest


def missing() -> str | None:
    """Return the reason why no tap device can be opened, or None."""
    if os.access(TUNDEV, os.R_OK | os.W_OK):
        return None
    return f"{TUNDEV} may not be opened" if os.path.exists(TUNDEV) else f"there is no {TUNDEV}"  # noqa: PTH110


def _open(name: str, flags: int) -> int:
    file = os.open(TUNDEV, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), flags) + bytes(22))
    return file


class Pump:
    """Carries frames between a tap device and the network card of a guest."""

    def __init__(self, guest: Guest, tap: str, mac: str, address: str, *, queues: bool) -> None:
        self._ends = os.pipe()
        self._tap = _open(tap, IFT_TAP | IFT_NO_PI | (IFT_MULTI_QUEUE if queues else 0))
        card = f"card{guest.pid}"[:15]
        self._card = _open(card, IFT_TAP | IFT_NO_PI)
        with IPRoute() as ip:
            (index,) = ip.link_lookup(ifname=card)
            ip.link("set", index=index, address=mac)
            ip.link("set", index=index, net_ns_pid=guest.pid, ifname=guest.INTERFACE)
        guest.configure(address)
        self._thread = threading.Thread(target=self._carry)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.write(self._ends[1], b"x")
        self._thread.join()
        for file in (*self._ends, self._tap, self._card):
            os.close(file)

    def _carry(self) -> None:
        other = {self._tap: self._card, self._card: self._tap}
        while True:
            ready, _, _ = select.select([self._tap, self._card, self._ends[0]], [], [])
            if self._ends[0] in ready:
                return
            for file in ready:
                try:
                    os.write(other[file], os.read(file, 65536))
                except OSError:
                    # One end is down.
                    continue
