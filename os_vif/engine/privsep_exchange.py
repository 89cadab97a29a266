# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Calls over the connection to a private daemon, whose answers the calling threads read themselves.

oslo.privsep has a thread that reads all answers and wakes the calling thread: a switch of threads
for each call. Here one of the calling threads reads for all callers until its own answer has
arrived, and then another calling thread goes on (the pattern *leader and followers*). Between calls
a thread of the channel reads log records, and notices the end of the daemon.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgpack
from oslo_privsep import comm

#: Bytes of a read.
_CHUNK = 1 << 16
_ENDED = "Premature eof waiting for privileged process"


class Reply:
    """The reply to a message. All attributes are protected by the lock of the exchange."""

    __slots__ = ("data", "error", "is_done", "wake")

    def __init__(self) -> None:
        self.data: Any = None
        self.error: str | None = None
        self.is_done = False
        #: Locked while a thread waits for the reply without reading.
        self.wake: threading.Lock | None = None

    def result(self) -> Any:
        """Return the reply.

        :raises OSError: if the connection ended before the reply.
        """
        if self.error is not None:
            raise OSError(self.error)
        return self.data

    def wake_up(self) -> None:
        """Let the waiting thread continue."""
        if self.wake is not None:
            self.wake.release()
            self.wake = None


