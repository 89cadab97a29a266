# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The loop of a private daemon that receives calls, and executes a single call without a handoff.

The loop of oslo.privsep (3.4.0 to 3.12.0) passes each call to a thread pool, and two switches of
threads take longer than many calls. Here the thread that has received a call executes the call.
While the thread is busy, a second thread waits for further messages, and passes the calls to a
thread pool: a long call delays no other call.
"""

from __future__ import annotations

import collections
import errno
import importlib.metadata
import logging
import select
import socket
import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

LOG = logging.getLogger(__name__)

#: Bytes of a read.
_CHUNK = 1 << 16

#: A message: the id of the call, and the arguments of ``Daemon._process_cmd``.
Message = tuple[Any, Any]


class CallLoop:
    """Replaces the channel of a ``Daemon`` of oslo.privsep: iterating serves all calls.

    The iteration yields nothing, and ends with the connection; the process ends after the running
    calls. The calls run in threads of their own, so that the network namespace of the main thread
    never changes.

    :param daemon: the daemon, which executes the calls and sends the answers.
    :param threads: the maximal number of calls at a time.
    """

    def __init__(self, daemon: Any, threads: int) -> None:
        self._daemon, self._channel = daemon, daemon.channel
        self._socket: socket.socket = daemon.channel.reader_iter.readsock
        self._unpacker = daemon.channel.reader_iter.unpacker
        #: Protects the reader, the unpacker and the state while the second thread may read.
        self._guard = threading.Lock()
        self._unread: collections.deque[Message] = collections.deque()
        self._is_busy = False
        #: The connection, or the loop, has ended.
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._pool = futures.ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._epoll = select.epoll()

    def __iter__(self) -> Iterator[Message]:
        # Not a daemonic thread: Python waits for the running call at the end of the process.
        threading.Thread(name="privsep_calls", target=self._serve).start()
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return iter(())

    def send(self, message: Any) -> None:
        """Send a message to the caller."""
        self._channel.send(message)

    def _serve(self) -> None:
        """Execute calls until the connection ends; keep an error for the main thread."""
        try:
            if self._pool is not None:
                threading.Thread(target=self._read_while_busy, daemon=True).start()
            while (message := self._next_message()) is not None:
                self._execute(message)
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            self._error = error
        finally:
            self._ended.set()

    def _next_message(self) -> Message | None:
        """Wait for a message; return None after the end of the connection.

        :raises Exception: if the last answer could not be sent, or a message cannot be read.
        """
        error = self._daemon.communication_error
        if isinstance(error, tuple):
            # oslo.privsep 3.4.0 stores the result of sys.exc_info().
            error = error[1]
        if error is not None:
            if getattr(error, "errno", None) == errno.EPIPE:
                return None
            raise error
        while not self._unread:
            if self._error is not None or self._ended.is_set():
                return None
            self._read(0)
        return self._unread.popleft()

    def _read(self, flags: int) -> None:
        """Receive bytes, and unpack the complete messages."""
        try:
            data = self._socket.recv(_CHUNK, flags)
        except BlockingIOError:
            # The other thread has read the bytes.
            return
        except ConnectionResetError:
            # The caller has ended without reading an answer.
            data = b""
        if not data:
            self._ended.set()
            return
        self._unpacker.feed(data)
        for call, command in self._unpacker:
            self._unread.append((call, command))

    def _execute(self, message: Message) -> None:
        """Execute a call in this thread, and let the second thread read meanwhile."""
        if self._pool is None:
            self._answer(message)
            return
        self._pass_unread()
        self._is_busy = True
        self._epoll.register(self._socket, select.EPOLLIN)
        try:
            done = self._call(message)
        finally:
            # Before the answer, because the caller may send the next call at once.
            with self._guard:
                self._is_busy = False
                if not self._ended.is_set():
                    self._epoll.unregister(self._socket)
        self._send_answer(message, done)

    def _read_while_busy(self) -> None:
        """Pass the calls that arrive during another call to the thread pool."""
        while True:
            self._epoll.poll()
            with self._guard:
                if not self._is_busy or self._ended.is_set():
                    continue
                try:
                    self._read(socket.MSG_DONTWAIT)
                    self._pass_unread()
                except Exception as error:  # noqa: BLE001 - raised in the main thread
                    self._error = error
                    self._ended.set()
                if self._ended.is_set():
                    self._epoll.unregister(self._socket)

    def _pass_unread(self) -> None:
        """Pass all received calls to the thread pool."""
        assert self._pool is not None  # noqa: S101 - for the type checker
        while self._unread:
            self._pool.submit(self._answer, self._unread.popleft())

    def _answer(self, message: Message) -> None:
        """Execute a call, and send the answer."""
        self._send_answer(message, self._call(message))

    def _call(self, message: Message) -> futures.Future[Any]:
        """Execute a call; return the answer or the error."""
        done: futures.Future[Any] = futures.Future()
        call, command = message
        try:
            done.set_result(self._daemon._process_cmd(call, *command))  # noqa: SLF001 - see above
        except Exception as error:  # noqa: BLE001 - the answer is the error
            done.set_exception(error)
        return done

    def _send_answer(self, message: Message, done: futures.Future[Any]) -> None:
        """Send an answer, or an error, as oslo.privsep does."""
        self._daemon._create_done_callback(message[0])(done)  # noqa: SLF001 - see above


def replace_channel(daemon: Any, threads: int) -> None:
    """Let a daemon of oslo.privsep, before its loop begins, receive the calls by :class:`CallLoop`.

    A daemon of a later oslo.privsep without the private members in use here keeps its own loop.
    """
    members = ("_process_cmd", "_create_done_callback", "communication_error")
    reader = getattr(daemon.channel, "reader_iter", None)
    if all(hasattr(daemon, name) for name in members) and all(
        hasattr(reader, name) for name in ("readsock", "unpacker")
    ):
        daemon.channel = CallLoop(daemon, threads)
    else:
        LOG.warning(
            "oslo.privsep %s has another daemon than os-vif knows: calls of the privileged daemon "
            "take longer",
            importlib.metadata.version("oslo.privsep"),
        )
