# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A Linux bridge on the host, which the hypervisor puts the guest's tap device in.

With Neutron the agent makes the bridge (``should_provide_bridge`` is false), and there is
nothing to do here.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from os_vif import exception, objects, opts
from os_vif.host.netlink import rtnetlink
from os_vif.host.netlink.rtnetlink import describe_kind
from os_vif.objects import host_info
from os_vif.plugin import PluginBase
from os_vif.plugins import awaited, vif_fields
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
    from os_vif.host.netlink.rtnetlink import Link, Netlink

LOG = logging.getLogger(__name__)

#: In ``forward_bridge_interface``.
_ANY = "all"
#: Characters of an alternative name of a device (``ALTIFNAMSIZ`` of linux/if.h, with a NUL).
_LONGEST_ALTERNATIVE = 127
_NO_MOVE = move_addresses.Move()


@dataclasses.dataclass(frozen=True)
class _Uplink:
    """What connects a bridge to the world outside."""

    #: The device that is in the bridge.
    name: str
    #: What the VIF, or the configuration, calls it; for errors.
    field: str
    #: The device that its VLAN is on, and the VLAN's number; None if there is no VLAN.
    parent: str | None = None
    vlan_id: int = 0

    @property
    def physical(self) -> str:
        """The device that has to be there."""
        return self.parent or self.name


