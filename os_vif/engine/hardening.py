# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Restrictions that a privileged daemon places on itself before it reads its first message.

The daemon keeps the capabilities of its context and can gain no other, neither itself nor through
a program that it runs. It keeps no descriptor that it inherited, apart from the socket of its
caller and its standard error. A message is bounded in size.
"""

from __future__ import annotations

import ctypes
import errno
import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

LOG = logging.getLogger(__name__)

#: linux/prctl.h
_CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CLEAR_ALL = 24, 38, 47, 4
#: The highest capability that the kernel's 64 bits have room for.
_LAST_CAPABILITY = 63
#: Bytes of one message, and of all that has come and is not read yet.
MAX_MESSAGE = 16 * 2**20
#: File mode bits that no file of the daemon gets unless it asks for them by ``fchmod``.
UMASK = 0o077
_STDERR = 2


def restrict(capabilities: Collection[int], channel: Any) -> None:
    """Apply all restrictions that last; called before the daemon drops its capabilities.

    :param capabilities: of the daemon's context.
    :param channel: the ``ServerChannel`` of oslo.privsep.
    """
    _drop_bounding_set(capabilities)
    _prctl("PR_CAP_AMBIENT", _CAP_AMBIENT, _CLEAR_ALL)
    _prctl("PR_SET_NO_NEW_PRIVS", _SET_NO_NEW_PRIVS, 1)
    _replace_descriptors({channel.writer.writesock.fileno()})
    _bound_messages(channel.reader_iter)


def _drop_bounding_set(kept: Collection[int]) -> None:
    for capability in range(_LAST_CAPABILITY + 1):
        if capability in kept:
            continue
        code = _prctl("PR_CAPBSET_DROP", _CAPBSET_DROP, capability)
        if code:
            # EINVAL: this kernel has no capability of that number, nor of a higher one.
            return


def _prctl(name: str, *arguments: int) -> int:
    """Return 0 or the errno; a kernel that refuses is logged, as the daemon works without it."""
    libc = ctypes.CDLL(None, use_errno=True)
    filled = [*arguments, 0, 0, 0, 0, 0][:5]
    if libc.prctl(*(ctypes.c_ulong(argument) for argument in filled)) == 0:
        return 0
    code = ctypes.get_errno()
    if code != errno.EINVAL:
        LOG.warning("The privileged daemon is not restricted by %s: %s", name, os.strerror(code))
    return code


def _replace_descriptors(kept: Collection[int]) -> None:
    """Put ``/dev/null`` in place of inherited descriptors.

    The numbers stay in use: a Python object of the program that was forked may close its number
    later, which must not be one of the daemon's own files by then.
    """
    listed = [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - names alone
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in listed:
        if descriptor <= _STDERR or descriptor in kept or descriptor == null:
            continue
        try:
            os.fstat(descriptor)
        except OSError:
            # It was that of the listing itself.
            continue
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _bound_messages(reader: Any) -> None:
    """Give the reader of messages a buffer that holds no more than :data:`MAX_MESSAGE` bytes.

    A longer message ends the daemon, as one that is no msgpack does: where the next one begins is
    not known then.
    """
    reader.unpacker = type(reader.unpacker)(
        use_list=False,
        raw=False,
        strict_map_key=False,
        unicode_errors="surrogateescape",
        max_buffer_size=MAX_MESSAGE,
    )
