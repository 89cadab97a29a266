# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Ports of the switch of a network card, as devlink and rtnetlink(7) tell them.

Sources: linux/{devlink,if_link}.h; Documentation/networking/devlink/devlink-port.rst and
representors.rst of the kernel. net/devlink/port.c of the kernel names an uplink ``p0``, and the
ports of functions ``pf0``, ``pf0vf3`` and ``pf0sf88``, with the prefix ``c1`` for a function of
another host.
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

from os_vif.host.netlink import genetlink, rtnetlink, uapi
from os_vif.host.netlink.messages import DEVLINK, LINK
from os_vif.host.netlink.netlink_socket import ignoring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEVLINK = genetlink.Family(
    "devlink",
    DEVLINK,
    (
        "DEVLINK_ATTR_BUS_NAME",
        "DEVLINK_ATTR_DEV_NAME",
        "DEVLINK_ATTR_PORT_NETDEV_IFINDEX",
        "DEVLINK_ATTR_PORT_NETDEV_NAME",
        "DEVLINK_ATTR_PORT_FLAVOUR",
        "DEVLINK_ATTR_PORT_NUMBER",
        "DEVLINK_ATTR_PORT_PCI_PF_NUMBER",
        "DEVLINK_ATTR_PORT_PCI_VF_NUMBER",
        "DEVLINK_ATTR_PORT_EXTERNAL",
    ),
)
_READER = LINK.reader(
    "IFLA_IFNAME",
    "IFLA_PHYS_SWITCH_ID",
    "IFLA_PHYS_PORT_NAME",
    "IFLA_PARENT_DEV_NAME",
    "IFLA_PARENT_DEV_BUS_NAME",
)

_UPLINK = re.compile(r"p([0-9]+)(?:s[0-9]+)?")
#: Names of ports of virtual functions. The driver sfc writes ``p0pf0vf1``.
_VF = re.compile(
    r"(?:c(?P<controller>[0-9]+)|p[0-9]+)?pf(?P<pf>[0-9]+)vf(?P<vf>[0-9]+)"
    r"|vf(?P<vf_of>[0-9]+)@pf(?P<of_pf>[0-9]+)"
    r"|(?:vf)?(?P<plain>[0-9]+)",
    re.IGNORECASE,
)
#: Names of ports of functions. The driver nfp names the own device of a function ``n0``.
_FUNCTION = re.compile(r"[psv]f[0-9]", re.IGNORECASE)


class Role(enum.Enum):
    """The peer of a port."""

    UPLINK = "uplink"
    #: A virtual function of this host.
    VF = "vf"
    #: A scalable function, a physical function, a function of another host, or unknown to os-vif.
    OTHER = "other"
    #: The kernel does not tell.
    UNKNOWN = "unknown"


