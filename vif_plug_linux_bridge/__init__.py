# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Names that deployed hosts know. The plugin is :mod:`os_vif.plugins.linux_bridge`."""
