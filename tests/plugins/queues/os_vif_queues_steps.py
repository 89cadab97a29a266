# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""A step that os-vif does not have, for the daemon of the plugin."""

import dataclasses
from shlex import quote

from os_vif.steps import PluginStep, validate


@dataclasses.dataclass(frozen=True)
class SetQueueLength(PluginStep):
    """The transmit queue of a device has a length.

    Equivalent to: ``ip link set dev NAME txqueuelen PACKETS``
    """

    name: str
    packets: int

    @property
    def device(self):
        return self.name

    def validate(self):
        validate.device_name(self, "name")
        validate.integer(self, "packets", 0, 2**31 - 1)

    def commands(self):
        return (f"ip link set dev {quote(self.name)} txqueuelen {self.packets}",)

    def refusal(self, host):
        link = host.link(self.name)
        if link is None or (host.is_vif(link) and not host.is_hosts(link)):
            return None
        return "the device does not belong to a VIF"

    def differences(self, net):
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", net.missing(self.name), "there"),)
        found = net.read_attributes(link)["IFLA_TXQLEN"]
        if found == self.packets:
            return ()
        return (self.difference("queue length", found, self.packets),)

    def apply(self, net):
        link = net.require(self.name)
        before = net.read_attributes(link)["IFLA_TXQLEN"]
        if before == self.packets:
            return ()
        net.change(link, {"IFLA_TXQLEN": self.packets})
        return (SetQueueLength(self.name, before),)
