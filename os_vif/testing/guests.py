# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Simulates guests, and the hypervisor that connects guests to bridges."""

from __future__ import annotations

import contextlib
import errno
import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Self, cast

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from os_vif import vif_fields

if TYPE_CHECKING:
    from os_vif import objects

#: MTU of a veth pair for a network without an MTU, in bytes.
_DEFAULT_MTU = 1500
#: For the guest process to end after the end of its input, in seconds.
_EXIT_TIMEOUT_S = 10


class Guest:
    """A simulated guest: a process in a private network namespace, with at most one interface.

    Entering the context starts the process. Leaving stops the process; the kernel then removes the
    namespace and the devices inside.

    :raises OSError: on entering, if the process does not start: unshare(1) is missing, or the
        caller lacks ``CAP_SYS_ADMIN``.
    """

    #: The name of the interface inside the guest.
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
        with contextlib.ExitStack() as cleanup:
            cleanup.push(self)
            if self._output.readline() != "ready\n":
                raise OSError("the process of the guest did not start")
            cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        # The process ends at the end of file.
        with contextlib.suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(_EXIT_TIMEOUT_S)
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._output.close()

    @property
    def pid(self) -> int:
        """Process ID of the guest; ``/proc/PID/ns/net`` is the namespace of the guest."""
        return self._process.pid

    def _request(self, *command: str | float) -> str:
        """Send a request to the process (:mod:`os_vif.testing.guest_process`); return the answer.

        :raises OSError: if the process refuses the request, or has ended.
        """
        try:
            self._input.write(json.dumps(command) + "\n")
            self._input.flush()
            answer = self._output.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise OSError("the process of the guest has ended")
        verdict, text = json.loads(answer)
        if verdict != "ok":
            raise OSError(text)
        return cast("str", text)

    def configure(self, address: str) -> None:
        """Add an address to the interface of the guest, and set the interface up.

        :param address: an address with the prefix length, such as ``192.0.2.1/24``.
        :raises OSError: if the guest has no interface, or the kernel refuses the address.
        """
        self._request("configure", self.INTERFACE, address)

    def ping(self, address: str, attempts: int = 10, wait_s: float = 0.5) -> str:
        """Ping an IPv4 address from the guest; return a sentence with the round-trip time.

        :param attempts: the greatest number of echo requests.
        :param wait_s: the time to wait for each answer, in seconds.
        :raises OSError: if the address does not answer.
        """
        return self._request("ping", address, attempts, wait_s)


class Hypervisor:
    """A simulated hypervisor: connects guests to bridges with veth pairs in place of tap devices.

    Leaving the context removes the devices.
    """

    def __enter__(self) -> Self:
        self._cleanup = contextlib.ExitStack()
        self._ip = self._cleanup.enter_context(IPRoute())
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    def attach(self, guest: Guest, vif: objects.VIFBridge, address: str) -> None:
        """Connect a guest to the bridge of a plugged VIF.

        The interface of the guest has the MAC address of the VIF. The other end, ``vif.vif_name``,
        becomes a port of ``vif.bridge_name``, with the MTU of the network, or 1500 bytes.

        :param address: the address of the guest with the prefix length, such as ``192.0.2.1/24``.
        :raises OSError: if the bridge does not exist, or the guest refuses the address.
        :raises pyroute2.NetlinkError: if the kernel refuses a device.
        """
        bridges = self._ip.link_lookup(ifname=vif.bridge_name)
        if not bridges:
            raise OSError(f"there is no bridge {vif.bridge_name}; plug the VIF first")
        peer = {"ifname": guest.INTERFACE, "net_ns_pid": guest.pid, "address": str(vif.address)}
        self._ip.link("add", ifname=vif.vif_name, kind="veth", peer=peer)
        self._cleanup.callback(self._delete, vif.vif_name)
        index = self._ip.link_lookup(ifname=vif.vif_name)[0]
        mtu = vif_fields.get(vif_fields.get(vif, "network"), "mtu") or _DEFAULT_MTU
        self._ip.link("set", index=index, master=bridges[0], state="up", mtu=mtu)
        guest.configure(address)

    def _delete(self, name: str) -> None:
        """Delete a device, if the device exists."""
        for index in self._ip.link_lookup(ifname=name):
            try:
                self._ip.link("del", index=index)
            except NetlinkError as error:
                # The kernel deleted the veth pair together with the namespace of the guest.
                if error.code != errno.ENODEV:
                    raise
