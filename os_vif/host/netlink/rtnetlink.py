# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network interfaces of a network namespace, read and changed through rtnetlink(7).

:class:`Netlink` reads from the kernel each time. ``with net.cached() as net`` yields a
:class:`CachedNetlink`, which reads each link once and clears the cache when a link is changed
through the view. Deferred deletions are in :mod:`os_vif.host.netlink.batch_delete`.

Failures are :class:`OSError` with the kernel's errno and reason.
"""

from __future__ import annotations

import contextvars
import dataclasses
import errno
import functools
import os
import shlex
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from os_vif.host.netlink import supplement, uapi
from os_vif.host.netlink.messages import LINK
from os_vif.host.netlink.netlink_socket import Socket, ignoring

#: Alias (``ip link show``) of the devices created by os-vif.
MANAGED_ALIAS = "os-vif"
#: Group (``ip link show``) of a device between creation and mark: "osvf" in ASCII. The request to
#: create a device may have a group, but no alias.
CREATING_GROUP = 0x6F737666

#: Bytes of a device's name; an alternative name may have more.
_LONGEST_NAME = supplement.IFNAMSIZ - 1
#: The attributes of a :class:`Link`. To decode more would slow each list of links down.
LINK_ATTRIBUTES = (
    "IFLA_ADDRESS",
    "IFLA_IFNAME",
    "IFLA_MTU",
    "IFLA_LINK",
    "IFLA_MASTER",
    "IFLA_LINKINFO",
    "IFLA_IFALIAS",
    "IFLA_GROUP",
    "IFLA_LINK_NETNSID",
)
LINK_READER = LINK.reader(*LINK_ATTRIBUTES)
_NO_DATA: Mapping[str, Any] = MappingProxyType({})
_NO_DEVICE = ignoring(errno.ENODEV)


# Not frozen: a frozen dataclass takes three times as long to create.
@dataclasses.dataclass(slots=True)
class Link:
    """A network interface."""

    index: int
    name: str
    #: ``IFLA_INFO_KIND``: ``bridge``, ``veth``, ``tun``; None for hardware.
    kind: str | None
    mtu: int
    up: bool
    #: Whether the device is up and its lower device is ready, for example has a cable.
    carrier: bool
    promiscuous: bool
    #: Index of the bridge or bond above, if the device is a port.
    master: int | None
    #: The index of the lower device, or of the peer.
    lower: int | None
    #: The number of the network namespace of ``lower``, if another.
    lower_netns: int | None
    #: ``IFLA_IFALIAS``.
    alias: str | None
    group: int
    address: str | None
    #: ``IFLA_INFO_DATA``: all attributes known to pyroute2 for the kind. Timers, for example,
    #: differ each time a link is read.
    data: Mapping[str, Any] = dataclasses.field(compare=False)

    @property
    def is_managed(self) -> bool:
        """True if os-vif created the device."""
        return self.alias == MANAGED_ALIAS or self.group == CREATING_GROUP


class Netlink:
    """The network interfaces of the network namespace in which the socket was opened.

    Not for several threads at once.
    """

    def __init__(self, socket: Socket | None = None) -> None:
        """Use a socket of ``NETLINK_ROUTE``, or open a new socket for None."""
        self._socket = Socket(uapi.NETLINK_ROUTE) if socket is None else socket

    def close(self) -> None:
        self._socket.close()

    @property
    def netns(self) -> str:
        """The identity of the network namespace, unique until the next boot."""
        return self._socket.netns

    @contextmanager
    def cached(self) -> Iterator[CachedNetlink]:
        """Yield a view through which each link is read once, until a link is changed."""
        yield CachedNetlink(self._socket)

    def invalidate_cache(self) -> None:
        """Discard cached links; call after changing a link by other means, such as an ioctl."""

    def discard_results(self) -> None:
        """Discard the results of :meth:`read_cached`, and keep cached links."""

    def read_cached(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        """Return the result of *read*; a :class:`CachedNetlink` calls *read* once for a key.

        A change of a device clears the cache. To keep a cached object, send the change with
        ``keep_cache`` and update the object.
        """
        del key
        return read()

    def cached_result(self, key: tuple[Any, ...]) -> Any:
        """Return the result that :meth:`read_cached` has read for a key; None without a result."""

    def drop_cached(self, kind: str) -> None:
        """Discard cached results with a key that begins with *kind*."""

    def request(
        self, kind: int, flags: int, body: bytes, *, keep_cache: bool = False
    ) -> list[bytes]:
        """Send a netlink request; return the bodies of the reply messages.

        :param keep_cache: the request changes neither a device nor a result of
            :meth:`read_cached` that the caller does not update.
        """
        if flags & uapi.NLM_F_ACK and not keep_cache:
            self.invalidate_cache()
        return self._socket.request(kind, flags, body)

    def link(self, name: str) -> Link | None:
        """Return the device with a name, or None.

        Alternative names (``altname`` of ``ip link show``, since Linux 5.5) do not count.
        """
        found = self.resolve(name)
        return found if found is not None and found.name == name else None

    def resolve(self, name: str) -> Link | None:
        """Return the device with a name or an alternative name, or None.

        Use ``Link.name`` of the result from then on: locks and records use the kernel's name.
        """
        if len(name.encode(errors="surrogateescape")) <= _LONGEST_NAME:
            return self._get({"IFLA_IFNAME": name})
        # Linux before 5.5 has no alternative names.
        with ignoring(errno.EINVAL, errno.ERANGE, errno.EOPNOTSUPP):
            return self._get({"IFLA_ALT_IFNAME": name})
        return None

    def absence(self, name: str) -> str:
        """Return the reason why no device has a name, for an error."""
        other = self.resolve(name)
        if other is None or other.name == name:
            return f"there is no device {name}"
        return f"there is no device {name}: that is an alternative name of {other.name}"

    def link_at(self, index: int, netnsid: int | None = None) -> Link | None:
        """Return the device with an index, or None.

        :param netnsid: the number of another network namespace (``ip netns list-id``).
        """
        elsewhere = {} if netnsid is None else {"IFLA_IF_NETNSID": netnsid}
        return self._get(elsewhere, index)

    def read_attributes(self, link: Link) -> Mapping[str, Any]:
        """Return all attributes of a device by the names of pyroute2, such as ``IFLA_TXQLEN``.

        :raises OSError: with ENODEV if the device was deleted.
        """
        (found,) = self.request(uapi.RTM_GETLINK, 0, LINK.pack({}, index=link.index))
        return LINK.attributes(found)

    def require(self, name: str) -> Link:
        """Return the device with a name; raise :class:`OSError` with ENODEV if missing."""
        found = self.link(name)
        if found is None:
            raise OSError(errno.ENODEV, self.absence(name))
        return found

    def missing(self, name: str) -> str:
        """Return the found value of a difference for a missing device."""
        other = self.resolve(name)
        if other is None or other.name == name:
            return "missing"
        return f"missing (the name is an alternative name of {other.name})"

    def require_free(self, *names: str) -> None:
        """Raise :class:`OSError` with EEXIST if a name is an alternative name of a device."""
        for name in names:
            other = self.resolve(name)
            if other is not None and other.name != name:
                reason = (
                    f"{name} is an alternative name of {other.name}, so no other device can have it;"
                    f" remove it (ip link property del dev {shlex.quote(other.name)}"
                    f" altname {shlex.quote(name)}), or use another name"
                )
                raise OSError(errno.EEXIST, reason)

    def links(self) -> list[Link]:
        """Return every device of the network namespace."""
        return self._list({})

    def ports(self, master: Link) -> list[Link]:
        """Return the devices in a bridge. The kernel filters; other devices are not read."""
        return self._list({"IFLA_MASTER": master.index})

    def add(self, name: str, kind: str, data: Mapping[str, Any], **attributes: Any) -> Link:
        """Create a device and mark it as managed.

        :param data: ``IFLA_INFO_DATA`` of the kind of device.
        :param attributes: further attributes of the request, such as ``IFLA_LINK``.
        """
        self.add_elsewhere(name, kind, data, **attributes)
        link = self.require(name)
        try:
            self.mark(link)
        except OSError:
            self.delete(link)
            raise
        return link

    def add_elsewhere(
        self, name: str, kind: str, data: Mapping[str, Any], **attributes: Any
    ) -> None:
        """Create a device that is not marked, maybe in another network namespace.

        :param data: ``IFLA_INFO_DATA`` of the kind of device.
        :param attributes: further attributes of the request, such as ``IFLA_NET_NS_FD``.
        """
        info = {"IFLA_INFO_KIND": kind, "IFLA_INFO_DATA": data or None}
        wanted = {
            "IFLA_IFNAME": name,
            "IFLA_GROUP": CREATING_GROUP,
            **attributes,
            "IFLA_LINKINFO": info,
        }
        flags = uapi.NLM_F_ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
        self.request(uapi.RTM_NEWLINK, flags, LINK.pack(wanted))

    def mark(self, link: Link, *, up: bool = False) -> None:
        """Mark a device as managed. Before the mark, the group identifies the device.

        :param up: set the device up by the same message.
        """
        flag = uapi.IFF_UP if up else 0
        self.change(link, {"IFLA_IFALIAS": MANAGED_ALIAS, "IFLA_GROUP": 0}, flag, flag)

    def set(
        self,
        link: Link,
        *,
        master: int | None = None,
        mtu: int | None = None,
        address: str | None = None,
        alias: str | None = None,
        promiscuous: bool | None = None,
        group: int | None = None,
        txqueuelen: int | None = None,
        up: bool | None = None,
    ) -> None:
        """Change settings. None leaves a setting unchanged; a master of 0 detaches the device."""
        wanted = {
            "IFLA_MASTER": master,
            "IFLA_MTU": mtu,
            "IFLA_ADDRESS": address,
            "IFLA_IFALIAS": alias,
            "IFLA_GROUP": group,
            "IFLA_TXQLEN": txqueuelen,
        }
        flags = change = 0
        for flag, value in ((uapi.IFF_UP, up), (uapi.IFF_PROMISC, promiscuous)):
            if value is not None:
                change |= flag
                flags |= flag if value else 0
        attributes = {name: value for name, value in wanted.items() if value is not None}
        self.change(link, attributes, flags, change)

    def change(
        self, link: Link, attributes: Mapping[str, Any], flags: int = 0, change: int = 0
    ) -> None:
        """Set attributes and flags of a device.

        :param change: bits of the flags to set or clear.
        """
        body = LINK.pack(attributes, index=link.index, flags=flags, change=change)
        self.request(uapi.RTM_NEWLINK, uapi.NLM_F_ACK, body)

    def delete(self, link: Link) -> bool:
        """Delete a device; return whether the device existed."""
        with _NO_DEVICE:
            self.request(uapi.RTM_DELLINK, uapi.NLM_F_ACK, LINK.pack({}, index=link.index))
            return True
        return False

    def delete_group(self, group: int) -> None:
        """Delete all devices of a group, or none if the kernel refuses to."""
        self.request(uapi.RTM_DELLINK, uapi.NLM_F_ACK, LINK.pack({"IFLA_GROUP": group}))

    def _get(self, attributes: Mapping[str, Any], index: int = 0) -> Link | None:
        body = _request_for_link(index, tuple(attributes.items()))
        with _NO_DEVICE:
            (found,) = self.request(uapi.RTM_GETLINK, 0, body)
            return parse_link(found)
        return None

    def _list(self, attributes: Mapping[str, Any]) -> list[Link]:
        wanted = {**attributes, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}
        return [
            parse_link(found)
            for found in self.request(uapi.RTM_GETLINK, uapi.NLM_F_DUMP, LINK.pack(wanted))
        ]


@functools.lru_cache(maxsize=256)
def _request_for_link(index: int, attributes: tuple[tuple[str, Any], ...]) -> bytes:
    """Return the body of a request for a link. A plan reads a link several times."""
    # Reading the statistics takes longer than reading all other attributes.
    wanted = {**dict(attributes), "IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}
    return LINK.pack(wanted, index=index)


class CachedNetlink(Netlink):
    """A view of a network namespace with a cache: each link is read once, until a change."""

    def __init__(self, socket: Socket) -> None:
        super().__init__(socket)
        self._links: dict[tuple[Any, ...], Link | None] = {}
        self._results: dict[tuple[Any, ...], Any] = {}

    def invalidate_cache(self) -> None:
        self._links.clear()
        self._results.clear()

    def discard_results(self) -> None:
        self._results.clear()

    def mark(self, link: Link, *, up: bool = False) -> None:
        """Mark a device as managed, and keep the link in the cache.

        The flag ``carrier`` of a link that is set up is read again.
        """
        super().mark(link, up=up)
        if not up:
            link.alias, link.group = MANAGED_ALIAS, 0
            self._links[link.index,] = link
            self._links[0, ("IFLA_IFNAME", link.name)] = link

    def read_cached(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        if key not in self._results:
            self._results[key] = read()
        return self._results[key]

    def cached_result(self, key: tuple[Any, ...]) -> Any:
        return self._results.get(key)

    def drop_cached(self, kind: str) -> None:
        for key in [key for key in self._results if key[0] == kind]:
            del self._results[key]

    def _get(self, attributes: Mapping[str, Any], index: int = 0) -> Link | None:
        key = (index, *attributes.items())
        if key in self._links:
            return self._links[key]
        link = self._links[key] = super()._get(attributes, index)
        if link is not None and "IFLA_IF_NETNSID" not in attributes:
            # Later reads of the link may be by index or by name.
            self._links[link.index,] = link
            self._links[0, ("IFLA_IFNAME", link.name)] = link
        return link


def parse_link(body: bytes, read: Mapping[str, Any] | None = None) -> Link:
    """Decode a link message.

    :param read: the attributes of ``LINK_ATTRIBUTES``, if read before.
    """
    _, _, index, flags, _ = LINK.values(body)
    attributes = LINK_READER.read(body) if read is None else read
    get = attributes.get
    kind, data = None, _NO_DATA
    info = get("IFLA_LINKINFO")
    if info is not None:
        kind, data = info.get("IFLA_INFO_KIND"), info.get("IFLA_INFO_DATA", _NO_DATA)
    return Link(
        index=index,
        name=attributes["IFLA_IFNAME"],
        kind=kind,
        mtu=get("IFLA_MTU", 0),
        up=bool(flags & uapi.IFF_UP),
        carrier=bool(flags & uapi.IFF_LOWER_UP),
        promiscuous=bool(flags & uapi.IFF_PROMISC),
        master=get("IFLA_MASTER"),
        lower=get("IFLA_LINK"),
        lower_netns=get("IFLA_LINK_NETNSID"),
        alias=get("IFLA_IFALIAS"),
        group=get("IFLA_GROUP", 0),
        address=get("IFLA_ADDRESS"),
        # Bytes, if pyroute2 does not know the kind.
        data=_NO_DATA if isinstance(data, bytes) else data,
    )


_per_thread = threading.local()


def thread_socket() -> Netlink:
    """Return the socket of the current thread, which stays open.

    For a daemon, whose few threads stay in one network namespace; see
    :func:`separate_thread_socket`.
    """
    if not hasattr(_per_thread, "netlink"):
        _per_thread.netlink = Netlink()
    return _per_thread.netlink  # type: ignore[no-any-return]


@contextmanager
def separate_thread_socket() -> Iterator[None]:
    """Let :func:`thread_socket` open another socket in a block, and close that socket at the end.

    For a thread that has entered another network namespace: a socket stays in the namespace in
    which the socket was opened.
    """
    before = _per_thread.__dict__.pop("netlink", None)
    try:
        yield
    finally:
        inside = _per_thread.__dict__.pop("netlink", None)
        if inside is not None:
            inside.close()
        if before is not None:
            _per_thread.netlink = before


#: The view of all readers of a block; see :mod:`os_vif.host.netlink.link_table`.
shared_view: contextvars.ContextVar[Netlink | None] = contextvars.ContextVar(
    "os_vif_shared_links", default=None
)


@contextmanager
def sharing_thread_socket() -> Iterator[None]:
    """Let :func:`opened` yield the socket of the current thread, for the duration of a block.

    For a thread that stays in one network namespace, and opens many sockets one after another.
    """
    token = shared_view.set(thread_socket())
    try:
        yield
    finally:
        shared_view.reset(token)


@contextmanager
def opened() -> Iterator[Netlink]:
    """Open a private socket, and close the socket at the end.

    In a block of :func:`os_vif.host.netlink.link_table.shared_links`, yield the shared view; in a
    block of :func:`sharing_thread_socket`, the socket of the thread.
    """
    shared = shared_view.get()
    if shared is not None:
        yield shared
        return
    netlink = Netlink()
    try:
        yield netlink
    finally:
        netlink.close()


def _in_child() -> None:
    """Leave the socket of the forking thread to the parent, which reads its replies."""
    if hasattr(_per_thread, "netlink"):
        _per_thread.netlink.close()
        del _per_thread.netlink


os.register_at_fork(after_in_child=_in_child)


def describe_kind(link: Link) -> str:
    """Return the kind of a device in words, for an error message."""
    return f"a device of kind {link.kind}" if link.kind else "a hardware device"
