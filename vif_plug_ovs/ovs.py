# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The old path of the ``ovs`` plugin."""

from os_vif.plugins.ovs import OvsPlugin

__all__ = ["OvsPlugin"]
