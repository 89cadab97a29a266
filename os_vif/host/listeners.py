# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The listening socket of a daemon of os-vif: of systemd, or at a path.

Sources: sd_listen_fds(3), sd_notify(3), unix(7).
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import stat
from typing import NamedTuple

from os_vif.host.state.directory import STATE

#: ``SD_LISTEN_FDS_START`` of sd_listen_fds(3).
_FIRST_DESCRIPTOR = 3
_BACKLOG = 1024
#: Timeout in seconds of a connection to a socket that exists.
_TIMEOUT = 1.0


class Listener(NamedTuple):
    """A listening socket. The path is None for a socket of systemd, which keeps the socket."""

    sock: socket.socket
    path: str | None
    #: Device and inode of the path.
    identity: tuple[int, int] | None

    def close(self) -> None:
        """Close the socket, and delete the path unless another daemon has replaced the socket."""
        if self.path is not None and _identity(self.path) == self.identity:
            with contextlib.suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108 - a text
        self.sock.close()


def from_systemd() -> list[Listener]:
    """Return the listening sockets from systemd.

    :raises ValueError: for a descriptor of another kind than a listening unix stream socket.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_PID", None)
    os.environ.pop("LISTEN_FDNAMES", None)
    listeners = []
    for number in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count or 0)):
        os.set_inheritable(number, False)
        sock = socket.socket(fileno=number)
        is_listening = sock.family == socket.AF_UNIX and sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        )
        if sock.type != socket.SOCK_STREAM or not is_listening:
            raise ValueError(
                f"descriptor {number} of systemd is no listening unix stream socket "
                "(ListenStream= of the socket unit)"
            )
        listeners.append(Listener(sock, None, None))
    return listeners


def at_path(path: str, mode: int, group: int) -> Listener:
    """Create a listening socket, replacing the socket of an ended daemon.

    :param mode: the file mode, such as ``0o660``.
    :param group: the group of the file.
    :param path: a relative path is relative to the present working directory. The parent directory
        must exist; only ``/run/os-vif`` is created.
    :raises OSError: if a daemon listens at the path, or if the socket cannot be created.
    """
    # The daemon changes its working directory, and deletes the socket at exit.
    path = os.path.abspath(path)  # noqa: PTH100 - links of the path stay
    _require_free(path)
    sock = socket.socket(socket.AF_UNIX)
    # The complete socket appears under the path.
    temporary = f"{path}.{os.getpid()}"
    try:
        if pathlib.Path(path).parent == STATE.path:
            STATE.make()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108 - a text
        before = os.umask(0o777)
        try:
            sock.bind(temporary)
        finally:
            os.umask(before)
        try:
            sock.listen(_BACKLOG)
            os.chown(temporary, -1, group)
            os.chmod(temporary, mode)  # noqa: PTH101 - a text
            identity = _identity(temporary)
            os.rename(temporary, path)  # noqa: PTH104 - a text
        except OSError:
            os.unlink(temporary)  # noqa: PTH108 - a text
            raise
    except BaseException:
        sock.close()
        raise
    return Listener(sock, path, identity)


def _require_free(path: str) -> None:
    """Raise OSError if the path is in use; leave the socket of an ended daemon."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(f"{path} exists and is no socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_TIMEOUT)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError:
            # A daemon with a full backlog.
            pass
    raise FileExistsError(f"another process listens at {path}")


def _identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of a path, or None."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def notify_systemd(state: str) -> None:
    """Send a state such as ``READY=1`` to systemd. Without systemd, do nothing."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.sendall(state.encode())
