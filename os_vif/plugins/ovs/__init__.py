# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The ``ovs`` plugin: plug VIFs into Open vSwitch.

:mod:`plugin` reads the options and selects a way of plugging by the class of the VIF. Each way is
a module with ``plan()`` and ``unplan()`` side by side:

* :mod:`native`, a ``VIFOpenVSwitch``: the guest's device is a port of Open vSwitch.
* :mod:`hybrid`, a ``VIFBridge``: a Linux bridge, and a veth pair to Open vSwitch.
* :mod:`vhost_user`, a ``VIFVHostUser``: a socket of a switch in user space.
* :mod:`representor`, a ``VIFHostDevice``: a virtual function, and the representor as the port.

The ways read the VIF and the options through :class:`context.VifContext`, and build names of
devices with :mod:`names`.
"""

from __future__ import annotations

from os_vif.plugins.ovs.context import port_ids
from os_vif.plugins.ovs.ovs_plugin import OvsPlugin

__all__ = ["OvsPlugin", "port_ids"]
