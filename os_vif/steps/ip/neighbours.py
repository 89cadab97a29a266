# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for neighbours of a device from users and routing daemons.

A neighbour here is permanent, without ARP, managed, externally learned, or a proxy entry
(ip-neighbour(8)). The module ignores entries that the kernel has learned by itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import re
import socket
from shlex import quote
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import NEIGHBOUR
from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.steps import validate
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.host.netlink.rtnetlink import Link, Netlink

_READER = NEIGHBOUR.reader("NDA_DST", "NDA_LLADDR", "NDA_PROTOCOL", "NDA_FLAGS_EXT")
#: A MAC address of Ethernet. The link address of a neighbour of a tunnel is an IP address.
_MAC = re.compile("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")


@functools.cache
def _states() -> dict[int, str]:
    """Return the states that a user may set, by number, as ip-neighbour(8) names the states."""
    return uapi.numbered(NUD_PERMANENT="permanent", NUD_NOARP="noarp", NUD_STALE="stale")


@functools.cache
def _flags() -> dict[int, str]:
    """Return the flags ``NTF_*`` that a user may set, by number."""
    return uapi.numbered(NTF_EXT_LEARNED="extern_learn", NTF_ROUTER="router")


@functools.cache
def _extended_flags() -> dict[int, str]:
    """Return the flags ``NTF_EXT_*`` that a user may set, by number."""
    return uapi.numbered(NTF_EXT_MANAGED="managed", NTF_EXT_EXT_VALIDATED="extern_valid")


@dataclasses.dataclass(frozen=True)
class _Neighbour(NamedStep, KernelStep):
    #: IP address of the neighbour.
    neighbour: str
    #: The host answers requests for the address on behalf of another host (proxy ARP, proxy NDP).
    proxy: bool = False

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.ip_address(self, "neighbour")
        validate.boolean(self, "proxy")

    @property
    def key(self) -> tuple[str, bool]:
        """Identification of the neighbour among the neighbours of a device."""
        return self.neighbour, self.proxy

    @property
    def _text(self) -> str:
        return f"{'proxy ' if self.proxy else ''}{self.neighbour}"

    def _find(self, net: Netlink) -> EnsureNeighbour | None:
        link = net.link(self.name)
        return None if link is None else neighbour_map(net, link).get(self.key)

    def _send(
        self, net: Netlink, request: tuple[int, int], flags: int = 0, state: int = 0, **more: Any
    ) -> None:
        """Send a request for the neighbour.

        :param request: type and flags of the message.
        """
        link = net.require(self.name)
        kind, how = request
        body = NEIGHBOUR.pack(
            {"NDA_DST": self.neighbour} | more,
            family=socket.AF_INET6 if ":" in self.neighbour else socket.AF_INET,
            ifindex=link.index,
            state=state,
            flags=flags | (uapi.NTF_PROXY if self.proxy else 0),
        )
        net.request(kind, uapi.NLM_F_ACK | how, body, keep_cache=True)


@dataclasses.dataclass(frozen=True)
class EnsureNeighbour(_Neighbour):
    """A device has a neighbour that the kernel does not drop by itself.

    :raises OSError: with ENODEV if the device is missing.

    Equivalent to: ``ip neigh replace ADDRESS lladdr MAC dev NAME ...``
    """

    #: MAC address, in lower case with colons; None for a proxy entry, and for a managed neighbour,
    #: which the kernel resolves.
    lladdr: str | None = None
    #: State (``NUD_*``): 128 is permanent, 64 without ARP, 4 checked by the kernel, 0 none.
    state: int = 128
    #: Flags (``NTF_*``) that a user may set.
    flags: int = 0
    #: Extended flags (``NTF_EXT_*``) that a user may set.
    extended: int = 0
    #: Origin of the neighbour (``RTPROT_*``); None is unspecified.
    protocol: int | None = None

    def validate(self) -> None:
        super().validate()
        validate.mac(self, "lladdr", optional=True)
        validate.integer(self, "state", uapi.NUD_NONE, uapi.NUD_PERMANENT)
        if self.state not in (uapi.NUD_NONE, *_states()):
            validate.reject(self, "state", "0, 4, 64 or 128")
        validate.flags(self, "flags", sum(_flags()))
        validate.flags(self, "extended", sum(_extended_flags()))
        validate.integer(self, "protocol", 0, 255, optional=True)

    def commands(self) -> tuple[str, ...]:
        words = [self._text]
        words += [] if self.lladdr is None else [f"lladdr {self.lladdr}"]
        words += [f"dev {quote(self.name)}"]
        words += [f"nud {_states()[self.state]}"] if self.state and not self.proxy else []
        words += [name for flag, name in _flags().items() if self.flags & flag]
        words += [name for flag, name in _extended_flags().items() if self.extended & flag]
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
        self._send(
            net,
            # The kernel may have learned the neighbour: replace the entry.
            (uapi.RTM_NEWNEIGH, uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE),
            self.flags,
            uapi.NUD_PERMANENT if self.proxy else self.state,
            NDA_LLADDR=self.lladdr,
            NDA_PROTOCOL=self.protocol,
            NDA_FLAGS_EXT=self.extended or None,
        )
        neighbour_map(net, net.require(self.name))[self.key] = self
        return (self.deletion() if found is None else found,)

    def for_device(self, name: str) -> EnsureNeighbour:
        """Return the same neighbour of another device."""
        return dataclasses.replace(self, name=name)

    def deletion(self) -> DeleteNeighbour:
        return DeleteNeighbour(self.name, self.neighbour, self.proxy)


