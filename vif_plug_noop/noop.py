# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import path of the public os-vif for :mod:`os_vif.plugins.noop`."""

from os_vif.plugins.noop import NoOpPlugin

__all__ = ["NoOpPlugin"]
