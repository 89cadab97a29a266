# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Step to create an IPVLAN device."""

from __future__ import annotations

import dataclasses
import errno
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.steps import validate
from os_vif.steps.link.links import EnsureUpperLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``enum ipvlan_mode`` of linux/if_link.h
_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_MODE_NAMES = {number: name for name, number in _MODES.items()}


@dataclasses.dataclass(frozen=True)
class EnsureIpvlan(EnsureUpperLink):
    """An IPVLAN device exists on another device, with the MAC address of the other device.

    All IPVLAN devices on a device have the same mode. A device cannot have IPVLAN devices and
    macvlan devices, or be a bridge port with IPVLAN devices: the kernel answers EBUSY.

    :raises OSError: with EEXIST if a different device has the name; with ENODEV if the device
        *link* is missing; with EBUSY if *link* has IPVLAN devices of another mode.

    Equivalent to: ``ip link add link LINK name NAME type ipvlan mode MODE``
    """

    kinds: ClassVar[tuple[str, ...]] = ("ipvlan",)

    #: ``l2``, ``l3`` or ``l3s``, as ip-link(8) explains; set at creation.
    mode: str = "l2"

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:
        if lower is None:
            return None
        return cls(link.name, lower.name, _MODE_NAMES[link.data["IFLA_IPVLAN_MODE"]])

    @property
    def _expected(self) -> str:
        return self._describe(self.mode)

    def _describe(self, mode: str) -> str:
        return f"an ipvlan device of mode {mode} on {self.link}"

    def validate(self) -> None:
        super().validate()
        validate.one_of(self, "mode", _MODES, f"one of {', '.join(_MODES)}")

    def commands(self) -> tuple[str, ...]:
        return self._creation_commands("ipvlan", f"mode {self.mode}")

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        found = self._mismatch_below(net, link, "ipvlan")
        number = link.data.get("IFLA_IPVLAN_MODE")
        if found is None and number != _MODES[self.mode]:
            return self._describe(_MODE_NAMES.get(number or 0, str(number)))
        return found

    def _create(self, net: Netlink) -> Link:
        lower = net.require(self.link)
        mode = _MODES[self.mode]
        for other in net.links():
            if other.kind != "ipvlan" or other.lower != lower.index:
                continue
            found = other.data["IFLA_IPVLAN_MODE"]
            if found != mode:
                # ipvlan_link_new() of drivers/net/ipvlan/ipvlan_main.c changes the mode of all.
                text = f"{other.name} on {self.link} has mode {_MODE_NAMES.get(found, found)}"
                raise OSError(errno.EBUSY, f"{text}; all IPVLAN devices on a device have one mode")
        return net.add(self.name, "ipvlan", {"IFLA_IPVLAN_MODE": mode}, IFLA_LINK=lower.index)
