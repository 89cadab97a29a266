# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Talking to the kernel: links through rtnetlink, with pyroute2."""

from __future__ import annotations

import dataclasses
import errno
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: ``IFF_UP`` of linux/if.h.
_IFF_UP = 1


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
    #: ``IFLA_BR_*`` of a bridge, by lower-case name without the prefix.
    bridge: dict[str, int] = dataclasses.field(default_factory=dict)


class Netlink:
    """One rtnetlink socket.

    Failures are :class:`OSError` with the kernel's errno: pyroute2's own exceptions do not
    survive the way out of a privileged daemon.
    """

    def __init__(self) -> None:
        self._ip = IPRoute()

    def close(self) -> None:
        self._ip.close()

    def link(self, name: str) -> Link | None:
        """The device of that name in this network namespace; None if there is none."""
        try:
            with _os_errors():
                found = [_link(m) for m in self._ip.link("get", ifname=name)]
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return found[0] if found else None

    def require(self, name: str) -> Link:
        """The same; :raises OSError: with ENODEV if there is none."""
        found = self.link(name)
        if found is None:
            raise OSError(errno.ENODEV, f"there is no device {name}")
        return found

    def links(self) -> list[Link]:
        """Every device of this network namespace."""
        with _os_errors():
            return [_link(m) for m in self._ip.link("dump")]

    def ports(self, master: Link) -> list[Link]:
        """The devices in a bridge. The kernel filters; other devices are not read."""
        with _os_errors():
            links = [_link(m) for m in self._ip.link("dump", master=master.index)]
        return [link for link in links if link.master == master.index]

    def add(self, **attributes: Any) -> None:
        with _os_errors():
            self._ip.link("add", **attributes)

    def set(self, link: Link, **attributes: Any) -> None:
        with _os_errors():
            self._ip.link("set", index=link.index, **attributes)

    def delete(self, link: Link) -> None:
        with _os_errors():
            self._ip.link("del", index=link.index)


_per_thread = threading.local()


def here() -> Netlink:
    """The socket of this thread, kept open.

    A socket sees the network namespace in which it was opened, so this is for the privileged
    daemon, whose few threads stay in one. pyroute2 keeps a descriptor for each thread that uses
    an ``IPRoute`` until that is closed: one socket a thread keeps their number fixed.
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


@contextmanager
def _os_errors() -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        # pyroute2 gives the kernel's message where there is one.
        raise OSError(error.code, error.args[1] if len(error.args) > 1 else str(error)) from error


def _link(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    data = info.get_attr("IFLA_INFO_DATA") if kind == "bridge" else None
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=kind,
        mtu=message.get_attr("IFLA_MTU"),
        up=bool(message["flags"] & _IFF_UP),
        master=message.get_attr("IFLA_MASTER"),
        alias=message.get_attr("IFLA_IFALIAS"),
        address=message.get_attr("IFLA_ADDRESS"),
        bridge={
            name.removeprefix("IFLA_BR_").lower(): value
            for name, value in (data["attrs"] if data else ())
            if isinstance(value, int)
        },
    )
