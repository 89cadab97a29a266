# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Isolation of a new port until the agent of Neutron wires the port.

The ML2/OVS agent moves a port from the dead VLAN to the VLAN of the port. OVN does not, so that an
isolated port would stay isolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from os_vif.negotiation.neutron_objects import ApiObject

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The mechanism driver with an agent that moves ports out of the dead VLAN.
_ISOLATING_DRIVER = "openvswitch"


def needs_isolation(port: Mapping[str, Any]) -> bool | None:
    """Return whether the mechanism driver of a port needs the option ``isolate_vif``.

    The value is a default for ``[os_vif_ovs] isolate_vif`` of the host; the option overrides the
    value. Neutron shows ``bound_drivers`` in the port only, not in the entries of
    ``/ports/{id}/bindings``.

    :returns: None if the port does not tell the driver.
    :raises os_vif.exception.InvalidBinding: for an unusable value of ``bound_drivers``.
    """
    details = ApiObject.of(port, "port").object("binding:vif_details")
    if not details.is_set("bound_drivers"):
        return None
    drivers = details.object("bound_drivers")
    levels = sorted(drivers.members, key=lambda level: (len(level), level))
    if not levels:
        return None
    # The driver of the last level binds the host; the other drivers bind switches of the network.
    return drivers.text(levels[-1], "the name of a mechanism driver") == _ISOLATING_DRIVER
