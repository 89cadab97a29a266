# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Processes of delegated plugins.

Standard input, output and error are files in memory: a child process that keeps the output open does
not delay the end of the call, and a plugin may leave its input unread.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Iterator, Mapping
from typing import NamedTuple

#: Bytes of an output that are read.
_MAX_OUTPUT = 4 << 20


class Ended(NamedTuple):
    """The end of a process."""

    code: int
    output: bytes
    errors: bytes


class Delegate:
    """A running plugin; see :func:`started`."""

    def __init__(self, process: subprocess.Popen[bytes], output: int, errors: int) -> None:
        self._process, self._output, self._errors = process, output, errors

    def wait(self, timeout: float) -> Ended:
        """Wait for the end of the process; return the exit code and the output.

        :param timeout: seconds.
        :raises TimeoutError: if the process did not end in time. The process is killed.
        """
        self.end(timeout)
        return Ended(self._process.wait(), _read(self._output), _read(self._errors))

    def end(self, timeout: float) -> None:
        """Wait for the end of the process.

        :raises TimeoutError: if the process did not end in time. The process is killed.
        """
        if self._process.returncode is None and not _has_ended(self._process.pid, timeout):
            self._process.kill()
            raise TimeoutError


@contextlib.contextmanager
def started(path: str, data: bytes, variables: Mapping[str, str]) -> Iterator[Delegate]:
    """Execute a plugin without arguments, at the same time as the block.

    The end of the block waits for the end of the process, without a timeout: call
    :meth:`Delegate.end` before.

    :param data: standard input.
    :param variables: the environment.
    :raises OSError: if the process cannot be started.
    """
    with contextlib.ExitStack() as stack:
        files = []
        for name in ("input", "output", "errors"):
            files.append(os.memfd_create(name))
            stack.callback(os.close, files[-1])
        _write(files[0], data)
        process = stack.enter_context(
            subprocess.Popen(  # noqa: S603 - the runtime names the folders, and is root
                [path], stdin=files[0], stdout=files[1], stderr=files[2], env=variables
            )
        )
        yield Delegate(process, files[1], files[2])


def run(path: str, data: bytes, variables: Mapping[str, str], timeout: float) -> Ended:
    """Execute a plugin without arguments, and return its exit code and output.

    :param data: standard input.
    :param variables: the environment.
    :param timeout: seconds.
    :raises TimeoutError: if the process did not end in time. The process is killed.
    :raises OSError: if the process cannot be started.
    """
    with started(path, data, variables) as delegate:
        return delegate.wait(timeout)


def _read(file: int) -> bytes:
    """Return the contents of a file in memory, up to the limit."""
    return os.pread(file, min(os.fstat(file).st_size, _MAX_OUTPUT), 0)


def _write(file: int, data: bytes) -> None:
    """Write the contents of a file in memory, for reading from the begin."""
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(file, remaining) :]
    os.lseek(file, 0, os.SEEK_SET)


def _has_ended(pid: int, timeout: float) -> bool:
    """Wait for the end of a child process; return whether the process has ended in time."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(descriptor)
