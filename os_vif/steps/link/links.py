# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The step DeleteLink, and base classes of the steps for creating links.

A link is a network device of a single VIF: a veth pair, or a device of another kind registered
here. Bridges, which VIFs share, are in :mod:`os_vif.steps.link.bridges`.

Each subclass of :class:`EnsureLink` registers the created kinds of device. :class:`DeleteLink`
composes the undo steps from the registered class of a kind. Importing any module of the package
registers the kinds of os-vif.
"""

from __future__ import annotations

import abc
import dataclasses
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar, Self

from os_vif.host.netlink.link_settings import read_settings
from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.steps import validate
from os_vif.steps.kernel_step import Irreversible, KernelStep
from os_vif.steps.link.devices import DeleteDevice, EnsureDevice
from os_vif.steps.link.restore_link import (
    RestoreLink,
    after_up,
    ip_configuration,
    present_settings,
)
from os_vif.steps.link.set_link import SetLink, name_at
from os_vif.steps.plan import Difference

if TYPE_CHECKING:
    from os_vif.host.netlink.link_settings import LinkSettings
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: The step class for creating a kind of device, by ``IFLA_INFO_KIND``.
_CREATED_BY: dict[str, type[EnsureLink]] = {}


class EnsureLink(EnsureDevice):
    """Base class of a step for creating a device, with :class:`DeleteLink` as the undo."""

    #: The kinds (``IFLA_INFO_KIND``) of the created devices.
    kinds: ClassVar[tuple[str, ...]] = ()
    #: Whether other devices can be ports of the created devices.
    has_ports: ClassVar[bool] = False

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Register the kinds of a subclass."""
        super().__init_subclass__(**arguments)
        for kind in cls.__dict__.get("kinds", ()):
            _CREATED_BY.setdefault(kind, cls)

    @classmethod
    @abc.abstractmethod
    def recreate(cls, link: Link, lower: Link | None) -> Self | None:
        """Return the step for recreating a device; None if a needed device is out of reach.

        :param lower: the device below the link, or the peer of the link; None if missing or in
            another network namespace.
        """

    @classmethod
    def lower_index(cls, link: Link) -> int | None:
        """Return the index of the device below a link, or of the peer; None for no such device."""
        return link.lower

    @classmethod
    def join_steps(cls, port: Link, master: str) -> tuple[KernelStep, ...]:
        """Return the steps that make a device a port of a device of this kind."""
        return (SetLink(port.name, master=master),)

    def _deletion(self, created: Link) -> DeleteLink:
        return DeleteLink(self.name, index=created.index)


@dataclasses.dataclass(frozen=True)
class EnsureUpperLink(EnsureLink):
    """Base class of a step for creating a device on top of another device."""

    #: Name of the device below.
    link: str

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, self.link)

    def validate(self) -> None:
        super().validate()
        validate.device_name(self, "link")

    def _creation_commands(self, kind: str, settings: str) -> tuple[str, ...]:
        """Return the commands for creating and marking a device of a kind."""
        name, lower = quote(self.name), quote(self.link)
        return (
            f"ip link add link {lower} name {name} type {kind} {settings}",
            f"ip link set dev {name} alias {MANAGED_ALIAS}",
        )

    def _mismatch_below(self, net: Netlink, link: Link, kind: str) -> str | None:
        """Return in words how the kind or the lower device of a device differs, or None."""
        if link.kind != kind:
            return describe_kind(link)
        below = name_at(net, link.lower) if link.lower_netns is None else "in another namespace"
        return None if below == self.link else f"a {kind} device on {below}"


@dataclasses.dataclass(frozen=True)
class DeleteLink(DeleteDevice):
    """A device that os-vif created does not exist.

    A device of another creator stays; the step holds then. For bridges, which VIFs share, use
    :class:`os_vif.steps.link.bridges.DeleteBridge`.
    Equivalent to: ``ip link del dev NAME``
    """

    #: Delete the device only while the device is a port of no bridge.
    only_unattached: bool = False

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "only_unattached")

    def commands(self) -> tuple[str, ...]:
        conditions = [] if self.include_unmanaged else ["os-vif's"]
        conditions += ["in no bridge"] if self.only_unattached else []
        condition = f"  # if it is {' and '.join(conditions)}" if conditions else ""
        return (f"ip link del dev {quote(self.name)}{condition}",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = self._target(net)
        return () if link is None else (self.difference("device", describe_kind(link), "gone"),)

    def _is_target(self, net: Netlink, link: Link) -> bool:
        # A device without the mark may be a network card. VIFs have devices of these two kinds.
        may_be = link.is_managed or link.kind in ("tun", "veth")
        return may_be and link.kind != "bridge" and not (self.only_unattached and link.master)

    def _recreate_steps(self, net: Netlink, link: Link) -> tuple[KernelStep, ...]:
        return recreate_steps(net, link)


def recreate_steps(net: Netlink, link: Link) -> tuple[KernelStep, ...]:
    """Return the steps for recreating a device, and the peer of a veth device, unchanged.

    The addresses come last: a device that joins a VRF loses IPv6 addresses and routes.

    The result is an :class:`~os_vif.steps.kernel_step.Irreversible` for a device of another kind,
    and for a device with the peer or the lower device in another network namespace.
    """
    step = _CREATED_BY.get(link.kind or "")
    index = link.lower if step is None else step.lower_index(link)
    lower = net.link_at(index) if index and link.lower_netns is None else None
    creation = None if step is None else step.recreate(link, lower)
    if step is None or creation is None:
        return (Irreversible(link.name, f"{describe_kind(link)}, deleted"),)
    created = [link]
    if lower is not None and lower.name in creation.created_names:
        created.append(lower)
    found = [(device, read_settings(net, device)) for device in created]
    ports = net.ports(link) if step.has_ports else ()
    return (
        creation,
        *(RestoreLink.before_up(device.name, settings) for device, settings in found),
        *(
            setting
            for device, settings in found
            for setting in _settings_step(net, device, settings)
        ),
        *(joining for port in ports for joining in step.join_steps(port, link.name)),
        *(after for device, settings in found for after in after_up(net, device, settings)),
        *(after for port in ports for after in ip_configuration(net, port)),
    )


def _settings_step(net: Netlink, link: Link, found: LinkSettings) -> tuple[KernelStep, ...]:
    """Return the steps that give a recreated device the present settings of a device."""
    master = net.link_at(link.master) if link.master else None
    kind = None if master is None else _CREATED_BY.get(master.kind or "")
    # Among the masters are bridges, which no subclass of EnsureLink creates.
    bridge = name_at(net, link.master) or None if kind is None else None
    settings = present_settings(link, found, address=link.address, master=bridge)
    if master is None or kind is None:
        return (settings,)
    return (settings, *kind.join_steps(link, master.name))
