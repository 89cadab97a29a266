# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Talking to the kernel: links through rtnetlink(7).

pyroute2 knows the messages. The socket is a plain one: pyroute2's own runs an event loop since
0.9, which green threads and programs with a loop of their own cannot share, and keeps descriptors
for each thread that used it.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from os_vif.host.plan import MARK

#: linux/rtnetlink.h
_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
#: linux/netlink.h
_REQUEST, _MULTI, _ACK, _EXCL, _DUMP, _CREATE = 0x1, 0x2, 0x4, 0x200, 0x300, 0x400
_DUMP_INTR, _CAPPED, _ACK_TLVS = 0x10, 0x100, 0x200
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _EXT_ACK, _GET_STRICT_CHK = 270, 11, 12
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
#: ``NLMSGERR_ATTR_MSG``
_MESSAGE = 1
#: linux/if.h
_IFF_UP = 0x1

#: The settings of a bridge that os-vif looks at.
_BRIDGE = (
    "IFLA_BR_FORWARD_DELAY",
    "IFLA_BR_AGEING_TIME",
    "IFLA_BR_STP_STATE",
    "IFLA_BR_MCAST_SNOOPING",
)

#: More than the kernel puts into one datagram of a dump, or into the answer for one link.
_BUFFER = 1 << 18

#: How often a list that was disturbed is asked for.
_ATTEMPTS = 20


@dataclasses.dataclass(frozen=True)
class Link:
    """A network device, as far as os-vif looks at one."""

    index: int
    name: str
    #: ``IFLA_INFO_KIND``: ``bridge``, ``veth``, ``tun``; None for hardware.
    kind: str | None
    mtu: int
    up: bool
    #: The index of the bridge or bond that it is in.
    master: int | None
    #: ``IFLA_IFALIAS``.
    alias: str | None
    address: str | None
    #: Some ``IFLA_BR_*`` of a bridge, by that name.
    bridge: Mapping[str, int]

    @property
    def ours(self) -> bool:
        """Whether os-vif made it."""
        return self.alias == MARK


class Netlink:
    """One rtnetlink socket. It sees the network namespace in which it was opened.

    Not for several threads at once. Failures are :class:`OSError` with the kernel's errno, and
    the kernel's own words where it gives any.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        # Without it the kernel ignores by what a dump is to be filtered.
        self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
        self._numbers = itertools.count(1)

    def close(self) -> None:
        self._socket.close()

    def link(self, name: str) -> Link | None:
        """The device of that name in this network namespace; None if there is none."""
        try:
            (found,) = self._talk(_Message(_RTM_GETLINK, 0, {"IFLA_IFNAME": name}))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return found

    def require(self, name: str) -> Link:
        """The same; :raises OSError: with ENODEV if there is none."""
        found = self.link(name)
        if found is None:
            raise OSError(errno.ENODEV, f"there is no device {name}")
        return found

    def links(self) -> list[Link]:
        """Every device of this network namespace."""
        return self._talk(_Message(_RTM_GETLINK, _DUMP, {}))

    def ports(self, master: Link) -> list[Link]:
        """The devices in a bridge. The kernel filters; other devices are not read."""
        return self._talk(_Message(_RTM_GETLINK, _DUMP, {"IFLA_MASTER": master.index}))

    def add(self, name: str, kind: str, data: Mapping[str, int]) -> Link:
        """Make a device, and mark it as ours.

        :param data: ``IFLA_INFO_DATA`` of that kind of device.
        """
        nested = {"attrs": list(data.items())}
        info = {"attrs": [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", nested)]}
        attributes = {"IFLA_IFNAME": name, "IFLA_LINKINFO": info}
        self._talk(_Message(_RTM_NEWLINK, _ACK | _CREATE | _EXCL, attributes))
        link = self.require(name)
        try:
            # The kernel takes no alias with what makes a device.
            self._talk(_Message(_RTM_NEWLINK, _ACK, {"IFLA_IFALIAS": MARK}, _by(link)))
        except OSError:
            self.delete(link)
            raise
        return link

    def set(self, link: Link, *, mtu: int | None = None, up: bool | None = None) -> None:
        """Change what is not None."""
        attributes = {} if mtu is None else {"IFLA_MTU": mtu}
        fields = _by(link)
        if up is not None:
            fields |= {"flags": _IFF_UP if up else 0, "change": _IFF_UP}
        self._talk(_Message(_RTM_NEWLINK, _ACK, attributes, fields))

    def delete(self, link: Link) -> None:
        self._talk(_Message(_RTM_DELLINK, _ACK, {}, _by(link)))

    def _talk(self, message: _Message) -> list[Link]:
        """Send a message. :returns: what was asked for, if anything was."""
        for _ in range(_ATTEMPTS):
            number = next(self._numbers)
            self._socket.send(message.encode(number))
            found, interrupted = self._answer(number)
            if not interrupted:
                return [_link(body) for body in found]
        raise OSError(errno.EBUSY, "the devices changed whenever they were listed")

    def _answer(self, wanted: int) -> tuple[list[bytes], bool]:
        """The messages of an answer, and whether the devices changed while they were listed."""
        found: list[bytes] = []
        interrupted = False
        while True:
            for kind, flags, number, body in self._messages():
                if number != wanted:
                    # Left over from a call that was given up.
                    continue
                interrupted |= bool(flags & _DUMP_INTR)
                if kind in (_ERROR, _DONE):
                    _raise_failure(kind, flags, body)
                    return found, interrupted
                found.append(body)
                if not flags & _MULTI:
                    return found, interrupted

    def _messages(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Type, flags, sequence number and bytes of each message that has come."""
        data, _, flags, _ = self._socket.recvmsg(_BUFFER)
        if flags & socket.MSG_TRUNC:
            raise OSError(errno.EMSGSIZE, "an answer of the kernel was too long")
        while data:
            length, kind, flags, number, _ = _HEADER.unpack_from(data)
            yield kind, flags, number, data[:length]
            data = data[(length + 3) & ~3 :]


