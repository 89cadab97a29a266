# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Hands the open namespace of a pod over to the privileged daemon, for the duration of a plan."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

from os_vif.plugins import pod_privsep

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Seconds to wait for the daemon.
_TIMEOUT = 10.0
_PROCESSES = "/proc/"
#: The address of the daemon, by process and channel: a forked child starts its own daemon.
_addresses: dict[tuple[int, object], str] = {}


@contextlib.contextmanager
def handed_over(path: str, file: int | None) -> Iterator[None]:
    """Let the daemon have the descriptor of a namespace, if the daemon may not open the path.

    The daemon can open each file in ``/run/netns``, but not ``/proc/PID/ns/net`` of a process with
    more capabilities than the daemon.

    :param file: the descriptor of the namespace; None for a namespace that has gone.
    """
    if file is None or not path.startswith(_PROCESSES):
        yield
        return
    connection = _connect()
    with connection:
        # Without an answer the daemon reports that the daemon cannot open the path.
        with contextlib.suppress(OSError):
            socket.send_fds(connection, [b"n"], [file])
            connection.recv(1)
        yield


def _connect() -> socket.socket:
    """Return a connection to the daemon, which is started unless running."""
    known = _addresses.get((os.getpid(), pod_privsep.vif_plug.channel))
    if known is not None:
        # The shared daemon may have been restarted since.
        with contextlib.suppress(OSError):
            return _connect_to(known)
    address = pod_privsep.hold_namespaces()
    _addresses.clear()
    _addresses[os.getpid(), pod_privsep.vif_plug.channel] = address
    return _connect_to(address)


def _connect_to(address: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_TIMEOUT)
    try:
        connection.connect(f"\0{address}")
    except OSError:
        connection.close()
        raise
    return connection
