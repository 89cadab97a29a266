# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import path of the public os-vif for :mod:`os_vif.plugins.noop`."""
