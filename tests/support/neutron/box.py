# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A second host: a private network namespace with its own /run and /sys, held by a process."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.neutron.api import wait_until

#: The own view of sysfs and of the state files, for a program that is started by the script.
PRIVATE_SYSFS = ("unshare", "--mount", "sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "sh")
_MOUNTS = """
set -e
mount --make-rprivate /
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/os-vif /run/lock
ip link set lo up
touch "$1"
exec sleep infinity
"""
_TIMEOUT_S = 120


class Box:
    """The namespaces of a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def command(self, *arguments: object) -> list[str]:
        """Return the command line of a program in the namespaces."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", *map(str, arguments)]

    def run(self, *arguments: object, expected: int = 0) -> str:
        """Run a program in the namespaces, and return the standard output.

        :param expected: the exit status.
        """
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        assert done.returncode == expected, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout


@contextlib.contextmanager
def running_box(folder: Path) -> Iterator[Box]:
    """Provide a box; the network namespace and the devices vanish with its last process."""
    ready = folder / "ready"
    command = ["unshare", "--net", "--mount", "sh", "-c", _MOUNTS, "sh", str(ready)]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: ready.exists() or process.poll() is not None, "the box", _TIMEOUT_S)
        assert process.poll() is None
        yield Box(process.pid)
    finally:
        process.kill()
        process.wait()
