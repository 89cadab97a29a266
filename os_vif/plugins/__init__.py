# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The plugins of os-vif: ``linux_bridge``, ``noop``, ``ovs`` and ``sriov``.

A plugin returns plans of steps, and changes nothing on the host; the engine runs the plans.
"""
