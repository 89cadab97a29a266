# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Standard streams that are safe to use when closed, and name the stream in errors."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO, cast


class StandardOutput:
    """Standard output that names the stream in errors, and remembers a broken pipe.

    All other attributes are those of the wrapped stream.

    :param flushes: True to flush after each write.
    """

    def __init__(self, stream: TextIO, *, flushes: bool = False) -> None:
        self._stream = stream
        self._flushes = flushes
        #: True after a write to a pipe without a reader.
        self.is_broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text; return the number of characters.

        :raises OSError: with the name of the stream in the text.
        """
        try:
            written = self._stream.write(text)
            if self._flushes:
                self._stream.flush()
        except OSError as error:
            raise self._add_name(error) from error
        return written

    def writelines(self, lines: Any) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream.

        :raises OSError: with the name of the stream in the text.
        """
        try:
            self._stream.flush()
        except OSError as error:
            raise self._add_name(error) from error

    def _add_name(self, error: OSError) -> OSError:
        """Return an error with the name of the stream; record and return a broken pipe unchanged."""
        if isinstance(error, BrokenPipeError):
            self.is_broken = True
            return error
        return OSError(f"standard output: {error.strerror or error}")


class ClosedOutput:
    """Replacement for a standard output that was closed at the start of the command."""

    encoding = "utf-8"
    errors = "backslashreplace"
    closed = False

    def write(self, _: str) -> int:
        """Raise an OSError with advice."""
        raise OSError("standard output is closed; redirect it to a file or to /dev/null")

    def writelines(self, lines: Any) -> None:
        """Raise an OSError with advice, unless *lines* is empty."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: the stream has no buffer."""

    def isatty(self) -> bool:
        """Return False."""
        return False

    def fileno(self) -> int:
        """Raise an OSError with EBADF."""
        raise OSError(errno.EBADF, "standard output is closed")


def reader_is_gone() -> bool:
    """Return True if standard output is a pipe without a reader."""
    return isinstance(sys.stdout, StandardOutput) and sys.stdout.is_broken


def discard_output() -> None:
    """Discard the buffer of standard output, which Python would flush at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _escape_unencodable_characters() -> None:
    """Make both streams escape characters that the encoding of the locale lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _without_short_writes(stream: TextIO) -> StandardOutput:
    """Return a standard output that writes a text completely, or raises.

    With ``PYTHONUNBUFFERED``, a text stream of Python writes directly to the descriptor and ignores
    a short write(2), for example on an almost full disk.
    """
    raw = getattr(stream, "buffer", None)
    if not isinstance(raw, io.RawIOBase):
        return StandardOutput(stream)
    buffered = io.TextIOWrapper(io.BufferedWriter(raw), stream.encoding, "backslashreplace")
    return StandardOutput(buffered, flushes=True)


def prepare() -> None:
    """Make the standard streams safe to use.

    Closed descriptors among 0, 1 and 2 are opened on ``/dev/null``. Otherwise the next file or
    socket of this process, or of the privileged daemon, would get the number, and would receive
    the output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # open(2) returns the lowest free number.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
    _escape_unencodable_characters()
    if sys.stdout is None:
        sys.stdout = cast("TextIO", ClosedOutput())
    elif not isinstance(sys.stdout, StandardOutput | ClosedOutput):
        sys.stdout = cast("TextIO", _without_short_writes(sys.stdout))
    if sys.stderr is None:
        # Messages would have no reader.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