@dataclasses.dataclass(slots=True)
class Port:
    """A network device of a card, maybe a port of the switch of the card."""

    #: Index of the device; 0 for a port without a network device in this network namespace.
    index: int
    #: Name of the device; empty for a port without a network device in this network namespace.
    name: str
    #: PCI address of the function, as far as the kernel tells. For a representor, the address of the
    #: function that owns the switch.
    address: str | None = None
    #: ``IFLA_PHYS_SWITCH_ID`` in hexadecimal.
    switch: str | None = None
    role: Role = Role.UNKNOWN
    #: Number of an uplink.
    number: int | None = None
    #: Number of the physical function of a representor.
    pf: int | None = None
    #: Number of the virtual function of a representor.
    vf: int | None = None

    def classify(self, port_name: str | None) -> Port:
        """Set the role and the numbers from the whole ``IFLA_PHYS_PORT_NAME``; return the port."""
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
    """Return the devlink ports of a PCI function, or of all PCI functions for None.

    The list is empty if the kernel has no devlink.
    """
    asked = {"DEVLINK_ATTR_BUS_NAME": "pci"}
    if address is not None:
        asked["DEVLINK_ATTR_DEV_NAME"] = address
    with ignoring(errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        wanted = {} if address is None else asked
        found = _DEVLINK.request(uapi.DEVLINK_CMD_PORT_GET, wanted, uapi.NLM_F_DUMP)
        # Before Linux 6.6 the kernel lists the ports of all cards.
        return [_devlink_port(port) for port in found if asked.items() <= port.items()]
    return []


def _devlink_port(attributes: dict[str, Any]) -> Port:
    get = attributes.get
    port = Port(
        get("DEVLINK_ATTR_PORT_NETDEV_IFINDEX", 0),
        get("DEVLINK_ATTR_PORT_NETDEV_NAME", ""),
        get("DEVLINK_ATTR_DEV_NAME"),
    )
    flavour = get("DEVLINK_ATTR_PORT_FLAVOUR")
    if flavour == uapi.DEVLINK_PORT_FLAVOUR_PHYSICAL:
        port.role, port.number = Role.UPLINK, get("DEVLINK_ATTR_PORT_NUMBER")
    elif flavour == uapi.DEVLINK_PORT_FLAVOUR_PCI_VF and not get("DEVLINK_ATTR_PORT_EXTERNAL"):
        port.role, port.pf, port.vf = (
            Role.VF,
            get("DEVLINK_ATTR_PORT_PCI_PF_NUMBER"),
            get("DEVLINK_ATTR_PORT_PCI_VF_NUMBER"),
        )
    elif flavour is not None:
        port.role = Role.OTHER
    return port


def dump(address: str) -> list[Port]:
    """Return the devices of a PCI function and the ports of all switches in this namespace."""
    with rtnetlink.opened() as net:
        body = LINK.pack({"IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS})
        answers = net.request(uapi.RTM_GETLINK, uapi.NLM_F_DUMP, body)
    # Most devices are neither. Unpacking all devices would take most of the time.
    parent = address.encode()
    return [_link(answer) for answer in answers if parent in answer or _may_have_switch_id(answer)]


def _may_have_switch_id(answer: bytes) -> bool:
    """Return whether a message may have ``IFLA_PHYS_SWITCH_ID``: a fast test for the number.

    Other data may contain the number too; a false positive only costs time.
    """
    number = struct.pack("=H", LINK.number("IFLA_PHYS_SWITCH_ID"))
    at = answer.find(number)
    while at >= 0 and at % 4 != 2:  # noqa: PLR2004 - two bytes of length come before the number
        at = answer.find(number, at + 1)
    return at >= 0


def links(*names: str) -> list[Port]:
    """Return the devices with the given names in this network namespace.

    A device with one of the names as an alternative name only is left out.
    """
    found: list[Port] = []
    with rtnetlink.opened() as net:
        for name in names:
            wanted = {"IFLA_IFNAME": name, "IFLA_EXT_MASK": uapi.RTEXT_FILTER_SKIP_STATS}
            with ignoring(errno.ENODEV):
                answers = net.request(uapi.RTM_GETLINK, 0, LINK.pack(wanted))
                found += [port for port in map(_link, answers) if port.name == name]
    return found


def _link(answer: bytes) -> Port:
    attributes = _READER.read(answer)
    get = attributes.get
    switch = get("IFLA_PHYS_SWITCH_ID")
    address = get("IFLA_PARENT_DEV_NAME") if get("IFLA_PARENT_DEV_BUS_NAME") == "pci" else None
    index = LINK.fields(answer)["index"]
    port = Port(index, attributes["IFLA_IFNAME"], address, switch.hex() if switch else None)
    return port.classify(get("IFLA_PHYS_PORT_NAME"))


@contextmanager
def changes() -> Iterator[Callable[[float], None]]:
    """Open a subscription to changes of devices; yield a function that waits for a change.

    The function returns at the first created, changed or deleted device, or after the given
    number of seconds.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE) as group:
        group.bind((0, uapi.RTMGRP_LINK))

        def wait(seconds: float) -> None:
            try:
                group.settimeout(seconds)
                group.recv(1)
                # Several changes count as one.
                group.settimeout(0)
                while group.recv(1):
                    pass
            except (TimeoutError, BlockingIOError):
                pass
            except OSError as error:
                # The kernel has dropped messages, so devices have changed.
                if error.errno != errno.ENOBUFS:
                    raise

        yield wait
