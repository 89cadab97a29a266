# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Start of a privileged daemon by its helper command, and the channel to the daemon.

:class:`Channel` replaces ``RootwrapClientChannel`` of oslo.privsep (3.12 and earlier), which has
these faults: no timeout for a helper that hangs, ends without a daemon, or connects and never
replies; no timeout for replies after a reset of the connection; and closed standard streams are
inherited by the helper, so that the socket of the helper takes their place and is closed.

A failed start raises :class:`NotStartedError`, with the command, the output of the command, and
the option that sets the command.
"""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import pathlib
import select
import shlex
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from oslo_privsep import comm, daemon

from os_vif.engine.failure import HINT, NotStartedError
from os_vif.engine.privsep_exchange import Exchange, has_green_threads
from os_vif.escape import printable
from os_vif.host.sockets import above_standard_streams

#: Timeout in seconds from the start of the helper to the first reply of the daemon.
PATIENCE = 60.0
#: Timeout in seconds for the connection of the daemon after the helper has exited with status 0.
_CONNECT_TIMEOUT = 5.0
#: Seconds between two polls of a helper.
_POLL_INTERVAL = 0.05
#: Timeout in seconds for the rest of the output of a helper that has exited. The pipe stays open
#: if the helper has left a child process.
_OUTPUT_TIMEOUT = 3.0
#: Timeout in seconds for the exit of a helper whose daemon has replied.
_EXIT_TIMEOUT = 1.0
#: Maximal number of lines, and of characters, of a helper's output in an error.
_LINES, _CHARACTERS = 10, 1000
_CHUNK = 4096
_ERROR_LEVEL = 40
#: The import path of ``oslo_privsep.comm.PrivsepTimeout``, as the daemon names exceptions.
_TIMEOUT_ERROR = "oslo_privsep.comm.PrivsepTimeout"

#: All channels of the process, including channels that are not open yet.
_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


class _Output:
    """The output of a helper and of the daemon. Lines are logged; the last lines are for errors."""

    def __init__(self) -> None:
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES)
        read, self._write = os.pipe()
        self._pipe = daemon.fdopen(read, "rb", 0)
        self._thread = threading.Thread(name="privsep_output", target=self._read, daemon=True)

    def fileno(self) -> int:
        """Return the descriptor to which the helper writes."""
        return self._write

    def begin(self) -> None:
        """Start reading. Call after the start of the helper, which has a copy of the descriptor."""
        os.close(self._write)
        self._thread.start()

    def close(self) -> None:
        """Close the pipe in a forked child: the pipe belongs to the parent."""
        self._pipe.close()

    def note(self, line: str) -> None:
        """Add a line to the output for errors."""
        if line:
            self._lines.append(line[:_CHARACTERS])

    def text(self) -> str:
        """Return the last lines of the output, joined to a single line."""
        self._thread.join(_OUTPUT_TIMEOUT)
        output = "; ".join(printable(line) for line in list(self._lines))
        return output if len(output) <= _CHARACTERS else f"…{output[-_CHARACTERS:]}"

    def _read(self) -> None:
        """Read the pipe until the end, line by line. Runs in a thread."""
        rest = b""
        # disown() closes the pipe in a forked child.
        with contextlib.suppress(OSError, ValueError), self._pipe:
            while chunk := self._pipe.read(_CHUNK):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._line(line)
                if len(rest) > _CHUNK:
                    self._line(rest)
                    rest = b""
        self._line(rest)

    def _line(self, line: bytes) -> None:
        """Log a line, and add the line to the output for errors."""
        text = line.decode(errors="backslashreplace").rstrip()
        if text:
            self.note(text)
            daemon.LOG.warning("privsep log: %s", text)


class Channel(daemon._ClientChannel):  # noqa: SLF001 - base class of the channels of oslo.privsep
    """A connection to a privileged daemon that the process has started.

    :raises NotStartedError: if the daemon does not reply within :data:`PATIENCE` seconds.
    """

    def __init__(self, context: Any) -> None:
        #: The network namespace of the daemon, or None if unknown.
        self.netns: str | None = None
        self._deadline = time.monotonic() + PATIENCE
        self._section = context.cfg_section
        self._command: list[str] = []
        self._output = _Output()
        self._answered = False
        self._sock: socket.socket | None = None
        _channels.add(self)
        sock, helper = self._start(context)
        #: None in a process with eventlet: the threads of oslo.privsep are green threads then.
        self._exchange: Exchange | None = None
        if hasattr(select, "epoll") and not has_green_threads():
            self._exchange = Exchange(sock, self.out_of_band, self._note_end)
        try:
            super().__init__(sock, context)
        except BaseException:
            self._dismiss(helper)
            sock.close()
            raise
        self._answered = True
        _reap(helper)

    def _start(self, context: Any) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Run the helper, and wait for the connection of the daemon."""
        # No TemporaryDirectory: a forked child would delete the directory at exit.
        directory = pathlib.Path(tempfile.mkdtemp())
        path = directory / "privsep.sock"
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
                listening.listen(1)
                helper = self._run(context, str(path))
                try:
                    sock = self._accept(listening, helper)
                except BaseException:
                    self._dismiss(helper)
                    raise
        finally:
            path.unlink(missing_ok=True)
            directory.rmdir()
        self._sock = above_standard_streams(sock)
        return self._sock, helper

    def _run(self, context: Any, path: str) -> subprocess.Popen[bytes]:
        """Start the helper command.

        :param path: the socket to which the daemon connects.
        :raises NotStartedError: if the command is malformed or cannot be run.
        """
        try:
            self._command = context.helper_command(path)
        except ValueError as error:
            found = printable(str(context.conf.helper_command))
            raise NotStartedError(
                f"[{self._section}]helper_command is {found}: {error}"
            ) from error
        daemon.LOG.info("Running privsep helper: %s", self._command)
        try:
            helper = subprocess.Popen(  # noqa: S603 - the operator configures the command
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=self._output.fileno(),
                stderr=self._output.fileno(),
            )
        except (OSError, ValueError) as error:
            self._output.begin()
            reason = error.strerror if isinstance(error, OSError) else None
            raise self._fault(f"cannot be run: {reason or error}") from error
        self._output.begin()
        return helper

    def _accept(self, listening: socket.socket, helper: subprocess.Popen[bytes]) -> socket.socket:
        """Wait for the connection of the daemon.

        :raises NotStartedError: if the helper fails, or the daemon does not connect in time.
        """
        listening.settimeout(_POLL_INTERVAL)
        end = self._deadline
        ended = False
        while True:
            try:
                sock, _ = listening.accept()
            except TimeoutError:
                pass
            else:
                sock.settimeout(None)
                return sock
            status = helper.poll()
            if status:
                how = f"ended with status {status}" if status > 0 else f"died of signal {-status}"
                raise self._fault(f"{how}, and started no daemon")
            if status == 0 and not ended:
                ended = True
                end = min(end, time.monotonic() + _CONNECT_TIMEOUT)
            if time.monotonic() >= end:
                if ended:
                    raise self._fault("ended, and started no daemon")
                raise self._fault(f"started no daemon within {PATIENCE:g} seconds")

    def exchange_ping(self) -> None:
        """Send a ping, and wait for the first reply of the daemon.

        :raises NotStartedError: if the daemon does not reply in time, or is no privsep daemon.
        """
        remaining = max(self._deadline - time.monotonic(), 1.0)
        try:
            reply = self.send_recv((comm.Message.PING.value,), remaining)
        except OSError as error:
            raise self._fault("started a daemon that ended before it answered") from error
        match reply:
            case (comm.Message.PONG, *_):
                return
            case (comm.Message.ERR, *_):
                # oslo.privsep returns ERR after a timeout.
                raise self._fault(
                    f"started a daemon that did not answer within {PATIENCE:g} seconds"
                )
            case _:
                raise self._fault("started something that is no privileged daemon")

    def out_of_band(self, msg: Any) -> None:
        """Log the log records of the daemon; keep errors before the first reply for an error."""
        super().out_of_band(msg)
        match msg:
            case (comm.Message.LOG, {"msg": str(text), "levelno": int(level)}):
                if not self._answered and level >= _ERROR_LEVEL:
                    self._output.note(text)

    def send_recv(self, msg: Any, timeout: float | None = None) -> Any:
        """Send a message and return the reply; an error of oslo.privsep at the timeout.

        A daemon that dies with an unread request resets the connection. ``running`` is set to
        False at once, so that the next call starts a daemon.
        """
        try:
            if self._exchange is None:
                return super().send_recv(msg, timeout)
            reply = self._exchange.send_and_wait(msg, timeout)
            if reply.is_done:
                return reply.result()
        except OSError:
            self.running = False
            raise
        daemon.LOG.warning("The privileged daemon has not answered within %s seconds", timeout)
        return (comm.Message.ERR.value, _TIMEOUT_ERROR, "")

    def begin_call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[], Any]:
        """Send a call, and return without waiting for the reply.

        :param name: import path of the function.
        :returns: a function that waits for the reply and returns the result of the call, or None
            for an error. To be called once.
        :raises OSError: if the call cannot be sent.
        """
        if self._exchange is None or not self.running:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        wait = self._exchange.send((comm.Message.CALL.value, name, args, kwargs))

        def wait_for_result() -> Any:
            match wait().data:
                case (comm.Message.RET, result):
                    return result
                case _:
                    return None

        return wait_for_result

    def close(self) -> None:
        """End the connection and so the daemon; running calls are finished first."""
        if self._exchange is None:
            super().close()
            return
        # The connection may have ended.
        with contextlib.suppress(OSError):
            self.writer.close()
        self.reader_thread.join()

    def disown(self) -> None:
        """Close the descriptors in a forked child: the daemon belongs to the parent."""
        self.running = False
        exchange = getattr(self, "_exchange", None)
        if exchange is not None:
            exchange.close_in_child()
        elif self._sock is not None:
            self._sock.close()
        self._output.close()

    def _note_end(self) -> None:
        self.running = False

    def _reader_main(self, reader: Iterable[Any]) -> None:
        """Read replies until the connection ends, then fail all waiting calls."""
        if self._exchange is not None:
            with self.lock:
                self.running = True
            self._exchange.read_between_calls()
            return
        reason = "Premature eof waiting for privileged process"
        try:
            super()._reader_main(cast("Any", _until_reset(reader)))
        except Exception as error:  # noqa: BLE001 - passed to the waiting calls
            reason = f"the privileged daemon's answer cannot be read: {error!r}"
        finally:
            with self.lock:
                for waiting in self.outstanding_msgs.values():
                    waiting.set_exception(OSError(reason))
                self.running = False
                # Later calls fail at once, even if a child of the daemon holds the socket open.
                with contextlib.suppress(OSError):
                    self.writer.writesock.shutdown(socket.SHUT_RDWR)

    def _fault(self, event: str) -> NotStartedError:
        """Return the error for a helper, with the event, the output and the name of the option."""
        output = self._output.text()
        printed = f"It printed: {output}" if output else "It printed nothing"
        return NotStartedError(
            f"the command `{printable(shlex.join(self._command))}` {event}. {printed}. "
            f"[{self._section}]helper_command sets the command that starts the daemon{HINT}"
        )

    def _dismiss(self, helper: subprocess.Popen[bytes]) -> None:
        """Kill a helper that has started no daemon."""
        # A helper started by sudo belongs to root, and cannot be killed.
        with contextlib.suppress(OSError):
            helper.kill()
        _reap(helper)


def _reap(helper: subprocess.Popen[bytes]) -> None:
    """Wait for the exit of a helper; after a timeout, a thread continues to wait."""
    try:
        helper.wait(_EXIT_TIMEOUT)
    except subprocess.TimeoutExpired:
        threading.Thread(name="privsep_helper", target=helper.wait, daemon=True).start()


def _until_reset(reader: Iterable[Any]) -> Iterator[Any]:
    """Yield messages until the connection ends or is reset."""
    try:
        yield from reader
    except ConnectionResetError:
        return


def _in_child() -> None:
    """Close all channels in a forked child."""
    for channel in list(_channels):
        channel.disown()
    _channels.clear()


os.register_at_fork(after_in_child=_in_child)
