# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Simulates QEMU: opens a tap device, and forwards frames to and from the card of a guest."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import pathlib
import select
import struct
import threading
from typing import Self

from pyroute2 import IPRoute
from pyroute2.netlink.rtnl.ifinfmsg import IFT_MULTI_QUEUE, IFT_NO_PI, IFT_TAP
from pyroute2.netlink.rtnl.ifinfmsg.tuntap import TUNDEV, TUNSETIFF

from os_vif.testing.guests import Guest

#: Greater than every frame with the largest MTU, in bytes.
_MAX_FRAME_BYTES = 65_536 + 64


def missing_requirement() -> str | None:
    """Return the reason why no tap device can be opened, or None."""
    if os.access(TUNDEV, os.R_OK | os.W_OK):
        return None
    if pathlib.Path(TUNDEV).exists():
        return f"{TUNDEV} may not be opened"
    return f"there is no {TUNDEV}"


def _open_tap(name: str, flags: int) -> int:
    """Return a non-blocking descriptor of a tap device; a missing device is created."""
    file = os.open(TUNDEV, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), flags) + bytes(22))
    except BaseException:
        os.close(file)
        raise
    return file


class TapBridge:
    """Forwards frames between the tap device of a plugged VIF and the network card of a guest.

    Entering the context creates the card inside the guest, with the MAC address *mac* and the
    address *address*, and starts a thread that forwards frames. Leaving stops the thread, closes
    the tap device and removes the card.

    :param guest: a started guest without an interface.
    :param tap: the name of the tap device of the VIF.
    :param mac: the MAC address of the VIF.
    :param address: the address of the guest with the prefix length, such as ``192.0.2.1/24``.
    :param multi_queue: True if the tap device was created with ``IFF_MULTI_QUEUE``.
    :raises OSError: on entering, if a tap device cannot be opened.
    :raises pyroute2.NetlinkError: on entering, if the kernel refuses the card.
    """

    def __init__(
        self, guest: Guest, tap: str, mac: str, address: str, *, multi_queue: bool = False
    ) -> None:
        self._guest, self._tap, self._mac, self._address = guest, tap, mac, address
        self._flags = IFT_TAP | IFT_NO_PI | (IFT_MULTI_QUEUE if multi_queue else 0)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            stop, self._stop = os.pipe()
            cleanup.callback(os.close, stop)
            cleanup.callback(os.close, self._stop)
            tap = _open_tap(self._tap, self._flags)
            cleanup.callback(os.close, tap)
            name = f"card{self._guest.pid}"[:15]
            card = _open_tap(name, IFT_TAP | IFT_NO_PI)
            cleanup.callback(os.close, card)
            self._move_card(name)
            self._guest.configure(self._address)
            self._thread = threading.Thread(target=_forward_frames, args=(tap, card, stop))
            self._thread.start()
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._cleanup:
            os.write(self._stop, b"x")
            self._thread.join()

    def _move_card(self, name: str) -> None:
        """Set the MAC address of the card, and move the card into the namespace of the guest."""
        guest = self._guest
        with IPRoute() as ip:
            (index,) = ip.link_lookup(ifname=name)
            ip.link("set", index=index, address=self._mac)
            ip.link("set", index=index, net_ns_pid=guest.pid, ifname=guest.INTERFACE)


def _forward_frames(tap: int, card: int, stop: int) -> None:
    """Copy frames between two tap devices until *stop* is readable."""
    destinations = {tap: card, card: tap}
    while True:
        ready, _, _ = select.select([*destinations, stop], [], [])
        if stop in ready:
            return
        for source in ready:
            try:
                os.write(destinations[source], os.read(source, _MAX_FRAME_BYTES))
            except OSError as error:
                if error.errno == errno.EBADFD:
                    # The device was deleted; the descriptor would be readable forever.
                    select.select([stop], [], [])
                    return
                # EIO: a device is down, and the frame is lost. EAGAIN: a queue is full.
