# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that moves a network device into another network namespace."""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from os_vif.host import netlink, packed, validate
from os_vif.host.plan import Difference, Step

if TYPE_CHECKING:
    from os_vif.host.netlink import Link, Netlink

#: linux/rtnetlink.h, linux/net_namespace.h
_NEWNSID, _GETNSID = 88, 90
_NSA = {
    "NETNSA_NSID": (1, packed.S32),
    "NETNSA_PID": (2, packed.U32),
    "NETNSA_FD": (3, packed.U32),
}
#: ``NETNSA_NSID_NOT_ASSIGNED``
_NONE = -1
#: ``struct rtgenmsg``, padded.
_HEADER = bytes(4)


@dataclasses.dataclass(frozen=True)
class MoveLink(Step):
    """A device is in another network namespace.

    It is found there by its name. The kernel takes it out of its bridge, down, and without its
    addresses; an undo brings the device back as it then is.
    Equivalent to: ``ip link set dev NAME netns NETNS``
    """

    name: str
    #: The id of a process in it, or the name of it in ``/run/netns``.
    netns: str
    #: Whether to bring it here from there instead.
    back: bool = False

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.file_name(self, "netns")
        validate.boolean(self, "back")

    def commands(self) -> tuple[str, ...]:
        if self.back:
            where = (
                f"-t {self.netns} -n"
                if self.netns.isdecimal()
                else f"--net=/run/netns/{self.netns}"
            )
            return (f"nsenter {where} ip link set dev {self.name} netns $$",)
        return (f"ip link set dev {self.name} netns {self.netns}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        here = net.link(self.name) is not None
        if here == self.back:
            return ()
        found, expected = "this one", self.netns
        if self.back:
            found, expected = expected, found
        return (self.difference("network namespace", found, expected),)

    def apply(self, net: Netlink) -> tuple[Step, ...]:
        with self._target() as (kind, target):
            number = _netns_id(net, {f"NETNSA_{kind}": target})
            link, moved = net.link(self.name), self._there(net, number)
            if self.back:
                link, moved = moved, link
            if link is None and moved is not None:
                return ()
            if link is None:
                raise OSError(errno.ENODEV, f"there is no device {self.name}")
            if moved is not None:
                raise OSError(errno.EEXIST, f"there is a {self.name} already")
            if self.back:
                here = threading.get_native_id()
                net.change(link, {"IFLA_TARGET_NETNSID": number, "IFLA_NET_NS_PID": here})
            else:
                net.change(link, {f"IFLA_NET_NS_{kind}": target})
        return (dataclasses.replace(self, back=not self.back),)

    def _there(self, net: Netlink, number: int) -> Link | None:
        wanted = {"IFLA_TARGET_NETNSID": number}
        body = packed.link(wanted)
        found = net.talk(netlink.GETLINK, netlink.DUMP, body)
        links = (netlink.read(data) for data in found)
        return next((link for link in links if link.name == self.name), None)

    @contextmanager
    def _target(self) -> Iterator[tuple[str, int]]:
        """How the kernel is told which network namespace: by the id of a process, or a file."""
        if self.netns.isdecimal():
            # Opening another process's namespace takes more rights than naming it.
            yield "PID", int(self.netns)
            return
        path = f"/run/netns/{self.netns}"
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise OSError(error.errno, f"{path}: {os.strerror(error.errno or 0)}") from error
        try:
            yield "FD", file
        finally:
            os.close(file)


def _netns_id(net: Netlink, there: dict[str, int]) -> int:
    """The number by which this network namespace knows another; it gets one if it has none."""
    for _ in range(2):
        (answer,) = net.talk(_GETNSID, 0, _HEADER + packed.pack(there, _NSA))
        body = answer[packed.HEADER.size + len(_HEADER) :]
        number = packed.unpack(body, {1: ("NETNSA_NSID", packed.S32)})["NETNSA_NSID"]
        if number != _NONE:
            return int(number)
        wanted = {**there, "NETNSA_NSID": _NONE}
        net.talk(_NEWNSID, netlink.ACK, _HEADER + packed.pack(wanted, _NSA))
    raise OSError(errno.EAGAIN, "the network namespace has no number")
