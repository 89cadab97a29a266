# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A typed program that uses os-vif: type checkers find no error, and pytest runs each function."""

from __future__ import annotations

from typing import Literal, assert_type

import netaddr
from oslo_versionedobjects import base as ovo

import os_vif
from os_vif import exception, objects, serialization
from os_vif.objects import fields, host_info
from os_vif.objects import vif as vif_classes
from os_vif.plugin import PluginBase
from os_vif.plugins.linux_bridge import LinuxBridgePlugin
from os_vif.plugins.ovs import OvsPlugin
from os_vif.serialization import storage
from os_vif.steps import AddBridgeUser, EnsureBridge
from os_vif.steps.plan import Plan

PORT = "5a1d3c2e-0b7f-4f6a-9d52-3e8f4c1b2a90"


def make_network() -> objects.Network:
    """Make a network: addresses may be text or of netaddr's types, and are read as the latter."""
    subnet = objects.Subnet(
        cidr="192.0.2.0/24",
        gateway=netaddr.IPAddress("192.0.2.1"),
        dns=["192.0.2.2", netaddr.IPAddress("192.0.2.3")],
        ips=objects.FixedIPList(
            objects=[objects.FixedIP(address="192.0.2.10", floating_ips=("198.51.100.7",))]
        ),
        routes=objects.RouteList(objects=[objects.Route(cidr="0.0.0.0/0", gateway="192.0.2.1")]),
    )
    assert_type(subnet.cidr, netaddr.IPNetwork)
    assert_type(subnet.gateway, netaddr.IPAddress)
    assert_type(subnet.dns, list[netaddr.IPAddress])
    subnet.gateway = "192.0.2.254"
    assert isinstance(subnet.gateway, netaddr.IPAddress)
    for route in subnet.routes:
        assert_type(route, objects.Route)
    return objects.Network(
        id="0a9c3f4e-5f0c-4bd2-8a1c-7d2f4a1b9c3d",
        bridge="br-int",
        mtu=1500,
        subnets=objects.SubnetList(objects=[subnet]),
    )


def make_vif() -> objects.VIFOpenVSwitch:
    """Make a VIF: fields that may be None have a type with None."""
    vif = objects.VIFOpenVSwitch(
        id=PORT,
        plugin="ovs",
        address="fa:16:3e:00:00:01",
        vif_name="tap5a1d3c2e-0b",
        bridge_name="br-int",
        network=make_network(),
        active=True,
        port_profile=objects.VIFPortProfileOpenVSwitch(
            interface_id=PORT, create_port=True, datapath_offload=None
        ),
    )
    assert_type(vif.id, str)
    assert_type(vif.address, str | None)
    assert_type(vif.network, objects.Network | None)
    assert_type(vif.port_profile, objects.VIFPortProfileBase)
    assert_type(vif.active, bool)
    assert vif.network is not None
    assert_type(vif.network.mtu, int | None)
    assert_type(vif.network.subnets[0], objects.Subnet)
    if isinstance(vif.port_profile, objects.VIFPortProfileOpenVSwitch):
        assert_type(vif.port_profile.create_port, bool)
        assert_type(vif.port_profile.datapath_offload, objects.DatapathOffloadBase | None)
    return vif


def use_choices() -> objects.VIFVHostUser:
    """Set a choice to a permitted value, and to a constant, whose type is the value."""
    vif = objects.VIFVHostUser(path="/run/vhu0", mode=fields.VIFVHostUserMode.SERVER)
    assert_type(vif.mode, Literal["client", "server"])
    vif.mode = "client"
    profile = objects.VIFPortProfileSRIOV(vlan=42, trusted=True, link_state="auto")
    assert_type(profile.vlan, int | None)
    return vif


