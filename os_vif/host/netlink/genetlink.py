# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Generic netlink: families of messages that have a name, such as ``devlink``.

Sources: linux/genetlink.h, Documentation/userspace-api/netlink/intro.rst of the kernel.
"""

from __future__ import annotations

import dataclasses
import errno
import struct
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import codec, rtnetlink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from os_vif.host.netlink.rtnetlink import Netlink

#: The family of families, and its command.
_CONTROL, _GET_FAMILY = 16, 3
#: ``struct genlmsghdr``: command, version, reserved.
_HEADER = struct.Struct("=BBxx")
#: Where the attributes of an answer begin.
ATTRIBUTES = codec.HEADER.size + _HEADER.size


@dataclasses.dataclass(frozen=True)
class Family:
    """A family by its name, and those of its attributes that are used here."""

    name: str
    attributes: codec.Table

    def ask(
        self, command: int, attributes: Mapping[str, Any], flags: int = 0
    ) -> list[dict[str, Any]]:
        """The attributes of each answer.

        :raises OSError: with the kernel's errno; ENOENT if this kernel has no such family.
        """
        with rtnetlink.opened(rtnetlink.GENERIC) as net:
            answers = net.talk(self.number(net), flags, self.message(command, attributes))
        return [codec.unpack(answer[ATTRIBUTES:], self.attributes) for answer in answers]

    def message(self, command: int, attributes: Mapping[str, Any]) -> bytes:
        """The body of a message."""
        return _HEADER.pack(command, 1) + codec.pack(attributes, self.attributes)

    def number(self, net: Netlink) -> int:
        """It holds until the family's module is loaded again.

        :raises OSError: with ENOENT if this kernel has no such family.
        """
        body = _CONTROL_FAMILY.message(_GET_FAMILY, {"CTRL_ATTR_FAMILY_NAME": self.name})
        try:
            (answer,) = net.talk(_CONTROL, 0, body)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            reason = f"this kernel has no {self.name}: is its module loaded?"
            raise OSError(errno.ENOENT, reason) from None
        found = codec.unpack(answer[ATTRIBUTES:], _CONTROL_FAMILY.attributes)
        return int(found["CTRL_ATTR_FAMILY_ID"])


_CONTROL_FAMILY = Family(
    "nlctrl",
    codec.Table(CTRL_ATTR_FAMILY_ID=(1, codec.U16), CTRL_ATTR_FAMILY_NAME=(2, codec.TEXT)),
)
