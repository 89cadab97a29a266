# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Read-only view of the host, shared by plans and checks of many VIFs.

Inside the block of :func:`shared_view`, ``plan_plug()`` and ``plan_unplug()`` of the plugins and
:func:`os_vif.engine.check` read network interfaces from a single dump, and rows of Open vSwitch from
a single select of each table.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from os_vif.host.netlink import link_table
from os_vif.host.ovsdb import table_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def shared_view() -> Iterator[None]:
    """Share a view of the host between all plans and checks of the block, in the calling thread.

    The view is as of the beginning of the block; the block must not change the host. The tables
    of a database are read at first use. An unreadable database raises
    :class:`os_vif.exception.OvsdbError` in each read, after a single attempt.

    :raises OSError: if the network interfaces cannot be read.
    """
    with link_table.shared_links(), table_snapshot.shared_tables():
        yield
