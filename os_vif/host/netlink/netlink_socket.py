# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A netlink(7) socket: requests and their replies, without the messages' meaning.

The socket is a plain socket. A socket of pyroute2 runs an event loop since 0.9, which green
threads and programs with an event loop cannot share, and keeps descriptors for each thread.

Failures are :class:`OSError` with the kernel's errno, and with the text of the kernel's extended
acknowledgement.
"""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import pathlib
import socket
import struct
import sys
import threading
from types import TracebackType

from os_vif.host.netlink import messages, uapi
from os_vif.host.netlink.codec import HEADER, Attributes

#: Bytes. The kernel puts less into a datagram of a dump, and into the reply for a link with a
#: thousand virtual functions.
_BUFFER = 1 << 18
#: How often an interrupted dump is requested.
_ATTEMPTS = 20
_CODE = struct.Struct("=i")
_HEADER_SIZE = HEADER.size
# Plain integers: an operator of enum.IntFlag takes longer than the rest of a loop.
_TRUNCATED = int(socket.MSG_TRUNC)


class ignoring:  # noqa: N801 - like contextlib.suppress
    """A context manager that suppresses an :class:`OSError` with some numbers of :mod:`errno`."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return isinstance(error, OSError) and error.errno in self._numbers


class _PerThread(threading.local):
    """The buffer for the replies to the sockets of a thread.

    A datagram is parsed completely before the next read, so green threads can share the buffer. Pages
    of the mapping take no memory before the first long reply. A forked child has a copy.
    """

    def __init__(self) -> None:
        self.buffer = mmap.mmap(-1, _BUFFER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


_per_thread = _PerThread()


class Socket:
    """A netlink socket in the network namespace of the thread at the time of opening.

    Not for several threads at once.
    """

    def __init__(self, protocol: int) -> None:
        """Open a socket of a family of netlink(7), such as ``NETLINK_ROUTE``."""
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, protocol)
        self._socket.bind((0, 0))
        self._socket.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_EXT_ACK, 1)
        # Without the option the kernel ignores the filter of a dump.
        self._socket.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_GET_STRICT_CHK, 1)
        self._numbers = itertools.count(1)
        self._netns: str | None = None
        self._ends = uapi.NLMSG_ERROR, uapi.NLMSG_DONE

    def close(self) -> None:
        self._socket.close()

    @property
    def netns(self) -> str:
        """The identity of the socket's network namespace, unique until the next boot."""
        # A cached_property of Python 3.11 has a lock, which a fork would copy.
        if self._netns is None:
            self._netns = self._read_netns()
        return self._netns

    def _read_netns(self) -> str:
        try:
            cookie = self._socket.getsockopt(socket.SOL_SOCKET, uapi.SO_NETNS_COOKIE, 8)
        except OSError:
            # Before Linux 5.14. The kernel may use the inode again after the end of the namespace.
            return f"inode-{pathlib.Path('/proc/thread-self/ns/net').stat().st_ino}"
        return str(int.from_bytes(cookie, sys.byteorder))

    def request(self, kind: int, flags: int, body: bytes) -> list[bytes]:
        """Send a request; return the bodies of the reply messages, without ``struct nlmsghdr``.

        An interrupted dump is requested again.

        :param flags: ``NLM_F_*`` in addition to ``NLM_F_REQUEST``.
        """
        flags |= uapi.NLM_F_REQUEST
        size = _HEADER_SIZE + len(body)
        for _ in range(_ATTEMPTS):
            number = next(self._numbers)
            self._socket.send(HEADER.pack(size, kind, flags, number, 0) + body)
            found, interrupted = self._receive(number)
            if not interrupted:
                return found
        raise OSError(errno.EBUSY, "the listed objects changed during each attempt to list them")

    def _receive(self, wanted: int) -> tuple[list[bytes], bool]:
        """Return the bodies of a reply, and whether the kernel marked the dump as interrupted."""
        found: list[bytes] = []
        interrupted = False
        # Local names: a dump has a message for each device of the host.
        buffer, unpack_from = _per_thread.buffer, HEADER.unpack_from
        multi, broken, ends = uapi.NLM_F_MULTI, uapi.NLM_F_DUMP_INTR, self._ends
        while True:
            at, size = 0, self._read_datagram(buffer)
            while at < size:
                length, kind, flags, number, _ = unpack_from(buffer, at)
                start, end = at + _HEADER_SIZE, at + length
                at += (length + 3) & ~3
                if number != wanted:
                    # The reply to an abandoned request.
                    continue
                if flags & broken:
                    interrupted = True
                if kind in ends:
                    _raise_failure(kind, flags, buffer[start:end])
                    return found, interrupted
                found.append(buffer[start:end])
                if not flags & multi:
                    return found, interrupted

    def _read_datagram(self, buffer: mmap.mmap) -> int:
        """Read a datagram into the buffer; return the size."""
        size, _, flags, _ = self._socket.recvmsg_into([buffer])
        if flags & _TRUNCATED:
            raise OSError(errno.EMSGSIZE, f"a reply of the kernel has more than {_BUFFER} bytes")
        return size


def _raise_failure(kind: int, flags: int, body: bytes) -> None:
    """Raise the error of an acknowledgement or of the end of a dump, unless the code is 0."""
    (code,) = _CODE.unpack_from(body)
    if code == 0:
        return
    reason = os.strerror(-code)
    if kind == uapi.NLMSG_ERROR and flags & uapi.NLM_F_ACK_TLVS:
        # The request follows, or the header of the request if the reply is capped; then attributes.
        (length,) = struct.unpack_from("=I", body, _CODE.size)
        request = HEADER.size if flags & uapi.NLM_F_CAPPED else (length + 3) & ~3
        details = Attributes(messages.ERROR.table, body, _CODE.size + request)
        if text := details.get("NLMSGERR_ATTR_MSG"):
            reason = f"{reason} ({text})"
    raise OSError(-code, reason)
