# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for Linux bridges, which VIFs share."""

from __future__ import annotations

import dataclasses
import pathlib
from shlex import quote
from typing import TYPE_CHECKING

from os_vif.device_names import HYBRID_BRIDGE
from os_vif.host.netlink.link_settings import read_settings
from os_vif.host.netlink.rtnetlink import MANAGED_ALIAS, describe_kind
from os_vif.host.state import bridge_user_record
from os_vif.host.state.directory import STATE
from os_vif.steps import validate
from os_vif.steps.ip import addresses, neighbours
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.link.devices import DeleteDevice, EnsureDevice
from os_vif.steps.link.restore_link import RestoreLink, after_up, present_settings
from os_vif.steps.link.set_link import SetLink
from os_vif.steps.plan import Difference, NamedStep

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink


#: ``NET_ADDR_SET`` of linux/netdevice.h: a user has set the MAC address of a device.
_SET = "3"
_DEVICES = pathlib.Path("/sys/class/net")
#: Files of a device in :data:`_DEVICES`.
_ASSIGNMENT = ("ifindex", "address", "addr_assign_type")
#: Number of reasons shown why a bridge stays.
_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class EnsureBridge(EnsureDevice):
    """A Linux bridge of a name exists.

    The settings are given at creation only: an existing bridge keeps the present settings.

    :raises OSError: with EEXIST if a device of another kind has the name.

    Equivalent to: ``ip link add name NAME type bridge ...``
    """

    #: Time between the states of a port, in hundredths of a second; 0 forwards at once.
    forward_delay: int = 0
    #: Spanning tree protocol.
    stp: bool = False
    #: IGMP and MLD snooping.
    multicast_snooping: bool = False
    #: Lifetime of a learned MAC address in seconds; None is the kernel's default.
    ageing: int | None = None
    #: MAC address of the bridge, kept when ports join; None lets the kernel choose the lowest MAC
    #: address of the ports.
    address: str | None = None

    @property
    def _expected(self) -> str:
        return "a bridge"

    def validate(self) -> None:
        super().validate()
        # Ranges of the message, not of the kernel: an undo step has the values found on the host.
        validate.integer(self, "forward_delay", 0, 2**32 - 1)
        validate.boolean(self, "stp")
        validate.boolean(self, "multicast_snooping")
        validate.integer(self, "ageing", 0, (2**32 - 1) // 100, optional=True)
        validate.mac(self, "address", optional=True)

    def commands(self) -> tuple[str, ...]:
        address = "" if self.address is None else f" address {self.address}"
        ageing = "" if self.ageing is None else f" ageing_time {self.ageing * 100}"
        settings = (
            f"forward_delay {self.forward_delay} stp_state {int(self.stp)}"
            f" mcast_snooping {int(self.multicast_snooping)}{ageing}"
        )
        return (
            f"ip link add name {quote(self.name)}{address} type bridge {settings}",
            f"ip link set dev {quote(self.name)} alias {MANAGED_ALIAS}",
        )

    def _mismatch(self, net: Netlink, link: Link) -> str | None:
        return None if link.kind == "bridge" else describe_kind(link)

    def _deletion(self, created: Link) -> DeleteBridge:
        return DeleteBridge(self.name, index=created.index)

    def holds(self, net: Netlink) -> bool:
        return super().holds(net) and not is_noted(net, self.name)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        undo = super().apply(net)
        if undo or not is_noted(net, self.name):
            return undo
        # An earlier unplug has noted that the bridge is deleted when the last port is gone.
        bridge = net.require(self.name)
        using = bridge_user_record.read_users(net, bridge)
        bridge_user_record.write_users(
            net, bridge, dataclasses.replace(using, delete_when_empty=False)
        )
        return (DeleteBridge(self.name, index=bridge.index),)

    def _create(self, net: Netlink) -> Link:
        data = {
            "IFLA_BR_FORWARD_DELAY": self.forward_delay,
            "IFLA_BR_STP_STATE": int(self.stp),
            "IFLA_BR_MCAST_SNOOPING": int(self.multicast_snooping),
        }
        if self.ageing is not None:
            data["IFLA_BR_AGEING_TIME"] = self.ageing * 100
        address = {} if self.address is None else {"IFLA_ADDRESS": self.address}
        return net.add(self.name, "bridge", data, **address)


@dataclasses.dataclass(frozen=True)
class AwaitedPort(KernelStep):
    """The hypervisor has put a guest's device into a bridge. The engine never runs this step.

    A missing device is a difference only where os-vif has not created the bridge: the users of a
    bridge of os-vif are recorded (:class:`~os_vif.steps.link.bridge_users.AddBridgeUser`).
    """

    bridge: str
    #: Name of the guest's device.
    name: str
    #: The plan creates the bridge, and the creating step reports a missing bridge.
    made: bool

    @property
    def device(self) -> str:
        return self.name

    def validate(self) -> None:
        validate.device_name(self, "bridge")
        validate.device_name(self, "name")
        validate.boolean(self, "made")

    def commands(self) -> tuple[str, ...]:
        return ()

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        bridge, link = net.link(self.bridge), net.link(self.name)
        if link is None:
            if self.made if bridge is None else bridge.is_managed:
                return ()
            wanted = f"a port of {self.bridge}"
            return (self.difference("device", "missing", wanted, pending=True),)
        master = net.link_at(link.master) if link.master else None
        if bridge is not None and link.master == bridge.index:
            return ()
        found = "none" if master is None else master.name
        # The hypervisor, or Neutron's agent, adds a device to a bridge, but never moves a device.
        return (self.difference("bridge", found, self.bridge, pending=master is None),)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        return ()


@dataclasses.dataclass(frozen=True)
class DeleteBridge(DeleteDevice):
    """A bridge that os-vif created does not exist, unless the bridge is in use.

    A bridge is in use if the bridge has a port, a recorded VIF, or an address that no other device
    of the host has, and that is no recorded gateway of pods. A bridge in use stays, as does a bridge of another program; the step holds
    then. If only ports keep a bridge of os-vif, the record of the bridge says so, and a later call
    of the privileged daemon deletes the bridge without ports.
    Equivalent to: ``ip link del dev NAME``
    """

    #: Record that the bridge is deleted when the last port is gone. False for a bridge with an
    #: uplink, which stays for the next VIF.
    when_empty: bool = True

    def validate(self) -> None:
        super().validate()
        validate.boolean(self, "when_empty")

    def commands(self) -> tuple[str, ...]:
        whose = "" if self.include_unmanaged else " os-vif's and"
        return (f"ip link del dev {quote(self.name)}  # if it is{whose} not in use",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        if self._target(net) is None:
            return ()
        return (self.difference("device", "an empty bridge", "gone"),)

    def holds(self, net: Netlink) -> bool:
        return super().holds(net) and self._bridge_to_note(net) is None

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        undo = super().apply(net)
        if undo:
            bridge_user_record.delete_record(net, self.name)
        elif (bridge := self._bridge_to_note(net)) is not None:
            # The undo of RemoveBridgeUser, or a plug, deletes the note.
            users = bridge_user_record.read_users(net, bridge)
            bridge_user_record.write_users(
                net, bridge, dataclasses.replace(users, delete_when_empty=True)
            )
        return undo

    def _bridge_to_note(self, net: Netlink) -> Link | None:
        """Return the bridge if only ports keep the bridge, and the record does not say so yet."""
        link = net.link(self.name)
        if (
            not self.when_empty
            or link is None
            or self.index not in (None, link.index)
            or link.kind != "bridge"
            or not link.is_managed
            or not net.ports(link)
        ):
            return None
        return link if bridge_user_record.read_users(net, link).is_unused else None

    def left(self, net: Netlink) -> str | None:
        """Return in words why the bridge exists; None if the bridge is missing.

        Needs no privileges.
        """
        link = net.link(self.name)
        if link is None:
            return None
        if link.kind != "bridge":
            why = [f"it is {describe_kind(link)}"]
        else:
            using = bridge_user_record.read_users(net, link)
            why = [f"port {port.name}" for port in net.ports(link)]
            why += [f"user VIF {user}" for user in sorted(using.vif_ids)]
            if using.incomplete:
                why.append(f"the record of its users, in {STATE}, is damaged")
            if not (
                link.is_managed or (self.include_unmanaged and link.name.startswith(HYBRID_BRIDGE))
            ):
                why.append("os-vif did not create the bridge")
            if not why:
                why = [
                    f"address {held.address} of the host"
                    for held in addresses.read_addresses(net, link)
                    if held.address not in using.gateways
                ]
        shown = why[:_SHOWN] + ([f"and {len(why) - _SHOWN} more"] if len(why) > _SHOWN else [])
        return f"{self.name} stays: {', '.join(shown)}" if why else f"{self.name} exists again"

    def _is_in_use(
        self, net: Netlink, link: Link, without_users: frozenset[str] = frozenset()
    ) -> bool:
        return _is_used(net, link, without_users)

    def _is_target(self, net: Netlink, link: Link) -> bool:
        may_be = link.is_managed or link.name.startswith(HYBRID_BRIDGE)
        return may_be and link.kind == "bridge" and not net.ports(link)

    def _recreate_steps(self, net: Netlink, link: Link) -> tuple[KernelStep, ...]:
        return recreate_steps(net, link)


@dataclasses.dataclass(frozen=True)
class SetBridgeAddress(NamedStep, KernelStep):
    """A bridge has a MAC address that a user has set, rather than the lowest of the ports.

    A bridge with a MAC address set by a user keeps that address. The undo restores the previous
    MAC address as one set by a user, since the kernel offers no way back to following the ports.

    :raises OSError: with ENODEV if the bridge is missing.

    Equivalent to: ``ip link set dev NAME address MAC``
    """

    #: MAC address, in lower case with colons.
    mac: str

    def validate(self) -> None:
        validate.device_name(self, "name")
        validate.mac(self, "mac")

    def commands(self) -> tuple[str, ...]:
        command = f"ip link set dev {quote(self.name)} address {self.mac}"
        return (f"{command}  # if it has that of a port",)

    def differences(self, net: Netlink) -> tuple[Difference, ...]:
        link = net.link(self.name)
        if link is None or link.address == self.mac or is_address_fixed(net, link):
            return ()
        return (self.difference("MAC address", f"{link.address}, of a port", self.mac),)

    def holds(self, net: Netlink) -> bool:
        """Return whether a user has set the MAC address.

        False for a right MAC address that follows the ports: :meth:`apply` sets the address then.
        """
        link = net.link(self.name)
        return link is None or is_address_fixed(net, link)

    def apply(self, net: Netlink) -> tuple[KernelStep, ...]:
        link = net.require(self.name)
        if is_address_fixed(net, link):
            return ()
        with neighbours.restoring_neighbours(net, link):
            net.set(link, address=self.mac)
        if link.address == self.mac:
            return ()
        return (SetLink(self.name, address=link.address),)


def is_noted(net: Netlink, name: str) -> bool:
    """Return whether the record of a bridge says that the bridge is deleted without ports."""
    bridge = net.link(name)
    if bridge is None or not bridge.is_managed:
        return False
    return bridge_user_record.read_users(net, bridge).delete_when_empty


def is_address_fixed(net: Netlink, bridge: Link) -> bool:
    """Return whether a user has set the MAC address of a bridge, so that the bridge keeps it.

    sysfs tells. If sysfs shows another network namespace, a bridge with the lowest MAC address of
    the ports counts as following the ports.
    """
    shown = _DEVICES / bridge.name
    try:
        here = {name: (shown / name).read_text().strip() for name in _ASSIGNMENT}
    except OSError:
        here = {}
    if (here.get("ifindex"), here.get("address")) == (str(bridge.index), bridge.address):
        return here["addr_assign_type"] == _SET
    ports = [port.address for port in net.ports(bridge) if port.address]
    return bool(ports) and bridge.address not in (None, min(ports))


def _is_used(net: Netlink, bridge: Link, without_users: frozenset[str] = frozenset()) -> bool:
    """Return whether a VIF is recorded for a bridge, or an address is on no other device.

    :param without_users: ids of recorded VIFs that do not count.
    """
    using = bridge_user_record.read_users(net, bridge)
    if using.vif_ids - without_users or using.incomplete:
        return True
    held = {
        (address.address, address.peer)
        for address in addresses.read_addresses(net, bridge)
        if address.address not in using.gateways
    }
    if not held:
        return False
    elsewhere = (
        addresses.read_addresses(net, link) for link in net.links() if link.index != bridge.index
    )
    return bool(held - {(a.address, a.peer) for found in elsewhere for a in found})


def recreate_steps(net: Netlink, link: Link) -> tuple[KernelStep, ...]:
    """Return the steps that recreate a bridge with the present settings and addresses."""
    found = read_settings(net, link)
    gateways = bridge_user_record.read_users(net, link).gateways
    noted = (RestoreLink(link.name, gateways=tuple(sorted(gateways))),) if gateways else ()
    return (
        EnsureBridge(
            link.name,
            forward_delay=link.data["IFLA_BR_FORWARD_DELAY"],
            stp=bool(link.data["IFLA_BR_STP_STATE"]),
            multicast_snooping=bool(link.data["IFLA_BR_MCAST_SNOOPING"]),
            ageing=link.data["IFLA_BR_AGEING_TIME"] // 100,
            # A bridge without ports shows zeros. The next port gives the bridge a MAC address.
            address=link.address if (link.address or "").strip("0:") else None,
        ),
        RestoreLink.before_up(link.name, found),
        present_settings(link, found),
        *after_up(net, link, found),
        *noted,
    )
