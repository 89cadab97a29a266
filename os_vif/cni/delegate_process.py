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
from collections.abc import Mapping
from typing import NamedTuple

#: Bytes of an output that are read.
_MAX_OUTPUT = 4 << 20


class Ended(NamedTuple):
    """The end of a process."""

    code: int
    output: bytes
    errors: bytes


def run(path: str, data: bytes, variables: Mapping[str, str], timeout: float) -> Ended:
    """Execute a plugin without arguments, and return its exit code and output.

    :param data: standard input.
    :param variables: the environment.
    :param timeout: seconds.
    :raises TimeoutError: if the process did not end in time. The process is killed.
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
        if not _has_ended(process.pid, timeout):
            process.kill()
            raise TimeoutError
        code = process.wait()
        return Ended(code, os.pread(files[1], _MAX_OUTPUT, 0), os.pread(files[2], _MAX_OUTPUT, 0))


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
