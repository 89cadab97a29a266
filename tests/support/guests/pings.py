# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A ping during a change, which shows whether traffic stopped for a moment."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import struct
import threading
import time
from typing import Self

import pytest

from os_vif.testing import private_namespaces
from os_vif.testing.guest_process import ECHO_REPLY, echo_request
from os_vif.testing.guests import Guest

#: Identifier of our echo requests.
IDENTIFIER = 0x4310
#: From include/uapi/asm-generic/socket.h; Python has no name for it.
_SO_RCVBUFFORCE = 33


class Pings:
    """Echo requests from a guest, during a block and shortly after."""

    INTERVAL, AFTERWARDS = 0.002, 0.3
    #: Longest waits for the first and for the last answer, in seconds: a busy host is slow.
    FIRST_ANSWER, LAST_ANSWERS = 30, 15
    #: Greatest number of lost requests. A busy host loses no request; a bridge that is down for a
    #: moment may lose two.
    TOLERATED = 1

    def __init__(
        self, guest: Guest, address: str, source: str = "", interval: float = INTERVAL
    ) -> None:
        self._interval = interval
        self._guest, self._address, self._source = guest, address, source
        self._sent: set[int] = set()
        self._answered: set[int] = set()
        self._first_answer, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._first_answer.wait(self.FIRST_ANSWER):
            self.__exit__()
            pytest.fail(f"{self._address} does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        # The effect of a change may appear a little later.
        time.sleep(self.AFTERWARDS)
        self._stop.set()
        self._thread.join()

    def assert_answered(self, tolerated: int = TOLERATED) -> None:
        """Check that requests since the first answer were answered, except *tolerated* requests."""
        lost = sorted(self._sent - self._answered)
        assert len(self._sent) > 50
        assert len(lost) <= tolerated, f"{len(lost)} of {len(self._sent)} are lost: {lost}"

    def _run(self) -> None:
        # The namespace belongs to this thread, which ends afterwards.
        with pathlib.Path(f"/proc/{self._guest.pid}/ns/net").open("rb") as there:
            private_namespaces._call("setns", there.fileno(), private_namespaces._CLONE_NEWNET)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.bind((self._source, 0))  # "" is any address
            # Answers wait here while the host runs other programs.
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 * 2**20)
            answering = False
            for number in range(1, 2**16):
                if self._stop.is_set():
                    break
                if not answering:
                    # Requests that waited for the first address resolution are not lost.
                    self._sent.clear()
                    answering = bool(self._answered)
                self._sent.add(number)
                with contextlib.suppress(OSError):  # without a route the request is lost
                    sock.sendto(echo_request(IDENTIFIER, number), (self._address, 0))
                self._receive(sock, self._interval)
            self._receive(sock, self.LAST_ANSWERS, until_complete=True)

    def _receive(self, sock: socket.socket, seconds: float, until_complete: bool = False) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if until_complete and self._sent <= self._answered:
                return
            sock.settimeout(left)
            try:
                packet = sock.recv(2048)
            except TimeoutError:
                return
            header = struct.unpack_from("!BBHHH", packet, (packet[0] & 0xF) * 4)
            if (header[0], header[3]) == (ECHO_REPLY, IDENTIFIER):
                self._answered.add(header[4])
                self._first_answer.set()
