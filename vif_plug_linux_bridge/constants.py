# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names that other programs import from here."""

PLUGIN_NAME = "linux_bridge"
