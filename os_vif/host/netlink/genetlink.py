# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Generic netlink: families of messages with a name, for example ``devlink``.

Source: Documentation/userspace-api/netlink/intro.rst of the kernel.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import uapi
from os_vif.host.netlink.messages import CONTROL
from os_vif.host.netlink.netlink_socket import Socket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.netlink.messages import Message


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of generic netlink."""

    name: str
    message: Message
    #: The attributes to read.
    reads: tuple[str, ...]

    def request(
        self, command: int, attributes: Mapping[str, Any], flags: int = 0
    ) -> list[dict[str, Any]]:
        """Send a request; return the attributes of each reply.

        :raises OSError: with the kernel's errno; ENOENT if the kernel lacks the family.
        """
        with contextlib.closing(Socket(uapi.NETLINK_GENERIC)) as socket:
            replies = socket.request(self.number(socket), flags, self.pack(command, attributes))
        reader = self.message.reader(*self.reads)
        return [reader.read(reply) for reply in replies]

    def pack(self, command: int, attributes: Mapping[str, Any]) -> bytes:
        """Return the body of a message."""
        return self.message.pack(attributes, cmd=command, version=1)

    def number(self, socket: Socket) -> int:
        """Return the number of the family, valid until the module of the family is reloaded.

        :raises OSError: with ENOENT if the kernel lacks the family.
        """
        wanted = {"CTRL_ATTR_FAMILY_NAME": self.name}
        body = CONTROL.pack(wanted, cmd=uapi.CTRL_CMD_GETFAMILY, version=1)
        try:
            (reply,) = socket.request(uapi.GENL_ID_CTRL, 0, body)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            reason = f"this kernel has no {self.name}: is its module loaded?"
            raise OSError(errno.ENOENT, reason) from None
        return int(CONTROL.attributes(reply)["CTRL_ATTR_FAMILY_ID"])
