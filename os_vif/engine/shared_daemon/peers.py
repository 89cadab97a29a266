# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The permitted users and groups of the shared privileged daemon.

The kernel tells the user and the groups of a connected process (``SO_PEERCRED`` and
``SO_PEERGROUPS`` of unix(7)): the values at the time of connect().
"""

from __future__ import annotations

import contextlib
import ctypes
import grp
import pwd
import socket
import struct
from collections.abc import Iterable
from typing import NamedTuple

#: ``struct ucred`` of linux/socket.h: ids of process, user and group.
_UCRED = struct.Struct("iII")
#: asm-generic/socket.h. Python has no constant.
_SO_PEERGROUPS = 59
#: Maximal number of supplementary groups (``NGROUPS_MAX`` of linux/limits.h).
_MAX_GROUPS = 65536


class Peer(NamedTuple):
    """The process at the other end of a connection."""

    pid: int
    uid: int
    #: The primary and the supplementary groups.
    groups: frozenset[int]

    def __str__(self) -> str:
        name = str(self.uid)
        with contextlib.suppress(KeyError):
            name = f"{pwd.getpwuid(self.uid).pw_name} ({self.uid})"
        return f"the user {name} of process {self.pid}"


def peer_of(sock: socket.socket) -> Peer:
    """Return the process of a connected socket.

    :raises OSError: if the kernel does not know.
    """
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, gid = _UCRED.unpack(found)
    return Peer(pid, uid, frozenset({gid, *_supplementary_groups(sock)}))


def _supplementary_groups(sock: socket.socket) -> list[int]:
    """Return the supplementary groups of a peer; none before Linux 4.13."""
    # socket.getsockopt() of Python reads at most 1,024 bytes.
    libc = ctypes.CDLL(None, use_errno=True)
    groups = (ctypes.c_uint32 * _MAX_GROUPS)()
    size = ctypes.c_uint32(ctypes.sizeof(groups))
    option = (socket.SOL_SOCKET, _SO_PEERGROUPS)
    if libc.getsockopt(sock.fileno(), *option, groups, ctypes.byref(size)) != 0:
        return []
    return list(groups[: size.value // ctypes.sizeof(ctypes.c_uint32)])


class AccessList:
    """The users and groups with access to the daemon. Root always has access.

    :param users: names or numbers of users.
    :param groups: names or numbers of groups.
    :raises ValueError: for a name that the host does not know.
    """

    def __init__(self, users: Iterable[str] = (), groups: Iterable[str] = ()) -> None:
        self.uids = frozenset({0, *(_user_id(name) for name in users)})
        self.gids = frozenset(_group_id(name) for name in groups)

    def permits(self, peer: Peer) -> bool:
        """Return whether a process may call the daemon."""
        return peer.uid in self.uids or not self.gids.isdisjoint(peer.groups)

    def refusal(self, peer: Peer) -> str:
        """Return the text for a process that may not call the daemon."""
        return (
            f"{peer} may not call the shared privileged daemon: neither the user is in "
            "[os_vif_privileged]allowed_users, nor a group in [os_vif_privileged]allowed_groups"
        )


def _user_id(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(
            f"[os_vif_privileged]allowed_users: there is no user named {name!r}"
        ) from None


def _group_id(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise ValueError(
            f"[os_vif_privileged]allowed_groups: there is no group named {name!r}"
        ) from None
