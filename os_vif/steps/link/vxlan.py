# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Step to create a VXLAN device."""

from __future__ import annotations

import dataclasses
import ipaddress
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar, Self

from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.link.links import EnsureLink
from os_vif.steps.link.set_link import name_at

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: The UDP port of VXLAN at IANA (RFC 7348, section 8).
PORT = 4789
MAX_VNI = 2**24 - 1
#: UDP ports below are for services of the host.
_MIN_PORT = 1024


@dataclasses.dataclass(frozen=True)
class EnsureVxlan(EnsureLink):
    """A VXLAN device (RFC 7348) exists. The settings of the device are given at creation only.

    :raises OSError: with EEXIST if a different device has the name, or if another device has the
        network identifier and the UDP port; with ENODEV if the device *link* is missing.

    Equivalent to: ``ip link add name NAME type vxlan id VNI dstport PORT ...``
    """

    kinds: ClassVar[tuple[str, ...]] = ("vxlan",)

    #: VXLAN network identifier, 0 to 16,777,215.
    vni: int
    #: UDP port, of this host and of the remote hosts; 1,024 or greater.
    port: int = PORT
    #: IP address from which the device sends; None lets the kernel choose.
    local: str | None = None
    #: IP address of the remote host, or a multicast group for unknown destinations. None is for a
    #: device whose destinations come from the forwarding database (``bridge fdb``).
    remote: str | None = None
    #: Name of the device that sends and receives the packets. A multicast group requires a device.
    link: str | None = None
    #: Learn the remote hosts of MAC addresses from received packets.
    learning: bool = True

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:
        data = link.data
        if data.get("IFLA_VXLAN_LINK") and lower is None:
            return None
        return cls(
            link.name,
            vni=data["IFLA_VXLAN_ID"],
            port=data["IFLA_VXLAN_PORT"],
            local=_address(data, "IFLA_VXLAN_LOCAL"),
            remote=_address(data, "IFLA_VXLAN_GROUP"),
            link=None if lower is None else lower.name,
            learning=bool(data["IFLA_VXLAN_LEARNING"]),
        )

    @classmethod
    def lower_index(cls, link: Link) -> int | None:
        return link.data.get("IFLA_VXLAN_LINK") or None

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name,) if self.link is None else (self.name, self.link)

    @property
    def _expected(self) -> str:
        return f"a VXLAN device with {self._settings}"

    @property
    def _settings(self) -> str:
        """The settings in the words of ip-link(8)."""
        words = f"id {self.vni} dstport {self.port}"
        if self.remote is not None:
            is_group = ipaddress.ip_address(self.remote).is_multicast
            words += f" {'group' if is_group else 'remote'} {self.remote}"
        if self.local is not None:
            words += f" local {self.local}"
        if self.link is not None:
            words += f" dev {quote(self.link)}"
        return words if self.learning else f"{words} nolearning"

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "vni", 0, MAX_VNI)
        validate.integer(self, "port", _MIN_PORT, 2**16 - 1)
        validate.ip_address(self, "local", optional=True)
        validate.ip_address(self, "remote", optional=True)
        validate.device_name(self, "link", optional=True)
        validate.boolean(self, "learning")
        if self.local is not None and not _is_host(self.local):
            validate.reject(self, "local", "an IP address of a host, or None")
        if self.remote is None:
            return
        if self.local is not None:
            validate.same_family(self, "local", "remote")
        if ipaddress.ip_address(self.remote).is_unspecified:
            validate.reject(
                self, "remote", "an IP address of a host or a multicast group, or None"
            )
        if self.link is None and ipaddress.ip_address(self.remote).is_multicast:
            validate.reject(self, "link", "a device, for the multicast group in remote")

    def commands(self) -> tuple[str, ...]:
        return (
            f"ip link add name {quote(self.name)} type vxlan {self._settings}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        if link.kind != "vxlan":
            return describe_kind(link)
        index = self.lower_index(link)
        lower = name_at(net, index) if index else None
        data = link.data
        found = (
            data.get("IFLA_VXLAN_ID"),
            data.get("IFLA_VXLAN_PORT"),
            _address(data, "IFLA_VXLAN_LOCAL"),
            _address(data, "IFLA_VXLAN_GROUP"),
            lower,
            bool(data.get("IFLA_VXLAN_LEARNING")),
        )
        wanted = (self.vni, self.port, self.local, self.remote, self.link, self.learning)
        if found == wanted:
            return None
        vni, port, local, remote, lower, learning = found
        words = f"id {vni} dstport {port}"
        for word, value in (("remote", remote), ("local", local), ("dev", lower)):
            words += "" if value is None else f" {word} {value}"
        return f"a VXLAN device with {words}{'' if learning else ' nolearning'}"

    def _create(self, net: Netlink) -> Link:
        data: dict[str, Any] = {
            "IFLA_VXLAN_ID": self.vni,
            "IFLA_VXLAN_PORT": self.port,
            "IFLA_VXLAN_LEARNING": int(self.learning),
        }
        for attribute, address in (
            ("IFLA_VXLAN_LOCAL", self.local),
            ("IFLA_VXLAN_GROUP", self.remote),
        ):
            if address is not None:
                data[attribute + ("6" if ":" in address else "")] = address
        if self.link is not None:
            data["IFLA_VXLAN_LINK"] = net.require(self.link).index
        return net.add(self.name, "vxlan", data)


def _is_host(address: str) -> bool:
    """Return whether an IP address is that of a host."""
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_multicast or parsed.is_unspecified)


def _address(data: Any, attribute: str) -> str | None:
    """Return an IP address of either version from the attributes of a VXLAN device, or None."""
    found: str | None = data.get(attribute) or data.get(f"{attribute}6")
    return found
