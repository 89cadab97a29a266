# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Constants of the ``linux_bridge`` plugin, part of the public os-vif."""

PLUGIN_NAME = "linux_bridge"
