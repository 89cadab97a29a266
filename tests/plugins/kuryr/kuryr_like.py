# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin named ``sriov`` without actions, as kuryr-kubernetes 0.6.0 to 6.0.1 registers."""

from __future__ import annotations

import sys

from oslo_config import cfg

from os_vif import objects
from os_vif.plugin import PluginBase


class SriovPlugin(PluginBase):
    """A plugin without work: the CNI driver moves the virtual function of the pod."""

    CONFIG_OPTS = (cfg.StrOpt("of_kuryr", help="An option of that plugin."),)

    def describe(self):
        return objects.host_info.HostPluginInfo(
            plugin_name="sriov",
            vif_info=[
                objects.host_info.HostVIFInfo(
                    vif_object_name="VIFSriov", min_version="1.0", max_version="1.0"
                )
            ],
        )

    def plug(self, vif, instance_info):
        sys.stdout.write("kuryr's own plug\n")

    def unplug(self, vif, instance_info):
        sys.stdout.write("kuryr's own unplug\n")