class LinuxBridgePlugin(PluginBase):
    CONFIG_OPTS = opts.LINUX_BRIDGE
    privsep_module = "vif_plug_linux_bridge.privsep"

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("linux_bridge", {objects.VIFBridge: ()})

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """The bridge exists, is up, connects the guests to its uplink, and not to the host.

        What the host had on the uplink, it then has on the bridge.
        """
        bridge = self._bridge(vif)
        awaits = awaited.port_of_bridge(vif, made=bridge is not None)
        if bridge is None:
            return Plan(awaits=awaits)
        mtu, uplink = (
            vif_fields.mtu(vif, self.config, "os_vif_linux_bridge"),
            self._uplink(vif, bridge),
        )
        rules = self._rules(vif, bridge)
        if uplink is None:
            return Plan(
                EnsureBridge(bridge),
                *SetSysctl.hardening(bridge, only_managed=True),
                *_user(AddBridgeUser, vif, bridge),
                *rules,
                SetLink(bridge, mtu=mtu, up=True),
                awaits=awaits,
            )
        with rtnetlink.opened() as net, net.remembering():
            physical = self._found(net, uplink, bridge)
            move = self._move(net, uplink, bridge)
            # A VLAN that is there may have a MAC address of its own.
            address = (net.link(uplink.name) or physical).address
            # The host is not reached through the bridge, but by the addresses that it was given.
            kept = ("disable_ipv6",) if move.has_ipv6 or _has_ipv6(net, bridge) else ()
        return Plan(
            *_vlan(uplink),
            EnsureBridge(bridge, address=address),
            *(
                off
                for off in SetSysctl.hardening(bridge, only_managed=True)
                if off.key not in kept
            ),
            *_user(AddBridgeUser, vif, bridge),
            *rules,
            SetLink(bridge, mtu=mtu, up=True),
            # Both have the addresses before the bridge gets the packets.
            *move.make,
            *_join(uplink, bridge, mtu),
            *move.switch,
            awaits=awaits,
        )

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        """The bridge is gone, if it is ours and nothing is in it any more.

        One with an uplink stays. A plug that was stopped while it moved the host's addresses
        there is brought to its end.
        """
        bridge = self._bridge(vif)
        if bridge is None:
            return Plan()
        network = vif_fields.network(vif)
        vlan = f"vlan{network.vlan}" if "vlan" in network and network.should_provide_vlan else None
        # Whatever is configured by now.
        named = {network.bridge_interface if "bridge_interface" in network else None}
        named.add(self.config.flat_interface)
        move = _NO_MOVE
        with rtnetlink.opened() as net, net.remembering():
            names = {vlan, *(_name_of(net, name) for name in named if name)}
            master = net.link(bridge)
            for port in net.ports(master) if master is not None else ():
                if port.name in names:
                    move = _rest_of_move(net, port, bridge)
        return Plan(
            *move.make,
            *move.switch,
            *_user(RemoveBridgeUser, vif, bridge),
            DeleteBridge(bridge),
            *((DeleteLink(vlan, only_unattached=True),) if validate.is_device_name(vlan) else ()),
            *self._no_rules(vif, bridge),
        )

    def _bridge(self, vif: objects.VIFBase) -> str | None:
        """The name of the bridge that is ours to make; None if somebody else makes it."""
        network = vif_fields.network(vif)
        if network.multi_host or not network.should_provide_bridge:
            return None
        if not isinstance(vif, objects.VIFBridge):
            raise vif_fields.invalid("vif", f"a {vif.obj_name()}", "a VIFBridge")
        return vif_fields.named(vif, "bridge_name")

    def _uplink(self, vif: objects.VIFBase, bridge: str) -> _Uplink | None:
        """What is to be in the bridge, beside guests."""
        network = vif_fields.network(vif)
        tagged = bool(network.should_provide_vlan)
        option = "vlan_interface" if tagged else "flat_interface"
        name, field = self.config[option], f"[os_vif_linux_bridge]{option}"
        if not name:
            field = "vif.network.bridge_interface"
            name = network.bridge_interface if "bridge_interface" in network else None
        if not name and not tagged:
            return None
        name = _kernel_name(field, name)
        if not tagged:
            return _Uplink(_other(field, name, bridge), field)
        vlan_id = network.vlan if "vlan" in network else None
        if not isinstance(vlan_id, int) or not validate.MIN_VLAN <= vlan_id <= validate.MAX_VLAN:
            raise vif_fields.invalid("vif.network.vlan", vlan_id or "unset", validate.VLAN)
        # The name that VLANs have had since nova-network.
        vlan = _other("vif.bridge_name", f"vlan{vlan_id}", bridge)
        return _Uplink(vlan, field, parent=_other(field, name, bridge), vlan_id=vlan_id)

    def _found(self, net: Netlink, uplink: _Uplink, bridge: str) -> Link:
        """The physical device, if it and the uplink can be used."""
        physical = net.link(uplink.physical)
        if physical is None:
            raise vif_fields.invalid(
                uplink.field, f"{uplink.physical}, which is not there", "a device"
            )
        link = physical if uplink.parent is None else net.link(uplink.name)
        if link is None:
            return physical
        field = uplink.field if uplink.parent is None else "vif.network.vlan"
        if link.kind == "bridge" or link.name == "lo":
            what = describe_kind(link) if link.kind else "the loopback device"
            raise vif_fields.invalid(
                field, f"{link.name}, {what}", "a device that a bridge can take"
            )
        master = net.link_at(link.master) if link.master else None
        if master is not None and master.name != bridge:
            raise vif_fields.invalid(
                field, f"{link.name}, which is in {master.name}", f"one for {bridge}"
            )
        return physical

    def _move(self, net: Netlink, uplink: _Uplink, bridge: str) -> move_addresses.Move:
        link = net.link(uplink.name)
        if link is None:
            return _NO_MOVE
        try:
            return move_addresses.move(net, link, bridge)
        except OSError as error:
            expected = "an uplink from which os-vif can move all that the host has to a bridge"
            raise vif_fields.invalid(
                uplink.field, f"{link.name}: {error.strerror}", expected
            ) from error

    def _filters(self, vif: objects.VIFBase) -> bool:
        """Whether the bridge's packets are to be ruled here, and not by Neutron."""
        return "has_traffic_filtering" not in vif or not vif.has_traffic_filtering

    def _forwarded(self) -> tuple[str, ...]:
        """Return the devices that a bridge may forward to, as iptables knows them."""
        # A file that sets the option to nothing gives one empty value.
        names = [name for name in self.config.forward_bridge_interface if name] or [_ANY]
        if names == [_ANY]:
            return (_ANY,)
        with rtnetlink.opened() as net:
            return tuple(name if name == _ANY else _name_of(net, name) for name in names)

    def _no_rules(self, vif: objects.VIFBase, bridge: str) -> tuple[DeleteForwardingRules, ...]:
        """Return the steps that remove the rules of both families, whatever is configured by now.

        Another VIF of the bridge may have had them made.
        """
        noted = not self._filters(vif)
        try:
            return tuple(
                DeleteForwardingRules(bridge, ipv6=ipv6, only_noted=noted)
                for ipv6 in (False, True)
            )
        except exception.InvalidStep:
            # A bridge whose name iptables does not take has no rules.
            return ()

    def _rules(self, vif: objects.VIFBase, bridge: str) -> tuple[EnsureForwardingRules, ...]:
        if not self._filters(vif):
            return ()
        families = (False, True) if self.config.use_ipv6 else (False,)
        try:
            return tuple(
                EnsureForwardingRules(
                    bridge,
                    ipv6=ipv6,
                    interfaces=self._forwarded(),
                    default_target=self.config.iptables_drop_action,
                    keep_above=self.config.iptables_top_regex,
                    keep_below=self.config.iptables_bottom_regex,
                )
                for ipv6 in families
            )
        except exception.InvalidStep as error:
            option = _OPTIONS[error.kwargs["field"]]
            raise vif_fields.invalid(
                option, repr(error.kwargs["found"]), error.kwargs["expected"]
            ) from None


