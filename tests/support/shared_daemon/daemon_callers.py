# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Callers of the shared privileged daemon, without the client of os-vif."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from typing import Any, Self

from os_vif.engine.shared_calls import shared_protocol as protocol
from os_vif.host.netlink import rtnetlink
from os_vif.host.state.directory import STATE
from tests.support.shared_daemon.shared_daemons import SharedDaemon
from vif_plug_linux_bridge import privsep

HELLO = [protocol.HELLO, protocol.PROTOCOL, "6.0.0", "test"]
MODULE = privsep.__name__


class Caller:
    """A caller without the client of os-vif."""

    def __init__(self, daemon: SharedDaemon, *, hello: bool = True) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(daemon.path)
        self._decoder = protocol.Decoder(protocol.MAX_ANSWER)
        if hello:
            self.send(HELLO)
            assert self.receive()[0] == protocol.HELLO

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, message: Any) -> None:
        self.sock.sendall(protocol.encode(message))

    def receive(self) -> list[Any] | None:
        """Return the next message; None at the end of the connection."""
        while (message := self._decoder.next_message()) is None:
            try:
                data = self.sock.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._decoder.feed(data)
        return message

    def refusal(self) -> str:
        """Return kind and text of a refusal, after which the daemon closes the connection."""
        kind, *rest = self.receive()
        assert kind == protocol.REFUSED
        assert self.receive() is None
        return ": ".join(rest)


def netns() -> str:
    """Return the identifier of the network namespace of this thread."""
    with rtnetlink.opened() as net:
        return net.netns


@contextlib.contextmanager
def locked_state():
    """Hold the locks of all devices, so that calls wait in the daemon."""
    with open(STATE.file("lock"), "r+b") as file:  # noqa: PTH123 - a text
        whole = struct.pack("@hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)
        fcntl.fcntl(file, 37, whole)  # F_OFD_SETLK
        yield
