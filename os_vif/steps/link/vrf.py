# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Step to create a VRF device."""

from __future__ import annotations

import dataclasses
from shlex import quote
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.link.links import EnsureLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: Routing tables of the host: default, main and local (linux/rtnetlink.h).
_HOST_TABLES = (253, 254, 255)


@dataclasses.dataclass(frozen=True)
class EnsureVrf(EnsureLink):
    """A VRF (virtual routing and forwarding) device exists, with a routing table.

    ``SetLink(name, master=vrf)`` adds a device to the VRF. The kernel sets a device down and up
    when the device joins or leaves a VRF. The first VRF of a host makes the kernel add a rule
    (``ip rule show``: ``lookup [l3mdev-table]``), which stays for the life of the host.

    :raises OSError: with EEXIST if a different device has the name.

    Equivalent to: ``ip link add name NAME type vrf table TABLE``
    """

    kinds: ClassVar[tuple[str, ...]] = ("vrf",)
    has_ports: ClassVar[bool] = True

    #: Number of the routing table: 1 to 2\\ :sup:`32`\\ - 1, except 253, 254 and 255, which are the
    #: tables of the host.
    table: int

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:  # noqa: ARG003 - no device is below
        table = link.data["IFLA_VRF_TABLE"]
        return None if table in _HOST_TABLES else cls(link.name, table)

    @property
    def _expected(self) -> str:
        return _describe(self.table)

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "table", 1, 2**32 - 1)
        if self.table in _HOST_TABLES:
            validate.reject(self, "table", "a routing table other than 253, 254 and 255")

    def commands(self) -> tuple[str, ...]:
        return (
            f"ip link add name {quote(self.name)} type vrf table {self.table}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        if link.kind != "vrf":
            return describe_kind(link)
        table = link.data.get("IFLA_VRF_TABLE")
        return None if table == self.table else _describe(table)

    def _create(self, net: Netlink) -> Link:
        return net.add(self.name, "vrf", {"IFLA_VRF_TABLE": self.table})


def _describe(table: int | None) -> str:
    """Return a VRF device with a routing table, in words."""
    return f"a VRF device with routing table {table}"
