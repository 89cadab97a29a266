# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps that make the host the gateway of the pods in a Linux bridge.

Only the daemon for pods accepts the steps, and only for bridges that os-vif has created.
"""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
import os
import pathlib
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.host.state import bridge_user_record
from os_vif.steps import validate
from os_vif.steps.ip import addresses
from os_vif.steps.ip.addresses import DeleteAddress, EnsureAddress
from os_vif.steps.ip.sysctl import SetSysctl
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.plan import Difference, NamedStep
from os_vif.steps.plugin_step import Host, PluginStep
from os_vif.steps.rollback import roll_back_partial

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink

#: Parameters of IPv4 by device. ``all/forwarding`` is ``net.ipv4.ip_forward``.
_PARAMETERS = pathlib.Path("/proc/sys/net/ipv4/conf")
#: The lock of the plans that change ``net.ipv4.ip_forward``.
_LOCK = "net.ipv4.ip_forward"
#: The shortest prefix of a network on a bridge, by IP version: a shorter prefix would draw packets
#: for other networks to the bridge.
_SHORTEST = {4: 8, 6: 32}


def _is_bridge_of_os_vif(link: Link | None) -> bool:
    """Return whether a device is a bridge that os-vif has created, or missing."""
    return link is None or (link.kind == "bridge" and link.is_managed)


@dataclasses.dataclass(frozen=True)
class _BridgeGateway(NamedStep, PluginStep):
    #: Address of the host with the prefix length of the pods' network, such as ``10.77.0.1/24``.
    address: str

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.interface_address(self, "address")

    @property
    def _version(self) -> int:
        return 6 if ":" in self.address else 4

    def _is_held(self, net: Netlink, bridge: Link) -> bool:
        return (self.address, None) in addresses.address_map(net, bridge)


@dataclasses.dataclass(frozen=True)
class EnsureBridgeGateway(_BridgeGateway):
    """A bridge that os-vif has created has an address, which does not keep the bridge.

    The record of the bridge in ``/run/os-vif`` notes the address, and
    :class:`~os_vif.steps.DeleteBridge` deletes an unused bridge together with noted addresses.

    :raises OSError: with ENODEV if the bridge is missing.

    Equivalent to: ``ip address add ADDRESS dev NAME``
    """

    def commands(self) -> tuple[str, ...]:
        return (
            *(self._ipv6_on.commands() if self._version == 6 else ()),  # noqa: PLR2004 - the version of IP
            *EnsureAddress(self.name, self.address).commands(),
        )

    @property
    def _ipv6_on(self) -> SetSysctl:
        return SetSysctl(self.name, "disable_ipv6", 0)

    def refusal(self, host: Host) -> str | None:
        link = host.link(self.name)
        if link is None or self._is_held(host.net, link):
            return None
        if not _is_bridge_of_os_vif(link):
            return (
                f"os-vif did not create {self.name}; give {self.name} the address {self.address}"
            )
        own = ipaddress.ip_interface(self.address)
        if own.network.prefixlen < _SHORTEST[own.version]:
            return f"the network of {self.address} is larger than /{_SHORTEST[own.version]}"
        for other in host.net.links():
            for found in addresses.read_addresses(host.net, other):
                network = ipaddress.ip_interface(found.peer or found.address).network
                if network.version == own.version and network.overlaps(own.network):
                    return (
                        f"the network of {self.address} overlaps {found.address} of {other.name}"
                    )
        return None

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return EnsureAddress(self.name, self.address).differences(net)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        bridge = net.require(self.name)
        if self._is_held(net, bridge):
            return ()
        undo: list[KernelStep] = [RemoveBridgeGateway(self.name, self.address)]
        try:
            if bridge.is_managed:
                # Before the address: a process killed in between leaves a note without effect.
                self._note(net, bridge)
            if self._version == 6:  # noqa: PLR2004 - the version of IP
                undo += self._ipv6_on.apply(net)
            EnsureAddress(self.name, self.address).apply(net)
        except OSError as error:
            roll_back_partial(net, undo, error)
            raise
        return tuple(undo)

    def _note(self, net: Netlink, bridge: Link) -> None:
        bridge_user_record.discard_incomplete(net, self.name)
        users = bridge_user_record.read_users(net, bridge)
        noted = users.gateways | {self.address}
        bridge_user_record.write_users(net, bridge, dataclasses.replace(users, gateways=noted))


@dataclasses.dataclass(frozen=True)
class RemoveBridgeGateway(_BridgeGateway):
    """A bridge does not have an address of :class:`EnsureBridgeGateway`. Only an undo.

    Equivalent to: ``ip address del ADDRESS dev NAME``
    """

    def commands(self) -> tuple[str, ...]:
        return DeleteAddress(self.name, self.address).commands()

    def refusal(self, host: Host) -> str | None:
        del host
        return "only the undo of EnsureBridgeGateway is permitted"

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return DeleteAddress(self.name, self.address).differences(net)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        bridge = net.link(self.name)
        if bridge is None:
            return ()
        deleted = DeleteAddress(self.name, self.address).apply(net)
        users = bridge_user_record.read_users(net, bridge)
        if self.address in users.gateways:
            left = dataclasses.replace(users, gateways=users.gateways - {self.address})
            if left == bridge_user_record.Users():
                bridge_user_record.delete_record(net, self.name)
            else:
                bridge_user_record.write_users(net, bridge, left)
        return (EnsureBridgeGateway(self.name, self.address),) if deleted else ()


@dataclasses.dataclass(frozen=True)
class EnableForwarding(NamedStep, PluginStep):
    """The host forwards IPv4 packets, for the pods in the bridge *name*.

    The setting stays when the pods end: another program may rely on the setting by then.

    Equivalent to: ``sysctl -w net.ipv4.ip_forward=1``
    """

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, _LOCK)

    def validate(self) -> None:
        validate.device_name(self, "name")

    def commands(self) -> tuple[str, ...]:
        return ("sysctl -w net.ipv4.ip_forward=1",)

    def refusal(self, host: Host) -> str | None:
        link = host.link(self.name)
        if link is None or _is_forwarding():
            return None
        is_gateway = (
            _is_bridge_of_os_vif(link) and bridge_user_record.read_users(host.net, link).gateways
        )
        return None if is_gateway else f"{self.name} is no gateway of pods"

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return () if _is_forwarding() else (self.difference(_LOCK, 0, 1),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if _is_forwarding():
            return ()
        forwarding = tuple(
            path.parent.name
            for path in _PARAMETERS.glob("*/forwarding")
            if path.parent.name not in ("all", "default") and _read(path)
        )
        undo = RestoreForwarding(
            self.name,
            accept_redirects=_read(_PARAMETERS / "all/accept_redirects"),
            by_default=bool(_read(_PARAMETERS / "default/forwarding")),
            forwarding=forwarding,
        )
        _write(_PARAMETERS / "all/forwarding", 1)
        net.invalidate_cache()
        return (undo,)


@dataclasses.dataclass(frozen=True)
class RestoreForwarding(NamedStep, PluginStep):
    """The host does not forward IPv4 packets, except for some devices. Only an undo.

    The kernel sets the parameter of each device and ``accept_redirects`` with
    ``net.ipv4.ip_forward`` (``inet_forward_change`` of net/ipv4/devinet.c).

    Equivalent to: ``sysctl -w net.ipv4.ip_forward=0``
    """

    #: ``net.ipv4.conf.all.accept_redirects``.
    accept_redirects: int
    #: ``net.ipv4.conf.default.forwarding``.
    by_default: bool
    #: Names of the devices that forward packets.
    forwarding: tuple[str, ...]

    def __post_init__(self) -> None:
        # msgpack may have made a list of the tuple.
        if isinstance(self.forwarding, list):
            object.__setattr__(self, "forwarding", tuple(self.forwarding))
        super().__post_init__()

    @property
    def devices(self) -> tuple[str, ...]:
        return (self.name, _LOCK)

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.integer(self, "accept_redirects", -(2**31), 2**31 - 1)
        validate.boolean(self, "by_default")
        validate.device_names(self, "forwarding")

    def commands(self) -> tuple[str, ...]:
        return (
            "sysctl -w net.ipv4.ip_forward=0",
            f"sysctl -w net.ipv4.conf.all.accept_redirects={self.accept_redirects}",
            *(
                f"sysctl -w {quote(f'net/ipv4/conf/{name}/forwarding=1')}"
                for name in (*(("default",) if self.by_default else ()), *self.forwarding)
            ),
        )

    def refusal(self, host: Host) -> str | None:
        del host
        return "only the undo of EnableForwarding is permitted"

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        return (self.difference(_LOCK, 1, 0),) if _is_forwarding() else ()

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        if not _is_forwarding():
            return ()
        _write(_PARAMETERS / "all/forwarding", 0)
        _write(_PARAMETERS / "all/accept_redirects", self.accept_redirects)
        for name in (*(("default",) if self.by_default else ()), *self.forwarding):
            path = _PARAMETERS / name / "forwarding"
            if path.exists():
                _write(path, 1)
        net.invalidate_cache()
        return (EnableForwarding(self.name),)


def _is_forwarding() -> bool:
    """Return whether the host forwards IPv4 packets by ``net.ipv4.ip_forward``."""
    return bool(_read(_PARAMETERS / "all/forwarding"))


def _read(path: pathlib.Path) -> int:
    """Return the value of a parameter; 0 if the device was deleted in the meantime."""
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0


def _write(path: pathlib.Path, value: int) -> None:
    """Set a parameter.

    :raises OSError: if the kernel refuses the value.
    """
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        text = str(value).encode()
        if os.write(file, text) != len(text):
            raise OSError(errno.EIO, f"the kernel accepted only a part of {value}")
    finally:
        os.close(file)
