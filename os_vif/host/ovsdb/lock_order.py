# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Acquires several locks of ovsdb-server without a deadlock.

Clients with several locks cannot block each other if all clients acquire locks in the same order.
Requests sent together do not keep the order: the server handles a message of each client in turn
(``ovsdb/jsonrpc-server.c``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import exception

if TYPE_CHECKING:
    from os_vif.host.ovsdb.connection import Ovsdb


def lock_in_order(ovsdb: Ovsdb, *names: str) -> None:
    """Release all locks, and acquire locks one after another, in the order of *names*.

    A single lock keeps its place in the queue of the server.

    :raises os_vif.exception.OvsdbNoAnswer: if another client holds a lock until the deadline;
        ``lock`` in ``kwargs`` is the name of the lock.
    """
    if len(names) > 1:
        ovsdb.release_locks()
    for name in names:
        try:
            ovsdb.lock(name)
        except exception.OvsdbNoAnswer as error:
            error.kwargs["lock"] = name
            raise
