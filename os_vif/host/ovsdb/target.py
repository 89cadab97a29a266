# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The address of a database, and how to open a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from os_vif.host.ovsdb.deadline import Deadline
    from os_vif.host.ovsdb.tls import Tls

    #: Connects to the path of a unix socket that the calling process may not open.
    Opener = Callable[[str, Deadline], socket.socket]


class Target(Protocol):
    """The address of a database; see :class:`os_vif.steps.plan.OvsdbTarget`."""

    @property
    def connection(self) -> str:
        """Addresses of the servers, separated by commas."""

    @property
    def timeout(self) -> float:
        """Seconds for all calls; 0 waits for ever."""

    @property
    def tls(self) -> Tls | None:
        """TLS settings for ``ssl:``."""

    @property
    def opener(self) -> Opener | None:
        """Connects to the path of a socket that this process may not open."""
