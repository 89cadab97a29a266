# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A view of all network interfaces from one dump, for reads about many interfaces.

A :class:`LinkTable` requests all links at the first read (``RTM_GETLINK`` with ``NLM_F_DUMP``), and
answers reads by name, index and master from the dump. :func:`shared_links` shares a view between all calls of
:func:`os_vif.host.netlink.rtnetlink.opened` in a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from os_vif.host.netlink import rtnetlink, uapi
from os_vif.host.netlink.messages import LINK
from os_vif.host.netlink.netlink_socket import Socket
from os_vif.host.netlink.rtnetlink import CachedNetlink, Link, parse_link

_READER = LINK.reader(*rtnetlink.LINK_ATTRIBUTES, "IFLA_PROP_LIST")


class LinkTable(CachedNetlink):
    """A view of a network namespace with all links of one dump.

    A change of a link through the view discards the dump; further reads ask the kernel, as in a
    :class:`CachedNetlink`.
    """

    def __init__(self, socket: Socket) -> None:
        super().__init__(socket)
        #: All links; None before the first read, and after a change.
        self._dumped: list[Link] | None = None
        self._is_changed = False
        self._by_index: dict[int, Link] = {}
        #: By name and by alternative name.
        self._by_name: dict[str, Link] = {}
        self._by_master: dict[int, list[Link]] = {}

    def _table(self) -> list[Link] | None:
        """Return all links, dumped at the first read; None after a change through the view."""
        if self._dumped is None and not self._is_changed:
            self._dump()
        return self._dumped

    def _dump(self) -> None:
        wanted = {"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}
        bodies = self.request(uapi.RTM_GETLINK, uapi.NLM_F_DUMP, LINK.pack(wanted))
        links = []
        for body in bodies:
            attributes = _READER.read(body)
            link = parse_link(body, attributes)
            links.append(link)
            self._by_index[link.index] = self._by_name[link.name] = link
            if link.master:
                self._by_master.setdefault(link.master, []).append(link)
            if (properties := attributes.get("IFLA_PROP_LIST")) is not None:
                for name in properties.all("IFLA_ALT_IFNAME"):
                    self._by_name[name] = link
        self._dumped = links

    @contextmanager
    def cached(self) -> Iterator[CachedNetlink]:
        """Yield this view."""
        yield self

    def invalidate_cache(self) -> None:
        self._dumped, self._is_changed = None, True
        super().invalidate_cache()

    def _get(self, attributes: Mapping[str, Any], index: int = 0) -> Link | None:
        if "IFLA_IF_NETNSID" in attributes or self._table() is None:
            return super()._get(attributes, index)
        if index:
            return self._by_index.get(index)
        name = attributes.get("IFLA_IFNAME") or attributes.get("IFLA_ALT_IFNAME")
        return super()._get(attributes) if name is None else self._by_name.get(name)

    def _list(self, attributes: Mapping[str, Any]) -> list[Link]:
        links = self._table()
        if links is None or attributes.keys() - {"IFLA_MASTER"}:
            return super()._list(attributes)
        if "IFLA_MASTER" in attributes:
            return list(self._by_master.get(attributes["IFLA_MASTER"], ()))
        return list(links)


@contextmanager
def opened_table() -> Iterator[LinkTable]:
    """Open a private socket; close the socket at the end.

    In a block of :func:`shared_links`, yield the shared view.
    """
    shared = rtnetlink.shared_view.get()
    if isinstance(shared, LinkTable):
        yield shared
        return
    socket = Socket(uapi.NETLINK_ROUTE)
    try:
        yield LinkTable(socket)
    finally:
        socket.close()


@contextmanager
def shared_links() -> Iterator[None]:
    """Share a :class:`LinkTable` between all readers of the block, in this thread.

    The links are those of the first read in the block. A block inside another block uses the same
    links. The block changes no link.
    """
    if rtnetlink.shared_view.get() is not None:
        yield
        return
    with opened_table() as table:
        token = rtnetlink.shared_view.set(table)
        try:
            yield
        finally:
            rtnetlink.shared_view.reset(token)
