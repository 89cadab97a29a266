# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plays what is around os-vif on a host: a hypervisor, and the guests that it attaches."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Self, cast

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

if TYPE_CHECKING:
    from os_vif import objects


class Guest:
    """A process in a network namespace of its own (:mod:`os_vif.testing.guest_process`)."""

    #: The name of its interface.
    INTERFACE = "eth0"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["unshare", "--net", "--", sys.executable, "-m", "os_vif.testing.guest_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._input = cast("IO[str]", self._process.stdin)
        self._output = cast("IO[str]", self._process.stdout)
        if self._output.readline() != "ready\n":
            self.__exit__()
            raise OSError("the guest's process did not start")
        return self

    def __exit__(self, *_: object) -> None:
        # The end of its input ends it, and the kernel ends its namespace.
        self._input.close()
        self._process.wait()
        self._output.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _ask(self, *command: str) -> str:
        self._input.write(json.dumps(command) + "\n")
        self._input.flush()
        verdict, text = json.loads(self._output.readline())
        if verdict != "ok":
            raise OSError(text)
        return cast("str", text)

    def configure(self, address: str) -> None:
        """Bring its interface up with an address, such as ``192.0.2.1/24``."""
        self._ask("configure", self.INTERFACE, address)

    def ping(self, address: str) -> str:
        """:raises OSError: if the address does not answer."""
        return self._ask("ping", address)


class Hypervisor:
    """Connects guests to bridges, as QEMU does with a tap device. Here it is a veth pair."""

    def __enter__(self) -> Self:
        self._ip = IPRoute()
        self._made: list[str] = []
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._made:
            for index in self._ip.link_lookup(ifname=name):
                try:
                    self._ip.link("del", index=index)
                except NetlinkError as error:
                    # The kernel takes it away when the guest at its other end goes.
                    if error.code != errno.ENODEV:
                        raise
        self._ip.close()

    def attach(self, guest: Guest, vif: objects.VIFBridge, address: str) -> None:
        """Give the guest an interface with the VIF's MAC, whose other end is in its bridge."""
        peer = {"ifname": guest.INTERFACE, "net_ns_pid": guest.pid, "address": str(vif.address)}
        self._ip.link("add", ifname=vif.vif_name, kind="veth", peer=peer)
        self._made.append(vif.vif_name)
        bridge = self._ip.link_lookup(ifname=vif.bridge_name)[0]
        index = self._ip.link_lookup(ifname=vif.vif_name)[0]
        mtu = vif.network.mtu if vif.network else None
        self._ip.link("set", index=index, master=bridge, state="up", mtu=mtu or 1500)
        guest.configure(address)
