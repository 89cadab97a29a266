# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Steps on bridges and ports of Open vSwitch; exported by :mod:`os_vif.steps`.

``step`` has the base class and the contract. ``bridge``, ``port`` and ``hypervisor_port`` have the
steps of plans, ``restore`` the steps that only an undo has. ``port_rows``, ``stale_devices``,
``vsctl`` and ``vswitchd`` have functions on rows. The steps run in the caller, without privileges.
"""
