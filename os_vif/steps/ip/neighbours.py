# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for the neighbours that a user, or a routing daemon, has given a device.

Such a neighbour is permanent, without ARP, managed, learned externally, or a proxy entry
(ip-neighbour(8)). Entries that the kernel has learned by itself are no part of this.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import struct
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import codec, rtnetlink
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: linux/rtnetlink.h
_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
#: linux/neighbour.h: ``NUD_*``
_NONE, _STALE, _NOARP, _PERMANENT = 0x00, 0x04, 0x40, 0x80
_UNUSABLE = 0x01 | 0x20
_STATES = {_PERMANENT: "permanent", _NOARP: "noarp", _STALE: "stale"}
#: ``NTF_*``
_PROXY, _EXTERN_LEARN, _ROUTER = 0x08, 0x10, 0x80
_KEPT_FLAGS = _EXTERN_LEARN | _ROUTER
#: ``NTF_EXT_*``; Linux 5.16 and 6.17.
_MANAGED, _VALIDATED = 0x1, 0x2
_KEPT_EXTENDED = _MANAGED | _VALIDATED
_FLAGS = {_EXTERN_LEARN: "extern_learn", _ROUTER: "router"}
_EXTENDED = {_MANAGED: "managed", _VALIDATED: "extern_valid"}
#: ``struct ndmsg``: family, index, state, flags, type.
_HEADER = struct.Struct("=BxxxiHBB")
#: Bytes of an Ethernet address, and the bit of one for a group.
_MAC_SIZE, _GROUP = 6, 0x01
_NDA = codec.Table(
    NDA_DST=(1, codec.IP),
    NDA_LLADDR=(2, codec.RAW),
    NDA_IFINDEX=(8, codec.U32),
    NDA_PROTOCOL=(12, codec.U8),
    NDA_FLAGS_EXT=(15, codec.U32),
)


@dataclasses.dataclass(frozen=True)
class _Neighbour(NamedStep, KernelStep):
    #: The IP address of the neighbour.
    neighbour: str
    #: The host answers for the address in the name of another (proxy ARP, proxy NDP).
    proxy: bool = False

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.ip_address(self, "neighbour")
        validate.boolean(self, "proxy")

    @property
    def key(self) -> tuple[str, bool]:
        """What distinguishes the neighbour from the others of a device."""
        return self.neighbour, self.proxy

    @property
    def _text(self) -> str:
        return f"{'proxy ' if self.proxy else ''}{self.neighbour}"

    def _find(self, net: Netlink) -> EnsureNeighbour | None:
        link = net.link(self.name)
        return None if link is None else held(net, link).get(self.key)

    def _send(
        self, net: Netlink, request: tuple[int, int], flags: int = 0, state: int = 0, **more: Any
    ) -> None:
        """:param request: type and flags of the message."""
        link = net.require(self.name)
        kind, how = request
        family = socket.AF_INET6 if ":" in self.neighbour else socket.AF_INET
        flags |= _PROXY if self.proxy else 0
        header = _HEADER.pack(family, link.index, state, flags, 0)
        attributes = codec.pack({"NDA_DST": self.neighbour} | more, _NDA)
        net.talk(kind, rtnetlink.ACK | how, header + attributes, keep_cache=True)


