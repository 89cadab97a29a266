# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import paths of the public os-vif for the plugin :mod:`os_vif.plugins.linux_bridge`."""
