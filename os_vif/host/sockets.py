# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Sockets of a process whose standard streams may be closed."""

from __future__ import annotations

import fcntl
import socket

#: The lowest descriptor that is no standard stream.
_LOWEST = 3


def above_standard_streams(sock: socket.socket) -> socket.socket:
    """Return a socket whose descriptor is none of 0, 1 and 2; *sock* is closed if it was.

    The kernel gives a new socket the lowest free number, and what a program or a library prints
    later would be sent through it.
    """
    if sock.fileno() >= _LOWEST:
        return sock
    number = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, _LOWEST)
    moved = socket.socket(fileno=number)
    moved.settimeout(sock.gettimeout())
    sock.close()
    return moved
