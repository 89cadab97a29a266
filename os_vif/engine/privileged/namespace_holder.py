# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network namespaces of callers, handed over to the privileged daemon as open descriptors.

Opening ``/proc/PID/ns/net`` takes the capabilities of the process (ptrace(2)), and the process of a
pod has more capabilities than the daemon. A caller connects to the socket of the daemon, sends the
descriptor of the file, and closes the connection after the plan; the daemon then closes the
descriptor. The kernel closes the connection of a caller that ends.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import struct
import threading
from typing import TYPE_CHECKING

from os_vif.forking import ForkSafeLock
from os_vif.host.netlink import pod_namespaces
from os_vif.host.state import record_writer

if TYPE_CHECKING:
    from collections.abc import Callable

#: ``struct ucred`` of linux/socket.h: ids of process, user and group.
_UCRED = struct.Struct("iII")
#: Maximal number of connections; each holds a descriptor.
_MAX_CONNECTIONS = 256
#: Answers to a descriptor.
ACCEPTED, REFUSED = b"1", b"0"
_lock = ForkSafeLock()
_addresses: list[str] = []


def address() -> str:
    """Return the abstract address of the socket; start to serve at the first call."""
    with _lock:
        if not _addresses:
            name = f"os-vif-namespaces-{secrets.token_hex(16)}"
            listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listening.bind(f"\0{name}")
            listening.listen()
            users = {0, record_writer.current_uid()}
            threading.Thread(target=_Holder(listening, users).serve, daemon=True).start()
            _addresses.append(name)
        return _addresses[0]


class _Holder:
    """The thread that receives descriptors, and closes them with their connections."""

    def __init__(self, listening: socket.socket, users: set[int]) -> None:
        self._listening, self._users = listening, users
        self._selector = selectors.DefaultSelector()
        #: The descriptor and the identity of each connection.
        self._held: dict[socket.socket, tuple[int, str] | None] = {}

    def serve(self) -> None:
        """Serve until the process ends."""
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)
        while True:
            for key, _ in self._selector.select():
                handle: Callable[[socket.socket], None] = key.data
                sock = key.fileobj
                assert isinstance(sock, socket.socket)  # noqa: S101 - for the type checker
                with contextlib.suppress(OSError):
                    handle(sock)

    def _accept(self, listening: socket.socket) -> None:
        peer, _ = listening.accept()
        found = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        if _UCRED.unpack(found)[1] not in self._users or len(self._held) >= _MAX_CONNECTIONS:
            peer.close()
            return
        peer.setblocking(False)
        self._held[peer] = None
        self._selector.register(peer, selectors.EVENT_READ, self._receive)

    def _receive(self, peer: socket.socket) -> None:
        """Receive a descriptor, or close a connection that has ended."""
        try:
            data, descriptors, _, _ = socket.recv_fds(peer, 1, 1)
        except OSError:
            data, descriptors = b"", []
        if not data or self._held[peer] is not None:
            for descriptor in descriptors:
                os.close(descriptor)
            self._close(peer)
            return
        identity = pod_namespaces.hold(descriptors[0]) if descriptors else None
        if identity is not None:
            self._held[peer] = descriptors[0], identity
        peer.send(REFUSED if identity is None else ACCEPTED)

    def _close(self, peer: socket.socket) -> None:
        self._selector.unregister(peer)
        peer.close()
        held = self._held.pop(peer)
        if held is not None:
            pod_namespaces.release(*held)
