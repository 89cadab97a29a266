# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Restrictions of a privileged daemon, applied before the daemon reads the first message.

The daemon keeps the capabilities of the context and cannot gain further capabilities, also not by
running a program. Inherited descriptors are closed, except for the socket of the caller and the
standard streams. The size of messages is limited.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import pathlib
import socket
import struct
from typing import TYPE_CHECKING, Any

from os_vif.host.state import record_writer

if TYPE_CHECKING:
    from collections.abc import Collection

LOG = logging.getLogger(__name__)

#: linux/prctl.h
_CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CLEAR_ALL = 24, 38, 47, 4
#: Highest capability in the 64 bits of the kernel's capability sets.
_LAST_CAPABILITY = 63
#: Maximal size of a message, and of the buffer of received data, in bytes.
MAX_MESSAGE = 16 * 2**20
#: File mode bits that files of the daemon have only after a ``fchmod``.
UMASK = 0o077
#: ``struct ucred`` of linux/socket.h: ids of process, user and group.
_UCRED = struct.Struct("iII")
_STDERR = 2


def restrict(capabilities: Collection[int], channel: Any) -> None:
    """Apply all permanent restrictions. Called before the daemon drops capabilities.

    :param capabilities: the capabilities of the context.
    :param channel: the ``ServerChannel`` of oslo.privsep.
    """
    record_writer.set_process_user(_uid_of_caller(channel.writer.writesock))
    restrict_process(capabilities, {channel.writer.writesock.fileno()})
    _bound_messages(channel.reader_iter)


def _uid_of_caller(connection: socket.socket) -> int:
    """Return the uid of the process that started the daemon: SO_PEERCRED of unix(7)."""
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid: int = _UCRED.unpack(found)[1]
    return uid


def restrict_process(capabilities: Collection[int], descriptors: Collection[int]) -> None:
    """Apply the restrictions of the process. Called before the daemon drops capabilities.

    :param capabilities: the capabilities that the daemon keeps.
    :param descriptors: the descriptors that stay open, besides the standard streams.
    """
    _drop_bounding_set(capabilities)
    _prctl("PR_CAP_AMBIENT", _CAP_AMBIENT, _CLEAR_ALL)
    _prctl("PR_SET_NO_NEW_PRIVS", _SET_NO_NEW_PRIVS, 1)
    _replace_descriptors(descriptors)


def _drop_bounding_set(kept: Collection[int]) -> None:
    """Remove all other capabilities than *kept* from the bounding set."""
    bounding = _read_bounding_set()
    for capability in range(_LAST_CAPABILITY + 1):
        if capability in kept or not bounding >> capability & 1:
            # Also CapabilityBoundingSet= of systemd may have removed it, with CAP_SETPCAP.
            continue
        code = _prctl("PR_CAPBSET_DROP", _CAPBSET_DROP, capability)
        if code:
            # EINVAL: the kernel has no capability with this or a higher number.
            return


def _read_bounding_set() -> int:
    """Return the mask of the bounding set; all capabilities if ``/proc`` cannot be read."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = pathlib.Path("/proc/thread-self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("CapBnd:")).split()[1], 16)
    return (1 << _LAST_CAPABILITY + 1) - 1


def _prctl(name: str, *arguments: int) -> int:
    """Call prctl(2); return 0 or the errno.

    An error is logged at WARNING: the daemon works without the restriction.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    filled = [*arguments, 0, 0, 0, 0, 0][:5]
    if libc.prctl(*(ctypes.c_ulong(argument) for argument in filled)) == 0:
        return 0
    code = ctypes.get_errno()
    if code != errno.EINVAL:
        LOG.warning("The privileged daemon is not restricted by %s: %s", name, os.strerror(code))
    return code


def _replace_descriptors(kept: Collection[int]) -> None:
    """Replace inherited descriptors by ``/dev/null``.

    The numbers stay in use: a Python object of the forked program may close its descriptor later,
    and must not close a file that the daemon has opened under the same number.
    """
    listed = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - names alone
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in listed:
        if descriptor <= _STDERR or descriptor in kept or descriptor == null:
            continue
        try:
            os.fstat(descriptor)
        except OSError:
            # The descriptor of listdir() itself.
            continue
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _bound_messages(reader: Any) -> None:
    """Limit the buffer of the message reader to :data:`MAX_MESSAGE` bytes.

    A longer message ends the daemon, like a message that is not msgpack: the beginning of the next
    message is unknown.
    """
    reader.unpacker = type(reader.unpacker)(
        use_list=False,
        raw=False,
        strict_map_key=False,
        unicode_errors="surrogateescape",
        max_buffer_size=MAX_MESSAGE,
    )
