# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``linux_bridge`` plugin: a Linux bridge on the host, with forwarding rules and an uplink.

The hypervisor attaches the guest's tap device to the bridge. With Neutron the agent creates the
bridge (``should_provide_bridge`` is false), and the plan is empty.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from os_vif import exception, objects, opts, vif_fields
from os_vif.escape import with_article
from os_vif.host import limits
from os_vif.host.netlink import rtnetlink
from os_vif.host.netlink.rtnetlink import describe_kind
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.plugins import awaited
from os_vif.steps import (
    AddBridgeUser,
    DeleteBridge,
    DeleteForwardingRules,
    DeleteLink,
    EnsureBridge,
    EnsureForwardingRules,
    EnsureVlan,
    RemoveBridgeUser,
    SetLink,
    SetSysctl,
    validate,
)
from os_vif.steps.ip import addresses
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.link import move_addresses
from os_vif.steps.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.recognition import Candidate, HostSnapshot

LOG = logging.getLogger(__name__)

#: Value of ``forward_bridge_interface`` that permits every device.
_ANY = "all"
#: Characters of an alternative name of a device (``ALTIFNAMSIZ`` of linux/if.h, less the NUL).
_LONGEST_ALTERNATIVE = 127
_NO_MOVE = move_addresses.Move()


@dataclasses.dataclass(frozen=True)
class _Uplink:
    """The device that connects a bridge to the network outside the host."""

    #: The device in the bridge.
    name: str
    #: Field of the VIF, or option, that names the device; for errors.
    field: str
    #: The device below a VLAN device, or None without a VLAN.
    parent: str | None = None
    #: VLAN identifier, with a parent.
    vlan_id: int = 0

    @property
    def physical(self) -> str:
        """Name of the device that must exist before the plug."""
        return self.parent or self.name


