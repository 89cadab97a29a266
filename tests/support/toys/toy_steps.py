# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps of plugins with faults, for the tests of the conformance suite."""

from __future__ import annotations

import dataclasses
import logging
import os
import threading

from os_vif.steps import PluginStep, validate

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class SetQueue(PluginStep):
    """The transmit queue of a device has a length."""

    name: str
    packets: int

    @property
    def device(self):
        return self.name

    def validate(self):
        validate.device_name(self, "name")

    def commands(self):
        return (f"ip link set dev {self.name} txqueuelen {self.packets}",)

    def refusal(self, host):
        link = host.link(self.name)
        return None if link is None or host.is_vif(link) else "the device is no VIF's"

    def differences(self, net):
        link = net.link(self.name)
        if link is None:
            return (self.difference("device", net.missing(self.name), "there"),)
        found = net.read_attributes(link)["IFLA_TXQLEN"]
        return () if found == self.packets else (self.difference("queue", found, self.packets),)

    def apply(self, net):
        link = net.require(self.name)
        before = net.read_attributes(link)["IFLA_TXQLEN"]
        if before == self.packets:
            return ()
        net.change(link, {"IFLA_TXQLEN": self.packets})
        return (type(self)(self.name, before),)


@dataclasses.dataclass(frozen=True)
class SetQueueWithoutUndo(SetQueue):
    """A step with an ``apply()`` without undo steps."""

    def apply(self, net):
        super().apply(net)
        return ()


@dataclasses.dataclass(frozen=True)
class SetQueueThatNeverHolds(SetQueue):
    """A step with a permanent difference."""

    def differences(self, net):
        return (self.difference("queue", "unknown", self.packets),)


@dataclasses.dataclass(frozen=True)
class SetQueueThatLogs(SetQueue):
    """A step with a log message in the daemon."""

    def apply(self, net):
        LOG.warning("Process %d sets the queue of %s", os.getpid(), self.name)
        return super().apply(net)


@dataclasses.dataclass(frozen=True)
class SetQueueThatHangs(SetQueue):
    """A step with an ``apply()`` without end."""

    def apply(self, net):
        threading.Event().wait()


@dataclasses.dataclass(frozen=True)
class SetQueueThatCannotDecide(SetQueue):
    """A step with an exception in ``refusal()``."""

    def refusal(self, host):
        raise KeyError("zone")


ALL = (
    SetQueue,
    SetQueueWithoutUndo,
    SetQueueThatNeverHolds,
    SetQueueThatLogs,
    SetQueueThatHangs,
    SetQueueThatCannotDecide,
)
