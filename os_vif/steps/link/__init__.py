# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps for network devices.

The import below registers each kind of device with :mod:`os_vif.steps.link.links`, so that the
undo of a deletion knows how to recreate a device of the kind.
"""

from os_vif.steps.link import (  # noqa: F401
    bond,
    dummy,
    ipvlan,
    macvlan,
    tap,
    veth,
    vlan,
    vrf,
    vxlan,
)
