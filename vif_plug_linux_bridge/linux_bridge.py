# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import path of the public os-vif for the ``linux_bridge`` plugin."""

import warnings

from os_vif.plugins.linux_bridge import LinuxBridgePlugin

__all__ = ["LinuxBridgePlugin"]

warnings.warn(
    "vif_plug_linux_bridge.linux_bridge is deprecated: use os_vif.plugins.linux_bridge",
    DeprecationWarning,
    stacklevel=2,
)
