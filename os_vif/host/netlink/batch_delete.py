# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Deleting network devices, those of several threads at once.

The kernel deletes a group of devices (``ip link del group N``) in little more time than one: what
takes time is to wait until nobody reads of them. So who comes while others are deleted waits, and
is then deleted together with whoever else has come.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: The group of devices that this process is about to delete, from :func:`_begin`: no other has it,
#: and if one had, what it deletes a moment earlier is deleted anyway. The highest bit stays clear, as iproute2 has it.
_GROUP = 0


@dataclasses.dataclass
class _Request:
    netns: str
    links: list[Link]
    done: bool = False
    error: OSError | None = None


_queue: list[_Request] = []
_guard, _turn = threading.Lock(), threading.Lock()


def _begin() -> None:
    """Begin without a request: threads of a parent are not there in a forked child."""
    global _GROUP, _guard, _turn
    _GROUP = int.from_bytes(os.urandom(4)) >> 2 | 1 << 30
    _guard, _turn = threading.Lock(), threading.Lock()
    _queue.clear()


_begin()
os.register_at_fork(after_in_child=_begin)


def delete(net: Netlink, links: list[Link]) -> None:
    """Delete devices, all of them or none. One that has gone meanwhile is no failure.

    :raises OSError: if the kernel refuses; ``filename`` is the device's name, where it is known.
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


def delete_each(net: Netlink, links: list[Link]) -> list[OSError]:
    """Delete devices, as many as can be.

    :returns: an error for each device that the kernel refuses to delete; ``filename`` is its name.
    """
    refused: list[OSError] = []
    for link in links:
        try:
            _delete(net, [link])
        except OSError as error:
            refused.append(error)
    return refused


def _carry_out(net: Netlink, batch: list[_Request]) -> None:
    try:
        _delete(net, [link for request in batch for link in request.links])
    except OSError:
        # Whose it was: each for itself.
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
            marked += [culprit] if _in_group(net, culprit, _GROUP) else []
        # A device without a kind has no driver that could delete it.
        culprit = next((link for link in links if not link.kind), None)
        if marked:
            net.delete_group(_GROUP)
    except OSError as error:
        error.filename = None if culprit is None else culprit.name
        if error.errno == errno.ENODEV:
            # All of them have gone meanwhile.
            return
        for link in marked:
            _in_group(net, link, link.group)
        raise


def _in_group(net: Netlink, link: Link, group: int) -> bool:
    """:returns: whether there is such a device."""
    try:
        net.change(link, {"IFLA_GROUP": group})
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return False
    return True
