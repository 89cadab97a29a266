# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Creation of persistent tap devices, through ``/dev/net/tun``.

Source: Documentation/networking/tuntap.rst of the kernel, linux/if_tun.h.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from os_vif.host.netlink import uapi

TUNDEV = "/dev/net/tun"
#: ``_IOC_WRITE`` is another bit on some architectures (their asm/ioctl.h).
_OTHERS = ("alpha", "mips", "parisc", "ppc", "sparc")
_WRITE = 0x80000000 if os.uname().machine.startswith(_OTHERS) else 0x40000000
#: ``_IOW('T', 202, int)`` and 203.
TUNSETIFF, TUNSETPERSIST = _WRITE | 0x454CA, _WRITE | 0x454CB

_REQUEST = struct.Struct("=16sH22x")


@contextmanager
def create_persistent(name: str, *, multiqueue: bool) -> Iterator[None]:
    """Create a tap device, which becomes persistent at the end of the block.

    The kernel deletes the device if the block raises.

    :raises OSError: with EEXIST if a device of the name exists.
    """
    flags = uapi.IFT_TAP | uapi.IFT_NO_PI | uapi.IFT_TUN_EXCL
    flags |= uapi.IFT_MULTI_QUEUE if multiqueue else 0
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
            # tun_set_iff() of drivers/net/tun.c returns EBUSY for an existing device.
            raise OSError(errno.EEXIST, f"there is a device {name} already") from error
        yield
        fcntl.ioctl(file, TUNSETPERSIST, 1)
    finally:
        os.close(file)
