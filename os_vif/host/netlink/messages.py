# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The netlink messages of os-vif, each with the defining class of pyroute2.

A :class:`Message` is compiled at first use; importing the module does not load pyroute2. A
:class:`Reader` decodes some attributes of many messages faster than a Message does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from os_vif.host.netlink import pyroute2_import
from os_vif.host.netlink.atoms import Structure
from os_vif.host.netlink.codec import ATTRIBUTE, TYPE_MASK, Attributes, Table


class Reader:
    """A decoder of some attributes of a message. All further attributes are skipped."""

    def __init__(self, message: Message, names: Iterable[str]) -> None:
        self._message, self._names = message, tuple(names)

    def __getattr__(self, name: str) -> Any:
        if name != "_decoders":
            raise AttributeError(name)
        table = self._message.table
        self._start = self._message.size
        self._decoders = {
            table.number(wanted): (wanted, table.decoder(wanted, {}, 0)) for wanted in self._names
        }
        return self._decoders

    def read(self, body: bytes, skipped: list[int] | None = None) -> dict[str, Any]:
        """Return the attributes by name; nested attributes are an :class:`Attributes`.

        :param skipped: receives the numbers of the skipped attributes.
        """
        get, found = self._decoders.get, {}
        at, last, unpack_from = self._start, len(body) - 4, ATTRIBUTE.unpack_from
        # The loop of walk() without the calls, as a host may have a thousand devices.
        while at <= last:
            length, kind = unpack_from(body, at)
            if length < 4:  # noqa: PLR2004 - the size of the header
                break
            known = get(kind & TYPE_MASK)
            if known is not None:
                found[known[0]] = known[1](body[at + 4 : at + length])
            elif skipped is not None:
                skipped.append(kind & TYPE_MASK)
            at += (length + 3) & ~3
        return found


class Message:
    """A kind of netlink message: a structure, then attributes. Compiled at first use."""

    #: Compiled when first read; see :meth:`__getattr__`.
    table: Table
    size: int
    _header: Structure

    def __init__(self, module: str, name: str) -> None:
        """Take the module and the name of a class of pyroute2."""
        self._module, self._name = module, name

    def __getattr__(self, name: str) -> Any:
        # Python calls this method before the message is compiled. functools.cached_property of
        # Python 3.11 has a lock, and a fork would copy the locked lock of another thread.
        if name not in ("table", "size", "_header"):
            raise AttributeError(name)
        self.compile()
        return self.__dict__[name]

    def compile(self) -> None:
        """Import the class and compile the structure; attributes are compiled at first use."""
        cls = getattr(pyroute2_import.load(self._module), self._name)
        table = Table(cls)
        if table.header is None:
            raise TypeError(self._name)
        self._header, self.size, self.table = table.header, table.header.size, table

    def number(self, name: str) -> int:
        """Return the number of an attribute."""
        return self.table.number(name)

    def pack(self, attributes: Mapping[str, Any], **fields: int) -> bytes:
        """Return the body of a message, without ``struct nlmsghdr``.

        :param fields: the fields of the structure by the names of pyroute2; 0 unless given.
        """
        header = self._header.encode(fields)
        if not attributes:
            return header
        return header + self.table.pack(attributes, fields.get("family", 0))

    def fields(self, body: bytes) -> dict[str, Any]:
        """Return the fields of the structure."""
        return self._header.decode(body)

    def values(self, body: bytes) -> tuple[Any, ...]:
        """Return the values of the structure, in the order of the fields."""
        return self._header.unpack(body)

    def attributes(self, body: bytes) -> Attributes:
        """Return all attributes of a message."""
        return Attributes(self.table, body, self.size, self.fields(body).get("family", 0))

    def reader(self, *names: str) -> Reader:
        """Return a reader of some attributes, faster than :meth:`attributes`."""
        return Reader(self, names)


_RTNL = "pyroute2.netlink.rtnl"
_SUPPLEMENT = "os_vif.host.netlink.supplement"

#: Of rtnetlink.
LINK = Message(f"{_RTNL}.ifinfmsg", "ifinfmsg")
ADDRESS = Message(f"{_RTNL}.ifaddrmsg", "ifaddrmsg")
ROUTE = Message(f"{_RTNL}.rtmsg", "rtmsg")
NEIGHBOUR = Message(f"{_RTNL}.ndmsg", "ndmsg")
RULE = Message(f"{_RTNL}.fibmsg", "fibmsg")
NEXT_HOP = Message(_SUPPLEMENT, "nhmsg")
NAMESPACE_ID = Message(f"{_RTNL}.nsidmsg", "nsidmsg")
ERROR = Message("pyroute2.netlink", "nlmsgerr")
#: Of generic netlink: the family of families, and the families used here.
CONTROL = Message("pyroute2.netlink", "ctrlmsg")
DEVLINK = Message("pyroute2.netlink.devlink", "devlinkcmd")
VDPA = Message(_SUPPLEMENT, "vdpacmd")


def load() -> None:
    """Load pyroute2 and compile the messages of rtnetlink ahead of the first use."""
    for message in (LINK, ADDRESS, ROUTE, NEIGHBOUR, RULE, NEXT_HOP, NAMESPACE_ID, ERROR):
        message.compile()
