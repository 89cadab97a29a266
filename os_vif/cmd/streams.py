# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The standard streams of the command: closed ones, full ones, and names for errors."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO, cast


class StandardOutput:
    """Standard output, of which an error says the name of the stream.

    Everything else is that of the stream itself.
    """

    def __init__(self, stream: TextIO, *, flushes: bool = False) -> None:
        """:param flushes: whether each write goes out at once."""
        self._stream = stream
        self._flushes = flushes
        #: Whether the reader of a pipe has gone.
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            written = self._stream.write(text)
            if self._flushes:
                self._stream.flush()
        except OSError as error:
            raise self._named(error) from error
        return written

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise self._named(error) from error

    def _named(self, error: OSError) -> OSError:
        """Return the same error with the stream's name; note a broken pipe, and leave it as it is."""
        if isinstance(error, BrokenPipeError):
            self.broken = True
            return error
        return OSError(f"standard output: {error.strerror or error}")


class ClosedOutput:
    """Stands for a standard output that was closed when the command started."""

    encoding = "utf-8"
    errors = "backslashreplace"
    closed = False

    def write(self, _: str) -> int:
        raise OSError("standard output is closed; redirect it to a file or to /dev/null")

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: there is nothing that was written."""

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        raise OSError(errno.EBADF, "standard output is closed")


def reader_is_gone() -> bool:
    """Return whether standard output is a pipe that nobody reads any more."""
    return isinstance(sys.stdout, StandardOutput) and sys.stdout.broken


def discard_output() -> None:
    """Discard what standard output still holds, which Python would write once more as it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _escape_what_does_not_fit() -> None:
    """Write characters that the encoding of the locale lacks as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _whole(stream: TextIO) -> StandardOutput:
    """Return a standard output that writes all of a text, or raises.

    With ``PYTHONUNBUFFERED``, a text stream of Python writes straight to its descriptor and takes
    a short write(2), as on a disk that is nearly full, for a whole one.
    """
    raw = getattr(stream, "buffer", None)
    if not isinstance(raw, io.RawIOBase):
        return StandardOutput(stream)
    whole = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "backslashreplace")
    return StandardOutput(whole, flushes=True)


def prepare() -> None:
    """Make the standard streams safe to use.

    Descriptors 0, 1 and 2 that are closed are opened on ``/dev/null``: else the next file or
    socket of this process, or of the privileged daemon that it starts, would get that number, and
    output would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is used, which is this one.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
    _escape_what_does_not_fit()
    if sys.stdout is None:
        sys.stdout = cast("TextIO", ClosedOutput())
    elif not isinstance(sys.stdout, StandardOutput | ClosedOutput):
        sys.stdout = cast("TextIO", _whole(sys.stdout))
    if sys.stderr is None:
        # Nobody can read what would be written there.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
