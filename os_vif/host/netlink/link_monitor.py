# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Notifications of the kernel about network interfaces: the multicast group ``RTNLGRP_LINK``.

The socket is a plain socket, as in :mod:`os_vif.host.netlink.netlink_socket`: ``AsyncIPRoute`` is in
pyroute2 since 0.9 only. A caller waits for :meth:`LinkMonitor.fileno` in a selector. The kernel drops
notifications when the receive buffer is full, and then fails a read with ``ENOBUFS``, which
:class:`Overrun` represents: the caller has to read all interfaces.

Source: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket

from os_vif.host.netlink import uapi
from os_vif.host.netlink.codec import HEADER
from os_vif.host.netlink.rtnetlink import LINK_READER, Link, Netlink, parse_link

#: Bytes of the receive buffer: a burst of about 2,000 notifications.
_RECEIVE_BUFFER = 8 << 20
#: Bytes of a datagram.
_DATAGRAM = 1 << 18


class Overrun(Exception):
    """The kernel has dropped notifications: any interface may have changed."""


@dataclasses.dataclass(frozen=True)
class LinkEvent:
    """A change of a network interface."""

    #: The name of the interface; the previous name too, after a rename.
    names: tuple[str, ...]
    #: The interface after the change; None for a deleted interface, or for a
    #: change of the interface as the port of a bridge.
    link: Link | None


class LinkMonitor:
    """A socket that receives each change of an interface in the namespace of the thread.

    Notifications without a changed setting, such as a carrier, are left out.

    Not for several threads at once.
    """

    def __init__(self, receive_buffer: int = _RECEIVE_BUFFER) -> None:
        """Open the socket. Changes from now on are received.

        :param receive_buffer: bytes of the receive buffer.
        """
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, uapi.NETLINK_ROUTE)
        try:
            self._set_buffer(receive_buffer)
            self._socket.bind((0, 0))
            self._socket.setsockopt(
                uapi.SOL_NETLINK, uapi.NETLINK_ADD_MEMBERSHIP, uapi.RTNLGRP_LINK
            )
            self._links = self._read_links()
        except BaseException:
            self._socket.close()
            raise

    def _set_buffer(self, size: int) -> None:
        """Set the receive buffer; without CAP_NET_ADMIN up to ``net.core.rmem_max``."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, size)

    @staticmethod
    def _read_links() -> dict[int, tuple[str, _Settings]]:
        """Return name and settings of all interfaces by index."""
        net = Netlink()
        try:
            return {link.index: (link.name, _settings(link)) for link in net.links()}
        finally:
            net.close()

    def fileno(self) -> int:
        """Return the descriptor of the socket, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def read(self) -> list[LinkEvent]:
        """Return the received changes, without waiting.

        :raises Overrun: if the kernel has dropped notifications. Later reads continue.
        """
        events: list[LinkEvent] = []
        while True:
            try:
                data = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                return events
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._links = self._read_links()
                raise Overrun from error
            events += self._decode(data)

    def _decode(self, data: bytes) -> list[LinkEvent]:
        """Return the changes of a datagram."""
        events = []
        at = 0
        while at + HEADER.size <= len(data):
            length, kind, *_ = HEADER.unpack_from(data, at)
            body = data[at + HEADER.size : at + length]
            at += (max(length, HEADER.size) + 3) & ~3
            if kind in (uapi.RTM_NEWLINK, uapi.RTM_DELLINK):
                event = self._event(body, is_deletion=kind == uapi.RTM_DELLINK)
                if event is not None:
                    events.append(event)
        return events

    def _event(self, body: bytes, *, is_deletion: bool) -> LinkEvent | None:
        """Return the change of a message; None if no setting has changed."""
        # A message of the family AF_BRIDGE is about the bridge port: a deleted port is a device
        # that has left the bridge.
        if body[0] != socket.AF_UNSPEC:
            return LinkEvent((LINK_READER.read(body)["IFLA_IFNAME"],), None)
        link = parse_link(body)
        before, settings = self._links.get(link.index, (link.name, None))
        names = (link.name,) if before == link.name else (before, link.name)
        if is_deletion:
            self._links.pop(link.index, None)
            return LinkEvent(names, None)
        self._links[link.index] = link.name, _settings(link)
        # Settings of virtual functions are no part of the link.
        if len(names) == 1 and settings == _settings(link) and link.kind is not None:
            return None
        return LinkEvent(names, link)


_Settings = tuple[object, ...]


def _settings(link: Link) -> _Settings:
    """Return the settings that a check compares; a bridge changes others with each port."""
    return (
        link.kind, link.mtu, link.up, link.promiscuous, link.master, link.lower, link.alias,
        link.group, link.address,
    )  # fmt: skip
