# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Mistakes: type checkers find an error on each line with the comment ``error``, and no other."""

from __future__ import annotations

import own_classes

import os_vif
from os_vif import objects, serialization
from os_vif.plugin import PluginBase
from os_vif.plugins.linux_bridge import LinuxBridgePlugin
from os_vif.steps.plan import Plan

vif = objects.VIFBridge(vif_nam="tap0")  # error
objects.VIFBridge(bridge="br0")  # error
objects.Network(mtu="1500")  # error
objects.VIFVHostUser(mode="clients")  # error
objects.VIFVlanNested(vlan=7)  # error
objects.VIFPortProfileOVSRepresentor(representor="vf0")  # error
objects.PodState(vifs={})  # error
objects.InstanceInfo(uuid=None)  # error
objects.VIFBase(network="br0")  # error

objects.VIFBrige(vif_name="tap0")  # error
os_vif.plugg(vif, objects.InstanceInfo())  # error
vif.bridg_name  # error
vif.bridge_name = None  # error
vif.network.bridge  # error
serialization.loads("", objects.VIFBridge).path  # error
serialization.loads("").bridge_name  # error
serialization.from_document({}, objects.VIFBridge).path  # error
own_classes.VIFHub(hub_nam="hub0")  # error
own_classes.VIFHub(hub_name=7)  # error
LinuxBridgePlugin.load("").plan_plug(objects.VIFDirect(), objects.InstanceInfo())  # error


class Plugin(PluginBase[objects.VIFBridge]):
    def describe(self) -> objects.HostPluginInfo:
        raise NotImplementedError

    def plan_plug(self, vif: objects.VIFBridge, instance_info: objects.InstanceInfo) -> Plan:
        return Plan(vif.path)  # error

    def unplug(self, vif: objects.VIFDirect, instance_info: objects.InstanceInfo) -> None:  # error
        pass


class OfNoVif(PluginBase[objects.Network]):  # error
    pass