def use_pods() -> objects.PodState:
    """Make a pod: the classes of kuryr have types, too."""
    pod = objects.PodState(
        default_vif=objects.VIFVlanNested(vif_name="eth0", vlan_id=7),
        additional_vifs={"net1": objects.VIFBridge(vif_name="tap1")},
    )
    assert_type(pod.default_vif, objects.VIFBase)
    assert_type(pod.vifs, dict[str, objects.VIFBase])
    # The modules are attributes, too, as with the public os-vif.
    assert_type(objects.vif.VIFBridge(), objects.VIFBridge)
    assert objects.kuryr.DEFAULT_INTERFACE in pod.vifs
    assert issubclass(os_vif.plugin.PluginBase, PluginBase)
    return pod


def store(vif: objects.VIFOpenVSwitch) -> objects.VIFBase:
    """Write and read a VIF; the class to read may be named."""
    text = serialization.dumps(vif)
    assert_type(text, str)
    assert_type(serialization.loads(text), ovo.VersionedObject)
    assert_type(serialization.loads(text, objects.VIFOpenVSwitch), objects.VIFOpenVSwitch)
    data = serialization.to_document(vif)
    assert_type(serialization.from_document(data), ovo.VersionedObject)
    assert_type(serialization.from_document(data, objects.VIFOpenVSwitch), objects.VIFOpenVSwitch)
    assert_type(storage.read(text), dict[str, objects.VIFBase])
    try:
        serialization.loads(text, objects.VIFBridge)
    except exception.UnknownKind as error:
        assert_type(error.path, str)
    return serialization.loads(text, objects.VIFBase)


def read_host() -> list[str]:
    """Return the VIF classes of the host, which have types down to each version."""
    os_vif.initialize()
    info = os_vif.host_info()
    assert_type(info, objects.HostInfo)
    assert_type(info.plugin_info, list[objects.HostPluginInfo])
    return [
        f"{plugin.plugin_name}: {vif.vif_object_name} {vif.max_version}"
        for plugin in info.plugin_info
        for vif in plugin.vif_info
    ]


class BridgePlugin(PluginBase[vif_classes.VIFBridge]):
    """The class of the VIF is known in the methods."""

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("typed", {objects.VIFBridge: ()})

    def plan_plug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        assert_type(vif.bridge_name, str)
        return Plan(EnsureBridge(vif.bridge_name), AddBridgeUser(vif.bridge_name, vif.id))

    def plan_unplug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        assert_type(instance_info.name, str)
        return Plan()


class TwoClassesPlugin(PluginBase[objects.VIFBridge | objects.VIFOpenVSwitch]):
    """A plugin may be for several classes."""

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("two", {objects.VIFBridge: (), objects.VIFOpenVSwitch: ()})

    def plug(
        self,
        vif: objects.VIFBridge | objects.VIFOpenVSwitch,
        instance_info: objects.InstanceInfo,
    ) -> None:
        assert_type(vif.bridge_name, str)


def plan_with_own_plugins(vif: objects.VIFBridge) -> tuple[Plan, Plan]:
    """Use the plugins of os-vif: each knows the classes of its VIFs."""
    bridge, ovs = LinuxBridgePlugin.load("linux_bridge"), OvsPlugin.load("ovs")
    instance = objects.InstanceInfo(name="guest")
    return bridge.plan_unplug(vif, instance), ovs.plan_unplug(vif, instance)


class PlainPlugin(PluginBase):
    """Without a parameter, the class of the VIF is VIFBase."""

    def describe(self) -> objects.HostPluginInfo:
        return host_info.describe("plain", {objects.VIFGeneric: ()})

    def plan_plug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        assert_type(vif.plugin, str)
        return Plan()

    def plan_unplug(self, vif: objects.VIFBase, instance_info: objects.InstanceInfo) -> Plan:
        return Plan()


def plan_bridge() -> Plan:
    """Load a plugin: ``load()`` returns the plugin's own class."""
    plugin = BridgePlugin.load("typed")
    assert_type(plugin, BridgePlugin)
    vif = objects.VIFBridge(id=PORT, bridge_name="qbr5a1d3c2e-0b")
    return plugin.plan_plug(vif, objects.InstanceInfo(name="guest"))
