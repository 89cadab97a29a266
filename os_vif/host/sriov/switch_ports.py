# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""What devlink and rtnetlink say of the ports of a switch that is on a card.

Sources: linux/{devlink,if_link}.h; Documentation/networking/devlink/devlink-port.rst and
representors.rst of the kernel. Its net/devlink/port.c makes ``p0`` the name of an uplink, ``pf0``,
``pf0vf3`` and ``pf0sf88`` those of functions, with ``c1`` before for a function of another host.
"""

from __future__ import annotations

import dataclasses
import enum
import errno
import re
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from os_vif.host.netlink import codec, genetlink, rtnetlink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PORT_GET = 5
_PORT = codec.Table(
    DEVLINK_ATTR_BUS_NAME=(1, codec.TEXT),
    DEVLINK_ATTR_DEV_NAME=(2, codec.TEXT),
    DEVLINK_ATTR_PORT_NETDEV_IFINDEX=(6, codec.U32),
    DEVLINK_ATTR_PORT_NETDEV_NAME=(7, codec.TEXT),
    DEVLINK_ATTR_PORT_FLAVOUR=(77, codec.U16),
    DEVLINK_ATTR_PORT_NUMBER=(78, codec.U32),
    DEVLINK_ATTR_PORT_PCI_PF_NUMBER=(127, codec.U16),
    DEVLINK_ATTR_PORT_PCI_VF_NUMBER=(128, codec.U16),
    DEVLINK_ATTR_PORT_EXTERNAL=(149, codec.U8),
)
#: ``enum devlink_port_flavour``
_PHYSICAL, _PCI_VF = 0, 4

_SWITCH_ID = 36
_SWITCH_ID_HERE = struct.pack("=H", _SWITCH_ID)
_LINK = codec.Table(
    IFLA_IFNAME=(3, codec.TEXT),
    IFLA_PHYS_SWITCH_ID=(_SWITCH_ID, (bytes.fromhex, bytes.hex)),
    IFLA_PHYS_PORT_NAME=(38, codec.TEXT),
    IFLA_PARENT_DEV_NAME=(56, codec.TEXT),
    IFLA_PARENT_DEV_BUS_NAME=(57, codec.TEXT),
)
#: linux/rtnetlink.h
_RTMGRP_LINK = 1

_UPLINK = re.compile(r"p([0-9]+)(?:s[0-9]+)?")
#: The driver sfc says ``p0pf0vf1``.
_VF = re.compile(
    r"(?:c(?P<controller>[0-9]+)|p[0-9]+)?pf(?P<pf>[0-9]+)vf(?P<vf>[0-9]+)"
    r"|vf(?P<vf_of>[0-9]+)@pf(?P<of_pf>[0-9]+)"
    r"|(?:vf)?(?P<plain>[0-9]+)",
    re.IGNORECASE,
)
#: A driver's own device may be called ``n0``, as that of nfp is.
_FUNCTION = re.compile(r"[psv]f[0-9]", re.IGNORECASE)


class Role(enum.Enum):
    """What is behind a port."""

    UPLINK = "uplink"
    #: A virtual function of this host.
    VF = "vf"
    #: A scalable or a physical function, a function of another host, what os-vif does not know.
    OTHER = "other"
    #: The kernel does not say.
    UNKNOWN = "unknown"


@dataclasses.dataclass(slots=True)
class Port:
    """A network device of a card, maybe a port of its switch."""

    #: 0 and empty if devlink has a port without a network device in this namespace.
    index: int
    name: str
    #: The PCI function that it is of, as far as the kernel says. A representor is of its switch's.
    address: str | None = None
    #: ``IFLA_PHYS_SWITCH_ID`` in hexadecimal.
    switch: str | None = None
    role: Role = Role.UNKNOWN
    #: Of an uplink: which of the card's.
    number: int | None = None
    #: Of a representor: the numbers of the physical and the virtual function.
    pf: int | None = None
    vf: int | None = None

    def named(self, port_name: str | None) -> Port:
        """Read what it is from ``IFLA_PHYS_PORT_NAME``, the whole of which counts."""
        if not port_name:
            return self
        if match := _UPLINK.fullmatch(port_name):
            self.role, self.number = Role.UPLINK, int(match[1])
        # Controller 0 is this host.
        elif (match := _VF.fullmatch(port_name)) and not int(match["controller"] or 0):
            pf = match["pf"] or match["of_pf"]
            self.pf = None if pf is None else int(pf)
            self.role, self.vf = Role.VF, int(match["vf"] or match["vf_of"] or match["plain"])
        elif _FUNCTION.search(port_name):
            self.role = Role.OTHER
        return self


def devlink(address: str | None) -> list[Port]:
    """Return the ports that the driver of a PCI function has made; of all PCI functions for None.

    The list is empty where the kernel has no devlink.
    """
    asked = {"DEVLINK_ATTR_BUS_NAME": "pci"}
    if address is not None:
        asked["DEVLINK_ATTR_DEV_NAME"] = address
    try:
        # Before Linux 6.6 the kernel lists those of all cards.
        wanted = {} if address is None else asked
        found = genetlink.Family("devlink", _PORT).ask(_PORT_GET, wanted, rtnetlink.DUMP)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            raise
        return []
    return [_devlink_port(port) for port in found if asked.items() <= port.items()]


def _devlink_port(attributes: dict[str, Any]) -> Port:
    get = attributes.get
    port = Port(
        get("DEVLINK_ATTR_PORT_NETDEV_IFINDEX", 0),
        get("DEVLINK_ATTR_PORT_NETDEV_NAME", ""),
        get("DEVLINK_ATTR_DEV_NAME"),
    )
    flavour = get("DEVLINK_ATTR_PORT_FLAVOUR")
    if flavour == _PHYSICAL:
        port.role, port.number = Role.UPLINK, get("DEVLINK_ATTR_PORT_NUMBER")
    elif flavour == _PCI_VF and not get("DEVLINK_ATTR_PORT_EXTERNAL"):
        port.role, port.pf, port.vf = (
            Role.VF,
            get("DEVLINK_ATTR_PORT_PCI_PF_NUMBER"),
            get("DEVLINK_ATTR_PORT_PCI_VF_NUMBER"),
        )
    elif flavour is not None:
        port.role = Role.OTHER
    return port


def dump(address: str) -> list[Port]:
    """The devices of a PCI function, and the ports of all switches, of this network namespace."""
    with rtnetlink.opened() as net:
        body = codec.link({"IFLA_EXT_MASK": rtnetlink.NO_STATS})
        answers = net.talk(rtnetlink.GETLINK, rtnetlink.DUMP, body)
    # Most devices are neither: to unpack them would take longer than all the rest.
    parent = address.encode()
    return [_link(answer) for answer in answers if parent in answer or _is_of_a_switch(answer)]


def _is_of_a_switch(answer: bytes) -> bool:
    """Whether the number of that attribute is anywhere where the number of one can be."""
    at = answer.find(_SWITCH_ID_HERE)
    while at >= 0 and at % 4 != 2:  # noqa: PLR2004 - two bytes of length come before it
        at = answer.find(_SWITCH_ID_HERE, at + 1)
    return at >= 0


def links(*names: str) -> list[Port]:
    """Return those of the devices that are in this network namespace.

    A device that has one of the names as an alternative name only is another device.
    """
    found: list[Port] = []
    with rtnetlink.opened() as net:
        for name in names:
            body = codec.link({"IFLA_IFNAME": name, "IFLA_EXT_MASK": rtnetlink.NO_STATS})
            try:
                answers = net.talk(rtnetlink.GETLINK, 0, body)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                continue
            found += [port for port in map(_link, answers) if port.name == name]
    return found


def _link(answer: bytes) -> Port:
    _, _, index, _, _ = codec.LINK.unpack_from(answer, codec.HEADER.size)
    attributes = codec.unpack(answer[codec.HEADER.size + codec.LINK.size :], _LINK)
    get = attributes.get
    address = get("IFLA_PARENT_DEV_NAME") if get("IFLA_PARENT_DEV_BUS_NAME") == "pci" else None
    port = Port(index, attributes["IFLA_IFNAME"], address, get("IFLA_PHYS_SWITCH_ID"))
    return port.named(get("IFLA_PHYS_PORT_NAME"))


@contextmanager
def changes() -> Iterator[Callable[[float], None]]:
    """Wait for devices to come, change or go, from now on.

    Given is a function that waits for that, but not for more than some seconds.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE) as group:
        group.bind((0, _RTMGRP_LINK))

        def wait(seconds: float) -> None:
            try:
                group.settimeout(seconds)
                group.recv(1)
                # What has come meanwhile is looked at together.
                group.settimeout(0)
                while group.recv(1):
                    pass
            except (TimeoutError, BlockingIOError):
                pass
            except OSError as error:
                # There was more than fits.
                if error.errno != errno.ENOBUFS:
                    raise

        yield wait
