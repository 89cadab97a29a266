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

from os_vif.cmd.lab import Guest
from tests.functional.namespaces import run

#: linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TAP, _NO_PI, _MULTI_QUEUE = 0x2, 0x1000, 0x100


def _open(name: str, flags: int) -> int:
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return file


class Pump:
    """Carries frames between a tap device and the network card of a guest."""

    def __init__(self, guest: Guest, tap: str, mac: str, address: str, *, queues: bool) -> None:
        self._ends = os.pipe()
        self._tap = _open(tap, _TAP | _NO_PI | (_MULTI_QUEUE if queues else 0))
        card = f"card{guest.pid}"[:15]
        self._card = _open(card, _TAP | _NO_PI)
        run(f"ip link set dev {card} address {mac} netns {guest.pid} name {guest.INTERFACE}")
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
