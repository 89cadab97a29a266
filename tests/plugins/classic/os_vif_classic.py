# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A plugin written for os-vif 1.x to 5.x, which overrides plug() and unplug()."""

import pathlib

from oslo_config import cfg

from os_vif import exception, objects, plugin


class SwitchRefused(exception.ExceptionBase):
    msg_fmt = "The switch has no port for %(vif_name)s after %(tries)d tries."


class ClassicPlugin(plugin.PluginBase):
    """A file that stands for a switch, with a line for each action."""

    CONFIG_OPTS = (
        cfg.StrOpt("journal", help="The file.", deprecated_group="DEFAULT"),
        cfg.IntOpt("tries", default=3, help="How often.", deprecated_group="DEFAULT"),
    )

    def __init__(self, config):
        super().__init__(config)
        self.tries = self.config.tries

    def describe(self):
        return objects.host_info.HostPluginInfo(
            plugin_name="classic",
            vif_info=[
                objects.host_info.HostVIFInfo(
                    vif_object_name=objects.vif.VIFGeneric.__name__,
                    min_version="1.0",
                    max_version="1.0",
                )
            ],
        )

    def plug(self, vif, instance_info):
        self._do("plug", vif, instance_info)

    def unplug(self, vif, instance_info):
        self._do("unplug", vif, instance_info)

    def _do(self, what, vif, instance_info):
        if vif.vif_name == "refused":
            raise SwitchRefused(vif_name=vif.vif_name, tries=self.tries)
        with pathlib.Path(self.config.journal).open("a") as journal:
            journal.write(f"{what} {vif.vif_name} of {instance_info.name}, {self.tries} tries\n")
