# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The network device of a guest that is itself a port of Open vSwitch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from os_vif import vif_fields
from os_vif.steps import EnsureTap, SetLink, SetSysctl

if TYPE_CHECKING:
    from os_vif import objects
    from os_vif.steps.kernel_step import KernelStep


def steps(
    vif: objects.VIFBase, profile: objects.VIFPortProfileOpenVSwitch, name: str, mtu: int
) -> tuple[KernelStep, ...]:
    """Return the steps for a guest's device: a new tap device, or the MTU of a present device.

    The steps come before the step of the port: ovs-vswitchd looks for the device at once.

    :raises os_vif.exception.InvalidField: if *name* is an alternative name of another device.
    """
    if not vif_fields.get(profile, "create_tap"):
        # ovs-vswitchd would open the device that has the alternative name.
        vif_fields.require_no_alternative("vif.vif_name", name)
        return (SetLink(name, mtu=mtu, missing_ok=True),)
    multiqueue = bool(vif_fields.get(profile, "multiqueue"))
    return (
        EnsureTap(name, multiqueue=multiqueue, address=vif_fields.mac(vif)),
        # The tap device has the guest's MAC address, so an IPv6 address derived from the MAC
        # address would be the guest's address.
        SetSysctl(name, "disable_ipv6", 1, only_managed=True),
        SetLink(name, mtu=mtu, up=True),
    )
