# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import path of the public os-vif for :class:`BaseOVS`."""

import warnings

from vif_plug_ovs._base_ovs import BaseOVS

__all__ = ["BaseOVS"]

warnings.warn(
    "vif_plug_ovs.ovsdb.ovsdb_lib is deprecated: let a plugin plan with os_vif.steps",
    DeprecationWarning,
    stacklevel=2,
)
