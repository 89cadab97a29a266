# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Network namespaces and state directories for tests, with the rights of the caller.

Namespaces need ``CAP_SYS_ADMIN`` and ``CAP_NET_ADMIN``. An ordinary user has the rights after
:func:`require_rights`, which moves the process into a user namespace, if the kernel permits user
namespaces. The functions move the calling thread, and later child processes of the thread.
"""

from __future__ import annotations

import ctypes
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from os_vif.host.netlink import rtnetlink
from os_vif.host.state.directory import STATE

#: ``CLONE_NEWNET``, ``CLONE_NEWNS`` and ``CLONE_NEWUSER`` of linux/sched.h. Python has
#: ``os.unshare`` since 3.12.
_CLONE_NEWNET, _CLONE_NEWNS, _CLONE_NEWUSER = 0x40000000, 0x20000, 0x10000000
#: ``MS_REC | MS_PRIVATE`` of linux/mount.h.
_PRIVATE = 0x4000 | 0x40000
#: ``MNT_DETACH`` of linux/fs.h.
_DETACH = 2
#: The directory for the state of os-vif.
STATE_DIRECTORY = STATE.path
_libc = ctypes.CDLL(None, use_errno=True)
#: The functions of this module that the process has completed.
_completed: set[str] = set()

#: Exit status of the probe if a right is missing. Any other failure is a fault of the tests.
_MISSING = 77
_PROBE = f"""
import subprocess, sys
from os_vif.testing.private_namespaces import enter_user_namespace, private_namespace, run
try:
    enter_user_namespace()
    with private_namespace():
        run("ip link add name os-vif-probe type bridge")
except (OSError, subprocess.CalledProcessError) as error:
    print(error)
    sys.exit({_MISSING})
"""


class MissingRightError(OSError):
    """The caller may not create namespaces; the text names the missing right."""


def _call(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library.

    :raises OSError: if the function returns an error.
    """
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def missing_right() -> str | None:
    """Return the right that a network namespace needs and the caller lacks, or None."""
    # A separate process runs the probe, because this process may be unable to leave a namespace.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _PROBE],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
    except OSError as error:
        # A Python in the home directory of another user, for example.
        return f"needs to execute {sys.executable}: {error.strerror}"
    if done.returncode not in (0, _MISSING):
        raise RuntimeError(f"the probe for network namespaces failed:\n{done.stderr}")
    if done.returncode == 0:
        return None
    return (
        "needs CAP_SYS_ADMIN and CAP_NET_ADMIN here, or a kernel that lets this user create user "
        f"and network namespaces (unshare --user --map-root-user --net): {done.stdout.strip()}"
    )


def enter_user_namespace() -> None:
    """Move an ordinary user's process into a user and a network namespace, until the process ends.

    The process has uid 0 there. Files keep their owners. The devices and the network of the host
    are out of reach. The function does nothing for uid 0.

    :raises OSError: if the kernel refuses: user namespaces are disabled, or the process has
        several threads.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:
        return
    _call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        pathlib.Path("/proc/self", name).write_text(text)


def require_rights() -> None:
    """Obtain the rights for namespaces, and hide ``/run/os-vif`` of the host from this process.

    Idempotent. An ordinary user's process enters a user namespace, in which the process stays.

    :raises MissingRightError: if a right is missing.
    """
    if "rights" in _completed:
        return
    if missing := missing_right():
        raise MissingRightError(missing)
    try:
        enter_user_namespace()
    except OSError as error:
        raise MissingRightError(
            f"a user namespace needs a process with one thread: {error}. Start the process with "
            "unshare --user --map-root-user --net --mount"
        ) from error
    hide_state_directory()
    _completed.add("rights")


def hide_state_directory() -> None:
    """Give this process a private ``/run/os-vif``, until the process ends."""
    path = STATE_DIRECTORY
    enter_user_namespace()
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _PRIVATE, None)
    try:
        path.mkdir(exist_ok=True)
    except PermissionError:
        # Only root of a user namespace can fail here.
        _call("mount", b"tmpfs", b"/run", b"tmpfs", 0, None)
        path.mkdir()
    _call("mount", b"tmpfs", bytes(path), b"tmpfs", 0, b"mode=0755")


@contextmanager
def mounted_tmpfs(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Mount an empty file system on a directory for a block. Call :func:`require_rights` before."""
    _call("mount", b"tmpfs", bytes(path), b"tmpfs", 0, b"mode=0755")
    try:
        yield path
    finally:
        _call("umount2", bytes(path), _DETACH)


def private_state_directory() -> AbstractContextManager[pathlib.Path]:
    """Mount an empty ``/run/os-vif`` for a block. Call :func:`require_rights` before."""
    return mounted_tmpfs(STATE_DIRECTORY)


@contextmanager
def private_namespace() -> Iterator[None]:
    """Move this thread and its child processes into a new network namespace for a block."""
    with pathlib.Path("/proc/thread-self/ns/net").open("rb") as before:
        _call("unshare", _CLONE_NEWNET)
        try:
            run("ip link set lo up")
            with rtnetlink.separate_thread_socket():
                yield
        finally:
            _call("setns", before.fileno(), _CLONE_NEWNET)


@contextmanager
def joined_namespace(path: str | pathlib.Path) -> Iterator[None]:
    """Move this thread and its child processes into an existing network namespace for a block.

    :param path: the file of the namespace, such as ``/proc/PID/ns/net``.
    """
    with (
        pathlib.Path("/proc/thread-self/ns/net").open("rb") as before,
        pathlib.Path(path).open("rb") as there,
    ):
        _call("setns", there.fileno(), _CLONE_NEWNET)
        try:
            with rtnetlink.separate_thread_socket():
                yield
        finally:
            _call("setns", before.fileno(), _CLONE_NEWNET)


@contextmanager
def machine_namespace() -> Iterator[None]:
    """Move this thread and its child processes into the network namespace of process 1."""
    with joined_namespace("/proc/1/ns/net"):
        yield


def search_path() -> str:
    """Return ``PATH`` with the folders of system programs, which the path of a user may lack."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def run(command: str) -> None:
    """Run a shell command as root.

    :raises subprocess.CalledProcessError: if the command fails.
    """
    environment = os.environ | {"PATH": search_path()}
    subprocess.run(command, shell=True, check=True, env=environment)  # noqa: S602 - shell commands
