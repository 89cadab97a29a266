# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Opens the socket of ovsdb-server for a process without the privilege to open the socket.

The privileged daemon connects, and passes the connected descriptor to the caller
(``SCM_RIGHTS``). The channel of oslo.privsep carries no descriptors, so the caller listens at an
abstract address with a random name, and sends name, token and user to the daemon:

* The daemon passes a descriptor only to a listener of the user (``SO_PEERCRED``).
* The caller accepts a descriptor only with the token.
* The daemon connects only to the default socket of Open vSwitch, and to a socket in
  ``ovsdb_connection`` of a configuration file that only root can change.

Sources: unix(7), socket(7).
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import pathlib
import secrets
import socket
import stat
import struct
from typing import TYPE_CHECKING, Any

from os_vif.host.ovsdb.remotes import DEFAULT_SOCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from os_vif.host.ovsdb.deadline import Deadline

_DEFAULTS = (DEFAULT_SOCKET, "/var/run/openvswitch/db.sock")
#: Size in bytes of a token, and of the random part of an address.
_RANDOM = 16
#: Timeout in seconds of the daemon's connect() and send().
_TIMEOUT = 5.0
#: ``struct ucred`` of linux/socket.h: ids of process, user and group.
_UCRED = struct.Struct("iII")


def request_socket(
    connect: Callable[[str, str, str, int], Any], path: str, deadline: Deadline
) -> socket.socket:
    """Return a socket that the privileged daemon has connected to a path.

    :param connect: the daemon's entry point for :func:`hand_over`.
    :raises OSError: if the daemon refuses, or cannot open the socket.
    :raises TimeoutError: if the deadline passes.
    """
    name, token = f"os-vif-{secrets.token_hex(_RANDOM)}", secrets.token_hex(_RANDOM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(f"\0{name}")
        listening.listen()
        answer = connect(path, name, token, os.geteuid())
        if answer["error"] is not None:
            number, reason = answer["error"]
            raise OSError(number, f"the privileged daemon: {reason}")
        while True:
            listening.settimeout(deadline.seconds_left())
            peer, _ = listening.accept()
            with peer:
                peer.settimeout(deadline.seconds_left())
                if (descriptor := _receive_descriptor(peer, token)) is not None:
                    return socket.socket(fileno=descriptor)


def _receive_descriptor(peer: socket.socket, token: str) -> int | None:
    """Return the descriptor sent by a peer; None if the peer does not know the token."""
    try:
        said, descriptors, _, _ = socket.recv_fds(peer, 2 * len(token), 1)
    except (ConnectionError, BlockingIOError):
        return None
    if descriptors and hmac.compare_digest(said, token.encode()):
        return descriptors[0]
    for descriptor in descriptors:
        os.close(descriptor)
    return None


def hand_over(
    configured: Iterable[str], path: Any, name: Any, token: Any, user: Any
) -> dict[str, Any]:
    """Connect to a socket of ovsdb-server, and send the descriptor to the caller.

    Runs in the privileged daemon.

    :param configured: the paths that only root can have configured.
    :param path: path of the socket.
    :param name: the abstract address of the caller's listener.
    :param token: the token to send with the descriptor.
    :param user: the required user of the listener.
    :returns: a dictionary with ``error``: None, or errno and reason.
    """
    texts = (path, name, token)
    if not all(isinstance(text, str) for text in texts) or type(user) is not int:
        return _refusal(errno.EINVAL, "the request has the wrong types")
    allowed = {*_DEFAULTS, *configured}
    if path not in allowed:
        reason = (
            f"{path} is not opened for a caller: it is neither {DEFAULT_SOCKET} nor what "
            "[os_vif_ovs]ovsdb_connection says in a file that only root can change"
        )
        return _refusal(errno.EPERM, reason)
    try:
        with (
            socket.socket(socket.AF_UNIX) as database,
            socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as caller,
        ):
            for sock in (database, caller):
                sock.settimeout(_TIMEOUT)
            database.connect(path)
            caller.connect(f"\0{name}")
            found = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            if _UCRED.unpack(found)[1] != user:
                return _refusal(errno.EPERM, "another user listens at the address of the caller")
            # The caller shares the flag, which belongs to the connection and not the descriptor.
            database.setblocking(True)
            socket.send_fds(caller, [token.encode()], [database.fileno()])
    except OSError as error:
        return _refusal(error.errno or errno.EIO, f"{path}: {error.strerror or error}")
    return {"error": None}


def _refusal(number: int, reason: str) -> dict[str, Any]:
    """Return the answer for a refused request."""
    return {"error": [number, reason]}


def only_root_can_change(file: str | os.PathLike[str]) -> bool:
    """Return whether root owns a file and all directories above, and only root may write there.

    A directory with the sticky bit may be writable: only root can remove entries of root.
    """
    with contextlib.suppress(OSError):
        resolved = pathlib.Path(file).resolve(strict=True)
        for index, path in enumerate((resolved, *resolved.parents)):
            found = path.stat()
            sticky = index > 0 and found.st_mode & stat.S_ISVTX
            if found.st_uid != 0 or (found.st_mode & 0o022 and not sticky):
                return False
        return True
    return False
