# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step that creates a persistent tap device."""

from __future__ import annotations

import dataclasses
from shlex import quote
from typing import TYPE_CHECKING, ClassVar, Self

from os_vif.host.netlink import uapi
from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.link.links import EnsureLink

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink


@dataclasses.dataclass(frozen=True)
class EnsureTap(EnsureLink):
    """A persistent tap device exists, which a hypervisor can open.

    An existing tap device belongs to the hypervisor and stays unchanged.

    :raises OSError: with EEXIST if a different device has the name, or if a tap device of os-vif
        has another number of queues.

    Equivalent to: ``ip tuntap add dev NAME mode tap``
    """

    kinds: ClassVar[tuple[str, ...]] = ("tun",)

    #: Several queues (``IFF_MULTI_QUEUE``).
    multiqueue: bool = False
    #: MAC address, set at creation; None lets the kernel choose.
    address: str | None = None

    @classmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:  # noqa: ARG003 - no such device
        return cls(link.name, bool(link.data.get("IFLA_TUN_MULTI_QUEUE")))

    @property
    def _expected(self) -> str:
        return _queues(self.multiqueue)

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "multiqueue")
        validate.mac(self, "address", optional=True)

    def commands(self) -> tuple[str, ...]:
        queues = " multi_queue" if self.multiqueue else ""
        address = "" if self.address is None else f" address {self.address}"
        return (
            f"ip tuntap add dev {quote(self.name)} mode tap{queues}",
            f"ip link set dev {quote(self.name)}{address} alias {MANAGED_ALIAS}",
        )

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        if link.kind != "tun" or link.data.get("IFLA_TUN_TYPE", uapi.IFT_TAP) != uapi.IFT_TAP:
            return describe_kind(link)
        multiqueue = bool(link.data.get("IFLA_TUN_MULTI_QUEUE", self.multiqueue))
        if multiqueue == self.multiqueue or not link.is_managed:
            # The hypervisor chooses the number of queues of a tap device that it created.
            return None
        return _queues(multiqueue)

    def _create(self, net: Netlink) -> Link:
        from os_vif.host import tun_device

        # The ioctl bypasses the netlink socket, whose cache is stale afterwards.
        net.invalidate_cache()
        with tun_device.create_persistent(self.name, multiqueue=self.multiqueue):
            # The mark is set before the device becomes persistent: a persistent device has a mark.
            link = net.require(self.name)
            net.set(link, alias=MANAGED_ALIAS, address=self.address)
        return link


def _queues(multiqueue: bool) -> str:
    return "a tap device with several queues" if multiqueue else "a tap device with one queue"