@dataclasses.dataclass(frozen=True)
class DeleteNeighbour(_Neighbour):
    """A device does not have a neighbour from a user or a program.

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
        # Another process may have deleted the neighbour first.
        with ignoring(errno.ENOENT):
            self._send(net, (uapi.RTM_DELNEIGH, 0))
        neighbour_map(net, net.require(self.name)).pop(self.key, None)
        return (found,)


def neighbour_map(net: Netlink, link: Link) -> dict[tuple[str, bool], EnsureNeighbour]:
    """Return the neighbours of a device from users and programs, by key."""

    def read_by_key() -> dict[tuple[str, bool], EnsureNeighbour]:
        return {neighbour.key: neighbour for neighbour, _ in dump_neighbours(net, link)}

    found: dict[tuple[str, bool], EnsureNeighbour] = net.read_cached(
        ("neighbours", link.index), read_by_key
    )
    return found


def read_neighbours(net: Netlink, link: Link) -> list[EnsureNeighbour]:
    """Return the neighbours of a device from users and programs.

    :raises OSError: with EOPNOTSUPP for a neighbour that the steps cannot express.
    """
    found = []
    for neighbour, unknown in dump_neighbours(net, link):
        if unknown:
            reason = f"the neighbour {neighbour.neighbour} of {link.name} has {unknown}"
            raise OSError(errno.EOPNOTSUPP, f"{reason}, which os-vif cannot move")
        found.append(neighbour)
    return found


@contextlib.contextmanager
def restoring_neighbours(net: Netlink, link: Link) -> Iterator[None]:
    """Restore the neighbours of a device at the end of the block.

    The kernel drops all neighbours of a device, also permanent neighbours, when the MAC address of
    the device changes (``neigh_changeaddr``). The MAC address of a bridge may change with each port.
    """
    before = [neighbour for neighbour, unknown in dump_neighbours(net, link) if not unknown]
    yield
    net.drop_cached("neighbours")
    for neighbour in before:
        neighbour.apply(net)


def dump_neighbours(net: Netlink, link: Link) -> list[tuple[EnsureNeighbour, str]]:
    """Return neighbours, each with a description of the parts that a step cannot express."""
    found = []
    for flags in (0, uapi.NTF_PROXY):
        body = NEIGHBOUR.pack({"NDA_IFINDEX": link.index}, flags=flags)
        for data in net.request(uapi.RTM_GETNEIGH, uapi.NLM_F_DUMP, body):
            parsed = _parse_neighbour(link, data)
            if parsed is not None:
                found.append(parsed)
    return found


def _parse_neighbour(link: Link, data: bytes) -> tuple[EnsureNeighbour, str] | None:
    """Return a neighbour with the parts that a step cannot express; None for the kernel's own."""
    family, index, state, flags, _ = NEIGHBOUR.values(data)
    if family not in (socket.AF_INET, socket.AF_INET6) or index != link.index:
        return None
    get = _READER.read(data).get
    address: str = get("NDA_LLADDR", "")
    extended = get("NDA_FLAGS_EXT", 0)
    proxy = bool(flags & uapi.NTF_PROXY)
    if not proxy and not _is_given(state, flags, extended, address):
        return None
    mac = address if _MAC.fullmatch(address) else None
    unknown = f"the link address {address}" if address and mac is None else ""
    kept = sum(_extended_flags())
    if extended & ~kept:
        unknown = f"flags {extended:#x}"
    lasting = uapi.NUD_PERMANENT | uapi.NUD_NOARP
    if not state & lasting:
        # The kernel changes the state by itself.
        managed = extended & uapi.NTF_EXT_MANAGED
        state = uapi.NUD_NONE if managed else uapi.NUD_STALE
        mac = None if managed else mac
    neighbour = EnsureNeighbour(
        link.name,
        get("NDA_DST", ""),
        proxy=proxy,
        lladdr=None if proxy else mac,
        state=uapi.NUD_PERMANENT if proxy else state & (lasting | uapi.NUD_STALE),
        flags=flags & sum(_flags()),
        extended=extended & kept,
        protocol=get("NDA_PROTOCOL") or None,
    )
    return neighbour, unknown


def _is_given(state: int, flags: int, extended: int, address: str) -> bool:
    """Return whether a neighbour was given to a device by a user or a program, not by the kernel."""
    if state & uapi.NUD_PERMANENT or extended & uapi.NTF_EXT_MANAGED:
        return True
    if state & uapi.NUD_NOARP:
        # The kernel creates entries for multicast groups, and for devices without link addresses.
        return _MAC.fullmatch(address) is not None and _is_of_one_device(address)
    unusable = uapi.NUD_INCOMPLETE | uapi.NUD_FAILED
    return bool(flags & uapi.NTF_EXT_LEARNED) and not state & unusable and bool(address)


def _is_of_one_device(address: str) -> bool:
    """Return whether a MAC address is neither zero nor the address of a group."""
    data = bytes.fromhex(address.replace(":", ""))
    return any(data) and not data[0] & 1
