# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The files of commands that read and write many objects."""

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
from os_vif.escape import printable

STANDARD = "-"


class OutputError(Exception):
    """Something could not be written. What was there before is there still."""

    def __init__(self, text: str) -> None:
        super().__init__(printable(text))


class Output(Protocol):
    def write(self, data: bytes, /) -> object: ...


def title(source: str) -> str:
    """What a file is called in messages."""
    return "<stdin>" if source == STANDARD else printable(source)


@contextlib.contextmanager
def reading(source: str) -> Iterator[io.BufferedReader]:
    """A file, or standard input.

    :raises BadInputError: if it cannot be opened.
    """
    if source == STANDARD:
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


@contextlib.contextmanager
def replacing(source: str, file: io.BufferedReader) -> Iterator[Output]:
    """What is written takes the place of a file that is read.

    :raises OutputError: if somebody else has written to it in the meantime, too.
    """
    before = os.fstat(file.fileno())
    if not stat.S_ISREG(before.st_mode):
        raise main.BadInputError(f"{source}: is no file that can be replaced")
    with writing(source, []) as out:
        yield out
        now = pathlib.Path(source).stat()
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (
            before.st_ino,
            before.st_size,
            before.st_mtime_ns,
        ):
            raise OutputError(f"{source}: somebody else has changed it; it is left as it is")


@contextlib.contextmanager
def writing(target: str, sources: list[io.BufferedReader]) -> Iterator[Output]:
    """What is written takes the place of a file as a whole at the end, or, after an error, not.

    Mode, owner and access list of that file stay. What is no regular file, as standard output,
    gets it by and by.

    :raises BadInputError: if it cannot be opened.
    :raises OutputError: if it cannot be written.
    """
    if target == STANDARD:
        if sys.stdout is None or isinstance(sys.stdout, streams.ClosedOutput):
            raise main.BadInputError("standard output is closed")
        _check_apart(sources)
        with _errors("standard output"), _streamed(os.dup(sys.stdout.fileno())) as file:
            yield file
        return
    try:
        before = pathlib.Path(target).stat()
    except FileNotFoundError:
        before = None
    except (OSError, ValueError) as error:
        raise main.BadInputError(f"{target}: {_reason(error)}") from error
    with _errors(target):
        if before is None or stat.S_ISREG(before.st_mode):
            # Where a symbolic link leads, not the link.
            with _Replacement(pathlib.Path(os.path.realpath(target)), before) as replacement:
                yield replacement.file
        else:
            with _streamed(_opened(target)) as file:
                yield file


def _opened(target: str) -> int:
    """A device or a pipe."""
    try:
        return os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        raise main.BadInputError(f"{target}: {_reason(error)}") from error


@contextlib.contextmanager
def _streamed(number: int) -> Iterator[io.BufferedWriter]:
    """What is written goes there by and by, in whole."""
    file = os.fdopen(number, "wb")
    try:
        yield file
        file.flush()
    finally:
        # It would try to write the rest once more.
        with contextlib.suppress(OSError):
            file.close()


class _Replacement:
    """A new file beside another, whose place it takes."""

    def __init__(self, path: pathlib.Path, before: os.stat_result | None) -> None:
        self._path = path
        self._before = before
        self._new = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.os-vif")

    def __enter__(self) -> Self:
        mode = 0o666 if self._before is None else stat.S_IMODE(self._before.st_mode) & 0o600
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            # The user's umask holds for a file that is new.
            self.file = os.fdopen(os.open(self._new, flags, mode), "wb")
        except OSError as error:
            raise main.BadInputError(f"{self._path}: {_reason(error)}") from error
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._replace()
        finally:
            # What it still holds may not fit on the disk.
            with contextlib.suppress(OSError):
                self.file.close()
            self._new.unlink(missing_ok=True)

    def _replace(self) -> None:
        self.file.flush()
        if self._before is not None:
            self._take_over(self._before)
        os.fsync(self.file.fileno())
        self._new.replace(self._path)
        _sync(self._path.parent)

    def _take_over(self, before: os.stat_result) -> None:
        """Who may do what with the file stays."""
        new = self.file.fileno()
        # Another owner can be given by root alone, as with sed -i.
        with contextlib.suppress(PermissionError):
            os.fchown(new, before.st_uid, before.st_gid)
        os.fchmod(new, stat.S_IMODE(before.st_mode))
        # Not every file system has them.
        with contextlib.suppress(OSError):
            for name in os.listxattr(self._path):
                with contextlib.suppress(OSError):
                    os.setxattr(new, name, os.getxattr(self._path, name))


def _sync(directory: pathlib.Path) -> None:
    """Write the new name to the disk, if the user may read the directory.

    Without that right the file was replaced as a whole, too: the kernel writes the name later.
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
def _errors(target: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        # Nobody reads any more, which is no failure.
        raise
    except OSError as error:
        raise OutputError(f"{target}: {_reason(error)}") from error


def _check_apart(sources: list[io.BufferedReader]) -> None:
    """A file that grows as it is read would have no end."""
    out = os.fstat(sys.stdout.fileno())
    for source in sources:
        found = os.fstat(source.fileno())
        if stat.S_ISREG(out.st_mode) and os.path.samestat(found, out):
            raise main.BadInputError(
                f"{title(str(source.name))}: is the output, too; use --in-place or --output"
            )


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