class Exchange:
    """Sends messages, and returns the reply to each. Safe to call from several threads.

    :param sock: the connection to the daemon.
    :param log: called with each message of the daemon that is no reply.
    :param note_end: called once, when the connection has ended.
    """

    def __init__(
        self, sock: socket.socket, log: Callable[[Any], None], note_end: Callable[[], None]
    ) -> None:
        self._socket, self._log, self._note_end = sock, log, note_end
        self._unpacker = comm.Deserializer(sock).unpacker
        self._numbers = itertools.count(1)
        self._sending, self._guard = threading.Lock(), threading.Lock()
        self._waiting: dict[int, Reply] = {}
        #: The number of threads that send or wait; the thread of the channel rests meanwhile.
        self._callers = 0
        self._is_read = False
        self._is_broken = False
        self._has_ended = False
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._idle = select.epoll()
        self._idle.register(sock, select.EPOLLIN)

    def send_and_wait(self, message: Any, timeout: float | None) -> Reply:
        """Send a message, and wait for the reply; at the timeout, the reply is not done.

        :raises OSError: if the message cannot be sent.
        """
        self._enter()
        try:
            number, reply = self._send(message)
            self._wait(number, reply, timeout)
        finally:
            self._leave()
        return reply

    def send(self, message: Any) -> Callable[[], Reply]:
        """Send a message; return a function that waits for the reply. To be called once.

        :raises OSError: if the message cannot be sent.
        """
        self._enter()
        try:
            number, reply = self._send(message)
        finally:
            self._leave()

        def wait() -> Reply:
            self._enter()
            try:
                self._wait(number, reply, None)
            finally:
                self._leave()
            return reply

        return wait

    def _enter(self) -> None:
        """Keep the connection open, and let the thread of the channel rest."""
        with self._guard:
            self._callers += 1
            if self._callers == 1 and not self._idle.closed:
                self._idle.unregister(self._socket)

    def _leave(self) -> None:
        """End the effects of :meth:`_enter`."""
        with self._guard:
            self._callers -= 1
            if not self._callers and not self._idle.closed:
                self._idle.register(self._socket, select.EPOLLIN)

    def _send(self, message: Any) -> tuple[int, Reply]:
        """Send a message; return the number and the future reply."""
        number, reply = next(self._numbers), Reply()
        data = msgpack.packb(
            (number, message), use_bin_type=True, unicode_errors="surrogateescape"
        )
        with self._guard:
            if self._has_ended:
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            self._waiting[number] = reply
        rest = memoryview(data)
        try:
            with self._sending:
                while rest:
                    rest = rest[self._socket.send(rest) :]
        except BaseException:
            with self._guard:
                self._waiting.pop(number, None)
            if len(rest) < len(data):
                self._end("a message to the privileged daemon was interrupted")
            raise
        return number, reply

    def _wait(self, number: int, reply: Reply, timeout: float | None) -> None:
        """Wait for a reply: read for all callers, or wait for the thread that reads."""
        deadline = None if timeout is None else time.monotonic() + timeout
        wake: threading.Lock | None = None
        try:
            while not reply.is_done and (deadline is None or time.monotonic() < deadline):
                with self._guard:
                    if reply.is_done:
                        break
                    wake = None
                    if self._is_read:
                        wake = reply.wake = threading.Lock()
                        wake.acquire()
                    self._is_read = True
                if wake is None:
                    self._read_until(reply, deadline)
                else:
                    wake.acquire(timeout=-1 if deadline is None else _remaining(deadline))
        finally:
            with self._guard:
                is_chosen = wake is not None and reply.wake is None
                reply.wake = None
                self._waiting.pop(number, None)
                if is_chosen and not self._is_read:
                    # An exception or the timeout came after the choice of this thread as reader.
                    self._choose_reader()

    def read_between_calls(self) -> None:
        """Read log records until the connection ends. For the thread of the channel."""
        while True:
            self._idle.poll()
            with self._guard:
                if self._callers or self._is_read:
                    continue
                if self._has_ended:
                    self._idle.close()
                    self._socket.close()
                    return
                self._is_read = True
            self._read_once(socket.MSG_DONTWAIT)
            self._stop_reading()

    def _read_until(self, reply: Reply, deadline: float | None) -> None:
        """Read for all callers until a reply has arrived, or until the deadline."""
        try:
            while not reply.is_done:
                # An exception such as KeyboardInterrupt strikes here, and loses no bytes.
                wait = None if deadline is None else _remaining(deadline) * 1000
                if not self._poll.poll(wait):
                    return
                self._read_once(0)
        finally:
            self._stop_reading()

    def _stop_reading(self) -> None:
        with self._guard:
            self._is_read = False
            self._choose_reader()

    def _choose_reader(self) -> None:
        """Let a waiting caller read. The lock is held."""
        for reply in self._waiting.values():
            if reply.wake is not None:
                reply.wake_up()
                return

    def _read_once(self, flags: int) -> None:
        """Receive bytes, and pass the complete messages on."""
        if self._is_broken:
            self._end(_ENDED)
            return
        # An exception such as KeyboardInterrupt before the end of the method may lose bytes.
        self._is_broken = True
        try:
            data = self._receive(flags)
            if data == b"":
                self._end(_ENDED)
                return
            if data is not None:
                self._unpacker.feed(data)
                for number, content in self._unpacker:
                    self._pass_on(number, content)
        except Exception as error:  # noqa: BLE001 - passed to the waiting calls
            self._end(f"the privileged daemon's answer cannot be read: {error!r}")
            return
        self._is_broken = False

    def _receive(self, flags: int) -> bytes | None:
        """Return received bytes, empty at the end of the connection; None if there are none."""
        try:
            return self._socket.recv(_CHUNK, flags)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            # The daemon has died with an unread message.
            return b""

    def _pass_on(self, number: Any, content: Any) -> None:
        """Pass a message to the caller, or to the log."""
        if number is None:
            self._log(content)
            return
        with self._guard:
            reply = self._waiting.get(number)
            # The caller may have ended at the timeout.
            if reply is not None:
                reply.data, reply.is_done = content, True
                reply.wake_up()

    def _end(self, reason: str) -> None:
        """Fail all waiting calls, and all later ones."""
        with self._guard:
            if self._has_ended:
                return
            self._has_ended = True
            for reply in self._waiting.values():
                if not reply.is_done:
                    reply.error, reply.is_done = reason, True
                    reply.wake_up()
        self._note_end()
        # Later calls fail at once, even if a child of the daemon holds the socket open.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close_in_child(self) -> None:
        """Close the descriptors in a forked child, where no other thread exists."""
        self._has_ended = True
        self._idle.close()
        self._socket.close()


def has_green_threads() -> bool:
    """Return whether eventlet has replaced the sockets or the threads of this process."""
    patcher = sys.modules.get("eventlet.patcher")
    return patcher is not None and any(map(patcher.is_monkey_patched, ("socket", "thread")))


def _remaining(deadline: float) -> float:
    """Return the seconds until a deadline, at least 0."""
    return max(0.0, deadline - time.monotonic())
