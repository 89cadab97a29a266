# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that creates a macvlan or macvtap device."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.steps import validate
from os_vif.steps.link.links import EnsureUpperLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: ``enum macvlan_mode`` of linux/if_link.h
_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
_MODE_NAMES = {number: name for name, number in _MODES.items()}


@dataclasses.dataclass(frozen=True)
class EnsureMacvlan(EnsureUpperLink):
    """A macvlan device, or a macvtap device, exists on another device.

    A hypervisor can open a macvtap device.

    :raises OSError: with EEXIST if a different device has the name; with ENODEV if the device
        *link* is missing.

    Equivalent to: ``ip link add link LINK name NAME type macvlan mode MODE``
    """

    kinds: ClassVar[tuple[str, ...]] = ("macvlan", "macvtap")

    #: ``private``, ``vepa``, ``bridge`` or ``passthru``, as ip-link(8) explains; set at creation.
    mode: str = "bridge"
    #: Create a macvtap device.
    tap: bool = False

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:
        if lower is None:
            return None
        is_tap = link.kind == "macvtap"
        mode = _MODE_NAMES[link.data[_mode_attribute("macvtap" if is_tap else "macvlan")]]
        return cls(link.name, lower.name, mode, is_tap)

    @property
    def _kind(self) -> str:
        return "macvtap" if self.tap else "macvlan"

    @property
    def _expected(self) -> str:
        return f"a {self._kind} device on {self.link}"

    def validate(self) -> None:
        super().validate()
        validate.one_of(self, "mode", _MODES, f"one of {', '.join(_MODES)}")
        validate.boolean(self, "tap")

    def commands(self) -> tuple[str, ...]:
        return self._creation_commands(self._kind, f"mode {self.mode}")

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        return self._mismatch_below(net, link, self._kind)

    def _create(self, net: Netlink) -> Link:
        mode = {_mode_attribute(self._kind): _MODES[self.mode]}
        return net.add(self.name, self._kind, mode, IFLA_LINK=net.require(self.link).index)


def _mode_attribute(kind: str) -> str:
    """Return the name of the attribute with the mode of a device of a kind."""
    return f"IFLA_{kind.upper()}_MODE"
