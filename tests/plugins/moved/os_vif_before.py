# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
"""A plugin for the public os-vif, which runs commands; os_vif_after.py has it with plans."""

import subprocess

from os_vif import objects
from os_vif.plugin import PluginBase


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


class SegmentPlugin(PluginBase):
    """A bridge with a tap device for each guest."""

    def describe(self):
        return objects.host_info.HostPluginInfo(
            plugin_name="segment",
            vif_info=[
                objects.host_info.HostVIFInfo(
                    vif_object_name="VIFBridge", min_version="1.0", max_version="1.0"
                )
            ],
        )

    def plug(self, vif, instance_info):
        _ip(f"link add {vif.bridge_name} type bridge")
        _ip(f"tuntap add {vif.vif_name} mode tap")
        _ip(f"link set {vif.vif_name} master {vif.bridge_name} mtu 1400 up")
        _ip(f"link set {vif.bridge_name} up")

    def unplug(self, vif, instance_info):
        _ip(f"tuntap del {vif.vif_name} mode tap")
        _ip(f"link del {vif.bridge_name}")