class LinuxBridgePlugin(PluginBase[objects.VIFBridge]):
    """The ``linux_bridge`` plugin, for VIFs of the class ``VIFBridge``."""

    CONFIG_OPTS = opts.LINUX_BRIDGE
    privsep_module = "vif_plug_linux_bridge.privsep"

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("linux_bridge", {objects.VIFBridge: ()})

    def plan_plug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        """Return steps that create the bridge, the forwarding rules, and the uplink.

        Addresses, routes and neighbours of the uplink are moved to the bridge. The host gets no
        address of its own on the bridge.

        :raises os_vif.exception.InvalidField: if a field or an option has an unusable value.
        """
        bridge = self._bridge_to_create(vif)
        awaits = awaited.port_of_bridge(vif, made=bridge is not None)
        if bridge is None:
            return Plan(awaits=awaits)
        mtu, uplink = (
            vif_fields.mtu(vif, self.config, "os_vif_linux_bridge"),
            self._uplink(vif, bridge),
        )
        rules = self._rule_steps(vif, bridge)
        if uplink is None:
            return Plan(
                EnsureBridge(bridge),
                *SetSysctl.hardening(bridge, only_managed=True),
                *_bridge_user_steps(AddBridgeUser, vif, bridge),
                *rules,
                SetLink(bridge, mtu=mtu, up=True),
                awaits=awaits,
            )
        with rtnetlink.opened() as uncached, uncached.cached() as net:
            physical = self._physical_device(net, uplink, bridge)
            move = self._plan_move(net, uplink, bridge)
            # An existing VLAN device may have a MAC address different from its parent's.
            address = (net.link(uplink.name) or physical).address
            # Guests must reach the host only through addresses that an operator has configured.
            kept = ("disable_ipv6",) if move.has_ipv6 or _has_ipv6(net, bridge) else ()
        return Plan(
            *_vlan_steps(uplink),
            EnsureBridge(bridge, address=address),
            *(
                off
                for off in SetSysctl.hardening(bridge, only_managed=True)
                if off.key not in kept
            ),
            *_bridge_user_steps(AddBridgeUser, vif, bridge),
            *rules,
            SetLink(bridge, mtu=mtu, up=True),
            # Make before break: the bridge has the addresses before the bridge receives packets.
            *move.make,
            *_attach_uplink(uplink, bridge, mtu),
            *move.switch,
            awaits=awaits,
        )

    def plan_unplug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        """Return steps that delete the bridge, if os-vif created the bridge and no port is left.

        A bridge with an uplink stays. If a plug was interrupted while the addresses of the uplink
        moved, the steps complete the move.
        """
        if vif_fields.is_only_record(vif):
            return Plan()
        bridge = self._bridge_to_create(vif)
        if bridge is None:
            return Plan()
        network = vif_fields.network(vif)
        vlan = f"vlan{network.vlan}" if "vlan" in network and network.should_provide_vlan else None
        # Independent of the present configuration: try every name the uplink may have had.
        named = {network.bridge_interface if "bridge_interface" in network else None}
        named.add(self.config.flat_interface)
        move, has_uplink = _NO_MOVE, False
        with rtnetlink.opened() as uncached, uncached.cached() as net:
            pod = _pod_device(net, vif)
            names = {vlan, *(_resolve_name(net, name) for name in named if name)}
            master = net.link(bridge)
            for port in net.ports(master) if master is not None else ():
                if port.name in names:
                    has_uplink = True
                    move = _plan_remaining_move(net, port, bridge)
        return Plan(
            *pod,
            *move.make,
            *move.switch,
            *_bridge_user_steps(RemoveBridgeUser, vif, bridge),
            DeleteBridge(bridge, when_empty=not has_uplink),
            *((DeleteLink(vlan, only_unattached=True),) if limits.is_device_name(vlan) else ()),
            *self._rule_deletions(vif, bridge),
        )

    def recognise(self, snapshot: HostSnapshot) -> Iterable[Candidate]:
        """Return the recorded users of bridges, and the empty bridges of os-vif."""
        from os_vif.plugins import linux_bridge_recognition

        return linux_bridge_recognition.recognise(snapshot)

    def _bridge_to_create(self, vif: objects.VIFBridge) -> str | None:
        """Return the name of the bridge to create; None if another program creates the bridge."""
        network = vif_fields.network(vif)
        if network.multi_host or not network.should_provide_bridge:
            return None
        if not isinstance(vif, objects.VIFBridge):
            raise vif_fields.invalid("vif", with_article(vif.obj_name()), "a VIFBridge")
        return vif_fields.named(vif, "bridge_name")

    def _uplink(self, vif: objects.VIFBridge, bridge: str) -> _Uplink | None:
        """Return the uplink of the bridge; None for a bridge that only connects guests.

        :raises os_vif.exception.InvalidField: if the name or the VLAN is unusable.
        """
        network = vif_fields.network(vif)
        tagged = bool(network.should_provide_vlan)
        option = "vlan_interface" if tagged else "flat_interface"
        name, field = self.config[option], f"[os_vif_linux_bridge]{option}"
        if not name:
            field = "vif.network.bridge_interface"
            name = network.bridge_interface if "bridge_interface" in network else None
        if not name and not tagged:
            return None
        name = _kernel_device_name(field, name)
        if not tagged:
            return _Uplink(_other(field, name, bridge), field)
        vlan_id = network.vlan if "vlan" in network else None
        if not isinstance(vlan_id, int) or not limits.MIN_VLAN <= vlan_id <= limits.MAX_VLAN:
            raise vif_fields.invalid("vif.network.vlan", vlan_id or "unset", validate.VLAN)
        # nova-network, and every os-vif since, names VLAN devices in the same way.
        vlan = _other("vif.bridge_name", f"vlan{vlan_id}", bridge)
        return _Uplink(vlan, field, parent=_other(field, name, bridge), vlan_id=vlan_id)

    def _physical_device(self, net: Netlink, uplink: _Uplink, bridge: str) -> Link:
        """Return the physical device of an uplink.

        :raises os_vif.exception.InvalidField: if the device is missing, or cannot be in a bridge,
            or is in another bridge.
        """
        physical = net.link(uplink.physical)
        if physical is None:
            raise vif_fields.invalid(
                uplink.field, f"{uplink.physical}, which does not exist", "an existing device"
            )
        link = physical if uplink.parent is None else net.link(uplink.name)
        if link is None:
            return physical
        field = uplink.field if uplink.parent is None else "vif.network.vlan"
        if link.kind == "bridge" or link.name == "lo":
            kind = describe_kind(link) if link.kind else "the loopback device"
            raise vif_fields.invalid(
                field, f"{link.name}, {kind}", "a device that can be in a bridge"
            )
        master = net.link_at(link.master) if link.master else None
        if master is not None and master.name != bridge:
            raise vif_fields.invalid(
                field, f"{link.name}, which is in {master.name}", f"a device for {bridge}"
            )
        return physical

    def _plan_move(self, net: Netlink, uplink: _Uplink, bridge: str) -> move_addresses.Move:
        """Plan the move of addresses, routes and neighbours from an uplink to the bridge.

        :raises os_vif.exception.InvalidField: if os-vif cannot move an address or a route.
        """
        link = net.link(uplink.name)
        if link is None:
            return _NO_MOVE
        try:
            return move_addresses.move(net, link, bridge)
        except OSError as error:
            expected = "an uplink with addresses and routes that os-vif can move to a bridge"
            raise vif_fields.invalid(
                uplink.field, f"{link.name}: {error.strerror}", expected
            ) from error

    def _needs_rules(self, vif: objects.VIFBridge) -> bool:
        """Return whether the bridge needs forwarding rules: Neutron does not filter packets."""
        return "has_traffic_filtering" not in vif or not vif.has_traffic_filtering

    def _forward_devices(self) -> tuple[str, ...]:
        """Return the kernel names of the devices to which a bridge may forward packets."""
        # An empty option in a configuration file is a list with an empty text.
        names = [name for name in self.config.forward_bridge_interface if name] or [_ANY]
        if names == [_ANY]:
            return (_ANY,)
        with rtnetlink.opened() as net:
            return tuple(name if name == _ANY else _resolve_name(net, name) for name in names)

    def _rule_deletions(
        self, vif: objects.VIFBridge, bridge: str
    ) -> tuple[DeleteForwardingRules, ...]:
        """Return steps that delete the forwarding rules of IPv4 and IPv6.

        The steps do not depend on the present configuration: the rules may be from a plug with
        other options, or of another VIF in the bridge.
        """
        noted = not self._needs_rules(vif)
        try:
            return tuple(
                DeleteForwardingRules(bridge, ipv6=ipv6, only_noted=noted)
                for ipv6 in (False, True)
            )
        except exception.InvalidStep:
            # iptables rejects the name of the bridge, so no rules exist.
            return ()

    def _rule_steps(
        self, vif: objects.VIFBridge, bridge: str
    ) -> tuple[EnsureForwardingRules, ...]:
        if not self._needs_rules(vif):
            return ()
        families = (False, True) if self.config.use_ipv6 else (False,)
        try:
            return tuple(
                EnsureForwardingRules(
                    bridge,
                    ipv6=ipv6,
                    interfaces=self._forward_devices(),
                    default_target=self.config.iptables_drop_action,
                    keep_above=self.config.iptables_top_regex,
                    keep_below=self.config.iptables_bottom_regex,
                )
                for ipv6 in families
            )
        except exception.InvalidStep as error:
            option = _FIELD_SOURCES[error.kwargs["field"]]
            raise vif_fields.invalid(
                option, repr(error.kwargs["found"]), error.kwargs["expected"]
            ) from None


