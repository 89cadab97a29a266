# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Deferred deletion of network devices: several devices, also of several threads, in one request.

The kernel deletes a group of devices (``ip link del group N``) in little more time than a single
device: most of the time is the wait until no processor reads the devices (RCU). Deletions of
several threads are coalesced: the first thread sends a group delete (``RTM_DELLINK`` with
``IFLA_GROUP``) for all devices in the queue.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from os_vif.host.netlink.netlink_socket import ignoring
from os_vif.host.netlink.rtnetlink import Link, Netlink

#: Group of the devices to delete, from :func:`_begin`. The number is random: if another process
#: chose the same number at the same time, each process would delete only devices to be deleted.
#: The highest bit stays clear, as in iproute2.
_GROUP = 0


class _Batch(Netlink):
    """A view of a network namespace that defers deletions, and hides the deleted devices.

    :param net: the view for all reads and other changes.
    """

    def __init__(self, net: Netlink) -> None:
        super().__init__(net._socket)  # noqa: SLF001 - a view of the same socket
        self._net = net
        self.deleted: list[Link] = []
        #: Indexes of the deleted devices, and of veth peers, which the kernel deletes too.
        self._hidden: set[int] = set()

    def delete(self, link: Link) -> bool:
        self.deleted.append(link)
        self._hidden.add(link.index)
        if link.kind == "veth" and link.lower and link.lower_netns is None:
            self._hidden.add(link.lower)
        self.invalidate_cache()
        return True

    def invalidate_cache(self) -> None:
        self._net.invalidate_cache()

    def read_cached(self, key: tuple[Any, ...], read: Callable[[], Any]) -> Any:
        return self._net.read_cached(key, read)

    def drop_cached(self, kind: str) -> None:
        self._net.drop_cached(kind)

    def _get(self, attributes: Mapping[str, Any], index: int = 0) -> Link | None:
        link = self._net._get(attributes, index)  # noqa: SLF001 - the same method of the view below
        hidden = link is not None and link.index in self._hidden
        return None if hidden and "IFLA_IF_NETNSID" not in attributes else link

    def _list(self, attributes: Mapping[str, Any]) -> list[Link]:
        links = self._net._list(attributes)  # noqa: SLF001 - see above
        return [link for link in links if link.index not in self._hidden]


@contextmanager
def batched(net: Netlink, refused: list[OSError] | None = None) -> Iterator[Netlink]:
    """Yield a view of *net* that defers deletions, and send the deletions at the end.

    All devices are deleted, or none and :class:`OSError` is raised. An exception from the block
    discards the deletions. Deleted devices are left out of reads through the view.

    :param refused: receives an error, with the name of the device as ``filename``, for each device
        that the kernel refuses to delete. The remaining devices are deleted.
    """
    batch = _Batch(net)
    try:
        yield batch
    finally:
        net.invalidate_cache()
    if not batch.deleted:
        return
    try:
        delete(net, batch.deleted)
    except OSError:
        if refused is None:
            raise
        refused += _delete_each(net, batch.deleted)


def hiding_deletions(net: Netlink) -> Netlink:
    """Return a view of *net* in which deleted devices are hidden. The kernel is not changed."""
    return _Batch(net)


@dataclasses.dataclass
class _Request:
    """The devices that a thread deletes."""

    netns: str
    links: list[Link]
    done: bool = False
    error: OSError | None = None


_queue: list[_Request] = []
_guard, _turn = threading.Lock(), threading.Lock()


def _begin() -> None:
    """Empty the queue: a forked child has no thread of its parent."""
    global _GROUP, _guard, _turn
    _GROUP = int.from_bytes(os.urandom(4)) >> 2 | 1 << 30
    _guard, _turn = threading.Lock(), threading.Lock()
    _queue.clear()


_begin()
os.register_at_fork(after_in_child=_begin)


def delete(net: Netlink, links: list[Link]) -> None:
    """Delete devices, all or none. A missing device is no error.

    :raises OSError: if the kernel refuses; ``filename`` is the name of the device, if known.
    """
    mine = _Request(net.netns, links)
    with _guard:
        _queue.append(mine)
    with _turn:
        if not mine.done:
            with _guard:
                batch = [request for request in _queue if request.netns == mine.netns]
                _queue[:] = [request for request in _queue if request.netns != mine.netns]
            _carry_out(net, batch)
    if mine.error is not None:
        raise mine.error


def _delete_each(net: Netlink, links: list[Link]) -> list[OSError]:
    """Delete as many devices as possible; return an error for each remaining device.

    ``filename`` of an error is the name of the device.
    """
    refused: list[OSError] = []
    for link in links:
        try:
            _delete(net, [link])
        except OSError as error:
            refused.append(error)
    return refused


def _carry_out(net: Netlink, batch: list[_Request]) -> None:
    """Delete the devices of several threads."""
    try:
        _delete(net, [link for request in batch for link in request.links])
    except OSError:
        # Find the request with the device that the kernel refuses to delete.
        for request in batch:
            try:
                _delete(net, request.links)
            except OSError as error:
                request.error = error
    finally:
        for request in batch:
            request.done = True


def _delete(net: Netlink, links: list[Link]) -> None:
    culprit = links[0] if len(links) == 1 else None
    marked: list[Link] = []
    try:
        if len(links) == 1:
            net.delete(links[0])
            return
        for culprit in links:
            marked += [culprit] if _set_group(net, culprit, _GROUP) else []
        # The kernel cannot delete a device without a kind.
        culprit = next((link for link in links if not link.kind), None)
        if marked:
            net.delete_group(_GROUP)
    except OSError as error:
        error.filename = None if culprit is None else culprit.name
        if error.errno == errno.ENODEV:
            # All devices have gone.
            return
        for link in marked:
            _set_group(net, link, link.group)
        raise


def _set_group(net: Netlink, link: Link, group: int) -> bool:
    """Set the group of a device; return whether the device exists."""
    with ignoring(errno.ENODEV):
        net.change(link, {"IFLA_GROUP": group})
        return True
    return False