@dataclasses.dataclass(frozen=True)
class EnsureNeighbour(_Neighbour):
    """A device has a neighbour that does not go by itself.

    Equivalent to: ``ip neigh replace ADDRESS lladdr MAC dev NAME ...``
    """

    #: Its MAC address; None for a proxy entry, and for a managed one that the kernel resolves.
    lladdr: str | None = None
    #: ``NUD_*``: 128 is permanent, 64 without ARP, 4 any that the kernel checks by itself, 0 none.
    state: int = _PERMANENT
    #: ``NTF_*`` and ``NTF_EXT_*`` that a user may give.
    flags: int = 0
    extended: int = 0
    #: ``RTPROT_*``: who gave it.
    protocol: int | None = None

    def validate(self) -> None:
        super().validate()
        validate.mac(self, "lladdr", optional=True)
        validate.integer(self, "state", _NONE, _PERMANENT)
        if self.state not in (_NONE, *_STATES):
            validate.reject(self, "state", "0, 4, 64 or 128")
        validate.flags(self, "flags", _KEPT_FLAGS)
        validate.flags(self, "extended", _KEPT_EXTENDED)
        validate.integer(self, "protocol", 0, 255, optional=True)

    def commands(self) -> tuple[str, ...]:
        words = [self._text]
        words += [] if self.lladdr is None else [f"lladdr {self.lladdr}"]
        words += [f"dev {quote(self.name)}"]
        words += [f"nud {_STATES[self.state]}"] if self.state and not self.proxy else []
        words += [name for flag, name in _FLAGS.items() if self.flags & flag]
        words += [name for flag, name in _EXTENDED.items() if self.extended & flag]
        words += [f"protocol {self.protocol}"] if self.protocol else []
        return (f"ip neigh replace {' '.join(words)}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        found = self._find(net)
        if found == self:
            return ()
        shown = "missing" if found is None else found.lladdr or "without a MAC address"
        expected = self.lladdr or "there"
        return (self.difference(f"neighbour {self._text}", shown, expected),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        found = self._find(net)
        if found == self:
            return ()
        mac = self.lladdr
        self._send(
            net,
            # The kernel may have learned it.
            (_NEWNEIGH, rtnetlink.CREATE | rtnetlink.REPLACE),
            self.flags,
            _PERMANENT if self.proxy else self.state,
            NDA_LLADDR=None if mac is None else bytes.fromhex(mac.replace(":", "")),
            NDA_PROTOCOL=self.protocol,
            NDA_FLAGS_EXT=self.extended or None,
        )
        held(net, net.require(self.name))[self.key] = self
        return (self.deletion() if found is None else found,)

    def on(self, name: str) -> EnsureNeighbour:
        """Return the same neighbour of another device."""
        return dataclasses.replace(self, name=name)

    def deletion(self) -> DeleteNeighbour:
        return DeleteNeighbour(self.name, self.neighbour, self.proxy)


@dataclasses.dataclass(frozen=True)
class DeleteNeighbour(_Neighbour):
    """A device does not have a neighbour that was given to it.

    Equivalent to: ``ip neigh del ADDRESS dev NAME``
    """

    def commands(self) -> tuple[str, ...]:
        return (f"ip neigh del {self._text} dev {quote(self.name)}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self._find(net) is None:
            return ()
        return (self.difference(f"neighbour {self._text}", "there", "gone"),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        found = self._find(net)
        if found is None:
            return ()
        try:
            self._send(net, (_DELNEIGH, 0))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            # It went meanwhile.
        held(net, net.require(self.name)).pop(self.key, None)
        return (found,)


def held(net: Netlink, link: Link) -> dict[tuple[str, bool], EnsureNeighbour]:
    """Return the neighbours that were given to a device, by their key."""

    def read() -> dict[tuple[str, bool], EnsureNeighbour]:
        return {neighbour.key: neighbour for neighbour, _ in _read_all(net, link)}

    found: dict[tuple[str, bool], EnsureNeighbour] = net.cached(("neighbours", link.index), read)
    return found


def of(net: Netlink, link: Link) -> list[EnsureNeighbour]:
    """Return the neighbours that were given to a device.

    :raises OSError: with EOPNOTSUPP for one that the steps cannot express.
    """
    found = []
    for neighbour, unknown in _read_all(net, link):
        if unknown:
            reason = f"the neighbour {neighbour.neighbour} of {link.name} has {unknown}"
            raise OSError(errno.EOPNOTSUPP, f"{reason}, which os-vif cannot move")
        found.append(neighbour)
    return found


@contextlib.contextmanager
def keeping(net: Netlink, link: Link) -> Iterator[None]:
    """Give a device its neighbours back that it loses meanwhile.

    The kernel drops all neighbours of a device, the permanent ones too, when the MAC address of the
    device changes (``neigh_changeaddr``). That of a bridge may change with each port.
    """
    before = [neighbour for neighbour, unknown in _read_all(net, link) if not unknown]
    yield
    net.uncache("neighbours")
    for neighbour in before:
        neighbour.apply(net)


def _read_all(net: Netlink, link: Link) -> list[tuple[EnsureNeighbour, str]]:
    """Return the given neighbours of a device, each with what a step cannot express of it."""
    found = []
    for flags in (0, _PROXY):
        header = _HEADER.pack(socket.AF_UNSPEC, 0, 0, flags, 0)
        body = header + codec.pack({"NDA_IFINDEX": link.index}, _NDA)
        for data in net.talk(_GETNEIGH, rtnetlink.DUMP, body):
            read = _read(link, data)
            if read is not None:
                found.append(read)
    return found


def _read(link: Link, data: bytes) -> tuple[EnsureNeighbour, str] | None:
    family, index, state, flags, _ = _HEADER.unpack_from(data, codec.HEADER.size)
    if family not in (socket.AF_INET, socket.AF_INET6) or index != link.index:
        return None
    get = codec.unpack(data[codec.HEADER.size + _HEADER.size :], _NDA).get
    mac: bytes = get("NDA_LLADDR", b"")
    extended = get("NDA_FLAGS_EXT", 0)
    proxy = bool(flags & _PROXY)
    if not proxy and not _is_given(state, flags, extended, mac):
        return None
    unknown = "" if len(mac) in (0, _MAC_SIZE) else f"a link address of {len(mac)} bytes"
    if extended & ~_KEPT_EXTENDED:
        unknown = f"flags {extended:#x}"
    if not state & (_PERMANENT | _NOARP):
        # The kernel changes such a state by itself.
        state = _NONE if extended & _MANAGED else _STALE
        mac = b"" if extended & _MANAGED else mac
    neighbour = EnsureNeighbour(
        link.name,
        get("NDA_DST", ""),
        proxy=proxy,
        lladdr=mac.hex(":") if len(mac) == _MAC_SIZE and not proxy else None,
        state=_PERMANENT if proxy else state & (_PERMANENT | _NOARP | _STALE),
        flags=flags & _KEPT_FLAGS,
        extended=extended & _KEPT_EXTENDED,
        protocol=get("NDA_PROTOCOL") or None,
    )
    return neighbour, unknown


def _is_given(state: int, flags: int, extended: int, mac: bytes) -> bool:
    """Return whether somebody gave a neighbour to a device, other than the kernel."""
    if state & _PERMANENT or extended & _MANAGED:
        return True
    if state & _NOARP:
        # The kernel's own are for groups, and for devices without addresses.
        return len(mac) == _MAC_SIZE and any(mac) and not mac[0] & _GROUP
    return bool(flags & _EXTERN_LEARN) and not state & _UNUSABLE and bool(mac)
