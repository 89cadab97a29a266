# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plugins with mistakes of authors, which end in an exception or do not end."""

from __future__ import annotations

import threading

from oslo_config import cfg

from os_vif import objects
from os_vif.objects import host_info
from os_vif.steps import DeleteLink, Plan
from tests.support.toys import toy_steps
from tests.support.toys.toy_plugins import Sound


class RaisesInInit(Sound):
    def __init__(self, config):
        raise KeyError("zone")


class NamesNoModule(Sound):
    privsep_module = "tests.support.toys.no_such_module"


class MisspeltOption(Sound):
    CONFIG_OPTS = (cfg.IntOpt("queue_length", default=77),)

    def plan_plug(self, vif, instance_info):
        return Plan(self.queue_step(vif.vif_name, self.config.queue_lenght))


class WrongField(Sound):
    def plan_unplug(self, vif, instance_info):
        return Plan(DeleteLink(vif.name))


class ReturnsNone(Sound):
    def plan_plug(self, vif, instance_info):
        pass


class ReturnsList(Sound):
    def plan_unplug(self, vif, instance_info):
        return [DeleteLink(vif.vif_name)]


class WithoutDaemon(Sound):
    privsep_module = None


class ForeignDaemon(Sound):
    privsep_module = "vif_plug_linux_bridge.privsep"


class WeakDaemon(Sound):
    privsep_module = "tests.support.toys.toy_weak_privsep"


class CannotDecide(Sound):
    queue_step = toy_steps.SetQueueThatCannotDecide


class StepHangs(Sound):
    queue_step = toy_steps.SetQueueThatHangs


class PlanHangs(Sound):
    def plan_plug(self, vif, instance_info):
        threading.Event().wait()


class DescribesHalf(Sound):
    def describe(self):
        entry = objects.HostVIFInfo(vif_object_name="VIFGeneric", min_version="1.0")
        return objects.HostPluginInfo(plugin_name="toy", vif_info=[entry])


class DescribesUnknown(Sound):
    def describe(self):
        info = host_info.describe("toy", {objects.VIFGeneric: ()})
        info.vif_info[0].vif_object_name = "VIFGenric"
        return info
