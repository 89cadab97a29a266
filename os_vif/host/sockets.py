# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Sockets for processes that may have closed standard streams."""

from __future__ import annotations

import fcntl
import socket

#: The lowest descriptor above the standard streams.
_LOWEST = 3


def above_standard_streams(sock: socket.socket) -> socket.socket:
    """Return a socket with a descriptor above 2; *sock* is closed if its descriptor is 0, 1 or 2.

    The kernel gives a new socket the lowest free descriptor. In a process with closed standard
    streams, text printed to a stream would be sent through the socket.
    """
    if sock.fileno() >= _LOWEST:
        return sock
    number = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, _LOWEST)
    moved = socket.socket(fileno=number)
    moved.settimeout(sock.gettimeout())
    sock.close()
    return moved
