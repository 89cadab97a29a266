# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that creates a VLAN device."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.host import limits
from os_vif.steps import validate
from os_vif.steps.link.links import EnsureUpperLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink


@dataclasses.dataclass(frozen=True)
class EnsureVlan(EnsureUpperLink):
    """A VLAN device (IEEE 802.1Q) exists on another device.

    :raises OSError: with EEXIST if a different device has the name; with ENODEV if the device
        *link* is missing.

    Equivalent to: ``ip link add link LINK name NAME type vlan id VLAN_ID``
    """

    kinds: ClassVar[tuple[str, ...]] = ("vlan",)

    #: VLAN id, 1 to 4094.
    vlan_id: int

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:
        return None if lower is None else cls(link.name, lower.name, link.data["IFLA_VLAN_ID"])

    @property
    def _expected(self) -> str:
        return f"VLAN {self.vlan_id} on {self.link}"

    def validate(self) -> None:
        super().validate()
        validate.integer(self, "vlan_id", limits.MIN_VLAN, limits.MAX_VLAN)

    def commands(self) -> tuple[str, ...]:
        return self._creation_commands("vlan", f"id {self.vlan_id}")

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        found = self._mismatch_below(net, link, "vlan")
        if found is None and link.data.get("IFLA_VLAN_ID") != self.vlan_id:
            return f"VLAN {link.data.get('IFLA_VLAN_ID')} on {self.link}"
        return found

    def _create(self, net: Netlink) -> Link:
        data = {"IFLA_VLAN_ID": self.vlan_id}
        return net.add(self.name, "vlan", data, IFLA_LINK=net.require(self.link).index)
