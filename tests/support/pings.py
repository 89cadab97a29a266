# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A ping that runs while something is done, and shows whether traffic stopped for a moment."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import struct
import threading
import time
from typing import Self

import pytest

from os_vif.testing.guest_process import ECHO_REPLY, echo_request
from os_vif.testing.guests import Guest
from testbed import namespaces

#: Of our echo requests.
IDENTIFIER = 0x4310


class Pings:
    """Echo requests from a guest, while the block runs and a little longer."""

    INTERVAL, AFTERWARDS = 0.002, 0.3
    #: How many may be lost. None is, on a busy host neither; a bridge that is down for a moment
    #: may cost two.
    TOLERATED = 1

    def __init__(self, guest: Guest, address: str, source: str = "") -> None:
        self._guest, self._address, self._source = guest, address, source
        self._sent: set[int] = set()
        self._answered: set[int] = set()
        self._first_answer, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._first_answer.wait(5):
            self.__exit__()
            pytest.fail(f"{self._address} does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        # What was done in the block may show a little later.
        time.sleep(self.AFTERWARDS)
        self._stop.set()
        self._thread.join()

    def assert_answered(self) -> None:
        """Hardly any is without an answer, of all that were sent since the first answer."""
        lost = sorted(self._sent - self._answered)
        assert len(self._sent) > 50
        assert len(lost) <= self.TOLERATED, f"{len(lost)} of {len(self._sent)} are lost: {lost}"

    def _run(self) -> None:
        # Of this thread alone, which ends there.
        with pathlib.Path(f"/proc/{self._guest.pid}/ns/net").open("rb") as there:
            namespaces._call("setns", there.fileno(), namespaces._CLONE_NEWNET)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.bind((self._source, 0))  # "" is any
            answering = False
            for number in range(1, 2**16):
                if self._stop.is_set():
                    break
                if not answering:
                    # What waited for the first address to be looked up is no loss.
                    self._sent.clear()
                    answering = bool(self._answered)
                self._sent.add(number)
                with contextlib.suppress(OSError):  # there is no route: it is lost
                    sock.sendto(echo_request(IDENTIFIER, number), (self._address, 0))
                self._receive(sock, self.INTERVAL)
            self._receive(sock, 1, until_complete=True)

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
