# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Starting a privileged daemon through its helper command, and the channel to the daemon.

This replaces ``RootwrapClientChannel`` of oslo.privsep (3.12 and before), which waits without a
limit for a helper that hangs, that ends without starting a daemon, or that connects and never
answers; which lets the helper inherit closed standard streams, in whose place the helper's own
socket comes and is closed; and which waits for ever for answers when a connection is reset.

Every fault is a :class:`NotStartedError` that holds the command, what the command printed, and
the option that sets the command.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import shlex
import socket
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, cast

from oslo_privsep import comm, daemon

from os_vif.escape import printable
from os_vif.host.sockets import above_standard_streams

#: Seconds in which a daemon has to answer, from the start of its helper.
PATIENCE = 60.0
#: Seconds in which a daemon has to connect when its helper has ended without an error.
_GRACE = 5.0
#: Seconds between two looks at a helper that has not connected.
_PAUSE = 0.05
#: Seconds to wait for the rest of what a helper that has ended has printed. The pipe ends with it,
#: unless it has left a child: then these seconds pass.
_LAST_WORDS = 3.0
#: Seconds in which a helper should end whose daemon answers.
_ENDING = 1.0
#: Lines, and characters of them together, that an error shows of what a helper has printed.
_LINES, _CHARACTERS = 10, 1000
_CHUNK = 4096
_ERROR_LEVEL = 40

#: All channels of the process, also those that are being opened.
_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


class NotStartedError(Exception):
    """There is no privileged daemon that may be used, so it has done nothing."""

    #: What failed, at the beginning of a sentence.
    what = "Starting the privileged daemon"


class _Output:
    """What a helper and its daemon print: logged, and the last lines kept for an error."""

    def __init__(self) -> None:
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES)
        read, self._write = os.pipe()
        self._pipe = daemon.fdopen(read, "rb", 0)
        self._thread = threading.Thread(name="privsep_output", target=self._read, daemon=True)

    def fileno(self) -> int:
        """Return the descriptor that is for the helper."""
        return self._write

    def begin(self) -> None:
        """Read what is printed, now that the helper has its copy of the descriptor."""
        os.close(self._write)
        self._thread.start()

    def close(self) -> None:
        """Close the copies that a forked child has of the descriptors of its parent."""
        self._pipe.close()

    def note(self, line: str) -> None:
        """Keep a line that came in another way."""
        if line:
            self._lines.append(line[:_CHARACTERS])

    def text(self) -> str:
        """Return what was printed last, in one line."""
        self._thread.join(_LAST_WORDS)
        said = "; ".join(printable(line) for line in list(self._lines))
        return said if len(said) <= _CHARACTERS else f"…{said[-_CHARACTERS:]}"

    def _read(self) -> None:
        rest = b""
        # The pipe of a parent is closed in a forked child.
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
        text = line.decode(errors="backslashreplace").rstrip()
        if text:
            self.note(text)
            daemon.LOG.warning("privsep log: %s", text)


