# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Instances of ports of neutron, and VIFs without a hypervisor."""

from __future__ import annotations

from typing import Any

from os_vif import objects


def instance_of(port: dict[str, Any]) -> objects.InstanceInfo:
    """Return the instance of a port."""
    return objects.InstanceInfo(uuid=port["device_id"], name="guest")


def without_a_hypervisor(vif: objects.VIFBase) -> objects.VIFBase:
    """Let a plug create the tap device, which libvirt creates otherwise; return the VIF."""
    vif.port_profile.create_tap = True
    return vif