@dataclasses.dataclass(frozen=True)
class _Message:
    kind: int
    flags: int
    attributes: Mapping[str, Any]
    fields: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def encode(self, number: int) -> bytes:
        message = ifinfmsg()
        message.update(self.fields)
        message["attrs"] = list(self.attributes.items())
        message["header"]["type"] = self.kind
        message["header"]["flags"] = _REQUEST | self.flags
        message["header"]["sequence_number"] = number
        message["header"]["pid"] = 0
        message.encode()
        return bytes(message.data)


def _by(link: Link) -> dict[str, int]:
    return {"index": link.index}


def _raise_failure(kind: int, flags: int, body: bytes) -> None:
    """What an acknowledgement, or the end of a dump, says; nothing if all went well."""
    (code,) = struct.unpack_from("=i", body, _HEADER.size)
    if code == 0:
        return
    said = ""
    if kind == _ERROR and flags & _ACK_TLVS:
        # The request follows; only its header if the answer is capped. Then come attributes.
        request = _HEADER.size + 4
        (length,) = struct.unpack_from("=I", body, request)
        said = _text(body[request + (_HEADER.size if flags & _CAPPED else (length + 3) & ~3) :])
    reason = os.strerror(-code)
    raise OSError(-code, f"{reason} ({said})" if said else reason)


def _text(attributes: bytes) -> str:
    """The kernel's own words, among the attributes of an acknowledgement."""
    while len(attributes) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        if kind == _MESSAGE:
            return attributes[_ATTRIBUTE.size : length].rstrip(b"\0").decode(errors="replace")
        attributes = attributes[max(_ATTRIBUTE.size, (length + 3) & ~3) :]
    return ""


def _link(data: bytes) -> Link:
    message = ifinfmsg(data)
    message.decode()
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    bridge = info.get_attr("IFLA_INFO_DATA") if kind == "bridge" else None
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=kind,
        mtu=message.get_attr("IFLA_MTU"),
        up=bool(message["flags"] & _IFF_UP),
        master=message.get_attr("IFLA_MASTER"),
        alias=message.get_attr("IFLA_IFALIAS"),
        address=message.get_attr("IFLA_ADDRESS"),
        bridge={name: bridge.get_attr(name) for name in _BRIDGE} if bridge else {},
    )


_per_thread = threading.local()


def here() -> Netlink:
    """The socket of this thread, kept open.

    This is for the privileged daemon, whose few threads stay in one network namespace.
    """
    if not hasattr(_per_thread, "netlink"):
        _per_thread.netlink = Netlink()
    return _per_thread.netlink  # type: ignore[no-any-return]


@contextmanager
def opened() -> Iterator[Netlink]:
    """A socket of the caller's own, closed at the end."""
    netlink = Netlink()
    try:
        yield netlink
    finally:
        netlink.close()