class Channel(daemon._ClientChannel):  # noqa: SLF001 - it is what oslo.privsep derives its own from
    """A connection to a privileged daemon that this process has started.

    :raises NotStartedError: if the daemon does not answer within :data:`PATIENCE` seconds.
    """

    def __init__(self, context: Any) -> None:
        #: The network namespace in which the daemon is known to be.
        self.netns: str | None = None
        self._deadline = time.monotonic() + PATIENCE
        self._section = context.cfg_section
        self._command: list[str] = []
        self._output = _Output()
        self._answered = False
        self._sock: socket.socket | None = None
        _channels.add(self)
        sock, helper = self._start(context)
        try:
            super().__init__(sock, context)
        except BaseException:
            self._dismiss(helper)
            sock.close()
            raise
        self._answered = True
        _reap(helper)

    def _start(self, context: Any) -> tuple[socket.socket, subprocess.Popen[bytes]]:
        """Run the helper, and wait until its daemon has connected."""
        # A TemporaryDirectory would also be deleted by a forked child that ends.
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
        try:
            self._command = context.helper_command(path)
        except ValueError as error:
            found = printable(str(context.conf.helper_command))
            raise NotStartedError(
                f"[{self._section}]helper_command is {found}: {error}"
            ) from error
        daemon.LOG.info("Running privsep helper: %s", self._command)
        try:
            helper = subprocess.Popen(  # noqa: S603 - it is the configured command
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
        listening.settimeout(_PAUSE)
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
                end = min(end, time.monotonic() + _GRACE)
            if time.monotonic() >= end:
                if ended:
                    raise self._fault("ended, and started no daemon")
                raise self._fault(f"started no daemon within {PATIENCE:g} seconds")

    def exchange_ping(self) -> None:
        """Ask the daemon for its first answer."""
        left = max(self._deadline - time.monotonic(), 1.0)
        try:
            reply = self.send_recv((comm.Message.PING.value,), left)
        except OSError as error:
            raise self._fault("started a daemon that ended before it answered") from error
        match reply:
            case (comm.Message.PONG, *_):
                return
            case (comm.Message.ERR, *_):
                # This is what oslo.privsep makes of an answer that is late.
                raise self._fault(
                    f"started a daemon that did not answer within {PATIENCE:g} seconds"
                )
            case _:
                raise self._fault("started something that is no privileged daemon")

    def out_of_band(self, msg: Any) -> None:
        """Log what the daemon logs; its errors before the first answer are part of a fault."""
        super().out_of_band(msg)
        match msg:
            case (comm.Message.LOG, {"msg": str(text), "levelno": int(level)}):
                if not self._answered and level >= _ERROR_LEVEL:
                    self._output.note(text)

    def send_recv(self, *args: Any, **kwargs: Any) -> Any:
        """Send a message and return the answer.

        A process that dies with a request unread resets the connection. The next call starts a
        new daemon then, even if the thread that reads has yet to notice.
        """
        try:
            return super().send_recv(*args, **kwargs)
        except OSError:
            self.running = False
            raise

    def disown(self) -> None:
        """Close a forked child's copies of descriptors; the daemon remains its parent's."""
        self.running = False
        if self._sock is not None:
            self._sock.close()
        self._output.close()

    def _reader_main(self, reader: Iterable[Any]) -> None:
        reason = "Premature eof waiting for privileged process"
        try:
            super()._reader_main(cast("Any", _until_reset(reader)))
        except Exception as error:  # noqa: BLE001 - whoever waits for an answer is told
            reason = f"the privileged daemon's answer cannot be read: {error!r}"
        finally:
            with self.lock:
                for waiting in self.outstanding_msgs.values():
                    waiting.set_exception(OSError(reason))
                self.running = False
                # Who comes later is told at once, even if the other side still holds the socket.
                with contextlib.suppress(OSError):
                    self.writer.writesock.shutdown(socket.SHUT_RDWR)

    def _fault(self, what: str) -> NotStartedError:
        said = self._output.text()
        printed = f"It printed: {said}" if said else "It printed nothing"
        return NotStartedError(
            f"the command `{printable(shlex.join(self._command))}` {what}. {printed}. "
            f"[{self._section}]helper_command sets the command that starts the daemon"
        )

    def _dismiss(self, helper: subprocess.Popen[bytes]) -> None:
        """End a helper that has started no daemon."""
        # One that sudo has started belongs to root.
        with contextlib.suppress(OSError):
            helper.kill()
        _reap(helper)


def _reap(helper: subprocess.Popen[bytes]) -> None:
    """Wait for a helper; one that takes long is waited for by another thread."""
    try:
        helper.wait(_ENDING)
    except subprocess.TimeoutExpired:
        threading.Thread(name="privsep_helper", target=helper.wait, daemon=True).start()


def _until_reset(reader: Iterable[Any]) -> Iterator[Any]:
    """Yield messages until the connection ends; one that is reset has ended."""
    try:
        yield from reader
    except ConnectionResetError:
        return


def _in_child() -> None:
    for channel in list(_channels):
        channel.disown()
    _channels.clear()


os.register_at_fork(after_in_child=_in_child)