#: The VIF field or the option for each field of the rules, for errors.
_FIELD_SOURCES = {
    "name": "vif.bridge_name",
    "interfaces": "[os_vif_linux_bridge]forward_bridge_interface",
    "default_target": "[os_vif_linux_bridge]iptables_drop_action",
    "keep_above": "[os_vif_linux_bridge]iptables_top_regex",
    "keep_below": "[os_vif_linux_bridge]iptables_bottom_regex",
}


def _resolve_name(net: Netlink, name: str) -> str:
    """Return the kernel name of a device; the same name if no device is found."""
    link = net.resolve(name)
    return name if link is None else link.name


def _kernel_device_name(field: str, name: object) -> str:
    """Return the kernel name of a device with a name or an alternative name.

    :param field: the VIF field or option with the name, for the error.
    :raises os_vif.exception.InvalidField: if the name cannot be the name of a device.
    """
    if isinstance(name, str) and 0 < len(name) <= _LONGEST_ALTERNATIVE and name.isprintable():
        with rtnetlink.opened() as net:
            name = _resolve_name(net, name)
    return vif_fields.device_name(field, name)


def _pod_device(net: Netlink, vif: objects.VIFBridge) -> tuple[DeleteLink, ...]:
    """Return the step that deletes the veth pair of a pod, which os_vif.plug_pod() has created.

    The garbage collector unplugs VIFs of pods and of virtual machines alike.
    """
    name = vif_fields.get(vif, "vif_name")
    link = net.link(name) if limits.is_device_name(name) else None
    is_pods = link is not None and link.kind == "veth" and link.lower_netns is not None
    return (DeleteLink(name),) if is_pods and name else ()


