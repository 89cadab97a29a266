# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Step to create a dummy device."""

from __future__ import annotations

import dataclasses
from shlex import quote
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.link.links import EnsureLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink


@dataclasses.dataclass(frozen=True)
class EnsureDummy(EnsureLink):
    """A dummy device exists; the kernel discards all packets of the device.

    :raises OSError: with EEXIST if a different device has the name.

    Equivalent to: ``ip link add name NAME type dummy``
    """

    kinds: ClassVar[tuple[str, ...]] = ("dummy",)

    #: MAC address, set at creation; None lets the kernel choose.
    address: str | None = None

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:  # noqa: ARG003 - no device is below
        return cls(link.name)

    @property
    def _expected(self) -> str:
        return "a dummy device"

    def validate(self) -> None:
        super().validate()
        validate.mac(self, "address", optional=True)

    def commands(self) -> tuple[str, ...]:
        address = "" if self.address is None else f" address {self.address}"
        return (
            f"ip link add name {quote(self.name)}{address} type dummy",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        return None if link.kind == "dummy" else describe_kind(link)

    def _create(self, net: Netlink) -> Link:
        address = {} if self.address is None else {"IFLA_ADDRESS": self.address}
        return net.add(self.name, "dummy", {}, **address)
