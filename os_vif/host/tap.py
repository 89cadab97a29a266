# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Tap devices, which are made through a file and not through netlink.

Source: Documentation/networking/tuntap.rst of the kernel, linux/if_tun.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

# They differ between architectures.
from pyroute2.netlink.rtnl.ifinfmsg.tuntap import TUNDEV, TUNSETIFF, TUNSETPERSIST

_TAP, _NO_PI, _MULTI_QUEUE, _EXCL = 0x2, 0x1000, 0x100, 0x8000
_REQUEST = struct.Struct("=16sH22x")


@contextmanager
def persistent(name: str, *, multiqueue: bool) -> Iterator[None]:
    """A new tap device. If what is done with it here succeeds, it stays; else it goes.

    :raises OSError: with EEXIST if there is a device of that name.
    """
    if TUNSETIFF is None:
        raise OSError(errno.EOPNOTSUPP, "tap devices are not supported on this architecture")
    flags = _TAP | _NO_PI | _EXCL | (_MULTI_QUEUE if multiqueue else 0)
    try:
        file = os.open(TUNDEV, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise OSError(error.errno, f"{TUNDEV}: {os.strerror(error.errno or 0)}") from error
    try:
        try:
            fcntl.ioctl(file, TUNSETIFF, _REQUEST.pack(name.encode(), flags))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            # So tun_set_iff() of drivers/net/tun.c says that there is one.
            raise OSError(errno.EEXIST, f"there is a device {name} already") from error
        yield
        fcntl.ioctl(file, TUNSETPERSIST, 1)
    finally:
        os.close(file)