#: What the fields of the rules are called in the configuration.
_OPTIONS = {
    "name": "vif.bridge_name",
    "interfaces": "[os_vif_linux_bridge]forward_bridge_interface",
    "default_target": "[os_vif_linux_bridge]iptables_drop_action",
    "keep_above": "[os_vif_linux_bridge]iptables_top_regex",
    "keep_below": "[os_vif_linux_bridge]iptables_bottom_regex",
}


def _name_of(net: Netlink, name: str) -> str:
    """Return what the kernel calls a device that a user names; the name itself if there is none."""
    link = net.resolve(name)
    return name if link is None else link.name


def _kernel_name(field: str, name: object) -> str:
    """Return what the kernel calls the device that a user names, maybe by an alternative name.

    :param field: what names it, for the error.
    """
    if isinstance(name, str) and 0 < len(name) <= _LONGEST_ALTERNATIVE and name.isprintable():
        with rtnetlink.opened() as net:
            name = _name_of(net, name)
    return vif_fields.device_name(field, name)


def _rest_of_move(net: Netlink, uplink: Link, bridge: str) -> move_addresses.Move:
    """What a plug that was stopped has left to do. A VIF goes also where that cannot be done."""
    try:
        return move_addresses.move(net, uplink, bridge)
    except OSError as error:
        LOG.warning("%s keeps its addresses: %s", uplink.name, error.strerror)
        return _NO_MOVE


def _has_ipv6(net: Netlink, bridge: str) -> bool:
    link = net.link(bridge)
    return link is not None and addresses.uses_ipv6(net, link)


def _vlan(uplink: _Uplink) -> tuple[EnsureVlan, ...]:
    if uplink.parent is None:
        return ()
    return (EnsureVlan(uplink.name, uplink.parent, uplink.vlan_id),)


def _join(uplink: _Uplink, bridge: str, mtu: int) -> tuple[KernelStep, ...]:
    """Return the steps that put an uplink into a bridge and set the uplink up.

    A VLAN device cannot be up while its parent is down. The parent is set up when the VLAN device
    is in the bridge, which an unplug then keeps: an interrupted plug and an unplug leave no parent
    that is up for nothing.
    """
    up = SetLink(uplink.name, master=bridge, mtu=mtu, up=True)
    if uplink.parent is None:
        return (up,)
    return SetLink(uplink.name, master=bridge, mtu=mtu), SetLink(uplink.parent, up=True), up


def _user(
    step: type[AddBridgeUser | RemoveBridgeUser], vif: objects.VIFBase, bridge: str
) -> tuple[KernelStep, ...]:
    """The step for a VIF that has a name of its own; none for one that has not."""
    name = next((getattr(vif, f) for f in ("id", "vif_name") if f in vif and getattr(vif, f)), "")
    try:
        return (step(bridge, str(name)),) if name else ()
    except exception.InvalidStep as error:
        raise vif_fields.invalid("vif.id", repr(name), error.kwargs["expected"]) from None


def _other(field: str, name: str, bridge: str) -> str:
    if name == bridge:
        raise vif_fields.invalid(field, f"{name}, which is the bridge", "a device to put into it")
    return name
