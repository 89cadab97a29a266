# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Talking to the kernel through netlink(7): one socket, and the links that rtnetlink shows.

The socket is a plain one: pyroute2's own runs an event loop since 0.9, which green threads and
programs with a loop of their own cannot share, and keeps descriptors for each thread that used it.
"""

from __future__ import annotations

import dataclasses
import errno
import itertools
import os
import pathlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from shlex import quote
from typing import Any

from os_vif.host.netlink import batch_delete, codec

#: linux/rtnetlink.h
_NEWLINK, _DELLINK, GETLINK = 16, 17, 18
#: linux/netlink.h
_REQUEST, _MULTI, ACK, REPLACE, EXCL = 0x1, 0x2, 0x4, 0x100, 0x200
DUMP, CREATE, APPEND = 0x300, 0x400, 0x800
_DUMP_INTR, _CAPPED, _ACK_TLVS = 0x10, 0x100, 0x200
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _EXT_ACK, _GET_STRICT_CHK = 270, 11, 12
_ROUTE, GENERIC = 0, 16
_ERROR_DETAILS = codec.Table(NLMSGERR_ATTR_MSG=(1, codec.TEXT))
#: asm-generic/socket.h; Linux 5.14
_SO_NETNS_COOKIE = 71
#: linux/if.h
_IFF_UP, _IFF_PROMISC, _IFF_LOWER_UP = 0x1, 0x100, 0x10000
#: ``RTEXT_FILTER_SKIP_STATS``: counters take longer than all the rest.
NO_STATS = 8

#: The alias (``ip link show``) of every device that os-vif made.
MANAGED_ALIAS = "os-vif"
#: The group (``ip link show``) of a device between its making and its mark, "osvf" in ASCII.
#: The kernel takes no alias with what makes a device, but it takes a group.
CREATING_GROUP = 0x6F737666

#: More than the kernel puts into one datagram of a dump, or into the answer for one link: a card may
#: have some thousand virtual functions.
_BUFFER = 1 << 18

#: Bytes of a device's name; an alternative name may have more (``IFNAMSIZ``, ``ALTIFNAMSIZ``).
_LONGEST_NAME = 15

#: How often a list that was disturbed is asked for.
_ATTEMPTS = 20


# Not frozen: that would take three times as long to make.
@dataclasses.dataclass(slots=True)
class Link:
    """A network device, as far as os-vif looks at one."""

    index: int
    name: str
    #: ``IFLA_INFO_KIND``: ``bridge``, ``veth``, ``tun``; None for hardware.
    kind: str | None
    mtu: int
    up: bool
    #: Whether it is up, and what it needs below is there, such as a cable.
    carrier: bool
    promiscuous: bool
    #: The index of the bridge or bond that it is in.
    master: int | None
    #: The index of the device below it, or of its peer; and in which network namespace, if another.
    lower: int | None
    lower_netns: int | None
    #: ``IFLA_IFALIAS``.
    alias: str | None
    group: int
    address: str | None
    #: ``IFLA_INFO_DATA``, as far as :mod:`os_vif.host.netlink.codec` knows it.
    data: Mapping[str, Any]

    @property
    def ours(self) -> bool:
        """Whether os-vif made it."""
        return self.alias == MANAGED_ALIAS or self.group == CREATING_GROUP


class Netlink:
    """One socket, of rtnetlink(7) unless told. It sees the network namespace it was opened in.

    Not for several threads at once. Failures are :class:`OSError` with the kernel's errno, and
    the kernel's own words where it gives any.
    """

    def __init__(self, protocol: int = _ROUTE) -> None:
        """:param protocol: another family of netlink(7), for :meth:`talk` alone."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol
        )
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        # Without it the kernel ignores by what a dump is to be filtered.
        self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
        self._numbers = itertools.count(1)
        self._buffer = bytearray(_BUFFER)
        self._netns: str | None = None
        self._remembered: dict[tuple[Any, ...], Link | None] | None = None
        #: Results of dumps, by a key of the reader's; see :meth:`cached`.
        self._dumps: dict[tuple[Any, ...], Any] = {}
        #: Devices that are to be deleted together, and the indexes of all that go by that.
        self._going: list[Link] | None = None
        self._gone: set[int] = set()

    def close(self) -> None:
        self._socket.close()

    @contextmanager
    def remembering(self) -> Iterator[Netlink]:
        """Read each device once, until something is changed through this socket."""
        self._remembered = {}
        try:
            yield self
        finally:
            self._remembered = None
            self._dumps.clear()

    def forget(self) -> None:
        """Something was changed in another way than through this socket."""
        if self._remembered:
            self._remembered.clear()
        self._dumps.clear()

    def cached(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """Return the result of *read*, which is called once for a key while remembering.

        A change of a device clears the cache. A reader whose own changes keep it valid sends them
        with ``keep_cache`` and updates the cached object.
        """
        if self._remembered is None:
            return read()
        if key not in self._dumps:
            self._dumps[key] = read()
        return self._dumps[key]

    def uncache(self, kind: str) -> None:
        """Drop the cached results whose key begins with *kind*."""
        for key in [key for key in self._dumps if key[0] == kind]:
            del self._dumps[key]

    @property
    def netns(self) -> str:
        """What tells this network namespace from all others until the next boot."""
        # A cached_property of Python 3.11 has a lock, which a fork would copy.
        if self._netns is None:
            self._netns = self._read_netns()
        return self._netns

    def _read_netns(self) -> str:
        try:
            cookie = self._socket.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError:
            # Before Linux 5.14. An inode may come again when its namespace has gone.
            return f"inode-{pathlib.Path('/proc/thread-self/ns/net').stat().st_ino}"
        return str(int.from_bytes(cookie, "little" if struct.pack("=H", 1)[0] else "big"))

    def link(self, name: str) -> Link | None:
        """Return the device that the kernel calls by that name, or None.

        A device that has it as an alternative name only (``altname`` of ``ip link show``, since
        Linux 5.5) is another device.
        """
        found = self.resolve(name)
        return found if found is not None and found.name == name else None

    def resolve(self, name: str) -> Link | None:
        """Return the device that a user means by a name, maybe an alternative one; or None.

        Whoever goes on with that device uses its own name, ``Link.name``: locks and records are
        by that.
        """
        if len(name.encode(errors="surrogateescape")) <= _LONGEST_NAME:
            return self._get({"IFLA_IFNAME": name})
        try:
            return self._get({"IFLA_ALT_IFNAME": name})
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP):
                raise
            # Before Linux 5.5.
            return None

    def absence(self, name: str) -> str:
        """Return in words why no device has that name, which may be an alternative name."""
        other = self.resolve(name)
        if other is None or other.name == name:
            return f"there is no device {name}"
        return f"there is no device {name}: that is an alternative name of {other.name}"

    def link_at(self, index: int, netnsid: int | None = None) -> Link | None:
        """The device of that index, here or in a network namespace that this one knows."""
        there = {} if netnsid is None else {"IFLA_TARGET_NETNSID": netnsid}
        return self._get(there, index)

    def require(self, name: str) -> Link:
        """The device of that name; :raises OSError: with ENODEV if there is none."""
        found = self.link(name)
        if found is None:
            raise OSError(errno.ENODEV, self.absence(name))
        return found

    def missing(self, name: str) -> str:
        """Return what a check finds where no device has that name."""
        other = self.resolve(name)
        if other is None or other.name == name:
            return "missing"
        return f"missing (the name is an alternative name of {other.name})"

    def require_free(self, *names: str) -> None:
        """Raise the :class:`OSError` that says which name is an alternative name of a device."""
        for name in names:
            other = self.resolve(name)
            if other is not None and other.name != name:
                reason = (
                    f"{name} is an alternative name of {other.name}, so no other device can have it;"
                    f" remove it (ip link property del dev {quote(other.name)}"
                    f" altname {quote(name)}), or use another name"
                )
                raise OSError(errno.EEXIST, reason)

    def links(self) -> list[Link]:
        """Every device of this network namespace."""
        return self._list({})

    def ports(self, master: Link) -> list[Link]:
        """The devices in a bridge. The kernel filters; other devices are not read."""
        return self._list({"IFLA_MASTER": master.index})

    def add(self, name: str, kind: str, data: Mapping[str, Any], **attributes: Any) -> Link:
        """Make a device, and mark it as ours.

        :param data: ``IFLA_INFO_DATA`` of that kind of device.
        :param attributes: others that it gets at once, such as ``IFLA_LINK``.
        """
        info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": data}
        wanted = {
            "IFLA_IFNAME": name,
            "IFLA_GROUP": CREATING_GROUP,
            **attributes,
            "IFLA_LINKINFO": info,
        }
        self.talk(_NEWLINK, ACK | CREATE | EXCL, codec.link(wanted))
        link = self.require(name)
        try:
            self.mark(link)
        except OSError:
            self.delete(link)
            raise
        return link

    def mark(self, link: Link) -> None:
        """Say that the device is ours. Until then its group says so."""
        self.change(link, {"IFLA_IFALIAS": MANAGED_ALIAS, "IFLA_GROUP": 0})

    def set(
        self,
        link: Link,
        *,
        master: int | None = None,
        mtu: int | None = None,
        address: str | None = None,
        alias: str | None = None,
        promiscuous: bool | None = None,
        up: bool | None = None,
    ) -> None:
        """Change what is not None. A master of 0 takes the device out of its bridge."""
        wanted = {
            "IFLA_MASTER": master,
            "IFLA_MTU": mtu,
            "IFLA_ADDRESS": address,
            "IFLA_IFALIAS": alias,
        }
        flags = change = 0
        for flag, value in ((_IFF_UP, up), (_IFF_PROMISC, promiscuous)):
            if value is not None:
                change |= flag
                flags |= flag if value else 0
        attributes = {name: value for name, value in wanted.items() if value is not None}
        self.change(link, attributes, flags, change)

    def change(
        self, link: Link, attributes: Mapping[str, Any], flags: int = 0, change: int = 0
    ) -> None:
        self.talk(_NEWLINK, ACK, codec.link(attributes, link.index, flags, change))

    @contextmanager
    def deleting_together(self, refused: list[OSError] | None = None) -> Iterator[None]:
        """What is deleted meanwhile goes at the end, all of it or nothing.

        :param refused: takes the errors of the devices that the kernel refuses to delete, of which
            ``filename`` is the name; the others are deleted all the same.
        Until then it does not show. If this is left by an exception, nothing is deleted.
        The kernel waits some 15 ms for a device to be let go: here it waits once for all, and once
        for all threads that delete at the same time.
        """
        self._going = []
        try:
            yield
            going = self._going
        finally:
            self._going = None
            self._gone.clear()
            self.forget()
        if not going:
            return
        try:
            batch_delete.delete(self, going)
        except OSError:
            if refused is None:
                raise
            refused += batch_delete.delete_each(self, going)

    def delete(self, link: Link) -> bool:
        """:returns: whether it was there; somebody may have been faster."""
        if self._going is not None:
            self._going.append(link)
            self._gone.add(link.index)
            if link.kind == "veth" and link.lower and link.lower_netns is None:
                self._gone.add(link.lower)
            self.forget()
            return True
        try:
            self.talk(_DELLINK, ACK, codec.link({}, link.index))
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True

    def delete_group(self, group: int) -> None:
        """Delete all devices of a group. :raises OSError: then none was."""
        self.talk(_DELLINK, ACK, codec.link({"IFLA_GROUP": group}))

    def talk(self, kind: int, flags: int, body: bytes, *, keep_cache: bool = False) -> list[bytes]:
        """Send a message.

        :param keep_cache: the message changes neither devices nor a result of :meth:`cached` that
            the caller does not update itself.
        :returns: the messages that were asked for, if any were.
        """
        if flags & ACK and not keep_cache:
            self.forget()
        for _ in range(_ATTEMPTS):
            number = next(self._numbers)
            size = codec.HEADER.size + len(body)
            header = codec.HEADER.pack(size, kind, _REQUEST | flags, number, 0)
            self._socket.send(header + body)
            found, interrupted = self._answer(number)
            if not interrupted:
                return found
        raise OSError(errno.EBUSY, "what was listed changed each time it was listed")

    def _get(self, attributes: Mapping[str, Any], index: int = 0) -> Link | None:
        key = (index, *attributes.items())
        if self._remembered is not None and key in self._remembered:
            return self._remembered[key]
        body = codec.link({**attributes, "IFLA_EXT_MASK": NO_STATS}, index)
        link = None
        here = "IFLA_TARGET_NETNSID" not in attributes
        try:
            (found,) = self.talk(GETLINK, 0, body)
            link = read(found)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
        if here and link is not None and link.index in self._gone:
            link = None
        if self._remembered is not None:
            self._remembered[key] = link
            if here and link is not None:
                # It may be asked for in the other way too.
                self._remembered[link.index,] = link
                self._remembered[0, ("IFLA_IFNAME", link.name)] = link
        return link

    def _list(self, attributes: Mapping[str, Any]) -> list[Link]:
        body = codec.link({**attributes, "IFLA_EXT_MASK": NO_STATS})
        links = map(read, self.talk(GETLINK, DUMP, body))
        return [link for link in links if link.index not in self._gone]

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
        size, _, flags, _ = self._socket.recvmsg_into([self._buffer])
        if flags & socket.MSG_TRUNC:
            raise OSError(errno.EMSGSIZE, "an answer of the kernel was too long")
        at = 0
        while at < size:
            length, kind, flags, number, _ = codec.HEADER.unpack_from(self._buffer, at)
            yield kind, flags, number, bytes(self._buffer[at : at + length])
            at += (length + 3) & ~3


