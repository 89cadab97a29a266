# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The status of a privileged daemon, as seen by the daemon. The host is not changed."""

from __future__ import annotations

import errno
import importlib.metadata
import os
import pathlib
import shutil
from typing import TYPE_CHECKING

import os_vif
from os_vif.host import iptables
from os_vif.host.state.directory import STATE

if TYPE_CHECKING:
    from os_vif.engine.answers import ProbeAnswer

#: The programs of iptables(8), which steps run.
PROGRAMS = ("iptables", "ip6tables")


def read_status() -> ProbeAnswer:
    """Return version, capabilities, namespaces, state directory and programs of the process."""
    directory = _state_directory()
    return {
        "version": importlib.metadata.version("os-vif"),
        "package": str(pathlib.Path(os_vif.__file__).parent),
        "user": os.geteuid(),
        "capabilities": effective_capabilities(),
        "netns": list(_identity(pathlib.Path("/proc/thread-self/ns/net"))),
        "state": list(_identity(directory)),
        "state_exists": directory == STATE.path,
        "state_filesystem": filesystem_of(directory),
        "state_error": write_error(directory),
        "programs": {
            name: shutil.which(name, path=iptables.ENVIRONMENT["PATH"]) for name in PROGRAMS
        },
    }


def effective_capabilities() -> list[int]:
    """Return the numbers of the effective capabilities of the thread."""
    text = pathlib.Path("/proc/thread-self/status").read_text(encoding="ascii")
    (mask,) = (line.split()[1] for line in text.splitlines() if line.startswith("CapEff:"))
    bits = int(mask, 16)
    return [number for number in range(bits.bit_length()) if bits >> number & 1]


def _state_directory() -> pathlib.Path:
    """Return the state directory, or the parent of a missing state directory."""
    return STATE.path if STATE.path.exists() else STATE.path.parent


def _identity(path: pathlib.Path) -> tuple[int, int]:
    """Return the device and the inode of a file."""
    status = path.stat()
    return status.st_dev, status.st_ino


def filesystem_of(path: pathlib.Path) -> str:
    """Return the type of the file system of a path, for example ``tmpfs``."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    found = "unknown"
    for line in mounts.splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == number:
            found = source.split()[0]
    return found


def write_error(directory: pathlib.Path) -> str | None:
    """Return the reason why the process cannot create a file in a directory, or None.

    The file has no name (``O_TMPFILE``): processes that list the directory do not see the file.
    """
    try:
        file = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EISDIR}:
            return error.strerror
        # The file system has no files without a name.
        return None if os.access(directory, os.W_OK) else "Permission denied"
    try:
        os.write(file, b"{}")
    except OSError as error:
        return error.strerror
    finally:
        os.close(file)
    return None
