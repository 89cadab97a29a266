# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Simulated guests, hypervisors and switches, for the demo, for tests and for plugin authors.

* :mod:`os_vif.testing.guests`: guests in private network namespaces, and a hypervisor that connects
  guests to bridges;
* :mod:`os_vif.testing.tap_bridge`: the network card of a guest on a persistent tap device;
* :mod:`os_vif.testing.open_vswitch`: a private Open vSwitch.

All classes are context managers: entering creates the processes and devices, and leaving removes
everything again, also after an error. No class keeps state outside its objects. The caller needs
``CAP_SYS_ADMIN`` and ``CAP_NET_ADMIN`` in the current network namespace; run the caller in a
private one (``unshare --net``), so that the devices of the host stay untouched. Failures raise
:class:`OSError`, or :class:`pyroute2.NetlinkError` for a refusal of the kernel.
"""