def _raise_failure(kind: int, flags: int, body: bytes) -> None:
    """What an acknowledgement, or the end of a dump, says; nothing if all went well."""
    (code,) = struct.unpack_from("=i", body, codec.HEADER.size)
    if code == 0:
        return
    said = ""
    if kind == _ERROR and flags & _ACK_TLVS:
        # The request follows; only its header if the answer is capped. Then come attributes.
        request = codec.HEADER.size + 4
        (length,) = struct.unpack_from("=I", body, request)
        after = request + (codec.HEADER.size if flags & _CAPPED else (length + 3) & ~3)
        said = codec.unpack(body[after:], _ERROR_DETAILS).get("NLMSGERR_ATTR_MSG", "")
    reason = os.strerror(-code)
    raise OSError(-code, f"{reason} ({said})" if said else reason)


def read(data: bytes) -> Link:
    index, flags, attributes = codec.read_link(data)
    get = attributes.get
    info = get("IFLA_LINKINFO", {})
    return Link(
        index=index,
        name=attributes["IFLA_IFNAME"],
        kind=info.get("IFLA_INFO_KIND"),
        mtu=get("IFLA_MTU", 0),
        up=bool(flags & _IFF_UP),
        carrier=bool(flags & _IFF_LOWER_UP),
        promiscuous=bool(flags & _IFF_PROMISC),
        master=get("IFLA_MASTER"),
        lower=get("IFLA_LINK"),
        lower_netns=get("IFLA_LINK_NETNSID"),
        alias=get("IFLA_IFALIAS"),
        group=get("IFLA_GROUP", 0),
        address=get("IFLA_ADDRESS"),
        data=info.get("IFLA_INFO_DATA", {}),
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
def opened(protocol: int = _ROUTE) -> Iterator[Netlink]:
    """A socket of the caller's own, closed at the end."""
    netlink = Netlink(protocol)
    try:
        yield netlink
    finally:
        netlink.close()


def _in_child() -> None:
    """Leave the socket of the forking thread to the parent, which reads its answers."""
    if hasattr(_per_thread, "netlink"):
        _per_thread.netlink.close()
        del _per_thread.netlink


os.register_at_fork(after_in_child=_in_child)


def describe_kind(link: Link) -> str:
    """Return the kind of a device in words, for an error message."""
    return f"a device of kind {link.kind}" if link.kind else "a hardware device"
