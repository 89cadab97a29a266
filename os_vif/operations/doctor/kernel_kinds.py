# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Kinds of network devices of the kernel, tried in a temporary network namespace.

``python -m os_vif.operations.doctor.kernel_kinds bridge veth`` prints a JSON object: for each kind
null, or the reason why no device was made. A kind without permission for the user is left out. The
program is a separate process, because unshare(2) moves the whole process of an ordinary user into
a user namespace. The devices of the host are not touched. The kernel loads the module of a kind,
as for a plug.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import sys

from os_vif.host import limits, tun_device
from os_vif.host.netlink import rtnetlink, uapi
from os_vif.host.netlink.messages import LINK

#: linux/sched.h
_NEWUSER, _NEWNET = 0x10000000, 0x40000000


def main() -> None:
    """Print the reason for each missing kind among the arguments."""
    try:
        _unshare()
    except OSError as error:
        sys.stdout.write(
            json.dumps({"error": f"no network namespace can be made: {error.strerror}"})
        )
        return
    answer = {}
    for kind in sys.argv[1:]:
        with contextlib.suppress(PermissionError):
            answer[kind] = _reason_missing(kind)
    sys.stdout.write(json.dumps(answer))


def _unshare() -> None:
    """Move the process into a new network namespace; of an ordinary user, with a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (_NEWNET, _NEWUSER | _NEWNET):
        if libc.unshare(flags) == 0:
            return
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def _reason_missing(kind: str) -> str | None:
    """Return the reason why the kernel has no devices of a kind, or None.

    :raises PermissionError: if the user may not make a device of the kind.
    """
    # A device of each name: the kernel reports an existing name before an unknown kind.
    name = f"try-{kind}"[: limits.MAX_NAME]
    try:
        if kind == "tun":
            with tun_device.create_persistent(name, multiqueue=False):
                return None
        attributes = {"IFLA_IFNAME": name, "IFLA_LINKINFO": {"IFLA_INFO_KIND": kind}}
        flags = uapi.NLM_F_ACK | uapi.NLM_F_CREATE | uapi.NLM_F_EXCL
        with rtnetlink.opened() as net:
            net.request(uapi.RTM_NEWLINK, flags, LINK.pack(attributes))
    except PermissionError:
        raise
    except OSError as error:
        # rtnl_newlink() of net/core/rtnetlink.c returns EOPNOTSUPP for an unknown kind only;
        # EINVAL is about the missing lower device of a VLAN or macvtap.
        if kind != "tun" and error.errno != errno.EOPNOTSUPP:
            return None
        return error.strerror
    return None


if __name__ == "__main__":
    main()