def _plan_remaining_move(net: Netlink, uplink: Link, bridge: str) -> move_addresses.Move:
    """Plan the rest of a move that an interrupted plug began.

    If the move is impossible, log a warning and return an empty move: the unplug must not fail.
    """
    try:
        return move_addresses.move(net, uplink, bridge)
    except OSError as error:
        LOG.warning("%s keeps its addresses: %s", uplink.name, error.strerror)
        return _NO_MOVE


def _has_ipv6(net: Netlink, bridge: str) -> bool:
    link = net.link(bridge)
    return link is not None and addresses.uses_ipv6(net, link)


def _vlan_steps(uplink: _Uplink) -> tuple[EnsureVlan, ...]:
    if uplink.parent is None:
        return ()
    return (EnsureVlan(uplink.name, uplink.parent, uplink.vlan_id),)


def _attach_uplink(uplink: _Uplink, bridge: str, mtu: int) -> tuple[KernelStep, ...]:
    """Return steps that attach an uplink to a bridge and set the uplink up.

    A VLAN device cannot be up while its parent is down. The parent is set up after the VLAN device
    is in the bridge, because an unplug keeps a VLAN device in a bridge: an interrupted plug and an
    unplug then leave no parent up without need.
    """
    up = SetLink(uplink.name, master=bridge, mtu=mtu, up=True)
    if uplink.parent is None:
        return (up,)
    return SetLink(uplink.name, master=bridge, mtu=mtu), SetLink(uplink.parent, up=True), up


def _bridge_user_steps(
    step: type[AddBridgeUser | RemoveBridgeUser], vif: objects.VIFBridge, bridge: str
) -> tuple[KernelStep, ...]:
    """Return the step that records or removes a VIF as a user of a bridge.

    A VIF without ``id`` and ``vif_name`` is not recorded.
    """
    name = next((getattr(vif, f) for f in ("id", "vif_name") if f in vif and getattr(vif, f)), "")
    try:
        return (step(bridge, str(name)),) if name else ()
    except exception.InvalidStep as error:
        raise vif_fields.invalid("vif.id", repr(name), error.kwargs["expected"]) from None


def _other(field: str, name: str, bridge: str) -> str:
    if name == bridge:
        raise vif_fields.invalid(field, f"{name}, which is the bridge", "a device to put into it")
    return name
