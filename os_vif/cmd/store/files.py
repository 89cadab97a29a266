# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Input and output files: standard streams, and files that are replaced atomically."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import secrets
import stat
import sys
from collections.abc import Iterator
from typing import Protocol, Self, cast

from os_vif.cmd import main, streams
from os_vif.cmd.store import yaml_input
from os_vif.escape import printable

#: The name of standard input and standard output.
STANDARD_STREAM = "-"


class OutputError(Exception):
    """An output that could not be written. A file in its place is unchanged."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class Output(Protocol):
    """An open output."""

    def write(self, data: bytes, /) -> object: ...


def title_of(source: str) -> str:
    """Return the name of an input for messages."""
    return "<stdin>" if source == STANDARD_STREAM else printable(source)


@contextlib.contextmanager
def open_input(source: str) -> Iterator[io.BufferedReader]:
    """Open a file, or standard input. YAML is read as JSON: see :mod:`os_vif.cmd.store.yaml_input`.

    :raises BadInputError: for an input that cannot be opened. Reading raises the error for text that
        is not YAML.
    """
    with _open_bytes(source) as file:
        try:
            found = yaml_input.as_json(source, title_of(source), file)
        except OSError as error:
            raise main.BadInputError(f"{title_of(source)}: {_reason(error)}") from error
        yield found


@contextlib.contextmanager
def _open_bytes(source: str) -> Iterator[io.BufferedReader]:
    """Open a file, or standard input.

    :raises BadInputError: for an input that cannot be opened.
    """
    if source == STANDARD_STREAM:
        if sys.stdin is None:
            raise main.BadInputError("standard input is closed")
        yield cast("io.BufferedReader", sys.stdin.buffer)
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(pathlib.Path(source).open("rb"))
            file.peek(1)
        except (OSError, ValueError) as error:
            raise main.BadInputError(f"{source}: {_reason(error)}") from error
        yield file


def read_input(source: str) -> bytes:
    """Return the content of a file, or of standard input.

    :raises BadInputError: for an input that cannot be read.
    """
    with open_input(source) as file:
        try:
            return file.read()
        except OSError as error:
            raise main.BadInputError(f"{title_of(source)}: {error.strerror}") from error


@contextlib.contextmanager
def replace_input(source: str, file: io.BufferedReader) -> Iterator[Output]:
    """Open an output that replaces an open input file.

    :raises OutputError: if another process has changed the file.
    """
    before = os.fstat(file.fileno())
    if not stat.S_ISREG(before.st_mode):
        raise main.BadInputError(f"{source} is not a regular file; --in-place cannot replace it")
    with open_output(source, []) as out:
        yield out
        now = pathlib.Path(source).stat()
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (
            before.st_ino,
            before.st_size,
            before.st_mtime_ns,
        ):
            raise OutputError(
                f"{source}: another process has changed the file; it is left as it is"
            )


@contextlib.contextmanager
def open_output(target: str, sources: list[io.BufferedReader]) -> Iterator[Output]:
    """Open an output file, or standard output.

    A regular file is replaced atomically at the end, and is unchanged after an error. The new file
    has the mode, owner and access list of the old file. Standard output, pipes and devices are
    written as a stream.

    :param target: a path, or ``-``.
    :param sources: the inputs, none of which may be standard output.
    :raises BadInputError: for an output that cannot be opened.
    :raises OutputError: for an output that cannot be written.
    """
    if target == STANDARD_STREAM:
        if sys.stdout is None or isinstance(sys.stdout, streams.ClosedOutput):
            raise main.BadInputError("standard output is closed")
        _refuse_output_as_input(sources)
        with _output_errors("standard output"), _open_stream(os.dup(sys.stdout.fileno())) as file:
            yield file
        return
    try:
        before = pathlib.Path(target).stat()
    except FileNotFoundError:
        before = None
    except (OSError, ValueError) as error:
        raise main.BadInputError(f"{target}: {_reason(error)}") from error
    with _output_errors(target):
        if before is None or stat.S_ISREG(before.st_mode):
            # The target of a symbolic link is replaced; the link stays.
            with _Replacement(pathlib.Path(os.path.realpath(target)), before) as replacement:
                yield replacement.file
        else:
            with _open_stream(_open_device(target)) as file:
                yield file


def _open_device(target: str) -> int:
    """Open a device or a pipe; return the file descriptor."""
    try:
        return os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise main.BadInputError(f"{target}: {_reason(error)}") from error


@contextlib.contextmanager
def _open_stream(descriptor: int) -> Iterator[io.BufferedWriter]:
    """Wrap a file descriptor, and flush at the end."""
    file = os.fdopen(descriptor, "wb")
    try:
        yield file
        file.flush()
    finally:
        # After an error, close() flushes again and fails again.
        with contextlib.suppress(OSError):
            file.close()


class _Replacement:
    """A temporary file in the directory of a file, which the temporary file replaces."""

    def __init__(self, path: pathlib.Path, before: os.stat_result | None) -> None:
        self._path = path
        self._before = before
        self._new = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.os-vif")

    def __enter__(self) -> Self:
        mode = 0o666 if self._before is None else stat.S_IMODE(self._before.st_mode) & 0o600
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            # The umask applies to a new file; the mode of an old file is copied later.
            self.file = os.fdopen(os.open(self._new, flags, mode), "wb")
        except OSError as error:
            raise main.BadInputError(f"{self._path}: {_reason(error)}") from error
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._replace()
        finally:
            # Buffered data may not fit on the disk.
            with contextlib.suppress(OSError):
                self.file.close()
            self._new.unlink(missing_ok=True)

    def _replace(self) -> None:
        self.file.flush()
        if self._before is not None:
            self._copy_permissions(self._before)
        os.fsync(self.file.fileno())
        self._new.replace(self._path)
        _sync(self._path.parent)

    def _copy_permissions(self, before: os.stat_result) -> None:
        """Copy owner, mode, access lists and other extended attributes of the old file."""
        new = self.file.fileno()
        # Only root can change the owner; sed -i ignores the error as well.
        with contextlib.suppress(PermissionError):
            os.fchown(new, before.st_uid, before.st_gid)
        os.fchmod(new, stat.S_IMODE(before.st_mode))
        # Some file systems have no extended attributes.
        with contextlib.suppress(OSError):
            for name in os.listxattr(self._path):
                with contextlib.suppress(OSError):
                    os.setxattr(new, name, os.getxattr(self._path, name))


def _sync(directory: pathlib.Path) -> None:
    """Flush the new directory entry to the disk, if the user may read the directory.

    Without the permission, the kernel writes the entry later; the replacement is atomic anyway.
    """
    try:
        number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _output_errors(target: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # A closed pipe is no failure.
        raise
    except OSError as error:
        raise OutputError(f"{target}: {_reason(error)}") from error


def _refuse_output_as_input(sources: list[io.BufferedReader]) -> None:
    """Refuse an input that is standard output, too: such a file would grow without end.

    :raises BadInputError: for such an input.
    """
    out = os.fstat(sys.stdout.fileno())
    for source in sources:
        is_same = os.path.samestat(os.fstat(source.fileno()), out)
        if stat.S_ISREG(out.st_mode) and is_same:
            raise main.BadInputError(
                f"{title_of(str(source.name))}: is the output, too; use --in-place or --output"
            )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
