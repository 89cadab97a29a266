# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Shared privileged daemons, and callers of another user, forked from the test process."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import pathlib
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import os_vif
from os_vif.engine.shared_calls.shared_client import Probe, SharedDaemonError, probe
from os_vif.engine.shared_daemon import process
from os_vif.engine.shared_daemon.daemon_limits import Limits
from os_vif.testing import daemon_kills
from tests import limits

#: Users without an account, who own no process of this machine.
FRIEND, STRANGER = 64321, 64322


def fork(main: Callable[[], Any], output: pathlib.Path | None = None) -> int:
    """Call a function in a new process; return the process id. The output is appended to a file."""
    with warnings.catch_warnings():
        # oslo.privsep loads eventlet, which warns of the fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        limits.default_signals()
        if output is not None:
            file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(file, 1)
            os.dup2(file, 2)
        main()
        code = 0
    except BaseException:  # noqa: BLE001 - as Python itself does
        with contextlib.suppress(OSError):
            os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        os._exit(code)


@functools.cache
def has_users() -> bool:
    """Return whether root of this namespace can be another user, and give files to a group."""

    def become() -> None:
        os.setgroups([FRIEND])
        os.setgid(FRIEND)
        os.setuid(FRIEND)

    _, status = os.waitpid(fork(become, pathlib.Path(os.devnull)), 0)
    return status == 0


def require_users() -> None:
    """Skip the test in a user namespace without other users."""
    if not has_users():
        pytest.skip("root of this namespace cannot be another user")


class Call:
    """A function that runs in a process of another user. The result is JSON."""

    def __init__(
        self, function: Callable[[], Any], user: int = FRIEND, groups: tuple[int, ...] = ()
    ) -> None:
        if user:
            require_users()
        self._read, write = os.pipe()

        def main() -> None:
            if user:
                os.setgroups(groups)
                os.setgid(user)
                os.setuid(user)
            try:
                result = {"value": function()}
            except Exception as error:  # noqa: BLE001 - the test decides
                result = {"error": f"{type(error).__name__}: {error}"}
            os.write(write, json.dumps(result).encode())

        self.pid = fork(main)
        os.close(write)

    def result(self) -> Any:
        """Wait for the end of the process; return the result, or the text of the exception."""
        data = b""
        with open(self._read, "rb") as pipe:  # noqa: PTH123 - a descriptor
            data = pipe.read()
        os.waitpid(self.pid, 0)
        result = json.loads(data)
        return result["value"] if "value" in result else result["error"]


def call_as(user: int, function: Callable[[], Any], groups: tuple[int, ...] = ()) -> Any:
    """Return the result of a function in a process of another user."""
    return Call(function, user, groups).result()


class SharedDaemon:
    """A shared daemon at a path, started and stopped by a test."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.path = str(directory / "shared.sock")
        self.log = directory / "shared.log"
        self.pid = 0
        self.users: tuple[str, ...] = (str(FRIEND),)
        self.groups: tuple[str, ...] = ()
        self.limits = Limits()
        #: Modules besides those of the plugins, as with ``os-vif privileged --pods``.
        self.modules: tuple[str, ...] = ()

    def start(self, *, prepare: Callable[[], Any] = lambda: None, wait: bool = True) -> None:
        """Start the daemon.

        :param prepare: called in the new process, before the daemon listens.
        """
        settings = process.Settings(
            self.path, self.users, self.groups, mode=0o666, limits=self.limits
        )
        modules = [*os_vif.privsep_modules(), *self.modules]

        def main() -> None:
            prepare()
            process.run(settings, modules)

        self.pid = fork(main, self.log)
        if wait:
            self.wait()

    def start_killing(self, k: int) -> None:
        """Start a daemon that kills itself before step *k*."""
        self.start(prepare=lambda: daemon_kills.kill_before_step(k))

    def wait(self) -> Probe:
        """Wait until the daemon answers; return the description of the daemon."""
        end = time.monotonic() + 60
        while True:
            try:
                found = probe(self.path, 30)
            except SharedDaemonError:
                assert time.monotonic() < end, self.log.read_text()
                continue
            if found.pid == self.pid:
                return found
            # The earlier daemon is stopping.
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the daemon by a signal; return the exit code."""
        os.kill(self.pid, number)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for the end of the daemon; return the exit code, or the negative signal."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def descriptors(self) -> int:
        return len(list(pathlib.Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Return the resident memory of the daemon in bytes."""
        pages = pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")


@contextlib.contextmanager
def shared_daemon(directory: pathlib.Path) -> Iterator[SharedDaemon]:
    """Provide a daemon that is not started yet, and end the daemon."""
    daemon = SharedDaemon(directory)
    try:
        yield daemon
    finally:
        if daemon.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(daemon.pid, signal.SIGKILL)
            os.waitpid(daemon.pid, 0)
